"""Rendered pictures with exact truth: one face, or a crowd."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, field_validator

from deepfake_pipeline.media.render.head import build_head
from deepfake_pipeline.media.render.identity import expression_of, identity_of
from deepfake_pipeline.media.render.maps import Array, HeadMaps
from deepfake_pipeline.media.render.props import background, put_on_glasses, shoulders
from deepfake_pipeline.media.render.scene import Light, View, light_of, shade
from deepfake_pipeline.tables.errors import UserError
from deepfake_pipeline.tables.ids import stable_seed

RGBImage = NDArray[np.uint8]

_SUPER = 2  # samples a pixel and side
_DENSITY = 0.4, 4.0  # rows of the maps per mm, at least and at most
_MIDDLE = (0.0, -30.0, 70.0)  # mm: the middle of a face
_BUST = 210.0, 290.0  # mm: width and height that a head with its hair takes in a crowd
_BELOW = 35.0  # mm by which the middle of the face is below the middle of that
_SMALLEST = 0.15  # px per mm: faces about 20 px wide


class RenderParams(BaseModel):
    """The rendered set: built-in faces, no photographs."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    identities: int = Field(default=60, ge=2, le=100_000, description="How many people; even, they go in pairs.")
    images_per_identity: int = Field(default=4, ge=1, le=10_000, description="Pictures of each person.")
    size: int = Field(default=160, ge=64, le=1024, description="Height and width in px.")
    seed: int = Field(default=0, ge=0, description="Another seed gives other people.")
    yaw: float = Field(default=30.0, ge=0, le=45, description="Heads turn up to so many degrees to either side.")
    pitch: float = Field(default=12.0, ge=0, le=25, description="They nod up to so many degrees up or down.")
    roll: float = Field(default=15.0, ge=0, le=45, description="They lean up to so many degrees to either side.")

    @field_validator("identities")
    @classmethod
    def _even(cls, value: int) -> int:
        if value % 2:
            raise ValueError("must be even: identities 2k and 2k+1 are a pair")
        return value

    @property
    def pairs(self) -> int:
        """How many pairs of identities; forgeries stay inside a pair."""
        return self.identities // 2


@dataclass(frozen=True)
class FaceTruth:
    """Exact truth of one rendered face.

    Attributes:
        box: float32 (4,): x, y, w, h in px between pixel edges, from the upper forehead to the chin and from ear
            to ear, as face detectors draw it; the first pixel spans 0 to 1.
        landmarks: float32 (5, 2): x, y of left eye, right eye, nose tip, left and right mouth corner as seen in
            the image; pixel centres, the first pixel is (0, 0).
        yaw, pitch, roll: degrees; > 0 turns the face to the right of the image, up, and clockwise.
        identity: number of the person.
    """

    box: Array
    landmarks: Array
    yaw: float
    pitch: float
    roll: float
    identity: int


@dataclass(frozen=True)
class RenderedFace(FaceTruth):
    """A picture of one face: ``image`` uint8 (size, size, 3) RGB, the ``index``-th of its person."""

    image: RGBImage
    index: int


def render_face(identity: int, index: int, params: RenderParams | None = None) -> RenderedFace:
    """Picture ``index`` of person ``identity``: the same bytes for the same arguments, whatever came before."""
    params = params or RenderParams()
    rng = np.random.default_rng(stable_seed("rendered face", params.seed, identity, index))
    side = params.size * _SUPER
    light, view = light_of(rng), _pose(rng, params, side / rng.uniform(235, 300))
    view = view.placed(_MIDDLE, side * rng.uniform(0.45, 0.55), side * rng.uniform(0.48, 0.56))
    canvas = background(rng, side, side)
    truth = _draw(canvas, identity, params.seed, view, light, rng)
    return RenderedFace(**vars(truth), image=_photograph(canvas, rng), index=index)


