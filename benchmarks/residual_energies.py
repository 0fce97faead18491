"""What energies of residuals tell without any network: `python -m benchmarks.residual_energies DATA`.

DATA is the data root of a finished run (default `data`). A ridge regression on what the detector `residual_energy`
reads, averaged over 7×7 places, learns from the training faces. The AUROC of several strengths is printed on the
validation faces: the best of them is a little flattered.
"""

from __future__ import annotations

import sys
from pathlib import Path
from time import perf_counter

import numpy as np
import torch
from torch.nn import functional

from deepfake_pipeline.engine import tune_malloc, use_threads
from deepfake_pipeline.metrics.classification import Floats, auroc
from deepfake_pipeline.models.inputs import to_network
from deepfake_pipeline.models.residual_energy import ResidualEnergy
from deepfake_pipeline.tables.packed import PackedFaces, open_packed

PLACES = 7
AT_ONCE = 64
STRENGTHS = (10.0, 100.0, 1000.0, 10000.0)


@torch.inference_mode()
def energies(faces: PackedFaces) -> Floats:
    """``(N, 35 · 49)``."""
    network = ResidualEnergy().eval()
    parts = []
    for at in range(0, len(faces), AT_ONCE):
        images = to_network(torch.from_numpy(np.array(faces.images[at : at + AT_ONCE])), network.image_size)
        parts.append(functional.adaptive_avg_pool2d(network.energies(images), PLACES).flatten(1).numpy())
    return np.concatenate(parts).astype(np.float64)


def main(data: str = "data") -> None:
    """Print AUROC on validation faces by the strength of the ridge."""
    use_threads(2)
    tune_malloc()
    start = perf_counter()
    train, validation = (open_packed(Path(data) / "05_model_input" / split) for split in ("train", "validation"))
    known, judged = energies(train), energies(validation)
    mean, spread = known.mean(0), known.std(0) + 1e-9
    known, judged = (known - mean) / spread, (judged - mean) / spread
    wanted = np.where(train.labels == 1, 1.0, -1.0)
    products, answers = known.T @ known, known.T @ wanted
    print(f"{len(known)} training faces, {known.shape[1]} numbers each")
    for strength in STRENGTHS:
        weights = np.linalg.solve(products + strength * np.eye(len(products)), answers)
        print(f"ridge {strength:>7g}: validation AUROC {auroc(validation.labels, judged @ weights):.3f}")
    print(f"{perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main(*sys.argv[1:])
