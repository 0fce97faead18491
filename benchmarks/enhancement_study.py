"""What scoring the whole study would take: `python -m benchmarks.enhancement_study [faces]`.

Cells of the papers' degradations at severity 3 are scored on rendered faces of 224 px, repaired in every way by the
networks of the packaged release and judged by untrained detectors (they take as long as trained ones), on one thread;
the seconds are those of the processor, so that other work does not count.
"""

from __future__ import annotations

import copy
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from time import process_time

import numpy as np

from deepfake_pipeline.engine import tune_malloc, use_threads
from deepfake_pipeline.media.render import RenderParams, render_face
from deepfake_pipeline.models.store import build_network, network_bytes
from deepfake_pipeline.pipelines.enhancement_study.params import EnhancementStudyParams
from deepfake_pipeline.scoring.release import packaged_release
from deepfake_pipeline.scoring.repairers import CLEAN, RepairParts, choose_classical
from deepfake_pipeline.scoring.study import Cell, CellWorker, StudyPlan, Variant, _keep_faces
from deepfake_pipeline.tables.packed import PackedFaces

SIDE, SEVERITY, CORES = 224, 3, 2


def main(count: int = 40) -> None:
    use_threads(1)
    tune_malloc()
    params = EnhancementStudyParams()
    faces = rendered(count)
    networks = {
        Variant(name, training, 0).key: network_bytes(build_network(name, params.of_detector(name, training)[0]))
        for name in params.detectors
        for training in ("plain", "control")
    }
    release = packaged_release()
    joint = copy.deepcopy(release.enhancer)
    joint.last.bias.data.add_(0.02)  # else its pictures would be the enhancer's, which are not judged again
    parts = {"enhancer": release.enhancer, "joint": joint, "router": release.router}
    started = process_time()
    best = choose_classical(faces, range(4), params.degradations, [SEVERITY], seed=0, workers=1)
    choice = (process_time() - started) / 4 * params.choice_faces * len(params.severities)
    plan = StudyPlan(
        networks,
        RepairParts(
            best,
            {name: network_bytes(network) for name, network in parts.items()},
            params.slow_repairs,
            choices=release.choices,
        ),
        params.repairs,
        params.degradations,
        (SEVERITY,),
        max(2, count * params.slow_faces // params.faces),
        seed=0,
    )
    cells = len(params.degradations) * len(params.severities) + 1
    with tempfile.TemporaryDirectory() as folder:
        _keep_faces(faces, np.arange(count), Path(folder) / "faces")
        tell_parts(CellWorker(plan, Path(folder)))
        for repairs in (plan.repairs, tuple(name for name in plan.repairs if name != "joint")):
            worker = CellWorker(replace(plan, repairs=repairs), Path(folder))
            worker._chunk(Cell(CLEAN, 0), np.arange(4))  # libraries are loaded late
            print(f"\n{'cell':18} ms a face   best classical")
            spent = {name: _seconds(worker, name) for name in params.degradations}
            for name, seconds in spent.items():
                print(f"{name:18} {1000 * seconds / count:9.1f}   {best[name][str(SEVERITY)]}")
            total = sum(spent.values()) / count / len(spent) * cells * params.faces
            print(f"{cells} cells, {params.faces} faces, {len(networks)} detectors, repairs: {', '.join(repairs)}")
            print(f"{total:.0f} s of one core, {total / 60 / CORES:.1f} min on {CORES}")
    print(f"\nchoosing classical repairs on {params.choice_faces} faces before: {choice / 60 / CORES:.1f} min")


def _seconds(worker: CellWorker, degradation: str) -> float:
    started = process_time()
    worker(Cell(degradation, SEVERITY))
    return process_time() - started


def tell_parts(worker: CellWorker) -> None:
    """Print milliseconds a face of each network."""
    images = np.asarray(worker.faces.images)
    print(f"{'network':18} ms a face")
    for name in ("enhancer", "joint"):
        router = worker.bench.router(name)
        told = router.chances(images)
        _tell(name, len(images), partial(router.enhanced, images, told, lambda _, pictures: pictures))
    _tell("classifier", len(images), partial(router.chances, images))
    for key, judge in worker.judges.items():
        _tell(key, len(images), partial(judge.judge, images))


def _tell(name: str, count: int, work: Callable[[], object]) -> None:
    work()  # once before: memory is asked for, weights are put in order
    started = process_time()
    work()
    print(f"{name:18} {1000 * (process_time() - started) / count:9.1f}")


def rendered(count: int) -> PackedFaces:
    """Rendered faces, each a group of its own."""
    params = RenderParams(identities=count, size=SIDE)
    images = np.stack([render_face(identity, 0, params).image for identity in range(count)])
    names = np.array([f"{number:06d}".encode() for number in range(count)], "S64")
    return PackedFaces(images, (np.arange(count) % 2).astype(np.int8), names, names)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
