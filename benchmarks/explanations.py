"""Whether heat maps point at what was altered in forgeries: `python -m benchmarks.explanations DATA N SPLIT`.

DATA is the data root of a finished run (default `data`). What was altered is said by the masks of the rendered set; in
other sets by the difference of a forgery and the real face of the same frame, where both are there. The run's own
detector is explained, on the forged faces of a split (test by default, N at most). Two questions for each kind of map:
does its peak lie inside the altered region, and does covering its highest tenth lower the log-odds more than covering
as much elsewhere (Wilcoxon's signed-rank test on the means of groups and, as there are few, on faces)?
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.dataset as pads
from numpy.typing import NDArray
from scipy.stats import wilcoxon

from deepfake_pipeline.engine import tune_malloc, use_threads
from deepfake_pipeline.faces.detections import Detection
from deepfake_pipeline.faces.geometry import CropGeometry, cut
from deepfake_pipeline.media.images import decode_image
from deepfake_pipeline.models.run import DetectorRunner
from deepfake_pipeline.models.store import load_network
from deepfake_pipeline.scoring.explain import EXPLANATIONS, deletion_falls
from deepfake_pipeline.tables.errors import UserError
from deepfake_pipeline.tables.packed import open_packed
from deepfake_pipeline.tables.stream import ParquetTable
from deepfake_pipeline.training.labelled import LocatedFaces, altered_share

Forgery = tuple[str, NDArray[np.uint8], NDArray[np.bool_]]
"""Group, crop, and where it was altered."""

ALTERED = 32  # of 255: share of the other face from which a place counts as altered
HALF = 128  # of 255: from which a place counts as differing
DELETED = 0.1


def main(root: str = "data", limit: str = "96", split: str = "test") -> None:
    use_threads(1)
    tune_malloc()
    data = Path(root)
    network: Any = load_network((data / "06_models/detector.safetensors").read_bytes())
    judge = DetectorRunner(network, "cpu")
    rendered = (data / "01_raw/media/files/truth.parquet").exists()
    forgeries = _rendered(data, split) if rendered else _beside_originals(data, split)
    rows = []
    rng = np.random.default_rng(0)
    for group, crop, inside in islice(forgeries, int(limit)):
        said = judge.judge(crop[None]).logit[0]
        for name, explain in EXPLANATIONS.items():
            try:
                heat = explain(judge, crop)
            except UserError:
                continue  # not of this detector
            peak = bool(inside[np.unravel_index(int(np.argmax(heat)), heat.shape)])
            ranked, random = deletion_falls(judge, crop, heat, DELETED, rng)
            facts = {"map": name, "group": group, "called": said >= 0, "peak": peak}
            rows.append({**facts, "ranked": ranked, "random": random, "area": float(inside.mean())})
    _show(pd.DataFrame(rows))


def _rendered(data: Path, split: str) -> Iterator[Forgery]:
    """Forged faces of the rendered set, whose masks say what was altered."""
    geometry = CropGeometry.from_json((data / "03_primary/crop_geometry.json").read_text())
    manifest = ParquetTable(data / "02_intermediate/manifest").read(["sample_id", "path"]).set_index("sample_id").path
    files = data / "01_raw/media/files"
    truth = pd.read_parquet(files / "truth.parquet").set_index("path")
    where = (pads.field("split") == split) & (pads.field("label") == 1)
    columns = ["face_id", "sample_id", "group", "x", "y", "w", "h", "score", "landmarks"]
    for face in ParquetTable(data / "03_primary/faces").read(columns, where).to_dict("records"):
        path = manifest[face["sample_id"]]
        picture, mask = (decode_image((files / name).read_bytes()) for name in (path, truth["mask"][path]))
        box = np.array([face[name] for name in "xywh"], np.float32)
        found = Detection(box, float(face["score"]), np.asarray(face["landmarks"], np.float32).reshape(5, 2))
        crop, altered = (cut(image, found, geometry) for image in (picture, mask))
        yield face["group"], crop, altered[..., 0] >= ALTERED


def _beside_originals(data: Path, split: str) -> Iterator[Forgery]:
    """Forged faces whose original was cut from the same frame: altered is where the two differ; groups take turns."""
    faces = open_packed(data / "05_model_input" / split)
    original_of = LocatedFaces(faces, None, 0.0, 0.0, 0).original_of
    seen: Counter[bytes] = Counter()
    turns = []
    for forged in original_of:
        group = bytes(faces.groups[forged])
        turns.append((seen[group], forged))
        seen[group] += 1
    for _, forged in sorted(turns):
        crop, original = np.array(faces.images[forged]), np.array(faces.images[original_of[forged]])
        inside = altered_share(crop, original) >= HALF
        if inside.any():
            yield faces.groups[forged].decode(), crop, inside


def _show(table: pd.DataFrame) -> None:
    print(f"{table.area.mean():.0%} of a forged crop is altered, on the average: what a peak anywhere would reach")
    print(f"{'map':10} {'faces':14}    n  peak inside  ranked  random  p, groups  p, faces")
    for name, rows in table.groupby("map", sort=False):
        for which, part in (("all forged", rows), ("called forged", rows[rows.called])):
            if len(part) < 2:
                continue
            more = part.ranked - part.random
            groups = more.groupby(part.group).mean()
            p = [wilcoxon(values, alternative="greater").pvalue for values in (groups, more)]
            print(
                f"{name:10} {which:14} {len(part):4} {part.peak.mean():12.2f} {part.ranked.mean():7.3f} "
                f"{part.random.mean():7.3f} {p[0]:10.2g} {p[1]:9.2g}"
            )


if __name__ == "__main__":
    main(*sys.argv[1:4])
