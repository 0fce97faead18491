"""Graph of packing."""

from kedro.pipeline import Node, Pipeline

from deepfake_pipeline.pipelines.packing.nodes import check_splits, pack


def create_pipeline() -> Pipeline:
    """Faces in; one memory-mapped array for each split out, if every split has both classes and
    leaks nothing."""
    return Pipeline(
        [
            Node(check_splits, ["manifest", "split_certificate"], "split_counts", name="check_splits"),
            Node(
                pack,
                ["faces", "params:study", "split_counts"],
                ["packed_train", "packed_validation", "packed_calibration", "packed_test"],
                name="pack",
            ),
        ],
        namespace="packing",
        prefix_datasets_with_namespace=False,
    )
