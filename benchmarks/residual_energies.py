"""What energies of residuals tell without any network: `python -m benchmarks.residual_energies DATA`.

DATA is the data root of a finished run (default `data`). A ridge regression on what the detector `residual_energy`
reads, averaged over 7×7 places, learns from the training faces. The AUROC of several strengths is printed on the
validation faces: the best of them is a little flattered.
"""

from __future__ import annotations

import sys
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from deepfake_pipeline.engine import tune_malloc, use_threads
from deepfake_pipeline.metrics.classification import Floats, auroc
from deepfake_pipeline.models.inputs import to_network
from deepfake_pipeline.models.residual_energy import ResidualEnergy, ResidualEnergyConfig
from deepfake_pipeline.tables.packed import PackedFaces, open_packed

Labels = NDArray[np.integer[Any]]

PLACES = 7
AT_ONCE = 64
STRENGTHS = (10.0, 100.0, 1000.0, 10000.0)
FORMS = (
    ResidualEnergyConfig(),
    ResidualEnergyConfig(most=10.0),
    ResidualEnergyConfig(scales=3),
    ResidualEnergyConfig(scales=3, most=10.0),
)


@torch.inference_mode()
def energies(faces: PackedFaces, form: ResidualEnergyConfig) -> Floats:
    """``(N, 35 · 49)``; of three scales 51 · 49."""
    network = ResidualEnergy(form).eval()
    parts = []
    for at in range(0, len(faces), AT_ONCE):
        images = to_network(torch.from_numpy(np.array(faces.images[at : at + AT_ONCE])), network.image_size)
        parts.append(functional.adaptive_avg_pool2d(network.energies(images), PLACES).flatten(1).numpy())
    return np.concatenate(parts).astype(np.float64)


def main(data: str = "data") -> None:
    """Print AUROC on validation faces by what is measured and by the strength of the ridge."""
    use_threads(2)
    tune_malloc()
    start = perf_counter()
    train, validation = (open_packed(Path(data) / "05_model_input" / split) for split in ("train", "validation"))
    print(f"{len(train)} training faces")
    print(f"{'scales':>6} {'most':>5} {'numbers':>8}", *(f"ridge {strength:>6g}" for strength in STRENGTHS))
    for form in FORMS:
        known, judged = energies(train, form), energies(validation, form)
        mean, spread = known.mean(0), known.std(0) + 1e-9
        found = _aurocs(train.labels, (known - mean) / spread, validation.labels, (judged - mean) / spread)
        print(f"{form.scales:>6} {form.most:>5g} {known.shape[1]:>8}", *(f"{value:>12.3f}" for value in found))
    print(f"{perf_counter() - start:.0f} s")


def _aurocs(labels: Labels, known: Floats, other_labels: Labels, judged: Floats) -> list[float]:
    """On the faces that are judged, for each strength of a ridge on the known ones."""
    products, answers = known.T @ known, known.T @ np.where(labels == 1, 1.0, -1.0)
    ridges = (strength * np.eye(len(products)) for strength in STRENGTHS)
    return [float(auroc(other_labels, judged @ np.linalg.solve(products + ridge, answers))) for ridge in ridges]


if __name__ == "__main__":
    main(*sys.argv[1:])
