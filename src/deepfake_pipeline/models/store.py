"""Networks as safetensors: equal bytes for equal weights, safe to load, with the configuration inside."""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from importlib import resources
from typing import Any, Literal, get_args

import safetensors
import torch
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor, nn

from deepfake_pipeline.models import CLASSIFIERS, DETECTORS, ENHANCERS
from deepfake_pipeline.tables.errors import UserError

NETWORKS: dict[str, Any] = {**DETECTORS, **ENHANCERS, **CLASSIFIERS}
Precision = Literal["float32", "float16"]
_HEADER = "network"  # one key only: the order of several is not stable
_MATRIX = 2  # axes


def network_bytes(network: nn.Module, *, precision: Precision = "float32", **notes: Any) -> bytes:
    """The network as safetensors; the header holds its name, configuration and ``notes`` (JSON values).

    Args:
        network: any of this project.
        precision: of the weights in the file; ``float16`` halves it, and the header says so. Vectors (biases and
            what batch normalisation has measured: few numbers of very different size) always stay float32.
        notes: more fields of the header.

    Raises:
        UserError: a weight is too large for float16.
    """
    header = {"name": network_name(network), "config": asdict(network.config), **notes}  # type: ignore[call-overload]
    if precision != "float32":
        header["precision"] = precision
    tensors = {key: _stored(key, value, precision) for key, value in network.state_dict().items()}
    return save_tensors(tensors, {_HEADER: json.dumps(header, sort_keys=True)})


def _stored(name: str, value: Tensor, precision: Precision) -> Tensor:
    kept = value.detach().cpu().contiguous()
    if precision == "float32" or not kept.is_floating_point() or kept.ndim < _MATRIX:
        return kept
    rounded = kept.to(torch.float16)
    if not torch.equal(rounded.isfinite(), kept.isfinite()):
        raise UserError(f"{name} has weights above {torch.finfo(torch.float16).max:g}: store the network in float32")
    return rounded


def rounded_network(network: nn.Module, precision: Precision) -> nn.Module:
    """The network as it would be loaded again, computing in float32 with the weights that the file would hold."""
    return load_network(network_bytes(network, precision=precision))


def network_name(network: nn.Module) -> str:
    """Name by which a network is looked up."""
    return next(name for name, kind in NETWORKS.items() if type(network) is kind)


def network_header(data: bytes) -> dict[str, Any]:
    """Name, configuration and notes of a stored network.

    Raises:
        UserError: the bytes are no network of this project.
    """
    try:
        length = int.from_bytes(data[:8], "little")
        header: dict[str, Any] = json.loads(json.loads(data[8 : 8 + length])["__metadata__"][_HEADER])
    except (ValueError, KeyError, TypeError) as error:
        raise UserError("not a network of this project: its safetensors header lacks 'network'") from error
    return header


def stored_precision(data: bytes) -> Precision:
    """In which precision a network was stored.

    Raises:
        UserError: the bytes are no network of this project, or of a precision that is not known here.
    """
    precision: Any = network_header(data).get("precision", "float32")
    if precision not in get_args(Precision):
        raise UserError(
            f"cannot load the network: its precision is {precision}, not {' or '.join(get_args(Precision))}"
        )
    return precision


def load_network(data: bytes) -> nn.Module:
    """Build the network that :func:`network_bytes` stored, in float32 and evaluation mode.

    Raises:
        UserError: the bytes are no network of this project, or its weights do not fit its configuration.
    """
    header = network_header(data)
    try:
        network = build_network(header["name"], header["config"])
        network.load_state_dict(load_tensors(data))
    except (KeyError, TypeError, RuntimeError, safetensors.SafetensorError) as error:
        raise UserError(f"cannot load the network: {str(error).splitlines()[0]}") from error
    return network.eval()


def packaged_network(role: str) -> bytes:
    """The file of a network of the release that comes with the package: ``detector``, ``enhancer`` or ``router``."""
    return (resources.files("deepfake_pipeline") / "releases" / "packaged" / f"{role}.safetensors").read_bytes()


def network_config(name: str, given: dict[str, Any] | None = None) -> Any:
    """Configuration of a network by its name, with the given fields.

    Raises:
        UserError: no such network, or no such field.
    """
    if name not in NETWORKS:
        raise UserError(f"unknown network '{name}': one of {', '.join(sorted(NETWORKS))}")
    config_class: Any = NETWORKS[name].config_class
    known = {field.name for field in fields(config_class)}
    if unknown := (given or {}).keys() - known:
        raise UserError(f"network '{name}' has no {', '.join(sorted(unknown))}: it has {', '.join(sorted(known))}")
    values = {key: tuple(value) if isinstance(value, list) else value for key, value in (given or {}).items()}
    return config_class(**values)


def build_network(name: str, config: dict[str, Any] | None = None) -> nn.Module:
    """A new network by its name, with the given fields of its configuration.

    Raises:
        UserError: no such network, or no such field.
    """
    settings = network_config(name, config)
    network: Any = NETWORKS[name]
    built: nn.Module = network(settings)
    return built


def parameter_count(network: nn.Module) -> int:
    """Number of trainable parameters."""
    return sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)
