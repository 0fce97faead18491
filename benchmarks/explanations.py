"""Whether heat maps point at what was altered in rendered forgeries: `python -m benchmarks.explanations DATA N SPLIT`.

DATA is the data root of a finished run on the rendered set (default `data`), whose masks say what was altered. Its own
detector is explained, on the forged faces of a split (test by default, N at most). Two questions for each kind of map:
does its peak lie inside the altered region, and does covering its highest tenth lower the log-odds more than covering
as much elsewhere (Wilcoxon's signed-rank test on the means of groups and, as there are few, on faces)?
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.dataset as pads
from scipy.stats import wilcoxon

from deepfake_pipeline.engine import tune_malloc, use_threads
from deepfake_pipeline.faces.detections import Detection
from deepfake_pipeline.faces.geometry import CropGeometry, cut
from deepfake_pipeline.media.images import decode_image
from deepfake_pipeline.models.run import DetectorRunner
from deepfake_pipeline.models.store import load_network
from deepfake_pipeline.scoring.explain import EXPLANATIONS, deletion_falls
from deepfake_pipeline.tables.stream import ParquetTable

ALTERED = 32  # of 255: share of the other face from which a place counts as altered
DELETED = 0.1


def main(root: str = "data", limit: str = "96", split: str = "test") -> None:
    use_threads(1)
    tune_malloc()
    data = Path(root)
    judge = DetectorRunner(load_network((data / "06_models/detector.safetensors").read_bytes()), "cpu")  # type: ignore[arg-type]
    geometry = CropGeometry.from_json((data / "03_primary/crop_geometry.json").read_text())
    manifest = ParquetTable(data / "02_intermediate/manifest").read(["sample_id", "path"]).set_index("sample_id").path
    files = data / "01_raw/media/files"
    truth = pd.read_parquet(files / "truth.parquet").set_index("path")
    where = (pads.field("split") == split) & (pads.field("label") == 1)
    columns = ["face_id", "sample_id", "group", "x", "y", "w", "h", "score", "landmarks"]
    forged = ParquetTable(data / "03_primary/faces").read(columns, where).iloc[: int(limit)]
    rows = []
    rng = np.random.default_rng(0)
    for face in forged.to_dict("records"):
        path = manifest[face["sample_id"]]
        picture, mask = (decode_image((files / name).read_bytes()) for name in (path, truth["mask"][path]))
        box = np.array([face[name] for name in "xywh"], np.float32)
        found = Detection(box, float(face["score"]), np.asarray(face["landmarks"], np.float32).reshape(5, 2))
        crop, altered = (cut(image, found, geometry) for image in (picture, mask))
        inside = altered[..., 0] >= ALTERED
        said = judge.judge(crop[None]).logit[0]
        for name, explain in EXPLANATIONS.items():
            heat = explain(judge, crop)
            peak = bool(inside[np.unravel_index(int(np.argmax(heat)), heat.shape)])
            ranked, random = deletion_falls(judge, crop, heat, DELETED, rng)
            facts = {"map": name, "group": face["group"], "called": said >= 0, "peak": peak}
            rows.append({**facts, "ranked": ranked, "random": random, "area": float(inside.mean())})
    _show(pd.DataFrame(rows))


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
