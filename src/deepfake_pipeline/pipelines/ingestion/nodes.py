"""Nodes of ingestion."""

from __future__ import annotations

from pathlib import Path

from deepfake_pipeline.forge.rendered import RenderedMedia
from deepfake_pipeline.media.certificate import Certificate, certify_files
from deepfake_pipeline.media.index import index_source
from deepfake_pipeline.media.layouts import LAYOUTS, resolve_layout
from deepfake_pipeline.media.moves import open_earlier
from deepfake_pipeline.media.sources import Media, MediaSource, locate
from deepfake_pipeline.media.study import DatasetStudy
from deepfake_pipeline.pipelines.compute import ComputeParams
from deepfake_pipeline.pipelines.ingestion.params import IngestionParams
from deepfake_pipeline.tables import RecordStream, Table


def acquire(study: DatasetStudy, params: IngestionParams, compute: ComputeParams, scratch: Path) -> Media:
    """Make the media of a study available: a folder where it lies, an archive, a URL, or the built-in renderer."""
    if study.layout == "rendered":
        return RenderedMedia(params.rendered, compute.workers)
    return locate(study, scratch, params.archive)


def check_source(study: DatasetStudy, params: IngestionParams, scratch: Path) -> None:
    """Refuse a source, or an earlier manifest, that is not there, before any work.

    Raises:
        UserError: what is wrong with ``study.uri`` or ``ingestion.earlier_manifest``.
    """
    open_earlier(params.earlier_manifest)
    if study.layout != "rendered":
        locate(study, scratch, params.archive)


def index(
    media: MediaSource, study: DatasetStudy, params: IngestionParams, compute: ComputeParams
) -> tuple[RecordStream, RecordStream, RecordStream]:
    """Manifest, refused files, and near-duplicates that lie in different splits."""
    return index_source(media, study, params, compute.workers)


def certify(
    media: MediaSource,
    manifest: Table,
    rejected_files: Table,
    near_duplicates: Table,
    study: DatasetStudy,
    params: IngestionParams,
) -> Certificate:
    """What leaks between the splits, as far as files tell."""
    layout = LAYOUTS[resolve_layout(study.layout, media.root, params).layout]
    return certify_files(manifest, rejected_files, near_duplicates, layout, params)
