"""Files in, repaired files out: the one path by which a new picture is enhanced."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from deepfake_pipeline.engine import progress
from deepfake_pipeline.media.container import VideoLimits
from deepfake_pipeline.media.images import HEAD_BYTES, ImageLimits
from deepfake_pipeline.media.kinds import kind_of_file
from deepfake_pipeline.media.paths import walk_files
from deepfake_pipeline.media.rewrite import rewrite_video, rewritten_name
from deepfake_pipeline.media.sampling import VideoSampling
from deepfake_pipeline.media.scan import read_bytes
from deepfake_pipeline.media.video import sample_frames
from deepfake_pipeline.models.run import EnhancerRunner
from deepfake_pipeline.restore import REPAIRS
from deepfake_pipeline.restore.choices import NETWORK, Choices
from deepfake_pipeline.restore.pictures import repair_picture
from deepfake_pipeline.restore.router import Router
from deepfake_pipeline.restore.tiles import in_tiles, repaired
from deepfake_pipeline.scoring.release import Release
from deepfake_pipeline.tables import Refused
from deepfake_pipeline.tables.errors import UserError

ROUTER, ENHANCER = "router", "enhancer"
REPAIR_NAMES = (ROUTER, ENHANCER, *REPAIRS)

FRAMES = 9
"""Frames, spread through a video, by which its repair is chosen; as many as tiles of a large picture."""

Image = NDArray[np.uint8]


class Enhanced(NamedTuple):
    """What became of a file: where it was written, or why it was not."""

    source: Path
    target: Path | None
    refused: Refused | None


@dataclass(frozen=True)
class Routed:
    """A repair that goes by what seems to ail a picture.

    Attributes:
        router: with choices, unless there is a name.
        name: of the repair, which is told what seems to ail the picture; None = the router's choice.
    """

    router: Router
    name: str | None = None

    def __call__(self, picture: Image) -> Image:
        """The picture repaired, judged by itself."""
        return self.router.repair(picture, self.name)

    def of_video(self, path: Path, limits: VideoLimits) -> Callable[[Image], Image]:
        """One repair for all frames of a video, judged by :data:`FRAMES` of them, or all of a shorter one.

        Raises:
            Refused: as :func:`media.video.sample_frames`.
        """
        frames = sample_frames(path, VideoSampling(by="count", count=FRAMES), limits)
        # Whoever reads the whole video says that it is damaged.
        return self.router.settled((one.image for one in frames if not isinstance(one, Refused)), self.name)


def build_repair(name: str, release: Release, accelerator: str = "auto") -> Callable[[Image], Image]:
    """A repair of pictures of any size, by name: the release's router or enhancer, or a classical one.

    The router does what validation showed best for what seems to ail a picture; the enhancer is told of it.

    Raises:
        UserError: no such repair, or a release without what it takes.
    """
    if name in REPAIRS:
        return partial(repaired, repair=REPAIRS[name])
    if name not in (ROUTER, ENHANCER):
        raise UserError(f"no repair {name}: there are {', '.join(REPAIR_NAMES)}")
    if release.enhancer is None:
        raise UserError(f"the release {release.name} holds no enhancer: choose one of {', '.join(REPAIRS)}")
    if release.router is not None:
        choices = Choices.from_json(release.choices) if release.choices else None
        router = Router.of(release.router, release.enhancer, choices, accelerator=accelerator)
        if name == ENHANCER:
            return Routed(router, NETWORK)
        if choices is not None:
            return Routed(router)
    if name == ROUTER:
        raise UserError(f"the release {release.name} holds no router: choose one of {', '.join(REPAIR_NAMES[1:])}")
    runner = EnhancerRunner(release.enhancer, accelerator)
    return partial(in_tiles, repair=lambda tile: runner.enhance(tile[None])[0])


def best_repair(release: Release) -> str:
    """Name of the best that a release can do: its router, or else its enhancer."""
    return ENHANCER if release.router is None or release.choices is None else ROUTER


def enhance_files(
    paths: Sequence[Path],
    out: Path,
    repair: Callable[[Image], Image],
    limits: ImageLimits | None = None,
    video_limits: VideoLimits | None = None,
) -> Iterator[Enhanced]:
    """Repair pictures, videos and folders of them, one after the other.

    Args:
        paths: files and folders; a folder stands for every file below it, and keeps its shape below ``out``.
        out: folder to write to; files are written beside and then renamed.
        repair: what :func:`build_repair` gave; all frames of a video get the same.
        limits: of pictures.
        video_limits: of videos.

    Raises:
        UserError: an output would replace a source or another output, or the folder cannot be written.
    """
    limits, video_limits = limits or ImageLimits(), video_limits or VideoLimits()
    jobs = [_job(source, out / name) for source, name in _sources(paths)]
    _refuse_clashes(jobs)
    for source, target, is_video in progress(jobs, "enhance", len(jobs)):
        try:
            if is_video:
                steady = repair.of_video(source, video_limits) if isinstance(repair, Routed) else repair
                rewrite_video(source, target, steady, video_limits)
            else:
                _write(repair_picture(read_bytes(source, limits), repair, limits), target)
        except Refused as refused:
            yield Enhanced(source, None, refused)
        except OSError as error:
            raise UserError(f"cannot write {target}: {error.strerror or error}") from error
        else:
            yield Enhanced(source, target, None)


class _Job(NamedTuple):
    source: Path
    target: Path
    is_video: bool


def _job(source: Path, target: Path) -> _Job:
    head = b""
    with suppress(OSError):  # whoever reads it says what is wrong
        if source.is_file():
            with source.open("rb") as file:
                head = file.read(HEAD_BYTES)
    is_video = kind_of_file(source.name, head) == "video"
    return _Job(source, rewritten_name(target) if is_video else target, is_video)


def _refuse_clashes(jobs: Sequence[_Job]) -> None:
    sources = {job.source.resolve() for job in jobs}
    targets: dict[Path, Path] = {}
    for source, target, _ in jobs:
        if target.resolve() in sources:
            raise UserError(f"{target} is a source itself: choose another folder for --out")
        if other := targets.get(target):
            raise UserError(f"{source} and {other} would both become {target}: enhance them one after the other")
        targets[target] = source


def _sources(paths: Sequence[Path]) -> Iterator[tuple[Path, Path]]:
    for path in paths:
        if path.is_dir():
            yield from ((path / name, Path(name)) for name in walk_files(path))
        else:
            yield path, Path(path.name)


def _write(data: bytes, target: Path) -> None:
    beside = target.with_name(f".{target.name}.part")
    target.parent.mkdir(parents=True, exist_ok=True)
    beside.write_bytes(data)
    beside.replace(target)
