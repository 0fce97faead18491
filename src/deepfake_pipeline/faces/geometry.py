"""Cutting faces: the one way in which extraction and scoring come from an image to a crop."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from deepfake_pipeline.faces.align import Matrix, aligning, filling, framing, warp
from deepfake_pipeline.faces.boxes import corners
from deepfake_pipeline.faces.detections import Detection, Detections, Image
from deepfake_pipeline.faces.params import FaceParams
from deepfake_pipeline.media.images import resize
from deepfake_pipeline.media.study import DatasetStudy
from deepfake_pipeline.tables import Table
from deepfake_pipeline.tables.errors import UserError

FACE_CROP_COVER = 0.5  # share of a picture that a face covers when the picture is a face crop
_RIVAL = 0.25  # a second face of this share of the first one's area makes it a picture of several people


class CropGeometry(BaseModel):
    """What it takes to cut from a new photograph the kind of crop that a network was trained on.

    Kinds: ``aligned``, by the five points; ``box``, the square around the face box; ``given``, crops that came
    with the dataset: a face is cut such that its box lies where it lies in them; ``whole``, all of the image.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["aligned", "box", "given", "whole"] = Field(description="how a face is cut")
    height: int = Field(ge=16, le=1024, description="px of the crop")
    width: int = Field(ge=16, le=1024, description="px of the crop")
    faces: FaceParams = Field(description="detector, margin and which faces are kept")
    face_box: tuple[float, float, float, float] | None = Field(
        None, description="given crops: median x, y, w, h of the face box in them, as shares of the crop"
    )
    aspect: float = Field(1.0, gt=0, description="given crops: median of width over height before resizing")

    def to_json(self) -> str:
        """As JSON; :meth:`from_json` gives an equal geometry."""
        return self.model_dump_json(indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> CropGeometry:
        """Read what :meth:`to_json` wrote.

        Raises:
            UserError: not JSON of a crop geometry; one line.
        """
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(str(part) for part in first["loc"])
            raise UserError(f"crop geometry: {key}: {first['msg']}") from error


def crop_geometry(study: DatasetStudy, params: FaceParams) -> CropGeometry:
    """What a study and its face parameters say about the crops; where faces lie in given crops is left open."""
    kind: Literal["aligned", "box", "given", "whole"] = "aligned" if params.align else "box"
    if study.crop != "face":
        kind = "whole"
    elif params.given_crops:
        kind = "given"
    return CropGeometry(kind=kind, height=study.height, width=study.width, faces=params)


def measure_geometry(
    faces: Table, study: DatasetStudy, params: FaceParams, manifest: Table | None = None
) -> CropGeometry:
    """The geometry of the crops of a table; in given crops it is measured where faces lie.

    Args:
        faces: table ``FACES``; of given crops only the training rows are read, where there are any.
        study: for size and kind of the crops.
        params: for detector, alignment and margin.
        manifest: table ``MANIFEST``, needed for given crops: their sizes stand there.

    Raises:
        ValueError: given crops without a manifest.
    """
    geometry = crop_geometry(study, params)
    if geometry.kind != "given":
        return geometry
    if manifest is None:
        raise ValueError("the geometry of given crops needs the manifest, for the sizes of the crops")
    return geometry.model_copy(update=_where_faces_lie(faces, manifest))


def cut(image: Image, detection: Detection | None, geometry: CropGeometry) -> Image:
    """The crop of one face.

    Args:
        image: RGB uint8 ``(H, W, 3)``.
        detection: the face; None takes the whole image for the crop, as with given crops.
        geometry: which kind of crop.

    Returns:
        RGB uint8 ``(geometry.height, geometry.width, 3)``.
    """
    if detection is None or geometry.kind == "whole":
        return resize(image, geometry.height, geometry.width)
    return warp(image, placement(detection, geometry), geometry.height, geometry.width)


def placement(detection: Detection, geometry: CropGeometry) -> Matrix:
    """The transform ``(2, 3)`` from image to crop by which :func:`cut` cuts a face.

    A face without points is not aligned but framed, and so is one where no box is known in given crops.
    """
    size = geometry.height, geometry.width
    if geometry.kind == "aligned" and detection.landmarks is not None and np.ptp(detection.landmarks) > 0:
        return aligning(detection.landmarks, *size, geometry.faces.margin)
    if geometry.kind == "given" and geometry.face_box is not None:
        return filling(_region(detection.box, geometry.face_box, geometry.aspect), *size)
    return framing(detection.box, *size, geometry.faces.margin)


def is_face_crop(image: Image, detections: Detections) -> bool:
    """True if a picture already is a crop of one face.

    That is: of all faces one is at least twice as long and wide as any other, and what is seen of its box covers
    at least half of the picture. Crops in common use have 0.45 (30 % larger than the face box) to 1.0;
    photographs of people less than 0.3, tight portraits up to 0.5.

    Args:
        image: RGB uint8 ``(H, W, 3)``.
        detections: the faces found in it.
    """
    if not len(detections):
        return False
    height, width = image.shape[:2]
    seen = np.clip(corners(detections.boxes), 0, [width, height, width, height])
    areas = np.sort((seen[:, 2] - seen[:, 0]) * (seen[:, 3] - seen[:, 1]))[::-1]
    alone = len(areas) == 1 or areas[1] < _RIVAL * areas[0]
    return bool(alone and areas[0] >= FACE_CROP_COVER * height * width)


def _region(box: npt.ArrayLike, face_box: tuple[float, float, float, float], aspect: float) -> list[float]:
    """Where a given-like crop lies around a face: the boxes share their centre and their area, in shares."""
    x, y, w, h = np.asarray(box, np.float64)
    left, top, across, down = face_box
    area = w * h / (across * down)
    width, height = math.sqrt(area * aspect), math.sqrt(area / aspect)
    return [x + w / 2 - (left + across / 2) * width, y + h / 2 - (top + down / 2) * height, width, height]


def _where_faces_lie(faces: Table, manifest: Table) -> dict[str, object]:
    found = faces.read(["sample_id", "split", "x", "y", "w", "h"]).dropna()
    sizes = manifest.read(["sample_id", "width", "height"])
    training = found[found["split"] == "train"]
    joined = (training if len(training) else found).merge(sizes, on="sample_id")
    if joined.empty:
        return {}
    boxes = joined[["x", "y", "w", "h"]].to_numpy(np.float64)
    shares = boxes / joined[["width", "height", "width", "height"]].to_numpy(np.float64)
    aspect = float((joined["width"] / joined["height"]).median())
    return {"face_box": tuple(float(share) for share in np.median(shares, axis=0)), "aspect": aspect}
