"""Weights that the authors of MesoNet published as Keras ``.h5`` files (needs the extra ``keras``)."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from deepfake_pipeline.models.meso4 import Meso4
from deepfake_pipeline.models.mesoinception4 import MesoInception4
from deepfake_pipeline.tables.errors import UserError

MesoNet = TypeVar("MesoNet", Meso4, MesoInception4)


def meso4_from_keras(path: Path) -> Meso4:
    """Meso-4 with the authors' weights.

    Their sigmoid is the probability of *real*; the last layer is negated, so that here it is that of forged.

    Raises:
        UserError: no such file, or not the weights of a Meso-4.
    """
    return _from_keras(Meso4(), path, "Meso-4")


def mesoinception4_from_keras(path: Path) -> MesoInception4:
    """MesoInception-4 with the authors' weights; the last layer is negated as in :func:`meso4_from_keras`.

    Raises:
        UserError: no such file, or not the weights of a MesoInception-4.
    """
    return _from_keras(MesoInception4(), path, "MesoInception-4")


def _from_keras(network: MesoNet, path: Path, name: str) -> MesoNet:
    """Fill a network, whose layers stand in the order of the file."""
    if not path.is_file():
        raise UserError(f"{path} is no file")
    modules = [module for module in network.modules() if isinstance(module, nn.Conv2d | nn.BatchNorm2d | nn.Linear)]
    try:
        for module, weights in zip(modules, _layers(path), strict=True):
            _fill(module, weights)
    except (KeyError, ValueError, RuntimeError, OSError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(f"{path} does not hold the weights of a {name}: {reason}") from error
    with torch.no_grad():
        network.head.weight.neg_()
        network.head.bias.neg_()
    return network.eval()


def _layers(path: Path) -> list[dict[str, NDArray[np.float32]]]:
    """Weights of each layer that has some, in the order of the network."""
    import h5py

    with h5py.File(path) as file:
        layers = (file[name] for name in file.attrs["layer_names"])
        return [
            {
                key.decode().split("/")[-1].removesuffix(":0"): np.array(layer[key])
                for key in layer.attrs["weight_names"]
            }
            for layer in layers
            if len(layer.attrs["weight_names"])
        ]


def _fill(module: nn.Module, weights: dict[str, NDArray[np.float32]]) -> None:
    """Copy weights into a module; Keras keeps kernels as (height, width, in, out) and (in, out)."""
    names: dict[str, Any] = {"bias": weights.get("bias")}
    if isinstance(module, nn.BatchNorm2d):
        names = {
            "weight": weights["gamma"],
            "bias": weights["beta"],
            "running_mean": weights["moving_mean"],
            "running_var": weights["moving_variance"],
        }
    else:
        kernel = weights["kernel"]
        names["weight"] = kernel.transpose(3, 2, 0, 1) if kernel.ndim == 4 else kernel.T
    module.load_state_dict(
        {key: torch.from_numpy(np.ascontiguousarray(value)) for key, value in names.items()}, strict=False
    )
