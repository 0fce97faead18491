"""Graph of ingestion."""

from kedro.pipeline import Node, Pipeline

from deepfake_pipeline.pipelines.ingestion.nodes import acquire, index


def create_pipeline() -> Pipeline:
    """Study in; manifest and refused files out."""
    return Pipeline(
        [
            Node(
                acquire,
                ["params:study", "params:ingestion", "params:compute", "downloads"],
                "media",
                name="acquire",
            ),
            Node(
                index,
                ["media", "params:study", "params:ingestion", "params:compute"],
                ["manifest", "rejected_files", "near_duplicates"],
                name="index",
            ),
        ],
        namespace="ingestion",
        prefix_datasets_with_namespace=False,
    )
