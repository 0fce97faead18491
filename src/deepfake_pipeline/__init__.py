"""Deepfake datasets in, judged and explained detectors out: a Kedro project for data teams."""

__version__ = "0.1.0"
