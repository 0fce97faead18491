"""Graph of ingestion."""

from kedro.pipeline import Node, Pipeline

from deepfake_pipeline.pipelines.ingestion.nodes import acquire, certify, index


def create_pipeline() -> Pipeline:
    """Study in; manifest, refused files and what leaks between the splits out."""
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
            Node(
                certify,
                ["media", "manifest", "rejected_files", "near_duplicates", "params:study", "params:ingestion"],
                "file_certificate",
                name="certify_files",
            ),
        ],
        namespace="ingestion",
        prefix_datasets_with_namespace=False,
    )
