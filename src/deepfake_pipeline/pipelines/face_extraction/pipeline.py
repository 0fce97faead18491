"""Graph of face extraction."""

from kedro.pipeline import Node, Pipeline

from deepfake_pipeline.pipelines.face_extraction.nodes import describe_crop, extract


def create_pipeline() -> Pipeline:
    """Manifest in; faces, refused faces and the geometry of the crops out."""
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
        ],
        namespace="face_extraction",
        prefix_datasets_with_namespace=False,
    )
