"""Small data roots to compare."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from safetensors.torch import save_file

SCHEMA = pa.schema(
    [
        pa.field("face_id", pa.string()),
        pa.field("condition", pa.string()),
        pa.field("severity", pa.int8()),
        pa.field("fake_probability", pa.float32()),
        pa.field("landmarks", pa.list_(pa.float32())),
        pa.field("crop", pa.binary()),
    ]
)


def rows(faces: int = 3) -> list[dict[str, Any]]:
    """Two rows a face, in order."""
    return [
        {
            "face_id": f"f{face:05d}",
            "condition": condition,
            "severity": severity,
            "fake_probability": (face * 2 + severity) / (4 * faces),
            "landmarks": [float(face), 1.0, 2.0],
            "crop": bytes([face % 256]),
        }
        for face in range(faces)
        for severity, condition in enumerate(("clean", "degraded"))
    ]


def write_table(folder: Path, values: list[dict[str, Any]], schema: pa.Schema = SCHEMA, shard: int = 10**9) -> None:
    """Shards of at most ``shard`` rows."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, at in enumerate(range(0, max(1, len(values)), shard)):
        table = pa.Table.from_pylist(values[at : at + shard], schema=schema)
        pq.write_table(table, folder / f"part-{number:05d}.parquet")


def write_run(root: Path) -> Path:
    """A data root with one dataset of each kind; equal bytes every time."""
    for layer in ("01_raw/media", "05_model_input/test", "06_models", "08_reporting/figures"):
        (root / layer).mkdir(parents=True)
    (root / "01_raw/media/clip.mp4").write_bytes(bytes(range(200)))
    write_table(root / "07_model_output/predictions", rows())
    np.save(root / "05_model_input/test/images.npy", np.arange(4 * 5 * 6 * 3, dtype=np.uint8).reshape(4, 5, 6, 3))
    save_file(
        {"head.weight": torch.linspace(-1, 1, 12).reshape(3, 4), "steps": torch.tensor(7)},
        root / "06_models/detector.safetensors",
        {"network": json.dumps({"name": "meso4", "config": {"image_size": 64, "dropout": 0.5}})},
    )
    write_json(root / "08_reporting/metrics.json", metrics())
    cv2.imwrite(str(root / "08_reporting/figures/roc.png"), np.full((20, 30, 3), 100, np.uint8))
    return root


def metrics() -> dict[str, Any]:
    """Figures as an evaluation has them."""
    return {"auroc": {"value": 0.9, "low": 0.8}, "faces": 96, "curve": [0.0, 0.5, 1.0], "rule": "best", "far": 1e6}


def write_json(path: Path, value: Any) -> None:
    """As the JSON dataset does."""
    path.write_text(json.dumps(value, indent=2) + "\n")