def render_crowd(
    seed: int, faces: int, height: int, width: int, params: RenderParams | None = None
) -> tuple[RGBImage, list[FaceTruth]]:
    """A picture of several people under one light, no face covering another.

    Args:
        seed: another seed gives other people at other places.
        faces: how many.
        height: px.
        width: px.
        params: for the range of poses; the rest is not used.

    Returns:
        The image uint8 (height, width, 3) RGB and the truth of each face.

    Raises:
        UserError: so many faces would be too small in a picture of that size.
    """
    params = params or RenderParams()
    rng = np.random.default_rng(stable_seed("rendered crowd", seed, faces, height, width))
    rows, columns = _seats(faces, height, width)
    cell_w, cell_h = width * _SUPER / columns, height * _SUPER / rows
    largest = min(cell_w / _BUST[0], cell_h / _BUST[1])
    if largest < _SMALLEST * _SUPER:
        raise UserError(f"{faces} faces do not fit into {width}x{height} px; ask for fewer, or a larger picture")
    canvas = background(rng, height * _SUPER, width * _SUPER)
    light, truths = light_of(rng), []
    for seat in range(faces):  # from the last row to the first: shoulders are hidden by those in front
        scale = max(largest * float(rng.uniform(0.6, 1.0)), _SMALLEST * _SUPER)
        spare_x, spare_y = cell_w - scale * _BUST[0], cell_h - scale * _BUST[1]
        x = (seat % columns + 0.5) * cell_w + spare_x * rng.uniform(-0.5, 0.5)
        y = (seat // columns + 0.5) * cell_h + spare_y * rng.uniform(-0.5, 0.5) + _BELOW * scale
        view = _pose(rng, params, scale).placed(_MIDDLE, x, y)
        truths.append(_draw(canvas, int(rng.integers(1 << 31)), seed, view, light, rng))
    return _photograph(canvas, rng), truths


def _seats(faces: int, height: int, width: int) -> tuple[int, int]:
    """Rows and columns that leave the most room to each face."""
    if faces < 1:
        raise UserError(f"faces is {faces}; a crowd has at least one")
    options = [(rows, -(-faces // rows)) for rows in range(1, faces + 1)]
    return max(options, key=lambda seats: min(height / seats[0] / _BUST[1], width / seats[1] / _BUST[0]))


def _pose(rng: np.random.Generator, params: RenderParams, scale: float) -> View:
    roll = float(np.clip(rng.normal(0, 0.45), -1, 1)) * params.roll
    yaw, pitch = (float(rng.uniform(-1, 1)) * limit for limit in (params.yaw, params.pitch))
    return View(yaw, pitch, roll, float(scale))


def _draw(canvas: Array, number: int, seed: int, view: View, light: Light, rng: np.random.Generator) -> FaceTruth:
    """Draw one person into a linear RGB canvas and tell where it is, in px of the final picture."""
    person = identity_of(seed, number)
    head = build_head(person, expression_of(rng), float(np.clip(view.scale, *_DENSITY)))
    left, top = (max(0, int(at - reach * view.scale)) for at, reach in ((view.x, 270), (view.y, 190)))
    window = canvas[top:, left : int(view.x + 270 * view.scale)]
    height, width = window.shape[:2]
    local = View(view.yaw, view.pitch, view.roll, view.scale, view.x - left, view.y - top)
    picture, cover = shade(head, local, light, height, width)
    put_on_glasses(picture, person, head, local)
    window += (picture - window) * cover[..., None]
    cloth, worn = shoulders(person, local, light, rng, height, width)
    if len(cloth):
        cover[int(max(0, local.y + 120 * view.scale)) :] = 0  # neck and chest cast none
        shadow = cv2.GaussianBlur(cover, (0, 0), 14 * view.scale)
        shadow = np.roll(shadow, int(25 * view.scale), axis=0)[-len(cloth) :]  # of the head on the chest
        below = window[-len(cloth) :]
        below += (cloth * (1 - 0.6 * shadow[..., None]) - below) * worn[..., None]
    return _truth(head, view, number)


def _truth(head: HeadMaps, view: View, number: int) -> FaceTruth:
    landmarks = (view.project(head.landmarks) + 0.5) / _SUPER - 0.5
    outline = (view.project(head.outline) + 0.5) / _SUPER
    low, high = outline.min(axis=0), outline.max(axis=0)
    box = np.concatenate([low, high - low]).astype(np.float32)
    return FaceTruth(box, landmarks.astype(np.float32), view.yaw, view.pitch, view.roll, number)


def _photograph(canvas: Array, rng: np.random.Generator) -> RGBImage:
    """Lens, exposure and sensor: linear RGB at ``_SUPER`` times the size to uint8.

    Noise has a part that grows with the signal (photons) and one that does not, and its colour is coarser than
    its brightness, as after demosaicing.
    """
    height, width = canvas.shape[0] // _SUPER, canvas.shape[1] // _SUPER
    blurred = cv2.GaussianBlur(canvas, (0, 0), _SUPER * float(rng.uniform(0.35, 0.6)))
    small = cv2.resize(blurred, (width, height), interpolation=cv2.INTER_AREA)
    linear = np.clip(small * np.float32(rng.uniform(0.85, 1.25)), 0, 1)
    encoded = np.where(linear < 0.0031308, 12.92 * linear, 1.055 * linear ** np.float32(1 / 2.4) - 0.055)
    level = np.float32(rng.uniform(1.0, 3.5) / 255)
    noise = 0.85 * rng.standard_normal((height, width, 1), np.float32)
    noise = noise + cv2.GaussianBlur(rng.standard_normal((height, width, 3), np.float32), (0, 0), 0.8)
    encoded = encoded + level * noise * (0.5 + np.sqrt(linear))
    return np.asarray(np.round(np.clip(encoded, 0, 1) * 255), np.uint8)
