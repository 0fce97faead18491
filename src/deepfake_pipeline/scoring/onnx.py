"""A release as ONNX files, for machines without torch; checked against torch before anything is written."""

from __future__ import annotations

import hashlib
import io
import json
import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from deepfake_pipeline.models.store import network_name
from deepfake_pipeline.scoring.calibration import Calibrator
from deepfake_pipeline.scoring.release import Release
from deepfake_pipeline.tables.errors import UserError

TOLERANCE = 1e-4  # largest difference to torch, in probability and in pixels of [0, 1]
BATCHES = (1, 2, 7)
OPSET = 20
INPUT = "images"
_RECORD = "export.json"
_ENHANCER_SIZES = ((64, 64), (37, 83))  # px, height and width: as they fit, and padded inside


class Exported(NamedTuple):
    """A network as an ONNX graph.

    Attributes:
        data: the bytes of the file; the weights are inside.
        output: name of what the graph computes.
        shape: of the input, with names where it is free.
        difference: largest one to torch in float32 that was measured.
    """

    data: bytes
    output: str
    shape: tuple[int | str, ...]
    difference: float


def export_release(release: Release, folder: Path) -> dict[str, Any]:
    """Write ``detector.onnx``, ``enhancer.onnx`` where there is one, and ``export.json``, which is returned.

    Input of both is ``images``, float32 NCHW, RGB in [0, 1]. The detector gives ``fake_probability``, ``(N,)``; the
    enhancer ``restored``, images of the input's size in [0, 1]. ``export.json`` is written last: where it is, the
    export is whole.

    Raises:
        UserError: a network cannot be exported, its graph differs from torch by more than 1e-4, or the folder
            cannot be written; of the first two nothing is written.
    """
    exported = {"detector": export_detector(release.detector, release.calibrator)}
    if release.enhancer is not None:
        exported["enhancer"] = export_enhancer(release.enhancer)
    networks: dict[str, nn.Module | None] = {"detector": release.detector, "enhancer": release.enhancer}
    record = {
        "release": release.name,
        "threshold": release.threshold,
        "geometry": release.geometry.model_dump(mode="json"),
        "tolerance": TOLERANCE,
        "files": {
            f"{name}.onnx": {
                "network": network_name(networks[name]),  # type: ignore[arg-type]
                "input": {"name": INPUT, "type": "float32", "shape": list(graph.shape), "range": [0, 1]},
                "output": {"name": graph.output, "type": "float32", "range": [0, 1]},
                "opset": OPSET,
                "bytes": len(graph.data),
                "sha256": hashlib.sha256(graph.data).hexdigest(),
                "largest_difference": graph.difference,
            }
            for name, graph in exported.items()
        },
    }
    try:
        _write(folder, {f"{name}.onnx": graph.data for name, graph in exported.items()}, record)
    except OSError as error:
        raise UserError(f"cannot write the export to {folder}: {error.strerror or error}") from error
    return record


def export_detector(detector: nn.Module, calibrator: Calibrator | None = None) -> Exported:
    """A detector with its calibration and sigmoid; the batch is free, height and width are the model's.

    Raises:
        UserError: it cannot be exported, or the graph differs from torch.
    """
    size = int(detector.image_size)  # type: ignore[arg-type]
    shape = ("batch", 3, size, size)
    return _export(_Judge(detector, calibrator or Calibrator()), "fake_probability", shape, [(size, size)])


def export_enhancer(enhancer: nn.Module) -> Exported:
    """An enhancer whose result is cut to [0, 1]; batch, height and width are free.

    Raises:
        UserError: it cannot be exported, or the graph differs from torch.
    """
    return _export(_Restore(enhancer), "restored", ("batch", 3, "height", "width"), _ENHANCER_SIZES)


