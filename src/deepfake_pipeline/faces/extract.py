"""From images and videos to face rows: decode, find, cut, measure, encode; in worker processes, a batch at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby, product
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.dataset as pads

from deepfake_pipeline.engine import map_batches
from deepfake_pipeline.faces import build_detector
from deepfake_pipeline.faces.detections import Detection, Detections, FaceDetector, Image
from deepfake_pipeline.faces.follow import Candidate, follow
from deepfake_pipeline.faces.geometry import CropGeometry, crop_geometry, cut
from deepfake_pipeline.faces.given import GivenDetector, label_of
from deepfake_pipeline.faces.measure import brightness, light_uniformity, motion_blur, sharpness, yaw
from deepfake_pipeline.faces.params import FaceParams
from deepfake_pipeline.faces.select import FaceQuality, refusal
from deepfake_pipeline.media.frames import video_limits
from deepfake_pipeline.media.images import ImageLimits, decode_image, encode_image
from deepfake_pipeline.media.paths import printable
from deepfake_pipeline.media.scan import read_bytes
from deepfake_pipeline.media.study import DatasetStudy
from deepfake_pipeline.media.video import sample_frames
from deepfake_pipeline.tables import Reason, RecordStream, Refused, Table
from deepfake_pipeline.tables.ids import face_id
from deepfake_pipeline.tables.schemas import FACES, REJECTED_FACES

BATCH_FILES = 32
_ORIGIN = ["sample_id", "label", "group", "split", "method", "source"]
COLUMNS = [*_ORIGIN, "path", "kind", "given_faces"]  # what is read of the manifest
_PENDING_PIXELS = 1 << 25  # decoded images that wait for the detector together, at most

Row = dict[str, Any]


class Frame(NamedTuple):
    """One picture of a sample: its manifest row, its number in the file, its pixels, and of a video its time in s."""

    row: Row
    number: int
    image: Image
    seconds: float | None = None


class Cut(NamedTuple):
    """A face cut out of a frame: its number there, the crop, and what was found of it."""

    number: int
    crop: Image
    face: Detection | None


class Extracted(NamedTuple):
    """What a batch gave: rows of ``FACES`` and of ``REJECTED_FACES``."""

    faces: pa.RecordBatch
    rejected: pa.RecordBatch


def extract_faces(
    manifest: Table,
    root: Path,
    study: DatasetStudy,
    params: FaceParams,
    *,
    limits: ImageLimits | None = None,
    workers: int = 1,
    accelerator: str = "cpu",
) -> tuple[RecordStream, RecordStream]:
    """Faces of all samples of a manifest, and what was refused.

    Nothing happens until the first stream is consumed; the second one is filled meanwhile and must be consumed
    after it. Rows are in the order of the manifest, which is by ``sample_id``; so the faces are by ``face_id``.
    The result does not depend on ``workers``.

    Of a video, frames are sampled, faces followed through them, and the best of each person kept, as ``params`` says;
    of a damaged one what can be decoded, and a refusal says that it is damaged.

    Args:
        manifest: table ``MANIFEST``.
        root: folder that its paths are relative to.
        study: kind, size and type of the crops.
        params: detector, alignment, and which faces are kept.
        limits: of the files; by default those of :class:`ImageLimits`.
        workers: processes.
        accelerator: where the detector runs: ``cpu``, ``cuda`` or ``auto``.

    Returns:
        Streams of ``FACES`` and of ``REJECTED_FACES``.
    """
    build = partial(FaceExtractor, root, study, params, limits or ImageLimits(), accelerator=accelerator)
    batches = (part for batch in manifest.batches(COLUMNS, rows=BATCH_FILES) for part in _parts(batch.to_pylist()))
    refusals = _Refusals()

    def faces() -> Iterator[pa.RecordBatch]:
        videos = manifest.count(pads.field("kind") == "video")
        total = videos + -(-(manifest.count() - videos) // BATCH_FILES)
        processes = max(min(workers, total), 1)
        for extracted in map_batches(batches, build, workers=processes, description="finding faces", total=total):
            refusals.batches.append(extracted.rejected)
            yield extracted.faces
        refusals.complete = True

    return RecordStream(FACES, faces), RecordStream(REJECTED_FACES, refusals.taken)


@dataclass
class _Refusals:
    batches: list[pa.RecordBatch] = field(default_factory=list)
    complete: bool = False

    def taken(self) -> Iterable[pa.RecordBatch]:
        if not self.complete:
            raise RuntimeError("write the faces first: refusals are known when all faces are")
        return [batch for batch in self.batches if batch.num_rows]


class FaceExtractor:
    """Callable for :func:`engine.map_batches`: manifest rows in, face rows out.

    A face takes its label from the file or, where the dataset annotates faces, from the annotated face that it
    overlaps; of a face that is not annotated it is null.

    Faces of an image are numbered from left to right (equal ones from top to bottom), those refused as too small
    among them: so a number does not hang on the last digit of a score. Tiles are numbered row by row.

    Args:
        root: folder that the paths are relative to.
        study: kind, size and type of the crops.
        params: detector, alignment, and which faces are kept.
        limits: of the files.
        detector: by default the one that ``params`` names, loaded if the study needs one.
        accelerator: where that one runs.
    """

    def __init__(
        self,
        root: Path,
        study: DatasetStudy,
        params: FaceParams,
        limits: ImageLimits,
        detector: FaceDetector | None = None,
        accelerator: str = "cpu",
    ) -> None:
        self.root, self.study, self.params, self.limits = root, study, params, limits
        self.geometry: CropGeometry = crop_geometry(study, params)
        self.detector: FaceDetector | None = None
        if study.crop == "face" and (not params.given_crops or params.look_into_given_crops):
            self.detector = detector or build_detector(params.detector, accelerator)

    def __call__(self, rows: Sequence[Row]) -> Extracted:
        """Face rows of a batch of manifest rows, in their order."""
        faces: list[Row] = []
        rejected: list[Row] = []
        images = [row for row in rows if row.get("kind") != "video"]
        for frame, found in self._searched_frames(self._images(images, rejected)):
            faces += self._faces(frame, found, rejected)
        for row in rows:
            if row.get("kind") == "video":
                faces += self._video(row, rejected)
        faces.sort(key=lambda row: str(row["face_id"]))
        rejected.sort(key=lambda row: (row["sample_id"], row["frame"], row["face"] or 0))
        return Extracted(
            pa.RecordBatch.from_pylist(faces, schema=FACES),
            pa.RecordBatch.from_pylist(rejected, schema=REJECTED_FACES),
        )

    def _images(self, rows: Sequence[Row], rejected: list[Row]) -> Iterator[Frame]:
        for row in rows:
            try:
                yield Frame(row, 0, decode_image(read_bytes(self.root / row["path"], self.limits), self.limits))
            except Refused as refused:
                rejected.append(_rejected(row, refused, 0))

    def _frames(self, row: Row, rejected: list[Row]) -> Iterator[Frame]:
        """Sampled frames of a video; a refusal of the file, or of part of it, stands at frame 0."""
        try:
            for frame in sample_frames(self.root / row["path"], self.params.video, video_limits(self.limits)):
                if isinstance(frame, Refused):
                    rejected.append(_rejected(row, frame, 0))
                else:
                    yield Frame(row, frame.number, frame.image, float(frame.seconds))
        except Refused as refused:
            rejected.append(_rejected(row, refused, 0))

    def _video(self, row: Row, rejected: list[Row]) -> list[Row]:
        searched = self._searched_frames(self._frames(row, rejected))
        if self.study.crop != "face" or self.params.given_crops:
            track = 0 if self.study.crop == "face" else None  # a video of one person's crops
            return [
                face | {"track": track} for frame, found in searched for face in self._faces(frame, found, rejected)
            ]
        kept, refused = follow(
            ((frame.image, self._candidates(frame, found, rejected)) for frame, found in searched),
            self.params.tracking,
            self.params.selection,
        )
        rejected += [_rejected(row, reason, face["frame"], face["face"]) for face, reason in refused]
        return kept

    def _searched_frames(self, frames: Iterable[Frame]) -> Iterator[tuple[Frame, Detections]]:
        """Frames and the faces in them, several at a time but not more than memory bears."""
        for together in _gathered(frames):
            yield from zip(together, self._found(together), strict=True)

    def _found(self, frames: list[Frame]) -> list[Detections]:
        if self.detector is None:
            return [Detections.none()] * len(frames)
        found = self._searched(frames)
        return [one.where(one.scores >= self.params.min_score).first(self.params.max_faces) for one in found]

    def _searched(self, frames: list[Frame]) -> list[Detections]:
        """Faces of each frame: its annotated ones where those are to be used, else what the detector finds."""
        assert self.detector is not None
        if not isinstance(self.detector, GivenDetector):
            return self.detector.detect([frame.image for frame in frames])
        found: dict[int, Detections] = {}
        annotated = [number for number, frame in enumerate(frames) if frame.row.get("given_faces")]
        others = [number for number in range(len(frames)) if number not in annotated]
        given = [frames[number].row["given_faces"] for number in annotated]
        found |= zip(annotated, self.detector.detect_given([frames[n].image for n in annotated], given), strict=True)
        found |= zip(others, self.detector.detect([frames[n].image for n in others]), strict=True)
        return [found[number] for number in range(len(frames))]

    def _faces(self, frame: Frame, found: Detections, rejected: list[Row]) -> list[Row]:
        """Rows of the faces of an image, or of a frame in which none is followed."""
        if self.study.crop == "tiles":
            return self._tiles(frame, rejected)
        if self.study.crop == "none":
            return [self._face(frame, Cut(0, cut(frame.image, None, self.geometry), None))]
        if self.params.given_crops:
            largest = max(found, key=lambda face: float(face.box[2] * face.box[3]), default=None)
            return [self._face(frame, Cut(0, cut(frame.image, None, self.geometry), largest))]
        if not self.params.selection.images:
            return [self._face(frame, one) for one in self._cuts(frame, found, rejected)]
        rows = []
        for row, quality, _ in self._candidates(frame, found, rejected):
            if (reason := refusal(quality, self.params.selection)) is None:
                rows.append(row)
            else:
                rejected.append(_rejected(frame.row, reason, frame.number, row["face"]))
        return rows

    def _candidates(self, frame: Frame, found: Detections, rejected: list[Row]) -> list[Candidate]:
        candidates = []
        for one in self._cuts(frame, found, rejected):
            assert one.face is not None
            row = self._face(frame, one)
            measured = row["sharpness"], motion_blur(one.crop), row["brightness"], row["light_uniformity"], row["yaw"]
            candidates.append(Candidate(row, FaceQuality(*measured), one.face.box))
        return candidates

    def _cuts(self, frame: Frame, found: Detections, rejected: list[Row]) -> list[Cut]:
        """The faces of a frame that are large enough; refusals of it, and of its faces, are noted."""
        if not len(found):
            none = Refused(Reason.NO_FACE, f"none with a score of {self.params.min_score:g} or more")
            rejected.append(_rejected(frame.row, none, frame.number))
        cuts = []
        for number, face in enumerate(sorted(found, key=lambda face: (float(face.box[0]), float(face.box[1])))):
            if max(face.box[2:]) < self.params.min_size:
                size = f"{face.box[2]:.0f}×{face.box[3]:.0f} px, the longer side has at least {self.params.min_size}"
                rejected.append(_rejected(frame.row, Refused(Reason.TOO_SMALL, size), frame.number, number))
                continue
            cuts.append(Cut(number, cut(frame.image, face, self.geometry), face))
        return cuts

    def _tiles(self, frame: Frame, rejected: list[Row]) -> list[Row]:
        side, stride = self.study.tile_size, self.study.tile_stride
        height, width = frame.image.shape[:2]
        if min(height, width) < side:
            size = f"{width}×{height} pixels, a tile has {side}×{side}"
            rejected.append(_rejected(frame.row, Refused(Reason.TOO_SMALL, size), frame.number))
            return []
        corners = product(range(0, height - side + 1, stride), range(0, width - side + 1, stride))
        rows = []
        for number, (top, left) in enumerate(corners):
            tile = cut(frame.image[top : top + side, left : left + side], None, self.geometry)
            rows.append(self._face(frame, Cut(number, tile, None)) | {"x": left, "y": top, "w": side, "h": side})
        return sorted(rows, key=lambda row: str(row["face_id"]))  # 100 stands before 11

    def _face(self, frame: Frame, one: Cut) -> Row:
        row = {name: frame.row[name] for name in _ORIGIN} | {
            "face_id": face_id(frame.row["sample_id"], frame.number, one.number),
            "frame": frame.number,
            "seconds": frame.seconds,
            "face": one.number,
            "sharpness": sharpness(one.crop),
            "brightness": brightness(one.crop),
            "light_uniformity": light_uniformity(one.crop),
            "crop": encode_image(one.crop, self.study.type),
        }
        if (face := one.face) is not None:
            row |= dict(zip("xywh", face.box.tolist(), strict=True)) | {"score": face.score}
            row |= {"yaw": yaw(face.landmarks)}
            row |= {"landmarks": None if face.landmarks is None else face.landmarks.ravel().tolist()}
            if given := frame.row.get("given_faces"):
                row["label"] = label_of(face.box, given)
                row["method"] = row["method"] if row["label"] else None
        return row


def _parts(rows: Sequence[Row]) -> Iterator[list[Row]]:
    """A batch of the manifest as portions of work: each video by itself, images together."""
    for video, run in groupby(rows, key=lambda row: row["kind"] == "video"):
        part = list(run)
        yield from ([row] for row in part) if video else [part]


def _gathered(frames: Iterable[Frame]) -> Iterator[list[Frame]]:
    together: list[Frame] = []
    pixels = 0
    for frame in frames:
        together.append(frame)
        pixels += frame.image.shape[0] * frame.image.shape[1]
        if pixels >= _PENDING_PIXELS:
            yield together
            together, pixels = [], 0
    if together:
        yield together


def _rejected(row: Row, refused: Refused, frame: int, face: int | None = None) -> Row:
    return {
        "sample_id": row["sample_id"],
        "path": row["path"],
        "frame": frame,
        "face": face,
        "reason": refused.reason.value,
        "detail": printable(refused.detail),
    }
