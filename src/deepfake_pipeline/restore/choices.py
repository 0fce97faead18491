"""Which repair validation faces showed best for what ails a face."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from deepfake_pipeline.models.degradation_classifier import NO_DEGRADATION

Figures = dict[str, Any]
Cell = tuple[str, int]

NETWORK = "network"
"""The trained enhancer among the repairs."""

RELIT = "relit"
"""The shadow that the estimator sees, taken back."""

NETWORKS = (NETWORK, RELIT)
"""Repairs by trained networks."""

NOTHING = "identity"
"""The repair that leaves a face as it is."""

LEAST_GAIN = 0.1
"""dB that a repair has to promise before a face is touched at all."""

CEILING = 50.0
"""dB beyond which a better PSNR is worth nothing, so that single flawless faces do not rule a mean."""

CLEAN_CEILING = 40.0
"""The same for faces that nothing ails: a change that leaves 40 dB is hard to see. The 100 dB of a clean face that is
left alone would make a small chance of one outweigh everything that a repair can gain on a shadow."""


@dataclass(frozen=True)
class Choices:
    """Mean figures of each repair on validation faces, by what ailed them.

    Attributes:
        cells: C degradations and severities; no degradation, of severity 0, comes first.
        repairs: R names.
        psnr: ``(C, R)``, dB, each face's at most :data:`CEILING`, and on clean faces :data:`CLEAN_CEILING`.
        ssim: ``(C, R)``.
        faces: how many validation faces there were.
        groups: and of how many groups.
    """

    cells: tuple[Cell, ...]
    repairs: tuple[str, ...]
    psnr: NDArray[np.float64]
    ssim: NDArray[np.float64]
    faces: int
    groups: int

    def best(self, chances: NDArray[np.floating]) -> list[str]:
        """The repair of the highest expected PSNR for each face; none where it promises less than :data:`LEAST_GAIN`.

        Args:
            chances: ``(N, C)``, of what ails each face.
        """
        expected = chances @ self.psnr
        best = expected.argmax(axis=1)
        if NOTHING in self.repairs:
            nothing = self.repairs.index(NOTHING)
            gain = expected.max(axis=1) - expected[:, nothing]
            best = np.where(gain < LEAST_GAIN, nothing, best)
        return [self.repairs[int(number)] for number in best]

    def best_classical(self, cell: Cell, by: Literal["psnr", "ssim"] = "psnr") -> str:
        """The repair other than by a network with the highest mean in a cell."""
        means = getattr(self, by)[self.cells.index(cell)]
        numbers = [number for number, name in enumerate(self.repairs) if name not in NETWORKS]
        return self.repairs[max(numbers, key=lambda number: float(means[number]))]

    def to_json(self) -> Figures:
        """As JSON values, with the repair that is best where it is certain what ails a face."""
        sure = self.best(np.eye(len(self.cells)))
        return {
            "validation_faces": self.faces,
            "validation_groups": self.groups,
            "psnr_ceiling": CEILING,
            "psnr_ceiling_on_clean_faces": CLEAN_CEILING,
            "choices": [
                {
                    "degradation": name,
                    "severity": severity,
                    "repair": repair,
                    "psnr": dict(zip(self.repairs, psnr.tolist(), strict=True)),
                    "ssim": dict(zip(self.repairs, ssim.tolist(), strict=True)),
                }
                for (name, severity), repair, psnr, ssim in zip(self.cells, sure, self.psnr, self.ssim, strict=True)
            ],
        }

    @classmethod
    def from_json(cls, values: Figures) -> Choices:
        """What :meth:`to_json` gave."""
        rows = values["choices"]
        repairs = tuple(rows[0]["psnr"])
        psnr, ssim = (
            np.array([[row[figure][name] for name in repairs] for row in rows]) for figure in ("psnr", "ssim")
        )
        cells = tuple((row["degradation"], row["severity"]) for row in rows)
        return cls(cells, repairs, psnr, ssim, values["validation_faces"], values["validation_groups"])


def choices_of(rows: Iterable[Mapping[str, Any]], cells: Sequence[Cell]) -> Choices:
    """The means of score rows.

    Args:
        rows: with ``face_id``, ``group``, ``degradation``, ``severity`` (both null for a clean face), ``repair``,
            ``psnr`` and ``ssim``; of validation faces, every repair of every picture.
        cells: as :attr:`Choices.cells`.

    Raises:
        ValueError: a cell without rows.
    """
    sums: dict[Cell, dict[str, list[tuple[float, float]]]] = {}
    faces, groups = set(), set()
    for row in rows:
        cell = (row["degradation"] or NO_DEGRADATION, row["severity"] or 0)
        figures = min(row["psnr"], CLEAN_CEILING if cell[0] == NO_DEGRADATION else CEILING), row["ssim"]
        sums.setdefault(cell, {}).setdefault(row["repair"], []).append(figures)
        faces.add(row["face_id"])
        groups.add(row["group"])
    if missing := [f"{name} {severity}" for name, severity in cells if (name, severity) not in sums]:
        raise ValueError(f"no validation face was repaired of {', '.join(missing)}")
    repairs = tuple(sums[cells[0]])
    means = np.array([[np.mean(sums[cell][name], axis=0) for name in repairs] for cell in cells])
    return Choices(tuple(cells), repairs, means[..., 0], means[..., 1], len(faces), len(groups))
