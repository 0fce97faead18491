"""Files in, rows out: the one path by which a new picture is scored."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from deepfake_pipeline.engine import map_batches
from deepfake_pipeline.faces import build_detector
from deepfake_pipeline.faces.detections import Detection, Detections
from deepfake_pipeline.faces.geometry import cut, is_face_crop
from deepfake_pipeline.faces.measure import brightness, sharpness
from deepfake_pipeline.media.images import ImageLimits, decode_image
from deepfake_pipeline.media.paths import walk_files
from deepfake_pipeline.media.scan import read_bytes
from deepfake_pipeline.models.run import DetectorRunner, pick_device
from deepfake_pipeline.scoring.release import Release
from deepfake_pipeline.tables import Reason, Refused, Table
from deepfake_pipeline.tables.ids import sha256_hex

Faces = Literal["auto", "detect", "whole"]
Row = dict[str, Any]

FILES_PER_BATCH = 32
FACE_SIZED = 512  # px: a picture without a detected face that is no larger, and not long, may be a face close up
_LONG = 1.5


def score_files(
    paths: Sequence[Path],
    release: Release,
    *,
    faces: Faces = "auto",
    workers: int = 1,
    accelerator: str = "auto",
) -> Iterator[Row]:
    """Score pictures and folders of pictures.

    Args:
        paths: files and folders; a folder stands for every file below it.
        release: what judges.
        faces: ``detect`` cuts out every face that is found; ``whole`` takes each picture as one face; ``auto``
            takes a picture as a whole when it already is a face crop, or when no face is found in a picture
            the size of a face, and otherwise cuts out the faces.
        workers: processes; the rows do not depend on it.
        accelerator: auto, cpu or cuda.

    Yields:
        Rows of ``tables.schemas.SCORES``: one a face, or one a file that could not be scored, with the reason.
    """
    return _score(list(_files(paths)), release, faces, workers, accelerator)


def score_samples(
    manifest: Table, root: Path, release: Release, *, faces: Faces = "auto", workers: int = 1, accelerator: str = "auto"
) -> Iterator[Row]:
    """Score the files of a manifest, in its order; see :func:`score_files`. Paths are those of the manifest.

    Args:
        manifest: table ``MANIFEST``.
        root: folder that its paths are relative to.
    """
    files = [root / path for batch in manifest.batches(["path"]) for path in batch["path"].to_pylist()]
    for row in _score(files, release, faces, workers, accelerator):
        yield {**row, "path": Path(row["path"]).relative_to(root).as_posix()}


def _score(files: Sequence[Path], release: Release, faces: Faces, workers: int, accelerator: str) -> Iterator[Row]:
    build = partial(FileScorer, release, faces, accelerator)
    few = len(files) <= FILES_PER_BATCH or pick_device(accelerator).type == "cuda"
    batches = map_batches(
        _batched(files, FILES_PER_BATCH),
        build,
        workers=1 if few else workers,
        description="score",
        total=-(-len(files) // FILES_PER_BATCH),
    )
    for rows in batches:
        yield from rows


class FileScorer:
    """Callable for :func:`engine.map_batches`: paths in, rows out.

    Args:
        release: what judges.
        faces: how faces are looked for; see :func:`score_files`.
        accelerator: auto, cpu or cuda.
        limits: of the files.
    """

    def __init__(
        self, release: Release, faces: Faces, accelerator: str = "auto", limits: ImageLimits | None = None
    ) -> None:
        self.release, self.faces, self.limits = release, faces, limits or ImageLimits()
        self.judge = DetectorRunner(release.detector, accelerator)
        self.finder = None if faces == "whole" else build_detector(release.geometry.faces.detector, accelerator)

    def __call__(self, files: Sequence[Path]) -> list[Row]:
        """Rows of the files, in their order."""
        return self.score((str(path), self._read(path)) for path in files)

    def score(self, pictures: Iterable[tuple[str, bytes | Refused]]) -> list[Row]:
        """Rows of encoded pictures, in their order.

        Args:
            pictures: what each is called (column ``path``), and its bytes or why there are none.
        """
        rows: list[Row] = []
        crops: list[NDArray[np.uint8]] = []
        judged: list[int] = []
        for path, data in pictures:
            shared = {"path": path, "release": self.release.name}
            if isinstance(data, Refused):
                rows.append({**shared, "verdict": None, "reason": data.reason.value})
                continue
            shared["sha256"] = sha256_hex(data)
            try:
                cuts = self._cuts(decode_image(data, self.limits))
            except Refused as refused:
                verdict = "no_face" if refused.reason is Reason.NO_FACE else None
                rows.append({**shared, "verdict": verdict, "reason": refused.reason.value})
                continue
            for number, (crop, facts) in enumerate(cuts):
                judged.append(len(rows))
                crops.append(crop)
                rows.append({**shared, "face": number, **facts})
        if crops:
            self._judge(np.stack(crops), [rows[index] for index in judged])
        return rows

    def _read(self, path: Path) -> bytes | Refused:
        try:
            return read_bytes(path, self.limits)
        except Refused as refused:
            return refused

    def _cuts(self, image: NDArray[np.uint8]) -> list[tuple[NDArray[np.uint8], Row]]:
        """Crops of a picture and what is known of each."""
        found = self._found(image)
        if found is None:
            return [self._measured(image, None)]
        if not len(found):
            raise Refused(Reason.NO_FACE, "no face was found")
        return [self._measured(image, face) for face in sorted(found, key=lambda face: float(face.box[0]))]

    def _found(self, image: NDArray[np.uint8]) -> Detections | None:
        """The faces to cut out; None when the picture is to be judged as a whole."""
        if self.finder is None:
            return None
        found = self.finder.detect([image])[0]
        kept = found.where(found.scores >= self.release.geometry.faces.min_score)
        if self.faces == "auto" and (is_face_crop(image, kept) or (not len(kept) and _is_face_sized(image))):
            return None
        return kept

    def _measured(self, image: NDArray[np.uint8], face: Detection | None) -> tuple[NDArray[np.uint8], Row]:
        crop = cut(image, face, self.release.geometry)
        facts: Row = {"crop": "whole" if face is None else self.release.geometry.kind}
        facts |= {"sharpness": sharpness(crop), "brightness": brightness(crop)}
        if face is not None:
            facts |= dict(zip("xywh", face.box.tolist(), strict=True))
        return crop, facts

    def _judge(self, crops: NDArray[np.uint8], rows: list[Row]) -> None:
        for row, probability in zip(rows, self.judge.fake_probability(crops).tolist(), strict=True):
            row["fake_probability"] = probability
            row["verdict"] = "fake" if probability >= self.release.threshold else "real"


def _is_face_sized(image: NDArray[np.uint8]) -> bool:
    short, long = sorted(image.shape[:2])
    return long <= FACE_SIZED and long <= _LONG * short


def _files(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            yield from (path / name for name in walk_files(path))
        else:
            yield path


def _batched(files: Sequence[Path], size: int) -> Iterator[list[Path]]:
    rest = iter(files)
    while batch := list(islice(rest, size)):
        yield batch
