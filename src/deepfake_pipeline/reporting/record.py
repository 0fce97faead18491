"""What is remembered of each judgement, so that a card can say how often a test split was looked at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import nn

from deepfake_pipeline.models.store import network_bytes, network_name
from deepfake_pipeline.tables.ids import sha256_hex
from deepfake_pipeline.tables.packed import PackedFaces

Record = dict[str, Any]


def evaluation_record(
    study: str, test_faces: PackedFaces, networks: dict[str, nn.Module], threshold: float, summary: dict[str, Any]
) -> Record:
    """One judgement: of which networks, on which faces, with what result.

    Args:
        study: name of the data set.
        test_faces: the faces that judged.
        networks: by role, such as ``detector``.
        threshold: of the verdict.
        summary: what :func:`reporting.judge.summarise` gave.
    """
    return {
        "study": study,
        "test_faces": faces_digest(test_faces),
        "networks": {
            role: {"name": network_name(network), "sha256": sha256_hex(network_bytes(network))}
            for role, network in networks.items()
        },
        "threshold": threshold,
        "summary": summary,
    }


def faces_digest(faces: PackedFaces) -> str:
    """SHA-256 of the ids of packed faces: the same for the same faces, whatever their size."""
    return sha256_hex(b"\n".join(bytes(face_id) for face_id in faces.face_ids))


def times_judged(records: Sequence[Record], test_faces: PackedFaces) -> int:
    """How many of the judgements were made on these very faces."""
    digest = faces_digest(test_faces)
    return sum(record["test_faces"] == digest for record in records)
