"""The study's scores: every degradation × severity × repair × detector, cell by cell, on the same faces.

A cell is one degradation at one severity. Its faces are degraded once, repaired once in each way, and judged by all
detectors; then it is written whole. What is written is not done again, so an interrupted study goes on.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from deepfake_pipeline.degrade import apply, draw_recipe
from deepfake_pipeline.engine import map_batches, use_threads
from deepfake_pipeline.metrics.fidelity import psnr
from deepfake_pipeline.models.run import DetectorRunner, computes_bfloat16, logits_by_each, pick_device
from deepfake_pipeline.models.store import load_network
from deepfake_pipeline.scoring.remembered import Images, Remembered
from deepfake_pipeline.scoring.repairers import CLEAN, REPAIRERS, RepairParts, Workbench, is_slow
from deepfake_pipeline.tables.ids import stable_seed
from deepfake_pipeline.tables.packed import PackedBatch, PackedFaces, PackedStream, open_packed, write_packed
from deepfake_pipeline.tables.schemas import STUDY_SCORES

FACES_AT_ONCE = 64
"""Faces of a cell that are in memory at once, in every version."""

logger = logging.getLogger(__name__)


class Variant(NamedTuple):
    """A trained detector of the study: its network's name, plain or control, and the seed of its training."""

    detector: str
    training: str
    seed: int

    @property
    def key(self) -> str:
        """Name of its file.

        >>> Variant("cnn3", "plain", 0).key
        'cnn3-plain-0'
        """
        return f"{self.detector}-{self.training}-{self.seed}"

    @classmethod
    def of_key(cls, key: str) -> Variant:
        """The variant of a file's name."""
        detector, training, seed = key.rsplit("-", 2)
        return cls(detector, training, int(seed))


class Cell(NamedTuple):
    """A degradation at a severity; ``clean`` at 0 for faces as they are."""

    degradation: str
    severity: int

    @property
    def file(self) -> str:
        """Name of the file that holds its rows."""
        return f"{self.degradation}-{self.severity}.parquet"


@dataclass(frozen=True)
class StudyPlan:
    """What is scored.

    Attributes:
        detectors: safetensors of each detector by the key of its variant.
        parts: what the repairers are made of.
        repairs: names of the repairers, ``none`` first.
        degradations: names.
        severities: 1 to 5.
        slow_faces: faces at most that slow repairs are done to.
        seed: of the degradations.
    """

    detectors: Mapping[str, bytes]
    parts: RepairParts
    repairs: tuple[str, ...]
    degradations: tuple[str, ...]
    severities: tuple[int, ...]
    slow_faces: int
    seed: int

    @property
    def cells(self) -> list[Cell]:
        """Clean faces, then each degradation at each severity."""
        return [Cell(CLEAN, 0), *(Cell(name, step) for name in self.degradations for step in self.severities)]


def sampled_rows(groups: NDArray[np.bytes_], limit: int, seed: int) -> NDArray[np.intp]:
    """Rows of at most ``limit`` faces in whole groups; a smaller sample is the beginning of a larger one.

    Groups come in the order of a hash; the first is taken even where it is larger than the limit.
    """
    members: dict[bytes, list[int]] = {}
    for row, group in enumerate(groups):
        members.setdefault(bytes(group), []).append(row)
    taken: list[int] = []
    for group in sorted(members, key=lambda name: stable_seed("study", seed, name)):
        if taken and len(taken) + len(members[group]) > limit:
            break
        taken += members[group]
    return np.array(taken, dtype=np.intp)


def score_study(
    faces: PackedFaces, rows: NDArray[np.intp], plan: StudyPlan, *, checkpoints: Path, workers: int
) -> Iterator[pa.RecordBatch]:
    """Rows of ``tables.schemas.STUDY_SCORES``, by cell, repair, detector, face; the same for any number of workers.

    Args:
        faces: of the split that judges.
        rows: of those that are judged, as :func:`sampled_rows` gives them.
        plan: what is scored.
        checkpoints: folder in which finished cells are kept, in a folder named by all that they depend on.
        workers: processes, each on one thread; they share the device where it is CUDA.
    """
    folder = checkpoints / f"study-{_fingerprint(faces, rows, plan)}"
    _keep_faces(faces, rows, folder / "faces")
    missing = [cell for cell in plan.cells if not (folder / cell.file).exists()]
    if len(missing) < len(plan.cells):
        logger.info("%d of %d cells were scored before", len(plan.cells) - len(missing), len(plan.cells))
    if missing:
        build = partial(CellWorker, plan, folder)
        for _ in map_batches(missing, build, workers=workers, description="study", total=len(missing)):
            pass
    for cell in plan.cells:
        yield from pq.ParquetFile(folder / cell.file).iter_batches(batch_size=4096)


