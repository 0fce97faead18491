"""Networks, one file each, and where they are looked up by name."""

from __future__ import annotations

from deepfake_pipeline.models.cnn3 import Cnn3
from deepfake_pipeline.models.degradation_classifier import DegradationClassifier
from deepfake_pipeline.models.detector import Detector, DetectorOutput
from deepfake_pipeline.models.efficientnet_b0 import EfficientNetB0
from deepfake_pipeline.models.enhancer import Enhancer
from deepfake_pipeline.models.ensemble import Ensemble
from deepfake_pipeline.models.frequency import Frequency
from deepfake_pipeline.models.hybrid import Hybrid
from deepfake_pipeline.models.light_estimator import LightEstimator
from deepfake_pipeline.models.meso4 import Meso4
from deepfake_pipeline.models.mesoinception4 import MesoInception4
from deepfake_pipeline.models.nafnet import NafNet
from deepfake_pipeline.models.recurrent_unet import RecurrentUNet, RecurrentUNetWide
from deepfake_pipeline.models.residual_energy import ResidualEnergy
from deepfake_pipeline.models.resnet18 import ResNet18
from deepfake_pipeline.models.resnet_small import ResNetSmall
from deepfake_pipeline.models.xception import Xception

DETECTORS: dict[str, type[Detector]] = {
    "cnn3": Cnn3,
    "meso4": Meso4,
    "mesoinception4": MesoInception4,
    "xception": Xception,
    "efficientnet_b0": EfficientNetB0,
    "resnet18": ResNet18,
    "resnet_small": ResNetSmall,
    "hybrid": Hybrid,
    "frequency": Frequency,
    "residual_energy": ResidualEnergy,
    "ensemble": Ensemble,
}
ENHANCERS: dict[str, type[Enhancer]] = {
    "recurrent_unet": RecurrentUNet,
    "recurrent_unet_wide": RecurrentUNetWide,
    "nafnet": NafNet,
}
CLASSIFIERS: dict[str, type[DegradationClassifier]] = {"degradation_classifier": DegradationClassifier}

__all__ = [
    "CLASSIFIERS",
    "DETECTORS",
    "ENHANCERS",
    "DegradationClassifier",
    "Detector",
    "DetectorOutput",
    "Enhancer",
    "LightEstimator",
    "RecurrentUNet",
]
