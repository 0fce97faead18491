"""Graph of degradation."""

from kedro.pipeline import Node, Pipeline

from deepfake_pipeline.pipelines.degradation.nodes import draw_recipes


def create_pipeline() -> Pipeline:
    """Faces in; recipes of degraded faces out (no pixels: they are made again on demand)."""
    return Pipeline(
        [
            Node(
                draw_recipes,
                ["faces", "params:degradation", "params:compute"],
                "recipes",
                name="draw_recipes",
            )
        ],
        namespace="degradation",
        prefix_datasets_with_namespace=False,
    )
