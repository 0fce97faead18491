"""One file a layout; adding one is one file and one line here."""

from pathlib import Path

from deepfake_pipeline.media.layouts.auto import Recognised, recognise
from deepfake_pipeline.media.layouts.base import GivenFace, Layout, LayoutParams, MediaEntry
from deepfake_pipeline.media.layouts.celeb_df import CelebDF
from deepfake_pipeline.media.layouts.dfdc import Dfdc
from deepfake_pipeline.media.layouts.faceforensics import FaceForensics
from deepfake_pipeline.media.layouts.folders import Folders
from deepfake_pipeline.media.layouts.manifest import Manifest
from deepfake_pipeline.media.layouts.openforensics import OpenForensics
from deepfake_pipeline.media.layouts.rendered import Rendered

LAYOUTS: dict[str, Layout] = {
    "rendered": Rendered(),
    "openforensics": OpenForensics(),
    "faceforensics": FaceForensics(),
    "dfdc": Dfdc(),
    "celeb_df": CelebDF(),
    "folders": Folders(),
    "manifest": Manifest(),
}
AUTO = "auto"


def resolve_layout(name: str, root: Path, params: LayoutParams) -> Recognised:
    """The layout to read a source by: the one that is named, or with ``auto`` the one that fits.

    Args:
        name: ``auto`` or a key of ``LAYOUTS``.
        root: the source.
        params: names of classes and of the manifest.

    Raises:
        UserError: with ``auto``, no layout fits or more than one.
    """
    return recognise(root, LAYOUTS, params) if name == AUTO else Recognised(name, "set by study.layout")


__all__ = ["AUTO", "LAYOUTS", "GivenFace", "Layout", "LayoutParams", "MediaEntry", "Recognised", "resolve_layout"]
