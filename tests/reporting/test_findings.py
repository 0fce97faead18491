import pytest

from deepfake_pipeline.reporting.findings import enhancer_harms, known_failures, limits, sentences
from tests.reporting.records import UNDEFINED, detection_row, interval, metrics_of, restoration_row

CLEAN = interval(0.9)  # half of its margin over guessing is lost below 0.7


def named(metrics: dict) -> set[tuple[str, str, str]]:
    return {(one.degradation, one.severity, one.kind) for one in known_failures(metrics)}


def test_failures_are_exactly_those_that_were_planted() -> None:
    rows = {
        "jpeg": {
            "1": interval(0.88),  # holds
            "2": interval(0.69, 0.05),  # drop alone
            "3": interval(0.75, 0.2),  # low alone
            "4": interval(0.55),  # both
            "10": UNDEFINED,
        },
        "shadow": {"1": interval(0.71, 0.1), "2": {"value": 0.9, "low": None, "high": None}},
    }
    table = {name: {s: detection_row(row, CLEAN) for s, row in part.items()} for name, part in rows.items()}
    metrics = metrics_of(CLEAN, table)
    assert named(metrics) == {
        ("jpeg", "2", "drop"),
        ("jpeg", "3", "low"),
        ("jpeg", "4", "low"),
        ("jpeg", "4", "drop"),
        ("jpeg", "10", "unmeasured"),
        ("shadow", "2", "unmeasured"),
    }
    assert sentences(known_failures(metrics)) == [
        "jpeg, severity 3 and 4: an AUROC below 0.6 cannot be ruled out (lower bound 0.550 and 0.530).",
        "jpeg, severity 2 and 4: more than half of what clean faces have over 0.5 is lost (AUROC 0.690 and 0.550).",
        "jpeg, severity 10: no interval is defined, so nothing is shown to work.",
        "shadow, severity 2: no interval is defined, so nothing is shown to work.",
    ]


@pytest.mark.parametrize(("degraded", "lost"), [(0.75, False), (0.7499, True)])
def test_exactly_half_of_the_margin_is_not_yet_a_failure(degraded: float, lost: bool) -> None:
    table = {"jpeg": {"1": detection_row(interval(degraded, 0.01), interval(1.0))}}
    assert (("jpeg", "1", "drop") in named(metrics_of(interval(1.0), table))) is lost


def test_a_lower_bound_of_exactly_the_limit_is_not_named() -> None:
    row = {"value": 0.65, "low": 0.6, "high": 0.7}
    assert not named(metrics_of(interval(0.7), {"jpeg": {"1": detection_row(row, interval(0.7))}}))


def test_a_detector_that_guesses_fails_on_clean_faces() -> None:
    clean = interval(0.48, 0.1)
    metrics = metrics_of(clean, {"jpeg": {"1": detection_row(interval(0.47), clean)}})
    assert named(metrics) == {("clean faces", "", "low"), ("jpeg", "1", "low")}
    assert sentences(known_failures(metrics))[0].startswith("clean faces: an AUROC below 0.6 cannot")


def test_harms_are_those_beyond_the_interval() -> None:
    rows = {"2": interval(-0.03), "3": interval(-0.01), "4": UNDEFINED, "5": interval(0.5)}
    table = {"jpeg": {severity: detection_row(CLEAN, CLEAN, change) for severity, change in rows.items()}}
    restored = {
        "shadow": {
            "1": restoration_row(psnr_gain=interval(-0.5), ssim_gain=interval(-0.00123, 0.001, 0.001)),
            "2": restoration_row(psnr_gain=interval(0.3), ssim_gain=interval(-0.1)),
        }
    }
    assert sentences(enhancer_harms(metrics_of(CLEAN, table, restored))) == [
        "jpeg, severity 2: enhancing lowers the AUROC of the detector (by 0.03).",
        "shadow, severity 1: enhancing lowers the PSNR (by 0.5 dB).",
        "shadow, severity 1 and 2: enhancing lowers the SSIM (by 0.0012 and 0.1).",
    ]


def test_sound_figures_leave_only_the_limit_of_rare_forgeries() -> None:
    # 45 of 50 forged found, 10 of 50 real called fake: of 10,000 faces with 100 forged, 90 hits and 1,980 alarms
    right = 100 * 90 / (90 + 1980)
    assert limits(metrics_of(CLEAN, {}), near_duplicates=0, judged=1) == [
        "Precision depends on how many faces are forged: 50.0 % in the test split. Where 1 % are, about "
        f"{right:.1f} % of the faces called fake would be forged."
    ]


def test_limits_name_what_is_weak() -> None:
    metrics = metrics_of(interval(0.6, 0.15, 0.1), {})
    metrics["faces"] = {"test": 40, "groups": 6, "under_degradation": 30}
    metrics["detection"]["ece"] = interval(0.123)
    said = " ".join(limits(metrics, near_duplicates=7, judged=4))
    for part in ("has 6 groups", "0.600 (0.450 to 0.700)", "better than guessing", "0.123", "30 of the 40", "pairs: 7"):
        assert part in said
    assert "judged 4 times" in said


def test_without_intervals_the_limits_say_that_nothing_is_shown() -> None:
    metrics = metrics_of(UNDEFINED, {})
    metrics["detection"] = dict.fromkeys(metrics["detection"], UNDEFINED)
    assert limits(metrics) == ["The AUROC on clean faces has no interval: nothing is shown by it."]
