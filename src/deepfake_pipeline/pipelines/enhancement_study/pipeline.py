"""Graph of the study."""

from kedro.pipeline import Node, Pipeline

from deepfake_pipeline.pipelines.enhancement_study import nodes


def create_pipeline() -> Pipeline:
    """Packed faces and an enhancer in; scores, tests of every cell, figures and a page out. No part of the default run:
    it trains many detectors."""
    return Pipeline(
        [
            Node(
                nodes.train_detectors,
                ["packed_train", "packed_validation", "params:enhancement_study", "params:compute", "checkpoints"],
                ["study_detectors", "study_histories"],
                name="train_study_detectors",
            ),
            Node(
                nodes.train_enhancers,
                [
                    "packed_train",
                    "packed_validation",
                    "enhancer",
                    "study_detectors",
                    "params:enhancement_study",
                    "params:compute",
                    "checkpoints",
                ],
                "study_enhancers",
                name="train_study_enhancers",
            ),
            Node(
                nodes.choose_repairs,
                ["packed_validation", "params:enhancement_study", "params:compute"],
                "study_repairs",
                name="choose_study_repairs",
            ),
            Node(
                nodes.score,
                [
                    "packed_test",
                    "study_detectors",
                    "study_enhancers",
                    "router",
                    "router_choices",
                    "study_repairs",
                    "params:enhancement_study",
                    "params:compute",
                    "checkpoints",
                ],
                "study_scores",
                name="score_study",
            ),
            Node(
                nodes.measure,
                ["study_scores", "params:enhancement_study", "params:compute"],
                "study_metrics",
                name="measure_study",
            ),
            Node(
                nodes.draw,
                "study_metrics",
                [
                    "picture_study_severity",
                    "plot_study_severity",
                    "picture_study_changes",
                    "plot_study_changes",
                ],
                name="draw_study",
            ),
            Node(
                nodes.report,
                [
                    "study_metrics",
                    "study_repairs",
                    "params:study",
                    "params:enhancement_study",
                    *nodes.STUDY_PICTURES,
                ],
                "study_page",
                name="report_study",
            ),
        ],
        namespace="enhancement_study",
        prefix_datasets_with_namespace=False,
    )
