"""The operating point of a detector: calibrator, thresholds and how sure a verdict has to be."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from deepfake_pipeline.degrade.recipe import apply, draw_recipe
from deepfake_pipeline.engine import map_batches
from deepfake_pipeline.faces.measure import sharpness
from deepfake_pipeline.metrics.classification import Floats
from deepfake_pipeline.metrics.detection import detection_metrics
from deepfake_pipeline.models import Detector
from deepfake_pipeline.models.run import DetectorRunner, pick_device
from deepfake_pipeline.models.store import load_network, network_bytes
from deepfake_pipeline.restore.router import Router
from deepfake_pipeline.scoring.calibration import choose_calibrator, fit_platt
from deepfake_pipeline.scoring.conformal import Learnt, learn_unsure
from deepfake_pipeline.scoring.params import VerdictParams
from deepfake_pipeline.scoring.stability import judged_versions
from deepfake_pipeline.scoring.verdict import VerdictRule
from deepfake_pipeline.tables.ids import stable_seed
from deepfake_pipeline.tables.packed import PackedFaces

FACES_AT_ONCE = 16
_EDGE = 1e-6  # probabilities closer to 0 or 1 count as this far


def balanced_threshold(labels: NDArray[np.int8], fake_probability: NDArray[np.float32]) -> float:
    """Threshold with the best balanced accuracy (Youden's J, 1950), by a logistic curve through the log-odds.

    The cut that is best on the faces themselves moves when a few of them change, and takes verdicts with it; the place
    where the curve gives the share of forged faces hardly does. It is kept between the means of both classes, where it
    belongs, also where a detector tells next to nothing.

    Args:
        labels: ``(N,)``, 1 = forged; both classes must be there.
        fake_probability: ``(N,)`` in [0, 1].
    """
    scores = logit(np.clip(np.asarray(fake_probability, np.float64), _EDGE, 1 - _EDGE))
    curve = fit_platt(labels, scores)
    best = (logit(np.mean(labels == 1)) - curve.shift) / curve.slope
    low, high = sorted(float(scores[labels == label].mean()) for label in (0, 1))
    return float(expit(min(max(best, low), high)))


def false_alarm_threshold(real: NDArray[np.floating[Any]], rate: float) -> float | None:
    """Threshold at which a new real face is called forged with a probability of at most ``rate``.

    The order statistic of split conformal prediction (Vovk et al. 2005; Angelopoulos and Bates 2021, section 1):
    at most ``(N + 1) · rate - 1`` of the calibration faces lie at or above it. It counts faces as if they were
    independent.

    Args:
        real: ``(N,)``, fake probability of real calibration faces.
        rate: in (0, 1).

    Returns:
        None where there are too few faces: fewer than ``1 / rate - 1``.
    """
    scores = np.sort(np.asarray(real, np.float64))
    below = math.ceil((len(scores) + 1) * (1 - rate) - 1e-9)
    if below > len(scores):
        return None
    highest_below = float(scores[below - 1])
    above = float(scores[below]) if below < len(scores) else 1.0
    middle = (highest_below + above) / 2
    return middle if middle > highest_below else float(np.nextafter(highest_below, 2))


class CalibrationFaces(NamedTuple):
    """Faces of the validation and calibration splits, judged: each clean, and some degraded versions of it.

    Attributes:
        raw: float64 ``(N, V)``, log-odds by the network: of the picture and, where asked for, of its re-encodings.
        labels: int8 ``(N,)``.
        groups: ``(N,)``.
        sharpness: ``(N,)``.
        sizes: ``(N,)``, px of the shorter side of the face's box in its source; nan where not known.
        clean: ``(N,)``, whether it is the face as it is.
    """

    raw: Floats
    labels: NDArray[np.int8]
    groups: NDArray[Any]
    sharpness: Floats
    sizes: Floats
    clean: NDArray[np.bool_]


def judge_calibration_faces(
    detector: Detector,
    splits: Sequence[tuple[PackedFaces, Mapping[str, float]]],
    params: VerdictParams,
    *,
    degradations: Sequence[str],
    severities: Sequence[int],
    seed: int,
    accelerator: str,
    router: Router | None = None,
    workers: int = 1,
) -> CalibrationFaces:
    """Judge calibration faces clean and degraded; what is drawn depends on the face and the seed alone.

    Args:
        detector: the network.
        splits: their faces, and px of the shorter side of a face's box by face_id, where it is known.
        params: how many versions.
        degradations: to draw from.
        severities: to draw from.
        seed: of the study.
        accelerator: auto, cpu or cuda.
        router: by whose network each version is enhanced before it is judged; None = none is. Sharpness is measured
            before.
        workers: processes; the result does not depend on it.
    """
    draw = partial(_versions, count=params.degraded_versions, names=degradations, severities=severities, seed=seed)
    stability = _asks_for_stability(params, enhanced=router is not None)
    build = partial(_CalibrationJudge, network_bytes(detector), draw, stability, router, accelerator)
    results = map_batches(
        _chunks(splits),
        build,
        workers=1 if pick_device(accelerator).type == "cuda" else workers,
        description="calibrate",
        total=sum(-(-len(faces) // FACES_AT_ONCE) for faces, _ in splits),
    )
    raw, sharp = (np.concatenate(parts) for parts in zip(*results, strict=True))
    labels, groups = (np.concatenate([getattr(faces, name) for faces, _ in splits]) for name in ("labels", "groups"))
    size = [sizes.get(face_id.decode(), math.nan) for faces, sizes in splits for face_id in faces.face_ids]
    versions = 1 + params.degraded_versions
    row = np.repeat(np.arange(len(labels)), versions)
    clean = np.tile(np.arange(versions) == 0, len(labels))
    return CalibrationFaces(raw, labels[row], groups[row], sharp, np.array(size, np.float64)[row], clean)


def _chunks(
    splits: Sequence[tuple[PackedFaces, Mapping[str, float]]],
) -> Iterator[list[tuple[str, NDArray[np.uint8]]]]:
    """Names and pictures of the faces, some at a time."""
    for faces, _ in splits:
        for start in range(0, len(faces), FACES_AT_ONCE):
            rows = range(start, min(start + FACES_AT_ONCE, len(faces)))
            yield [(faces.face_ids[row].decode(), np.array(faces.images[row])) for row in rows]


class _CalibrationJudge:
    """Runs in a worker: names and pictures of some faces in; raw log-odds and sharpness of their versions out."""

    def __init__(
        self,
        detector: bytes,
        draw: Callable[[NDArray[np.uint8], str], list[NDArray[np.uint8]]],
        stability: bool,
        router: Router | None,
        accelerator: str,
    ) -> None:
        self.judge = DetectorRunner(load_network(detector), accelerator)  # type: ignore[arg-type]
        self.draw, self.stability, self.router = draw, stability, router

    def __call__(self, faces: Sequence[tuple[str, NDArray[np.uint8]]]) -> tuple[Floats, Floats]:
        pictures = np.stack([version for face_id, image in faces for version in self.draw(image, face_id)])
        sharp = np.array([sharpness(picture) for picture in pictures])
        enhance = None if self.router is None else self.router.enhance
        _, raw = judged_versions(self.judge, pictures, self.stability, enhance)
        return raw, sharp


def _versions(
    image: NDArray[np.uint8], face_id: str, *, count: int, names: Sequence[str], severities: Sequence[int], seed: int
) -> list[NDArray[np.uint8]]:
    """The face as it is, and degraded ``count`` times."""
    rng = np.random.default_rng(stable_seed("calibration", face_id, seed))
    drawn = [(int(rng.integers(len(names))), int(rng.integers(len(severities)))) for _ in range(count)]
    degraded = [apply(draw_recipe(face_id, names[name], severities[step], seed), image) for name, step in drawn]
    return [image, *degraded]


def choose_operating_point(judged: CalibrationFaces, params: VerdictParams) -> dict[str, Any]:
    """Calibrator, thresholds and margins of a detector, and what they give on the calibration faces that chose them.

    Probabilities and thresholds are fitted on clean faces; how sure a verdict has to be, on clean and degraded ones.

    Args:
        judged: calibration faces.
        params: how.
    """
    clean = judged.clean
    labels, groups, raw = judged.labels[clean], judged.groups[clean], judged.raw[clean, 0]
    chosen = choose_calibrator(labels, raw, groups)
    probability = chosen.calibrator.probability(raw).astype(np.float32)
    threshold = balanced_threshold(labels, probability)
    figures = detection_metrics(labels, probability, threshold=threshold)
    learnt = _learn_unsure(judged, VerdictRule(threshold, chosen.calibrator), params, enhanced=False)
    return {
        "rule": "best balanced accuracy on validation and calibration faces",
        "threshold": threshold,
        "calibration_faces": len(labels),
        "calibration": {
            name: float(figures[name]) for name in ("balanced_accuracy", "auroc", "precision", "recall", "ece")
        },
        "calibrator": chosen.calibrator.to_json(),
        "log_loss_left_out": chosen.log_loss,
        "false_alarms": [_false_alarms(labels, probability, rate) for rate in params.false_alarm_rates],
        "unsure": learnt.rule.to_json(),
        "verdicts": learnt.record,
    }


def choose_enhanced_verdicts(
    judged: CalibrationFaces, operating_point: Mapping[str, Any], params: VerdictParams
) -> dict[str, Any]:
    """How sure a verdict on an enhanced face has to be; probabilities and threshold stay those of the operating point.

    Enhancing changes how far a margin can be trusted, most of all on a face that was poor as it came.

    Args:
        judged: calibration faces, enhanced.
        operating_point: what :func:`choose_operating_point` chose.
        params: how.

    Returns:
        ``unsure``, the rule, and ``verdicts``, what it gives on the faces that chose it.
    """
    learnt = _learn_unsure(judged, VerdictRule.of_operating_point(operating_point), params, enhanced=True)
    return {"unsure": learnt.rule.to_json(), "verdicts": learnt.record}


def _asks_for_stability(params: VerdictParams, *, enhanced: bool) -> bool:
    return params.stability == "always" or (enhanced and params.stability == "enhanced")


def _learn_unsure(judged: CalibrationFaces, rule: VerdictRule, params: VerdictParams, *, enhanced: bool) -> Learnt:
    return learn_unsure(
        judged.labels,
        rule.margins(judged.raw),
        judged.sharpness,
        judged.groups,
        target_error=params.target_error,
        risk=params.risk,
        bins=params.quality_bins,
        sizes=judged.sizes,
        stability=_asks_for_stability(params, enhanced=enhanced),
    )


def _false_alarms(labels: NDArray[np.int8], probability: NDArray[np.float32], rate: float) -> dict[str, Any]:
    """Threshold for a rate of false alarms, and the share of forged calibration faces that is found with it."""
    threshold = false_alarm_threshold(probability[labels == 0], rate)
    found = None if threshold is None else float(np.mean(probability[labels == 1] >= threshold))
    return {"rate": rate, "threshold": threshold, "recall": found}
