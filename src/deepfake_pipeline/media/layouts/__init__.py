"""One file a layout; adding one is one file and one line here."""

from deepfake_pipeline.media.layouts.base import Layout, LayoutParams, MediaEntry
from deepfake_pipeline.media.layouts.folders import Folders
from deepfake_pipeline.media.layouts.manifest import Manifest
from deepfake_pipeline.media.layouts.rendered import Rendered

LAYOUTS: dict[str, Layout] = {
    "rendered": Rendered(),
    "folders": Folders(),
    "manifest": Manifest(),
}

__all__ = ["LAYOUTS", "Layout", "LayoutParams", "MediaEntry"]
