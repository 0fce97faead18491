"""The gate of a release: a candidate must not be worse than the champion on calibration faces."""

from __future__ import annotations

from functools import partial
from typing import Any, Literal

from deepfake_pipeline.metrics.classification import auroc
from deepfake_pipeline.metrics.intervals import Bootstrap, Interval, as_json, cluster_bootstrap
from deepfake_pipeline.models.run import DetectorRunner
from deepfake_pipeline.scoring.release import Release
from deepfake_pipeline.tables.errors import UserError
from deepfake_pipeline.tables.packed import PackedFaces

Rule = Literal["not_worse", "better", "any"]


def judge_candidate(
    candidate: Release,
    champion: Release | None,
    faces: PackedFaces,
    *,
    rule: Rule,
    force: bool,
    resamples: int,
    confidence: float,
    seed: int,
    accelerator: str,
) -> dict[str, Any]:
    """Compare the AUROC of two detectors on the same calibration faces, with a bootstrap paired by group.

    Args:
        candidate: what wants to be released.
        champion: the release in use; None where there is none, then every candidate passes.
        faces: calibration faces of the candidate's data set.
        rule: ``not_worse`` refuses a change whose whole interval lies below zero, ``better`` asks for one whose
            whole interval lies above zero, ``any`` asks for nothing.
        force: release all the same; the verdict says that the rule was broken.
        resamples: of the bootstrap.
        confidence: level of the interval.
        seed: of the bootstrap.
        accelerator: auto, cpu or cuda.

    Returns:
        The verdict as JSON values: rule, calibration faces, AUROC of both, their change with its interval, whether
        the rule was kept, and whether it was overridden.

    Raises:
        UserError: the rule is broken and ``force`` is not set.
    """
    options: dict[str, Any] = {"resamples": resamples, "confidence": confidence, "seed": seed}

    def scored(release: Release) -> Bootstrap:
        runner = DetectorRunner(release.detector, accelerator)
        statistic = partial(auroc, faces.labels, runner.fake_probability(faces.images))
        return cluster_bootstrap(statistic, faces.groups, **options)

    own = scored(candidate)
    verdict: dict[str, Any] = {"rule": rule, "calibration_faces": len(faces), "auroc": as_json(own.interval())}
    if champion is None:
        return {
            **verdict,
            "champion": None,
            "champion_auroc": None,
            "auroc_change": None,
            "kept": True,
            "forced": False,
        }
    other = scored(champion)
    change = own.minus(other).interval()
    kept = _keeps(rule, change)
    if not kept and not force:
        wanted = "better than" if rule == "better" else "no worse than"
        raise UserError(
            f"not released: the candidate is not {wanted} the champion {champion.name}; on {len(faces)} calibration "
            f"faces its AUROC differs by {change.value:+.3f} ({change.low:+.3f} to {change.high:+.3f}). "
            "Set release.rule or release.force to release it all the same"
        )
    return {
        **verdict,
        "champion": champion.name,
        "champion_auroc": as_json(other.interval()),
        "auroc_change": as_json(change),
        "kept": kept,
        "forced": not kept,
    }


def _keeps(rule: Rule, change: Interval) -> bool:
    if rule == "better":
        return change.low > 0
    return rule == "any" or not change.high < 0  # an undefined change shows nothing
