"""What can be set about finding, cutting and refusing faces."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, field_validator

from deepfake_pipeline.faces.select import SelectionParams
from deepfake_pipeline.faces.track import TrackParams
from deepfake_pipeline.media.sampling import VideoSampling


class MtcnnParams(BaseModel):
    """MTCNN (Zhang et al. 2016, arXiv 1604.02878)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Literal["mtcnn"] = Field("mtcnn", description="the detector that these parameters belong to")
    min_face: int = Field(
        32, ge=12, le=4096, description="px, 12 to 4096: side of the smallest face that is looked for"
    )
    scale_factor: float = Field(
        0.709, ge=0.3, le=0.95, description="from one level of the image pyramid to the next (paper: 0.709)"
    )
    thresholds: tuple[float, float, float] = Field(
        (0.6, 0.7, 0.7), description="in (0, 1): least probability of a face after each of the three networks"
    )

    @field_validator("thresholds")
    @classmethod
    def _are_probabilities(cls, thresholds: tuple[float, float, float]) -> tuple[float, float, float]:
        if not all(0 < threshold < 1 for threshold in thresholds):
            raise ValueError(f"thresholds {thresholds}: each must lie between 0 and 1")
        return thresholds


class YunetParams(BaseModel):
    """YuNet (Wu, Peng and Yu 2023, Machine Intelligence Research 20), from an ONNX file, through OpenCV."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Literal["yunet"] = Field("yunet", description="the detector that these parameters belong to")
    model: str = Field(min_length=1, description="path of the ONNX file")
    sha256: str = Field(
        "", pattern=r"^([0-9a-f]{64})?$", description="64 hex digits that the file must have; empty: not checked"
    )
    threshold: float = Field(0.6, gt=0, lt=1, description="in (0, 1): least score of a face")
    overlap: float = Field(
        0.3, gt=0, lt=1, description="in (0, 1): of two boxes with a larger intersection over union one is dropped"
    )
    max_side: int = Field(
        1280, ge=64, le=8192, description="px: images whose longer side is longer are reduced to it before the search"
    )


class DlibParams(BaseModel):
    """The frontal face detector of dlib, by histograms of oriented gradients (King 2015, arXiv 1502.00046)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Literal["dlib"] = Field("dlib", description="the detector that these parameters belong to")
    upsample: int = Field(
        1, ge=0, le=3, description="times that images are doubled: faces from 80 px at 0, 40 px at 1, 20 px at 2"
    )
    margin: float = Field(
        0.0, ge=-1, le=3, description="least distance from the decision boundary; below 0 finds more, and more in error"
    )


class GivenParams(BaseModel):
    """The boxes that come with the dataset (layout ``openforensics``)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Literal["given"] = Field("given", description="the detector that these parameters belong to")
    elsewhere: MtcnnParams = Field(
        default_factory=MtcnnParams,
        description="what looks for the five points in the boxes, and for faces where no boxes are given",
    )
    points: bool = Field(True, description="look for the five points; without them faces are not aligned")
    min_overlap: float = Field(
        0.3,
        gt=0,
        le=1,
        description="in (0, 1]: least intersection over union of a given box and the face with the points",
    )


def _detector_name(params: Any) -> str:
    """Which detector parameters belong to; MTCNN where they do not say."""
    name = params.get("name", "mtcnn") if isinstance(params, dict) else getattr(params, "name", "")
    return str(name)


FaceDetectorParams = Annotated[
    Annotated[MtcnnParams, Tag("mtcnn")]
    | Annotated[YunetParams, Tag("yunet")]
    | Annotated[DlibParams, Tag("dlib")]
    | Annotated[GivenParams, Tag("given")],
    Discriminator(_detector_name),
]


class FaceParams(BaseModel):
    """How faces are found in images and videos, which are kept, and how they are cut out."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    detector: FaceDetectorParams = Field(default_factory=MtcnnParams, description="which detector, and its own")
    min_score: float = Field(
        0.8, ge=0, le=1, description="in [0, 1]: what the detector is less sure of counts as no face"
    )
    min_size: int = Field(
        40, ge=1, le=4096, description="px: faces whose box is smaller (longer side) are refused, too_small"
    )
    max_faces: int = Field(
        100, ge=1, le=100, description="faces of an image at most, 1 to 100; those of the best scores are taken"
    )
    align: bool = Field(
        True, description="turn and scale each face so that eyes, nose and mouth stand where they always stand"
    )
    margin: float = Field(
        0.15, ge=0, le=2, description="share of the side of the face box that is added on each of its sides"
    )
    given_crops: bool = Field(
        False, description="the images already are face crops: each is taken whole, whether a face is found or not"
    )
    look_into_given_crops: bool = Field(
        True, description="look for box, points and yaw in given crops too (some 3 ms each at 224×224 px)"
    )
    video: VideoSampling = Field(default_factory=VideoSampling, description="which frames of a video are looked at")
    tracking: TrackParams = Field(
        default_factory=TrackParams, description="which faces of the frames of a video are one person's"
    )
    selection: SelectionParams = Field(
        default_factory=SelectionParams,
        description="which faces of a video are kept, person by person; those of images only where it says so",
    )
