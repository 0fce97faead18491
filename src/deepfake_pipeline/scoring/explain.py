"""Where a detector sees forgery in a face: heat maps, and pictures of them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from deepfake_pipeline.metrics.classification import Floats
from deepfake_pipeline.models.ensemble import Ensemble
from deepfake_pipeline.models.inputs import to_network
from deepfake_pipeline.models.run import DetectorRunner
from deepfake_pipeline.tables.errors import UserError
from deepfake_pipeline.tables.ids import sha256_hex

Image = NDArray[np.uint8]

WINDOWS = 8
"""Places in a row, and in a column, at which a face is covered."""
_SPAN = 0.2  # side of the window that covers, as a share of the face's
_SOFT = 0.06  # sigma of the blur that covers, likewise
_STRENGTH = 0.55  # of the colours over the face
_LONGEST = 200  # bytes of a file name that its overlay keeps: file systems take 255 with what is added


def occlusion(judge: DetectorRunner, picture: Image) -> Floats:
    """How much the log-odds of forgery fall where a window of the face is covered (after Zeiler and Fergus 2014).

    A window is covered in two ways, by a blurred and by a sharpened copy, and the larger fall counts: a forgery may be
    given away by detail that should not be there, or by detail that is missing.

    Args:
        judge: the detector.
        picture: RGB uint8 ``(H, W, 3)``.

    Returns:
        float64 ``(H, W)``, in nats: the mean over the windows that cover a pixel; above 0 it speaks for forgery.
    """
    height, width = picture.shape[:2]
    boxes = [(*down, *across) for down in _windows(height) for across in _windows(width)]
    masks = np.zeros((len(boxes), height, width), bool)
    for mask, (top, bottom, left, right) in zip(masks, boxes, strict=True):
        mask[top:bottom, left:right] = True
    falls = _falls(judge, picture, masks)
    return np.asarray(np.tensordot(falls, masks, axes=1) / np.maximum(masks.sum(axis=0), 1))


def _falls(judge: DetectorRunner, picture: Image, masks: NDArray[np.bool_]) -> Floats:
    """How much the log-odds fall where each mask ``(M, H, W)`` is covered, by the cover that does more; ``(M,)``."""
    versions = [np.where(masks[..., None], cover(picture), picture) for cover in COVERS]
    logits = judge.judge(np.concatenate([picture[None], *versions])).logit.astype(np.float64)
    return np.asarray((logits[0] - logits[1:]).reshape(len(COVERS), -1).max(axis=0))


def grad_cam(judge: DetectorRunner, picture: Image) -> Floats:
    """What the last feature map says for forgery (Selvaraju et al. 2017, "Grad-CAM"): coarse, at the cost of one pass.

    Args:
        judge: the detector; its feature map must lead to its logit. Of an ensemble the members' maps are added.
        picture: RGB uint8 ``(H, W, 3)``.

    Returns:
        float64 ``(H, W)``, at least 0; only the order of places counts.

    Raises:
        UserError: the logit does not depend on the feature map.
    """
    with torch.enable_grad():
        inputs = to_network(torch.from_numpy(picture[None].copy()).to(judge.device), judge.image_size).requires_grad_()
        outputs = (
            network.judged_by_each(inputs) if isinstance(network := judge.network, Ensemble) else [network(inputs)]
        )
        warmth = network.temperatures.tolist() if isinstance(network, Ensemble) else [1.0]
        logit = torch.stack([one.logit.sum() / by for one, by in zip(outputs, warmth, strict=True)]).mean()
        slopes = torch.autograd.grad(logit, [one.feature_map for one in outputs], allow_unused=True)
    total = torch.zeros(picture.shape[:2], dtype=torch.float64)
    for output, slope in zip(outputs, slopes, strict=True):
        if slope is None:
            raise UserError("the feature map of this detector does not lead to its logit: explain it by occlusion")
        weight = slope.mean(dim=(2, 3), keepdim=True)
        coarse = (weight * output.feature_map).sum(dim=1, keepdim=True)
        fine = functional.interpolate(coarse, picture.shape[:2], mode="bilinear", align_corners=False)
        total += fine[0, 0].detach().double().cpu()
    return np.asarray(functional.relu(total).numpy())


EXPLANATIONS: dict[str, Callable[[DetectorRunner, Image], Floats]] = {"occlusion": occlusion, "grad_cam": grad_cam}
"""Heat maps by name; the first one is used where none is asked for."""


def blurred(picture: Image) -> Image:
    """The picture without its detail, of the same colours."""
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), max(_SOFT * max(picture.shape[:2]), 1.0)), np.uint8)


def sharpened(picture: Image) -> Image:
    """The picture with its finest detail doubled."""
    values = picture.astype(np.float32)
    return np.asarray(np.clip(np.rint(2 * values - cv2.GaussianBlur(values, (0, 0), 1.5)), 0, 255), np.uint8)


COVERS = (blurred, sharpened)


def overlay(picture: Image, heat: Floats) -> Image:
    """The face beside its heat map: the stronger the red, the more a place speaks for forgery; uint8 (H, 2 W, 3)."""
    strength = np.maximum(heat, 0)
    top = float(strength.max())
    share = (strength / top if top > 0 else strength)[..., None] * _STRENGTH
    red = np.array([214, 40, 40], np.float64)
    grey = np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), np.float64)[..., None].repeat(3, axis=2)
    shown = np.rint(grey * (1 - share) + red * share).astype(np.uint8)
    return np.concatenate([picture, shown], axis=1)


class Explainer:
    """Writes the overlay of each face that is scored into a folder.

    Args:
        folder: where to; it is made if it is not there.
        method: one of ``EXPLANATIONS``.

    Raises:
        UserError: the folder cannot be made.
    """

    def __init__(self, folder: Path, method: str = "occlusion") -> None:
        self.folder, self.explain = folder, EXPLANATIONS[method]
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"cannot make the folder {folder}: {error.strerror}") from error

    def write(self, judge: DetectorRunner, picture: Image, row: dict[str, Any]) -> Path:
        """Write the overlay of one face, and return where: file name, hash of the path, frame and face make the name.

        Raises:
            UserError: the file cannot be written.
        """
        source = str(row["path"])
        place = f"{row.get('frame') or 0:06d}-{row.get('face') or 0:02d}"
        name = Path(source).name.encode()[:_LONGEST].decode(errors="ignore")
        path = self.folder / f"{name}-{sha256_hex(source.encode())[:8]}-{place}.png"
        _, data = cv2.imencode(".png", overlay(picture, self.explain(judge, picture))[..., ::-1])
        beside = path.with_name(f".{path.name}.part")
        try:
            beside.write_bytes(data.tobytes())
            beside.replace(path)
        except OSError as error:
            with suppress(OSError):
                beside.unlink(missing_ok=True)
            raise UserError(f"cannot write {path}: {error.strerror}") from error
        return path


def deletion_falls(
    judge: DetectorRunner, picture: Image, heat: Floats, share: float, rng: np.random.Generator, draws: int = 8
) -> tuple[float, float]:
    """How much the log-odds fall when the highest-ranked places are covered, and when as many random ones are.

    Random places are the same map turned and shifted round the borders, so that they hang together as much as those
    of the map: single pixels here and there would be no fair rival.

    Args:
        judge: the detector.
        picture: RGB uint8 ``(H, W, 3)``.
        heat: ``(H, W)``.
        share: of the pixels that is deleted, in (0, 1).
        rng: of the random places.
        draws: random deletions, of which the mean is taken.
    """
    number = max(1, round(share * heat.size))
    ranked = np.zeros(heat.size, bool)
    ranked[np.argsort(-heat, axis=None, kind="stable")[:number]] = True
    mask = ranked.reshape(heat.shape)
    height, width = heat.shape
    masks = [mask]
    for _ in range(draws):
        turned = mask[:: rng.choice([-1, 1]), :: rng.choice([-1, 1])]
        masks.append(np.roll(turned, (int(rng.integers(height)), int(rng.integers(width))), axis=(0, 1)))
    falls = _falls(judge, picture, np.stack(masks))
    return float(falls[0]), float(falls[1:].mean())


def _windows(length: int) -> list[tuple[int, int]]:
    """Where windows begin and end along one side, evenly, the last one at the border."""
    span = max(1, round(_SPAN * length))
    starts = np.linspace(0, length - span, WINDOWS).round().astype(int)
    return [(int(start), int(start) + span) for start in starts]
