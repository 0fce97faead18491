"""Files in, rows out: the one path by which a new picture or video is scored."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from deepfake_pipeline.engine import map_batches
from deepfake_pipeline.faces import GivenParams, build_detector
from deepfake_pipeline.faces.detections import Detection, Detections, Image
from deepfake_pipeline.faces.geometry import cut, is_face_crop
from deepfake_pipeline.faces.measure import brightness, sharpness
from deepfake_pipeline.faces.track import FrameFaces, track_faces
from deepfake_pipeline.media.frames import video_limits
from deepfake_pipeline.media.images import HEAD_BYTES, ImageLimits, decode_image
from deepfake_pipeline.media.kinds import kind_of_file
from deepfake_pipeline.media.paths import walk_files
from deepfake_pipeline.media.scan import read_bytes
from deepfake_pipeline.media.video import sample_frames
from deepfake_pipeline.models.run import DetectorRunner, pick_device
from deepfake_pipeline.scoring.enhance import ENHANCER, build_repair
from deepfake_pipeline.scoring.explain import Explainer
from deepfake_pipeline.scoring.portions import expected_work, portions, worth_workers
from deepfake_pipeline.scoring.release import Release
from deepfake_pipeline.scoring.stability import each, judged_versions
from deepfake_pipeline.scoring.verdict import Said, file_row
from deepfake_pipeline.tables import Reason, Refused, Table
from deepfake_pipeline.tables.ids import sha256_hex, sha256_of

Faces = Literal["auto", "detect", "whole"]
Row = dict[str, Any]

logger = logging.getLogger(__name__)

CROPS_PER_BATCH = 256  # that wait for the detector together, at most
FACE_SIZED = 512  # px: a picture without a detected face that is no larger, and not long, may be a face close up
_LONG = 1.5


def score_files(
    paths: Sequence[Path],
    release: Release,
    *,
    faces: Faces = "auto",
    workers: int = 1,
    accelerator: str = "auto",
    explain: Path | None = None,
    enhance: bool = False,
) -> Iterator[Row]:
    """Score pictures, videos and folders of them.

    Of a video, frames are sampled as the release's ``geometry.faces.video`` says, and faces followed through them;
    every face that is found is judged, however blurred or turned: it is the mean over a person's faces that counts. A
    face smaller than ``geometry.faces.min_size`` is not: none as small was ever shown to the network. It has a row with
    the reason ``too_small`` and no probability, and so has a file of such faces alone.

    Args:
        paths: files and folders; a folder stands for every file below it.
        release: what judges.
        faces: ``detect`` cuts out every face that is found; ``whole`` takes each picture, or frame, as one face;
            ``auto`` takes it as a whole when it already is a face crop, or when no face is found in a picture
            (not a frame) the size of a face, and otherwise cuts out the faces.
        workers: processes; the rows do not depend on it.
        accelerator: auto, cpu or cuda.
        explain: folder for a picture of each face beside where the detector sees forgery in it; slow.
        enhance: each face goes through the release's enhancer, after it is measured and before it is judged, as those
            that the release's card calls enhanced did; slow.

    Returns:
        Rows of ``tables.schemas.SCORES``: one a face, and after the faces of each file one for the file itself; see
        :func:`scoring.verdict.file_row`.

    Raises:
        UserError: the folder for explanations cannot be made, or the release holds no enhancer; before any work. In
            the midst of it: a picture cannot be written there.
    """
    if enhance:
        build_repair(ENHANCER, release, accelerator)  # says here whether it can
    explainer = None if explain is None else Explainer(explain)
    return _score(partial(_files, paths), release, faces, workers, accelerator, explainer, enhance)


def score_samples(
    manifest: Table, root: Path, release: Release, *, faces: Faces = "auto", workers: int = 1, accelerator: str = "auto"
) -> Iterator[Row]:
    """Score the files of a manifest, in its order; see :func:`score_files`. Paths are those of the manifest.

    Args:
        manifest: table ``MANIFEST``.
        root: folder that its paths are relative to.
    """

    def files() -> Iterator[Path]:
        return (root / path for batch in manifest.batches(["path"]) for path in batch["path"].to_pylist())

    for row in _score(files, release, faces, workers, accelerator):
        yield {**row, "path": Path(row["path"]).relative_to(root).as_posix()}


def _score(
    files: Callable[[], Iterable[Path]],
    release: Release,
    faces: Faces,
    workers: int,
    accelerator: str,
    explainer: Explainer | None = None,
    enhance: bool = False,
) -> Iterator[Row]:
    """Rows of the files, which are listed twice, for the progress bar and for the work: no list of them is held."""
    build = partial(FileScorer, release, faces, accelerator, explainer=explainer, enhance=enhance)
    finder = release.geometry.faces.detector
    if isinstance(finder, GivenParams) and faces != "whole":
        logger.info(
            "%s was trained on the boxes of its dataset; faces are found by %s", release.name, finder.elsewhere.name
        )
    total, seconds = expected_work(portions(files()), search=faces != "whole", enhance=enhance)
    alone = pick_device(accelerator).type == "cuda" or not worth_workers(seconds)
    for rows in map_batches(
        portions(files()), build, workers=1 if alone else workers, description="score", total=total
    ):
        yield from rows


class FileScorer:
    """Callable for :func:`engine.map_batches`: paths in, rows out.

    Args:
        release: what judges.
        faces: how faces are looked for; see :func:`score_files`.
        accelerator: auto, cpu or cuda.
        limits: of the files.
        explainer: writes an overlay of each face; None writes none.
        enhance: whether each face goes through the release's enhancer first.
    """

    def __init__(
        self,
        release: Release,
        faces: Faces,
        accelerator: str = "auto",
        limits: ImageLimits | None = None,
        explainer: Explainer | None = None,
        enhance: bool = False,
    ) -> None:
        self.release, self.faces, self.limits = release, faces, limits or ImageLimits()
        self.rule = release.enhanced_rule if enhance else release.rule
        self.explainer = explainer
        self.enhance = partial(each, build_repair(ENHANCER, release, accelerator)) if enhance else None
        self.judge = DetectorRunner(release.detector, accelerator, mixed=True)
        self.finder = None if faces == "whole" else build_detector(release.geometry.faces.detector, accelerator)

    def __call__(self, files: Sequence[Path]) -> list[Row]:
        """Rows of the files, in their order."""
        return self.score((str(path), path) for path in files)

    def score(self, files: Iterable[tuple[str, bytes | Path]]) -> list[Row]:
        """Rows of files, in their order; the bytes of a video are refused as ``unsupported_type``, its path is not.

        Args:
            files: what each is called (column ``path``), and its bytes or where it lies.
        """
        rows: list[Row] = []
        said: dict[int, Said] = {}
        crops: dict[int, Image] = {}  # by the place of their rows
        for path, source in files:
            shared: Row = {"path": path, "release": self.release.name}
            file: Row = {**shared, "level": "file"}
            try:
                for crop, facts in self._found_in(source, shared, file):
                    if crop is not None:
                        crops[len(rows)] = crop
                    rows.append({**shared, "level": "face", **facts})
                    if len(crops) == CROPS_PER_BATCH:
                        said |= self._judged(crops, rows)
                        crops = {}
            except Refused as refused:
                file["reason"] = refused.reason.value
            rows.append({**shared, **file})
        said |= self._judged(crops, rows)
        return list(_with_files(rows, said, self.release.threshold))

    def _found_in(self, source: bytes | Path, shared: Row, file: Row) -> Iterator[tuple[Image | None, Row]]:
        """Crops of a file and what is known of each, None for one that is too small; hash and damage are noted on the
        way."""
        if isinstance(source, Path) and _is_video(source):
            yield from self._of_video(source, shared, file)
            return
        data = read_bytes(source, self.limits) if isinstance(source, Path) else source
        shared["sha256"] = sha256_hex(data)
        image = decode_image(data, self.limits)
        found = self._search(image)
        if found is not None and not len(found) and self.faces == "auto" and _is_face_sized(image):
            found = None
        faces = _faces_of(found)
        for number, face in enumerate(faces):
            facts = {"face": number}
            yield self._too_small(face, facts) if self._is_small(face) else self._measured(image, face, facts)
        if not faces:
            raise Refused(Reason.NO_FACE, "no face was found")
        if all(self._is_small(face) for face in faces):
            raise Refused(Reason.TOO_SMALL, "no face is large enough")

    def _of_video(self, path: Path, shared: Row, file: Row) -> Iterator[tuple[Image | None, Row]]:
        params = self.release.geometry.faces
        if path.stat().st_size <= self.limits.max_video_bytes:
            shared["sha256"] = sha256_of(path)
        waiting: list[list[tuple[Image, Row]]] = []
        small: list[tuple[None, Row]] = []

        def looked_at() -> Iterator[FrameFaces]:
            for frame in sample_frames(path, params.video, video_limits(self.limits)):
                if isinstance(frame, Refused):
                    file["reason"] = frame.reason.value
                    continue
                found = self._search(frame.image)
                facts = {"frame": frame.number, "seconds": float(frame.seconds)}
                numbered = list(enumerate(_faces_of(found)))
                small.extend(
                    self._too_small(face, {**facts, "face": n}) for n, face in numbered if self._is_small(face)
                )
                large = [(n, face) for n, face in numbered if not self._is_small(face)]
                waiting.append([self._measured(frame.image, face, {**facts, "face": n}) for n, face in large])
                yield FrameFaces.of(frame.image, _boxes([face for _, face in large], frame.image))

        any_face = False
        for tracks in track_faces(looked_at(), params.tracking):
            for (crop, facts), track in zip(waiting.pop(), tracks, strict=True):
                any_face = True
                yield crop, {**facts, "track": track}
        yield from small
        if not any_face and small:
            raise Refused(Reason.TOO_SMALL, "no face is large enough in any of the frames")
        if not any_face:
            raise Refused(Reason.NO_FACE, "no face was found in any of the frames")

    def _search(self, image: Image) -> Detections | None:
        """The faces to cut out; None when the picture is to be judged as a whole."""
        if self.finder is None:
            return None
        found = self.finder.detect([image])[0]
        kept = found.where(found.scores >= self.release.geometry.faces.min_score)
        return None if self.faces == "auto" and is_face_crop(image, kept) else kept

    def _is_small(self, face: Detection | None) -> bool:
        return face is not None and float(max(face.box[2:])) < self.release.geometry.faces.min_size

    def _too_small(self, face: Detection | None, facts: Row) -> tuple[None, Row]:
        box = {} if face is None else dict(zip("xywh", face.box.tolist(), strict=True))
        return None, {**facts, **box, "reason": Reason.TOO_SMALL.value}

    def _measured(self, image: Image, face: Detection | None, facts: Row) -> tuple[Image, Row]:
        crop = cut(image, face, self.release.geometry)
        facts |= {"crop": "whole" if face is None else self.release.geometry.kind}
        facts |= {"sharpness": sharpness(crop), "brightness": brightness(crop)}
        if face is not None:
            facts |= dict(zip("xywh", face.box.tolist(), strict=True))
        return crop, facts

    def _judged(self, crops: dict[int, Image], rows: list[Row]) -> dict[int, Said]:
        """Write probabilities and verdicts into the rows of the crops; all that was said of them."""
        if not crops:
            return {}
        given = np.stack(list(crops.values()))
        judged, raw = judged_versions(self.judge, given, self.rule.stability, self.enhance)
        said = {}
        for place, picture, versions in zip(crops, judged, raw, strict=True):
            row = rows[place]
            said[place] = self.rule.say(versions, row["sharpness"], _size(row))
            row["fake_probability"], row["verdict"] = said[place].fake_probability, said[place].verdict
            if self.explainer is not None:
                self.explainer.write(self.judge, picture, row)
        return said


def _size(row: Row) -> float | None:
    """Shorter side in px of the face's box; None of a picture that is judged as a whole."""
    return min(row["w"], row["h"]) if "w" in row else None


