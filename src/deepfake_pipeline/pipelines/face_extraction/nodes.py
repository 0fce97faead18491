"""Nodes of face extraction."""

from __future__ import annotations

from deepfake_pipeline.faces.extract import extract_faces
from deepfake_pipeline.faces.geometry import CropGeometry, measure_geometry
from deepfake_pipeline.faces.params import FaceParams
from deepfake_pipeline.media.certificate import Certificate, certify_faces
from deepfake_pipeline.media.sources import MediaSource
from deepfake_pipeline.media.study import DatasetStudy
from deepfake_pipeline.pipelines.compute import ComputeParams
from deepfake_pipeline.tables import RecordStream, Table


def extract(
    media: MediaSource, manifest: Table, study: DatasetStudy, params: FaceParams, compute: ComputeParams
) -> tuple[RecordStream, RecordStream]:
    """Faces and refused faces; the second is complete once the first has been written."""
    return extract_faces(manifest, media.root, study, params, workers=compute.workers, accelerator=compute.accelerator)


def describe_crop(faces: Table, manifest: Table, study: DatasetStudy, params: FaceParams) -> CropGeometry:
    """How a new photograph has to be cut so that its faces look like these."""
    return measure_geometry(faces, study, params, manifest)


def certify(file_certificate: Certificate, manifest: Table, faces: Table) -> Certificate:
    """What leaks between the splits, the faces considered too."""
    return certify_faces(file_certificate, manifest, faces)
