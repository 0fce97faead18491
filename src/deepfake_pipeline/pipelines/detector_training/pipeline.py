"""Graph of the detector's training."""

from kedro.pipeline import Node, Pipeline

from deepfake_pipeline.pipelines.detector_training.nodes import calibrate, draw_history, train


def create_pipeline() -> Pipeline:
    """Packed faces in; a network that judges them and what its log-odds are worth out."""
    return Pipeline(
        [
            Node(
                train,
                [
                    "packed_train",
                    "packed_validation",
                    "crop_geometry",
                    "params:detector_training",
                    "params:degradation",
                    "params:compute",
                    "checkpoints",
                ],
                ["detector", "detector_history"],
                name="train_detector",
            ),
            Node(
                calibrate,
                [
                    "detector",
                    "packed_validation",
                    "packed_calibration",
                    "faces",
                    "params:verdicts",
                    "params:degradation",
                    "params:compute",
                ],
                "operating_point",
                name="calibrate_detector",
            ),
            Node(
                draw_history,
                "detector_history",
                ["picture_detector_history", "plot_detector_history"],
                name="draw_detector_history",
            ),
        ],
        namespace="detector_training",
        prefix_datasets_with_namespace=False,
    )