class _Judge(nn.Module):
    places: Tensor
    turns: Tensor

    def __init__(self, network: nn.Module, calibrator: Calibrator) -> None:
        super().__init__()
        self.network = network
        self.slope, self.shift, hinges = calibrator.hinges()
        places, turns = zip(*hinges, strict=True) if hinges else ((), ())
        self.register_buffer("places", torch.tensor(places, dtype=torch.float32), persistent=False)
        self.register_buffer("turns", torch.tensor(turns, dtype=torch.float32), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        raw = self.network(images).logit
        logit = self.slope * raw + self.shift
        if len(self.places):
            logit = logit + ((raw.unsqueeze(1) - self.places).clamp_min(0) * self.turns).sum(dim=1)
        return torch.sigmoid(logit)


class _Restore(nn.Module):
    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        return self.network(images).clamp(0.0, 1.0)


def _export(module: nn.Module, output: str, shape: tuple[int | str, ...], sizes: Sequence[tuple[int, int]]) -> Exported:
    module = module.eval().to("cpu", torch.float32)
    try:
        data = _graph(module, output, shape, sizes[0])
    except Exception as error:  # the exporter passes on whatever the tracing of a network raises
        reason = (str(error) or type(error).__name__).strip().splitlines()[0][:200]
        raise UserError(f"the network cannot be exported to ONNX: {reason}") from error
    difference = largest_difference(data, module, sizes)
    if not difference <= TOLERANCE:  # NaN is no agreement either
        raise UserError(
            f"nothing was exported: {output} differs from torch by {difference:.2g}, more than {TOLERANCE:g}"
        )
    return Exported(data, output, shape, difference)


def _graph(module: nn.Module, output: str, shape: tuple[int | str, ...], size: tuple[int, int]) -> bytes:
    free = {axis: torch.export.Dim(name) for axis, name in enumerate(shape) if isinstance(name, str)}
    example = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(0))
    with _silence():
        program = torch.onnx.export(
            module,
            (example,),
            dynamo=True,
            verbose=False,
            opset_version=OPSET,
            input_names=[INPUT],
            output_names=[output],
            dynamic_shapes=({**free},),
        )
    if program is None:
        raise RuntimeError("the exporter gave no graph")
    model = program.model_proto
    for node in model.graph.node:
        del node.metadata_props[:]  # stack traces, with the paths of this machine
    return model.SerializeToString(deterministic=True)


@contextmanager
def _silence() -> Iterator[None]:
    """Keep the exporter's remarks, and the code that it prints when it fails, from the terminal."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


@torch.inference_mode()
def largest_difference(data: bytes, module: nn.Module, sizes: Sequence[tuple[int, int]]) -> float:
    """Largest difference between a graph and its network in float32, on random and extreme images.

    Args:
        data: the graph.
        module: the network, on the CPU.
        sizes: height and width in px to try, each with batches of 1, 2 and 7.

    Returns:
        The difference; NaN where a result is no number or has another shape.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    largest = 0.0
    for size in sizes:
        for images in _probes(size):
            found = session.run(None, {INPUT: images})[0]
            expected = module(torch.from_numpy(images)).numpy()
            if found.shape != expected.shape:
                return float("nan")
            largest = float(np.maximum(largest, np.abs(found - expected).max()))
    return largest


def _probes(size: tuple[int, int]) -> Iterator[NDArray[np.float32]]:
    """Batches of noise and of what no photograph is: black, white, a checkerboard, one colour, one bright pixel."""
    rng = np.random.default_rng(0)
    for count in BATCHES:
        yield rng.random((count, 3, *size), np.float32)
    extremes = np.zeros((5, 3, *size), np.float32)
    extremes[1] = 1.0
    extremes[2] = np.indices(size).sum(0) % 2
    extremes[3, 0] = 1.0
    extremes[4, :, size[0] // 2, size[1] // 2] = 1.0
    yield extremes
    for image in extremes:
        yield image[None]


def _write(folder: Path, files: dict[str, bytes], record: dict[str, Any]) -> None:
    """Each file beside and then renamed; an earlier export is no longer whole before the first of them changes."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(record, indent=2, ensure_ascii=False) + "\n"
    contents = {**files, _RECORD: text.encode()}
    beside = {name: folder / f".{name}.part" for name in contents}
    try:
        for name, data in contents.items():
            beside[name].write_bytes(data)
        (folder / _RECORD).unlink(missing_ok=True)
        if "enhancer.onnx" not in files:
            (folder / "enhancer.onnx").unlink(missing_ok=True)
        for name, path in beside.items():
            path.replace(folder / name)
    finally:
        for path in beside.values():
            path.unlink(missing_ok=True)