class CellWorker:
    """Scores whole cells; made once in each process, where every network is loaded once."""

    def __init__(self, plan: StudyPlan, folder: Path) -> None:
        use_threads(1)  # in the calling process too: sums depend on the number of threads
        self.plan, self.folder = plan, folder
        self.faces = open_packed(folder / "faces")
        self.slow = sampled_rows(self.faces.groups, plan.slow_faces, plan.seed)
        self.bench = Workbench(plan.parts)
        self.repairers = {name: REPAIRERS[name](self.bench) for name in plan.repairs}
        self.judges = {
            key: DetectorRunner(load_network(data), plan.parts.accelerator, mixed=True)  # type: ignore[arg-type]
            for key, data in plan.detectors.items()
        }
        self.judged = Remembered(self._judged)

    def __call__(self, cell: Cell) -> str:
        """Score a cell and write it; a killed worker leaves nothing that looks finished. Returns the file's name."""
        parts: dict[str, list[dict[str, Any]]] = {name: [] for name in self.plan.repairs}
        for start in range(0, len(self.faces), FACES_AT_ONCE):
            rows = np.arange(start, min(start + FACES_AT_ONCE, len(self.faces)))
            for name, columns in self._chunk(cell, rows).items():
                parts[name].append(columns)
        target = self.folder / cell.file
        beside = target.with_suffix(f".{os.getpid()}.part")
        pq.write_table(self._table(cell, parts), beside, compression="zstd")
        beside.replace(target)
        return cell.file

    def _chunk(self, cell: Cell, rows: NDArray[np.intp]) -> dict[str, dict[str, Any]]:
        """Rows, PSNR and logits of some faces, by repair."""
        self.bench.forget()  # what a worker did before must not change what is computed together
        self.judged.forget()
        clean = np.asarray(self.faces.images[rows])
        degraded = self._degraded(cell, rows, clean)
        found: dict[str, dict[str, Any]] = {}
        for name, repairer in self.repairers.items():
            kept = np.ones(len(rows), bool)
            if is_slow(name, *cell, self.plan.parts):
                kept = np.isin(rows, self.slow)
            if not kept.any():
                continue
            images = repairer.repair(degraded[kept], *cell)
            fidelity = [psnr(one, other) for one, other in zip(clean[kept], images, strict=True)]
            found[name] = {
                "rows": rows[kept],
                "psnr": np.array(fidelity, np.float32),
                "logits": self.judged(images).T,
            }
        return found

    def _degraded(self, cell: Cell, rows: NDArray[np.intp], clean: Images) -> Images:
        if cell.degradation == CLEAN:
            return clean
        recipes = [draw_recipe(self.faces.face_ids[row].decode(), *cell, self.plan.seed) for row in rows]
        return np.stack([apply(recipe, image) for recipe, image in zip(recipes, clean, strict=True)])

    def _judged(self, images: Images) -> NDArray[np.float32]:
        """Logits ``(N, detectors)``."""
        return logits_by_each(list(self.judges.values()), images).T

    def _table(self, cell: Cell, parts: Mapping[str, list[dict[str, Any]]]) -> pa.Table:
        tables = []
        for name, chunks in parts.items():
            if not chunks:
                continue
            rows = np.concatenate([chunk["rows"] for chunk in chunks])
            fidelity = np.concatenate([chunk["psnr"] for chunk in chunks])
            logits = np.concatenate([chunk["logits"] for chunk in chunks], axis=1)
            for key, column in zip(self.judges, logits, strict=True):
                constants = {**cell._asdict(), "repair": name, **Variant.of_key(key)._asdict()}
                tables.append(self._rows(rows, constants, column, fidelity))
        return pa.concat_tables(tables)

    def _rows(
        self,
        rows: NDArray[np.intp],
        constants: Mapping[str, Any],
        logits: NDArray[np.float32],
        fidelity: NDArray[np.float32],
    ) -> pa.Table:
        columns = {
            "face_id": [name.decode() for name in self.faces.face_ids[rows]],
            "group": [name.decode() for name in self.faces.groups[rows]],
            "label": self.faces.labels[rows],
            "logit": logits,
            "psnr": fidelity,
        }
        filled = {
            field.name: pa.array(columns[field.name], field.type)
            if field.name in columns
            else pa.repeat(pa.scalar(constants[field.name], field.type), len(rows))
            for field in STUDY_SCORES
        }
        return pa.table(filled, schema=STUDY_SCORES)


def _keep_faces(faces: PackedFaces, rows: NDArray[np.intp], folder: Path) -> None:
    """The chosen faces, once on disk: worker processes map the same file into memory."""
    if folder.exists():
        return
    beside = folder.with_name(f"{folder.name}.{os.getpid()}.part")
    beside.mkdir(parents=True)
    batches = (
        PackedBatch(
            faces.images[part],
            faces.labels[part],
            [name.decode() for name in faces.groups[part]],
            [name.decode() for name in faces.face_ids[part]],
        )
        for part in np.array_split(rows, -(-len(rows) // FACES_AT_ONCE))
    )
    height, width = faces.images.shape[1:3]
    write_packed(PackedStream(len(rows), height, width, batches), beside)
    beside.rename(folder)


def _fingerprint(faces: PackedFaces, rows: NDArray[np.intp], plan: StudyPlan) -> str:
    """Hash of all that a cell depends on: pictures, networks, settings, code, libraries and device."""
    import cv2
    import torch

    settings = asdict(plan)
    settings["detectors"] = {key: hashlib.sha256(data).hexdigest() for key, data in plan.detectors.items()}
    settings["parts"]["networks"] = {
        name: hashlib.sha256(data).hexdigest() for name, data in plan.parts.networks.items()
    }
    device = pick_device(plan.parts.accelerator).type
    facts = {
        "faces": faces.fingerprint(),
        "rows": hashlib.sha256(rows.tobytes()).hexdigest(),
        "plan": settings,
        "code": _code_fingerprint(),
        "libraries": [torch.__version__, np.__version__, cv2.__version__],
        "device": [device, torch.backends.cpu.get_cpu_capability(), computes_bfloat16(device)],
    }
    return hashlib.blake2b(json.dumps(facts, sort_keys=True).encode(), digest_size=12).hexdigest()


def _code_fingerprint() -> str:
    package = Path(__file__).parent.parent
    files = [file for room in ("degrade", "restore", "models", "metrics") for file in (package / room).glob("*.py")]
    digest = hashlib.blake2b(digest_size=8)
    for file in sorted(
        [*files, *(Path(__file__).with_name(f"{name}.py") for name in ("study", "repairers", "remembered"))]
    ):
        digest.update(file.read_bytes())
    return digest.hexdigest()
