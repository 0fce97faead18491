"""Networks, one file each, and where they are looked up by name."""

from __future__ import annotations

from deepfake_pipeline.models.cnn3 import Cnn3
from deepfake_pipeline.models.detector import Detector, DetectorOutput
from deepfake_pipeline.models.meso4 import Meso4
from deepfake_pipeline.models.recurrent_unet import RecurrentUNet

DETECTORS: dict[str, type[Detector]] = {"cnn3": Cnn3, "meso4": Meso4}
ENHANCERS: dict[str, type[RecurrentUNet]] = {"recurrent_unet": RecurrentUNet}

__all__ = ["DETECTORS", "ENHANCERS", "Detector", "DetectorOutput", "RecurrentUNet"]
