"""Graph of the release."""

from kedro.pipeline import Node, Pipeline

from deepfake_pipeline.pipelines.release import nodes


def create_pipeline() -> Pipeline:
    """The candidate of the last run in; a versioned release and the new champion out. No part of the default run."""
    return Pipeline(
        [
            Node(nodes.round_weights, ["candidate", "params:release"], "rounded_candidate", name="round_weights"),
            Node(
                nodes.gate,
                ["rounded_candidate", "champion_release", "packed_calibration", "params:release", "params:compute"],
                "release_gate",
                name="gate",
            ),
            Node(
                nodes.describe_networks,
                [
                    "rounded_candidate",
                    "params:detector_training",
                    "params:enhancer_training",
                    "detector_history",
                    "enhancer_history",
                ],
                "card_networks",
                name="describe_networks",
            ),
            Node(
                nodes.describe_data,
                [
                    "params:study",
                    "split_counts",
                    "rejected_files",
                    "rejected_faces",
                    "near_duplicates",
                    "split_certificate",
                    "packed_test",
                    "evaluation_records",
                ],
                "card_data",
                name="describe_data",
            ),
            Node(
                nodes.write_card,
                ["card_networks", "card_data", "metrics", "operating_point", "release_gate", "parameters"],
                ["card_markdown", "card_page"],
                name="write_card",
            ),
            Node(
                nodes.publish,
                ["rounded_candidate", "release_gate", "card_markdown", "card_page"],
                "release",
                name="publish",
            ),
            Node(nodes.crown, ["release", "release_gate"], "champion", name="crown"),
        ],
        namespace="release",
        prefix_datasets_with_namespace=False,
    )
