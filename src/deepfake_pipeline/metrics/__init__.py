"""Pure functions: classification, calibration, confidence intervals, image fidelity."""
