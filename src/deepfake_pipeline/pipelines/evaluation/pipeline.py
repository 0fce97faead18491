"""Graph of evaluation."""

from kedro.pipeline import Node, Pipeline

from deepfake_pipeline.pipelines.evaluation import nodes

_JUDGED = ["packed_test", "recipes", "detector", "enhancer", "router", "operating_point", "enhanced_verdicts", "faces"]


def create_pipeline() -> Pipeline:
    """Faces and trained networks in; predictions on test faces, metrics, figures, report and release candidate out."""
    return Pipeline(
        [
            Node(
                nodes.calibrate_enhanced,
                [
                    "detector",
                    "enhancer",
                    "router",
                    "operating_point",
                    "packed_validation",
                    "packed_calibration",
                    "faces",
                    "params:verdicts",
                    "params:degradation",
                    "params:compute",
                ],
                "enhanced_verdicts",
                name="calibrate_enhanced",
            ),
            Node(
                nodes.predict,
                [*_JUDGED, "params:compute"],
                "predictions",
                name="predict",
            ),
            Node(nodes.describe, ["faces", "packed_test", "crop_geometry"], "face_traits", name="describe_faces"),
            Node(
                nodes.judge_again,
                [*_JUDGED, "params:evaluation", "params:compute"],
                "reencoded",
                name="judge_again",
            ),
            Node(
                nodes.measure,
                ["predictions", "face_traits", "reencoded", "operating_point", "params:evaluation", "params:compute"],
                "metrics",
                name="measure",
            ),
            Node(nodes.summarise, "metrics", "summary", name="summarise"),
            Node(
                nodes.record,
                ["summary", "packed_test", "detector", "enhancer", "operating_point", "params:study"],
                "evaluation_record",
                name="record",
            ),
            Node(
                nodes.bundle,
                [
                    "detector",
                    "enhancer",
                    "router",
                    "router_choices",
                    "crop_geometry",
                    "operating_point",
                    "enhanced_verdicts",
                    "summary",
                    "params:study",
                ],
                "candidate",
                name="bundle_candidate",
            ),
            Node(nodes.draw_roc, ["predictions", "metrics"], ["picture_roc", "plot_roc"], name="draw_roc"),
            Node(nodes.draw_confusion, "metrics", ["picture_confusion", "plot_confusion"], name="draw_confusion"),
            Node(
                nodes.draw_reliability,
                ["predictions", "metrics"],
                ["picture_reliability", "plot_reliability"],
                name="draw_reliability",
            ),
            Node(
                nodes.draw_severity,
                "metrics",
                [
                    "picture_severity_degraded",
                    "plot_severity_degraded",
                    "picture_severity_enhanced",
                    "plot_severity_enhanced",
                ],
                name="draw_severity",
            ),
            Node(nodes.draw_gain, "metrics", ["picture_gain", "plot_gain"], name="draw_gain"),
            Node(
                nodes.draw_sheets,
                ["packed_test", "recipes", "enhancer", "router", "params:evaluation", "params:compute"],
                ["picture_before_after", "picture_by_severity"],
                name="draw_sheets",
            ),
            Node(
                nodes.report,
                [
                    "metrics",
                    "params:study",
                    "detector",
                    "enhancer",
                    "split_counts",
                    "rejected_files",
                    "rejected_faces",
                    "near_duplicates",
                    "split_certificate",
                    *nodes.REPORT_PICTURES,
                ],
                "report",
                name="report",
            ),
        ],
        namespace="evaluation",
        prefix_datasets_with_namespace=False,
    )
