"""Parameters of ingestion."""

from __future__ import annotations

from pydantic import Field

from deepfake_pipeline.media.archives import ArchiveLimits
from deepfake_pipeline.media.index_params import IndexParams
from deepfake_pipeline.media.render import RenderParams


class IngestionParams(IndexParams):
    """Splits, limits and label names (``IndexParams``), archives, and the built-in set."""

    archive: ArchiveLimits = Field(default=ArchiveLimits(), description="What an archive may hold at most.")
    rendered: RenderParams = Field(default=RenderParams(), description="The built-in set.")