def _with_files(rows: list[Row], said: dict[int, Said], threshold: float) -> Iterator[Row]:
    """The rows, those of files with what follows from their faces."""
    faces: list[tuple[int | None, Said]] = []
    for place, row in enumerate(rows):
        if row["level"] == "face":
            if place in said:
                faces.append((row.get("track"), said[place]))
            yield row
        else:
            yield file_row(row, faces, threshold)
            faces = []


def _faces_of(found: Detections | None) -> list[Detection | None]:
    """Faces from left to right; of a picture that is judged as a whole, the one that has no box."""
    if found is None:
        return [None]
    return [*sorted(found, key=lambda face: float(face.box[0]))]


def _boxes(faces: Sequence[Detection | None], image: Image) -> NDArray[np.float32]:
    whole = np.array([0, 0, image.shape[1], image.shape[0]], np.float32)
    return np.array([whole if face is None else face.box for face in faces], np.float32).reshape(-1, 4)


def _is_face_sized(image: Image) -> bool:
    short, long = sorted(image.shape[:2])
    return long <= FACE_SIZED and long <= _LONG * short


def _is_video(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return kind_of_file(path.name, file.read(HEAD_BYTES)) == "video"
    except (OSError, ValueError):
        return False  # reading it as a picture says why


def _files(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            yield from (path / name for name in walk_files(path))
        else:
            yield path
