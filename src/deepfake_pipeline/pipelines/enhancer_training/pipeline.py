"""Graph of the enhancer's training."""

from kedro.pipeline import Node, Pipeline

from deepfake_pipeline.pipelines.enhancer_training.nodes import draw_history, train


def create_pipeline() -> Pipeline:
    """Packed faces in; a network that restores them, and its history, out."""
    return Pipeline(
        [
            Node(
                train,
                [
                    "packed_train",
                    "packed_validation",
                    "recipes",
                    "params:enhancer_training",
                    "params:degradation",
                    "params:compute",
                    "checkpoints",
                ],
                ["enhancer", "enhancer_history"],
                name="train_enhancer",
            ),
            Node(
                draw_history,
                "enhancer_history",
                ["picture_enhancer_history", "plot_enhancer_history"],
                name="draw_enhancer_history",
            ),
        ],
        namespace="enhancer_training",
        prefix_datasets_with_namespace=False,
    )
