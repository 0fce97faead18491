"""Videos as the index sees them: by their first frame, within the limits of the study's files."""

from __future__ import annotations

from pathlib import Path

from deepfake_pipeline.media import video
from deepfake_pipeline.media.container import VideoLimits
from deepfake_pipeline.media.images import ImageLimits
from deepfake_pipeline.media.video import FirstLook
from deepfake_pipeline.tables import Reason, Refused


def video_limits(limits: ImageLimits) -> VideoLimits:
    """Limits of videos that agree with those of the other files of a source."""
    return VideoLimits(max_bytes=limits.max_video_bytes, max_pixels=limits.max_pixels, min_side=limits.min_side)


def first_look(path: Path, limits: ImageLimits) -> FirstLook:
    """The first frame of a video that can be decoded, and whether there is sound.

    Raises:
        Refused: as :func:`media.video.sample_frames` does; but what is no video, though its name or its place says
            so, is ``unreadable``: in a dataset it is a damaged file.
    """
    try:
        return video.first_look(path, video_limits(limits))
    except Refused as refused:
        if refused.reason is Reason.UNSUPPORTED_TYPE:
            raise Refused(Reason.UNREADABLE, refused.detail) from refused
        raise
