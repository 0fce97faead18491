"""The rendered set: real faces from the renderer, and swaps among them inside fixed pairs of people."""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from deepfake_pipeline.engine import map_batches
from deepfake_pipeline.forge.swap import SwapParams, swap_face
from deepfake_pipeline.media.render import RenderedFace, RenderParams, render_face
from deepfake_pipeline.tables.ids import stable_seed

TRUTH = pa.schema(
    [
        pa.field("path", pa.string(), nullable=False),
        pa.field("label", pa.int8(), nullable=False),  # 1 = forged, 0 = real
        pa.field("method", pa.string()),  # "swap"; null for real ones
        pa.field("identity", pa.int32(), nullable=False),  # whose inner face is seen
        pa.field("target_identity", pa.int32()),  # into whose picture it was put; null for real ones
        pa.field("pair", pa.string(), nullable=False),
        pa.field("x", pa.float32(), nullable=False),  # box in px, between pixel edges
        pa.field("y", pa.float32(), nullable=False),
        pa.field("w", pa.float32(), nullable=False),
        pa.field("h", pa.float32(), nullable=False),
        pa.field("landmarks", pa.list_(pa.float32(), 10), nullable=False),  # x, y of the five points, pixel centres
        pa.field("yaw", pa.float32(), nullable=False),  # degrees, as media.render.FaceTruth
        pa.field("pitch", pa.float32(), nullable=False),
        pa.field("roll", pa.float32(), nullable=False),
        pa.field("mask", pa.string()),  # path of the altered region; null for real ones
    ]
)


@dataclass(frozen=True)
class RenderedMedia:
    """The rendered set on its way to a folder: media that have yet to be written, see ``media.sources.Media``.

    Args:
        params: how many people and pictures, their size, the seed.
        workers: processes; the bytes do not depend on it.
    """

    params: RenderParams
    workers: int = 1

    folder: None = None

    def write_into(self, folder: Path) -> list[dict[str, str]]:
        """Write ``real/``, ``forged/``, ``masks/`` and ``truth.parquet``; nothing is ever rejected."""
        for name in ("real", "forged", "masks"):
            (folder / name).mkdir()
        rows: list[dict[str, Any]] = []
        pairs = map_batches(
            range(self.params.pairs),
            partial(PairMaker, self.params),
            workers=self.workers,
            description="rendering faces",
            total=self.params.pairs,
        )
        for files, pair_rows in pairs:
            for path, content in files.items():
                (folder / path).write_bytes(content)
            rows.extend(pair_rows)
        rows.sort(key=lambda row: str(row["path"]))
        pq.write_table(pa.Table.from_pylist(rows, schema=TRUTH), folder / "truth.parquet", compression="zstd")
        return []


@dataclass(frozen=True)
class PairMaker:
    """Makes all files and rows of truth of a pair of people, by its number."""

    params: RenderParams

    def __call__(self, pair: int) -> tuple[dict[str, bytes], list[dict[str, Any]]]:
        members = [
            [render_face(2 * pair + member, index, self.params) for index in range(self.params.images_per_identity)]
            for member in (0, 1)
        ]
        files: dict[str, bytes] = {}
        rows: list[dict[str, Any]] = []
        for own, others in (members, members[::-1]):
            for face in own:
                path = f"real/{_name(face.identity, self.params)}_{face.index}.png"
                files[path] = _png(face.image, "real (rendered training data)")
                rows.append(_row(path, face, pair))
                source = _best_source(face, others)
                swap = swap_face(
                    face.image, face.landmarks, source.image, source.landmarks, _swap_params(face, self.params)
                )
                who = _name(source.identity, self.params), _name(face.identity, self.params)
                name = f"swap_{who[0]}_into_{who[1]}_{face.index}.png"
                files[f"forged/{name}"] = _png(swap.image, "forged (rendered training data)")
                files[f"masks/{name}"] = _png(swap.mask, "altered region (rendered training data)")
                rows.append(_row(f"forged/{name}", face, pair, source))
        return files, rows


def _best_source(face: RenderedFace, others: list[RenderedFace]) -> RenderedFace:
    """The picture whose head is turned most like this one, as a forger would choose."""
    return min(others, key=lambda other: np.hypot(other.yaw - face.yaw, other.pitch - face.pitch))


def _swap_params(face: RenderedFace, params: RenderParams) -> SwapParams:
    """A swap like no other: generators differ in resolution, and blending in care."""
    rng = np.random.default_rng(stable_seed("rendered swap", params.seed, face.identity, face.index))
    eyes = float(np.linalg.norm(face.landmarks[1] - face.landmarks[0]))
    pixels = eyes / 0.257  # side of the aligned frame at which nothing is enlarged or made smaller
    return SwapParams(
        resolution=int(np.clip(pixels * rng.uniform(0.55, 0.95), 32, 1024)),
        feather=float(rng.uniform(0.08, 0.18)),
        opacity=float(rng.uniform(0.9, 1.0)),
        colour=float(rng.uniform(0.75, 1.0)),
    )


def _name(identity: int, params: RenderParams) -> str:
    return f"id{identity:0{max(2, len(str(params.identities - 1)))}d}"


def _row(path: str, face: RenderedFace, pair: int, source: RenderedFace | None = None) -> dict[str, Any]:
    x, y, w, h = face.box.tolist()
    forged = source is not None
    return {
        "path": path,
        "label": int(forged),
        "method": "swap" if forged else None,
        "identity": source.identity if source else face.identity,
        "target_identity": face.identity if forged else None,
        "pair": f"pair-{pair:02d}",
        **{"x": x, "y": y, "w": w, "h": h},
        "landmarks": face.landmarks.ravel().tolist(),
        **{"yaw": face.yaw, "pitch": face.pitch, "roll": face.roll},
        "mask": path.replace("forged/", "masks/") if forged else None,
    }


def _png(image: NDArray[np.uint8], label: str) -> bytes:
    note = PngInfo()
    note.add_text("Label", label)
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG", pnginfo=note)
    return file.getvalue()
