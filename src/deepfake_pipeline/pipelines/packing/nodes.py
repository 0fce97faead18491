"""Nodes of packing."""

from __future__ import annotations

from deepfake_pipeline.faces.pack import check_faces, pack_split
from deepfake_pipeline.media.certificate import Certificate, require
from deepfake_pipeline.media.classes import check_classes
from deepfake_pipeline.media.study import DatasetStudy
from deepfake_pipeline.tables import Table
from deepfake_pipeline.tables.packed import PackedStream
from deepfake_pipeline.tables.splits import SPLITS


def check_splits(manifest: Table, split_certificate: Certificate) -> dict[str, dict[str, int]]:
    """Real and forged files of each split; one that lacks a class, or a leak that is not tolerated, stops the run."""
    require(split_certificate)
    return check_classes(manifest)


def pack(faces: Table, study: DatasetStudy, split_counts: dict[str, dict[str, int]]) -> tuple[PackedStream, ...]:
    """The labelled faces of each split as one array; a split without faces of a class stops the run."""
    check_faces(faces)
    return tuple(pack_split(faces, split, study.height, study.width) for split in SPLITS)
