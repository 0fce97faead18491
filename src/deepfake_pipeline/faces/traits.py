"""What is known of faces besides their label: by what figures are broken down."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow.dataset as pads

from deepfake_pipeline.faces.geometry import CropGeometry
from deepfake_pipeline.faces.skin import face_points, typology_angle
from deepfake_pipeline.tables import Table
from deepfake_pipeline.tables.packed import PackedFaces
from deepfake_pipeline.tables.splits import Split

_COLUMNS = ["face_id", "sample_id", "source", "method", "track", "yaw", "w", "h"]


def face_traits(faces: Table, packed: PackedFaces, split: Split, geometry: CropGeometry) -> Iterator[dict[str, Any]]:
    """Rows of ``tables.schemas.FACE_TRAITS`` of the faces of a split, in the order in which they are packed.

    Args:
        faces: table ``FACES``.
        packed: the crops of the split.
        split: its name.
        geometry: of the crops; it says where the cheeks are.
    """
    frame = faces.read(_COLUMNS, where=pads.field("split") == split).astype(object)
    known = frame.where(frame.notna(), None).set_index("face_id").to_dict("index")
    points = face_points(geometry)
    for row in range(len(packed)):
        face_id = packed.face_ids[row].decode()
        facts = known[face_id]
        width, height = facts.pop("w"), facts.pop("h")
        size = None if width is None or height is None else min(width, height)
        angle = None if points is None else typology_angle(packed.images[row], points)
        yield {"face_id": face_id, **facts, "size": size, "skin_angle": angle}
