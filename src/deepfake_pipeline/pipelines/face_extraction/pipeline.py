"""Graph of face extraction."""

from kedro.pipeline import Node, Pipeline

from deepfake_pipeline.pipelines.face_extraction.nodes import certify, describe_crop, extract


def create_pipeline() -> Pipeline:
    """Manifest in; faces, refused faces, the geometry of the crops and the certificate of the splits out."""
    return Pipeline(
        [
            Node(
                extract,
                ["media", "manifest", "params:study", "params:face_extraction", "params:compute"],
                ["faces", "rejected_faces"],
                name="extract",
            ),
            Node(
                describe_crop,
                ["faces", "manifest", "params:study", "params:face_extraction"],
                "crop_geometry",
                name="describe_crop",
            ),
            Node(certify, ["file_certificate", "manifest", "faces"], "split_certificate", name="certify_splits"),
        ],
        namespace="face_extraction",
        prefix_datasets_with_namespace=False,
    )
