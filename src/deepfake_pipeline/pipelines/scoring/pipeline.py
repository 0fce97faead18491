"""Graph of scoring."""

from kedro.pipeline import Node, Pipeline

from deepfake_pipeline.pipelines.scoring.nodes import score


def create_pipeline() -> Pipeline:
    """A source and a release in, scores out. No part of the default run: it reads whatever release is in use."""
    return Pipeline(
        [
            Node(
                score,
                ["media", "manifest", "release", "params:scoring", "params:compute"],
                "scores",
                name="score",
            )
        ],
        namespace="scoring",
        prefix_datasets_with_namespace=False,
    )
