"""What the parameters of both training pipelines share: a network, a preset, and changes of single settings."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator

from deepfake_pipeline.models.store import network_config, packaged_network
from deepfake_pipeline.pipelines.compute import ComputeParams
from deepfake_pipeline.training.config import LoopConfig
from deepfake_pipeline.training.presets import Preset, PresetName, resolved
from deepfake_pipeline.training.result import Runtime

Start = Literal["anew", "packaged"]
START = "Where training starts: anew, or from the packaged release's network, if that is of the same form."

Config = TypeVar("Config", bound=LoopConfig)


class NetworkTrainingParams(BaseModel, Generic[Config]):
    """A network and how it is trained."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    networks: ClassVar[dict[str, Any]]
    presets: ClassVar[dict[PresetName, Preset[Any]]]

    network: str = Field(description="Name of the network.")
    network_config: dict[str, Any] = Field(default={}, description="Fields of the network's own configuration.")
    start: Start = Field(default="anew", description=START)
    preset: PresetName = Field(default="small", description="sample, paper, small (two cores, minutes) or full (CUDA).")
    training: dict[str, Any] = Field(default={}, description="Settings that replace those of the preset.")

    @model_validator(mode="after")
    def _check(self) -> NetworkTrainingParams[Config]:
        if self.network not in self.networks:
            raise ValueError(f"unknown network '{self.network}': one of {', '.join(self.networks)}")
        network_config(self.network, self.resolved[0])
        return self

    @property
    def resolved(self) -> tuple[dict[str, Any], Config]:
        """The network's configuration and the settings of its training."""
        config, settings = resolved(self.presets[self.preset], self.network, self.network_config, self.training)
        checked: Config = TypeAdapter(type(settings)).validate_python(asdict(settings))
        return config, checked


def network_to_start_from(start: Start, role: str) -> bytes | None:
    """The network that a training goes on from; None = it starts anew."""
    return packaged_network(role) if start == "packaged" else None


def runtime(compute: ComputeParams, checkpoints: Path) -> Runtime:
    """Where and how a network is trained."""
    return Runtime(compute.seed, compute.threads, compute.loader_workers, compute.accelerator, checkpoints)
