"""What scoring the whole study would take: `python -m benchmarks.enhancement_study [faces]`.

Cells of the papers' degradations at severity 3 are scored on rendered faces of 224 px by untrained networks (they take
as long as trained ones), on one thread; the seconds are those of the processor, so that other work does not count.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from time import process_time

import numpy as np

from deepfake_pipeline.engine import tune_malloc, use_threads
from deepfake_pipeline.media.render import RenderParams, render_face
from deepfake_pipeline.models.store import build_network, network_bytes
from deepfake_pipeline.pipelines.enhancement_study.params import EnhancementStudyParams
from deepfake_pipeline.scoring.repairers import CLEAN, RepairParts, choose_classical
from deepfake_pipeline.scoring.study import Cell, CellWorker, StudyPlan, Variant, _keep_faces
from deepfake_pipeline.tables.packed import PackedFaces

SIDE, SEVERITY, CORES = 224, 3, 2


def main(count: int = 16) -> None:
    use_threads(1)
    tune_malloc()
    params = EnhancementStudyParams()
    faces = rendered(count)
    networks = {
        Variant(name, training, 0).key: network_bytes(build_network(name, params.of_detector(name, training)[0]))
        for name in params.detectors
        for training in ("plain", "control")
    }
    enhancer = build_network("recurrent_unet")
    enhancer.last.bias.data.fill_(0.1)  # else it changes nothing, and what is not changed is not judged again
    stored = network_bytes(enhancer)
    started = process_time()
    best = choose_classical(faces, range(4), params.degradations, [SEVERITY], seed=0, workers=1)
    choice = (process_time() - started) / 4 * params.choice_faces * len(params.severities)
    plan = StudyPlan(
        networks,
        RepairParts(best, {"enhancer": stored, "joint": stored}, params.slow_repairs),
        ("none", "best_classical", "enhancer", "joint"),
        params.degradations,
        (SEVERITY,),
        max(2, count * params.slow_faces // params.faces),
        seed=0,
    )
    with tempfile.TemporaryDirectory() as folder:
        _keep_faces(faces, np.arange(count), Path(folder) / "faces")
        worker = CellWorker(plan, Path(folder))
        worker._chunk(Cell(CLEAN, 0), np.arange(4))  # libraries are loaded late
        parts(worker, count)
        print(f"\n{'cell':18} ms a face   best classical")
        total = 0.0
        for name in params.degradations:
            started = process_time()
            worker(Cell(name, SEVERITY))
            total += (spent := process_time() - started)
            print(f"{name:18} {1000 * spent / count:9.1f}   {best[name][str(SEVERITY)]}")
    cells = len(params.degradations) * len(params.severities) + 1
    seconds = total / count / len(params.degradations) * cells * params.faces
    print(f"\n{cells} cells, {params.faces} faces, {len(networks)} detectors, {len(plan.repairs)} repairs:")
    print(f"{seconds:.0f} s of one core, {seconds / 60 / CORES:.1f} min on {CORES}")
    print(f"choosing classical repairs on {params.choice_faces} faces before: {choice / 60 / CORES:.1f} min")


def parts(worker: CellWorker, count: int) -> None:
    """Milliseconds a face of each network."""
    images = np.asarray(worker.faces.images)
    print(f"{'network':18} ms a face")
    for name in ("enhancer", "joint"):
        started = process_time()
        worker.repairers[name].repair(images, CLEAN, 0)
        print(f"{name:18} {1000 * (process_time() - started) / count:9.1f}")
    started = process_time()
    worker._judged(np.arange(count), images, [])
    print(f"{'all detectors':18} {1000 * (process_time() - started) / count:9.1f}")


def rendered(count: int) -> PackedFaces:
    """Rendered faces, each a group of its own."""
    params = RenderParams(identities=count, size=SIDE)
    images = np.stack([render_face(identity, 0, params).image for identity in range(count)])
    names = np.array([f"{number:06d}".encode() for number in range(count)], "S64")
    return PackedFaces(images, (np.arange(count) % 2).astype(np.int8), names, names)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
