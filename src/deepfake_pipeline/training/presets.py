"""Recipes of training: presets by name, and what single networks want otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Generic, Literal, TypeVar

from deepfake_pipeline.tables.errors import UserError
from deepfake_pipeline.training.config import (
    DetectorTraining,
    EnhancerTraining,
    JointTraining,
    LightTraining,
    LoopConfig,
    RouterTraining,
)

PresetName = Literal["sample", "paper", "small", "full"]
RouterPresetName = Literal["sample", "small", "full"]
PRESETS: tuple[PresetName, ...] = ("sample", "paper", "small", "full")

Config = TypeVar("Config", bound=LoopConfig)


@dataclass(frozen=True)
class Tuned:
    """What a preset says of one network.

    Attributes:
        network: fields of the network's own configuration.
        training: settings that differ from those of the preset.
    """

    network: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Preset(Generic[Config]):
    """A recipe of training, and what single networks want otherwise."""

    training: Config
    tuned: Mapping[str, Tuned] = field(default_factory=dict)


_ON_THE_WAY = (
    "jpeg",
    "webp",
    "downscale_upscale",
    "gaussian_blur",
    "motion_blur",
    "white_noise",
    "salt_and_pepper",
    "low_light",
)
"""What pictures go through before they come to be checked."""

_ONE_CYCLE: dict[str, Any] = {"schedule": "one_cycle", "patience": 0}
_RESTORE: dict[str, Any] = {
    "learning_rate": 2e-3,
    "gradient_clip": 10.0,
    "chain_share": 0.05,
    "conditional": True,
    "follows": True,
    **_ONE_CYCLE,
}

_LIGHT: dict[str, Any] = {
    "batch_size": 64,
    "learning_rate": 4e-3,
    "optimizer": "adamw",
    "weight_decay": 0.01,
    **_ONE_CYCLE,
}

# Whole faces: a shadow is told by the whole, and statistics of patches are not those of faces. The sample goes on from
# the packaged classifier, with small steps.
ROUTER_PRESETS: dict[RouterPresetName, Preset[RouterTraining]] = {
    "sample": Preset(RouterTraining(max_epochs=5, epoch_faces=576, batch_size=16, learning_rate=1e-3, **_ONE_CYCLE)),
    "small": Preset(RouterTraining(max_epochs=6, epoch_faces=5000, batch_size=16, learning_rate=4e-3, **_ONE_CYCLE)),
    "full": Preset(RouterTraining(max_epochs=40, batch_size=128, learning_rate=4e-3, **_ONE_CYCLE)),
}
# Thumbnails: a thousand a second and core.
LIGHT_PRESETS: dict[RouterPresetName, LightTraining] = {
    "sample": LightTraining(max_epochs=24, epoch_faces=1000, ema_decay=0.9, **_LIGHT),
    "small": LightTraining(max_epochs=25, epoch_faces=8000, ema_decay=0.99, **_LIGHT),
    "full": LightTraining(max_epochs=100, ema_decay=0.99, **_LIGHT),
}
# About an hour of a core for each network: regions to point at, poor pictures, averaged weights.
_LONG: dict[str, Any] = {
    "max_epochs": 40,
    "optimizer": "adamw",
    "learning_rate": 2e-3,
    "weight_decay": 0.05,
    "ema_decay": 0.998,
    "monitor": "val_auroc",
    "zoom": 0.15,
    "geometry_share": 0.25,
    "cutout": 0.3,
    "light": 0.2,
    "tint": 0.2,
    "region_weight": 1.0,
    "partial_share": 0.3,
    "degraded_share": 0.4,
    "degradations": _ON_THE_WAY,
    "severities": (1, 2, 3),
}
_COARSER_TOO: dict[str, Any] = {"scales": 3, "most": 10.0}
# What fine detail there is, judged alone, beside the pixels, and with coarser detail.
_THREE_VIEWS: tuple[dict[str, Any], ...] = (
    {"name": "residual_energy"},
    {"name": "residual_energy", "config": {"pixels": 48}},
    {"name": "residual_energy", "config": _COARSER_TOO},
)
DETECTOR_PRESETS: dict[PresetName, Preset[DetectorTraining]] = {
    # The rendered set: 290 faces, about a minute on two cores.
    "sample": Preset(
        DetectorTraining(
            max_epochs=24,
            batch_size=16,
            learning_rate=8e-4,
            geometry_share=0.25,
            ema_decay=0.98,
            monitor="val_auroc",
            **_ONE_CYCLE,
        ),
        {
            "cnn3": Tuned({"image_size": 128, "dropout": 0.2}),
            "residual_energy": Tuned(
                {"image_size": 160, "widths": (32, 48, 64), "depths": (1, 1, 1)}, {"region_weight": 1.0}
            ),
        },
    ),
    "paper": Preset(DetectorTraining(max_epochs=10, batch_size=32, patience=3, geometry_share=1.0)),
    # About 10,000 faces, minutes on two cores.
    "small": Preset(
        DetectorTraining(max_epochs=14, learning_rate=5e-4, light=0.15, **_ONE_CYCLE),
        {
            "cnn3": Tuned({"image_size": 96, "dropout": 0.3}),
            "meso4": Tuned({"dropout": 0.1}, {"max_epochs": 16, "learning_rate": 4e-3}),
            "resnet_small": Tuned({}, _LONG),
            "residual_energy": Tuned(_COARSER_TOO, _LONG),
            # Less than two hours of two cores that have bfloat16.
            "ensemble": Tuned({"members": _THREE_VIEWS}, {**_LONG, "max_epochs": 44}),
        },
    ),
    "full": Preset(
        DetectorTraining(max_epochs=60, batch_size=256, learning_rate=1e-3, compile=True, **_ONE_CYCLE),
        {
            "cnn3": Tuned({"dropout": 0.5}),
            "meso4": Tuned({"dropout": 0.1}, {"learning_rate": 8e-3}),
            "residual_energy": Tuned(_COARSER_TOO, _LONG),
            "ensemble": Tuned({"members": _THREE_VIEWS}, _LONG),
        },
    ),
}
# The recurrent U-Net of paper 000 in a form that minutes of two cores can train: docs/decisions/0010.
_TUNED = {
    "recurrent_unet": Tuned({"widths": (16, 32, 60), "fold": 2, "normalise": False, "light": True}),
    "recurrent_unet_wide": Tuned({}, {"learning_rate": 2e-3}),
    "nafnet": Tuned({}, {"learning_rate": 2e-3}),
}

ENHANCER_PRESETS: dict[PresetName, Preset[EnhancerTraining]] = {
    # The rendered set: half a minute on two cores, from where the packaged network stands.
    "sample": Preset(
        EnhancerTraining(max_epochs=2, epoch_faces=560, batch_size=8, patch=128, ema_decay=0.99, **_RESTORE), _TUNED
    ),
    # Paper 000: 45 epochs of 3 steps, nothing told.
    "paper": Preset(EnhancerTraining(max_epochs=45, epoch_faces=48, batch_size=16, patience=0)),
    # About 10,000 faces, some 10 minutes on two cores; the two larger networks take three times as long.
    "small": Preset(
        EnhancerTraining(max_epochs=6, epoch_faces=8000, batch_size=8, patch=128, ema_decay=0.998, **_RESTORE),
        _TUNED,
    ),
    "full": Preset(
        EnhancerTraining(max_epochs=200, batch_size=32, patch=0, ema_decay=0.999, compile=True, **_RESTORE), _TUNED
    ),
}
# Whole faces, since a detector judges them, and a small step: it starts from a trained enhancer.
_FURTHER: dict[str, Any] = {"learning_rate": 1e-3, "clean_share": 0.05, **_ONE_CYCLE}
JOINT_PRESETS: dict[PresetName, Preset[JointTraining]] = {
    "sample": Preset(JointTraining(max_epochs=3, epoch_faces=240, batch_size=8, **_FURTHER)),
    "paper": Preset(JointTraining(max_epochs=10, epoch_faces=48, batch_size=16, **_FURTHER)),
    "small": Preset(JointTraining(max_epochs=4, epoch_faces=1600, batch_size=8, **_FURTHER)),
    "full": Preset(JointTraining(max_epochs=40, batch_size=64, **_FURTHER)),
}


def resolved(
    preset: Preset[Config], network: str, network_config: Mapping[str, Any], changes: Mapping[str, Any]
) -> tuple[dict[str, Any], Config]:
    """Configuration and training of a network: the preset's, then what it says of this network, then the changes.

    Raises:
        UserError: no such setting, or a value out of its range.
    """
    tuned = preset.tuned.get(network, Tuned())
    settings = customised(preset.training, {**tuned.training, **changes})
    return {**tuned.network, **network_config}, settings


def customised(preset: Config, changes: Mapping[str, Any]) -> Config:
    """A preset with some of its settings changed.

    Raises:
        UserError: no such setting, or a value out of its range.
    """
    known = {setting.name for setting in fields(preset)}
    if unknown := changes.keys() - known:
        raise UserError(f"unknown setting {', '.join(sorted(unknown))}: one of {', '.join(sorted(known))}")
    return replace(preset, **changes)
