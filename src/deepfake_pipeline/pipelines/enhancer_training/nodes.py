"""Nodes of the enhancer's training."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from deepfake_pipeline.degrade.params import DegradationParams
from deepfake_pipeline.degrade.recipes import recipes_of_split
from deepfake_pipeline.pipelines.compute import ComputeParams
from deepfake_pipeline.pipelines.enhancer_training.params import EnhancerParams
from deepfake_pipeline.pipelines.training_params import network_to_start_from, runtime
from deepfake_pipeline.reporting.training import history_chart
from deepfake_pipeline.tables import Table
from deepfake_pipeline.tables.packed import PackedFaces
from deepfake_pipeline.training.enhancer import train_enhancer
from deepfake_pipeline.training.restoration import one_recipe_a_face
from deepfake_pipeline.training.result import History


def train(
    train_faces: PackedFaces,
    validation_faces: PackedFaces,
    recipes: Table,
    params: EnhancerParams,
    degradation: DegradationParams,
    compute: ComputeParams,
    checkpoints: Path,
) -> tuple[nn.Module, History]:
    """The enhancer of the best epoch, and what each epoch gave."""
    network_config, settings = params.resolved
    fitted = train_enhancer(
        train_faces,
        validation_faces,
        one_recipe_a_face(recipes_of_split(recipes, "validation")),
        network=params.network,
        network_config=network_config,
        settings=settings,
        degradations=degradation.names,
        severities=degradation.severities,
        runtime=runtime(compute, checkpoints),
        start=network_to_start_from(params.start, "enhancer"),
    )
    return fitted.network, fitted.history


def draw_history(history: History) -> tuple[bytes, dict[str, object]]:
    """Training curves, as picture and interactive."""
    return history_chart("Enhancer: loss by epoch", history).drawn()
