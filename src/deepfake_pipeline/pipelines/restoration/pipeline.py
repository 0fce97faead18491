"""Graph of restoration."""

from kedro.pipeline import Node, Pipeline

from deepfake_pipeline.pipelines.restoration import nodes


def create_pipeline() -> Pipeline:
    """Packed faces and the enhancer in; a router, figures of every repair, and a page about them out."""
    return Pipeline(
        [
            Node(
                nodes.train,
                [
                    "packed_train",
                    "packed_validation",
                    "recipes",
                    "params:restoration",
                    "params:degradation",
                    "params:compute",
                    "checkpoints",
                ],
                ["router", "router_history"],
                name="train_router",
            ),
            Node(
                nodes.choose,
                ["packed_validation", "recipes", "router", "enhancer", "params:restoration", "params:compute"],
                "router_choices",
                name="choose_repairs",
            ),
            Node(
                nodes.score,
                [
                    "packed_test",
                    "recipes",
                    "router",
                    "enhancer",
                    "router_choices",
                    "params:restoration",
                    "params:compute",
                ],
                "restoration_scores",
                name="score_repairs",
            ),
            Node(
                nodes.measure,
                [
                    "restoration_scores",
                    "router_choices",
                    "params:restoration",
                    "params:compute",
                ],
                "restoration",
                name="measure_restoration",
            ),
            Node(nodes.summarise, "restoration", "restoration_summary", name="summarise_restoration"),
            Node(
                nodes.draw,
                "restoration",
                [
                    "picture_restoration_severity",
                    "plot_restoration_severity",
                    "picture_router_confusion",
                    "plot_router_confusion",
                ],
                name="draw_restoration",
            ),
            Node(
                nodes.draw_history,
                "router_history",
                ["picture_router_history", "plot_router_history"],
                name="draw_router_history",
            ),
            Node(
                nodes.draw_sheet,
                [
                    "packed_test",
                    "recipes",
                    "router",
                    "enhancer",
                    "router_choices",
                    "params:restoration",
                    "params:compute",
                ],
                "picture_restoration_sheet",
                name="draw_restoration_sheet",
            ),
            Node(
                nodes.report,
                ["restoration", "router_choices", "params:study", *nodes.REPORT_PICTURES],
                "restoration_report",
                name="report_restoration",
            ),
        ],
        namespace="restoration",
        prefix_datasets_with_namespace=False,
    )
