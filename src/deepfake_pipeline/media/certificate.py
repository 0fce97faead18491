"""The certificate of the splits: what was checked for leaks between them, over how many rows, and what was found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from deepfake_pipeline.media.index_params import IndexParams
from deepfake_pipeline.media.layouts import Layout
from deepfake_pipeline.media.leaks import split_leaks
from deepfake_pipeline.media.moves import moves_since, open_earlier
from deepfake_pipeline.tables import Reason, RecordStream, Table
from deepfake_pipeline.tables.errors import UserError
from deepfake_pipeline.tables.splits import SPLITS

NAMED = 100  # of what was found, at most, in each check

Certificate = dict[str, Any]  # JSON
_CLASSES = {0: "real", 1: "forged", None: "unknown"}


@dataclass(frozen=True)
class Check:
    """One thing that was looked for.

    Attributes:
        name: of the check.
        looked_for: what would be a leak.
        rows: over how many rows.
        found: how many leaks.
        tolerated: True if a parameter says that the certificate holds in spite of them.
        named: the first of them.
    """

    name: str
    looked_for: str
    rows: int
    found: int
    tolerated: bool
    named: Sequence[Any]


def certify_files(
    manifest: Table, rejected: Table, near_duplicates: Table, layout: Layout, params: IndexParams
) -> Certificate:
    """Check a manifest for leaks.

    Args:
        manifest: table ``MANIFEST``.
        rejected: table ``REJECTED_FILES``.
        near_duplicates: table ``NEAR_DUPLICATES``.
        layout: by which the source was read.
        params: how it was split, which leaks are tolerated, and where the manifest of an earlier run lies.

    Returns:
        Policy, what groups are, files by split and class, refused duplicates, and one entry a check (:class:`Check`);
        ``holds`` is true if no check found a leak that is not tolerated. ``moves`` are the rows that lie in another
        split than in the earlier manifest (:class:`media.moves.Moves`), null where none is named: no leak within these
        splits, but a network of the earlier run may know what is test here.

    Raises:
        UserError: there is no manifest where the parameters name an earlier one.
    """
    files, contents, classes = 0, Counter[str](), Counter[tuple[str, int | None]]()
    groups: dict[str, set[str]] = {}
    for row in _rows(manifest, "sha256", "label", "group", "split"):
        files += 1
        contents[row["sha256"]] += 1
        classes[row["split"], row["label"]] += 1
        groups.setdefault(row["group"], set()).add(row["split"])
    reasons = Counter(row["reason"] for row in _rows(rejected, "reason"))
    official = params.split_policy == "official" and "official_splits" in params.tolerated_leaks
    torn = {name: _ordered(splits) for name, splits in sorted(groups.items()) if len(splits) > 1}
    leaks = split_leaks(manifest)
    copies = sorted(sha256 for sha256, count in contents.items() if count > 1)
    pairs, first = _first(_rows(near_duplicates, *near_duplicates.schema.names))
    checks = [
        Check("groups", "a group in several splits", files, len(torn), official, _named(torn.items())),
        Check(
            "memberships",
            "a source video or identity in several splits",
            files,
            len(leaks),
            official,
            [leak._asdict() for leak in leaks[:NAMED]],
        ),
        Check("copies", "the same bytes twice", files, len(copies), False, copies[:NAMED]),
        Check(
            "near_duplicates",
            f"pictures in different splits that correlate by {params.near_duplicate_similarity:g} or more",
            files,
            pairs,
            "near_duplicates" in params.tolerated_leaks,
            first,
        ),
    ]
    certificate = {
        "split_policy": params.split_policy,
        "near_duplicates": params.near_duplicates,
        "groups": {"count": len(groups), "are": layout.groups, "identities": layout.identities},
        "splits": {split: {name: classes[split, label] for label, name in _CLASSES.items()} for split in SPLITS},
        "refused": {reason.value: reasons[reason] for reason in _REFUSED_FOR_LEAKS},
        "moves": None,
    }
    if (earlier := open_earlier(params.earlier_manifest)) is not None:
        certificate["moves"] = asdict(moves_since(earlier, manifest))
    return _judged(certificate, checks)


_REFUSED_FOR_LEAKS = (Reason.DUPLICATE, Reason.LABEL_CONFLICT, Reason.CROSS_SPLIT)


def certify_faces(certificate: Certificate, manifest: Table, faces: Table) -> Certificate:
    """Complete the certificate of the files with a check of the faces that were cut out of them.

    Args:
        certificate: what :func:`certify_files` gave.
        manifest: table ``MANIFEST``.
        faces: table ``FACES``.
    """
    places = {row["sample_id"]: (row["group"], row["split"]) for row in _rows(manifest, "sample_id", "group", "split")}
    count, astray = 0, []
    for row in _rows(faces, "face_id", "sample_id", "group", "split"):
        count += 1
        if places.get(row["sample_id"]) != (row["group"], row["split"]):
            astray.append(row["face_id"])
    looked_for = "a face in another group or split than its file"
    return _judged(certificate, [Check("faces", looked_for, count, len(astray), False, astray[:NAMED])])


def require(certificate: Certificate) -> None:
    """Stop where the certificate does not hold: figures of a leaking test are worth nothing.

    Raises:
        UserError: one line that names the checks and what they found.
    """
    if certificate["holds"]:
        return
    broken = [check for check in certificate["checks"] if check["found"] and not check["tolerated"]]
    found = "; ".join(f"{check['looked_for']}: {check['found']:,}, such as {check['named'][0]}" for check in broken)
    raise UserError(
        f"the certificate of the splits does not hold ({found}): set ingestion.split_policy to hash or "
        "ingestion.near_duplicates to join, or name the leak in ingestion.tolerated_leaks"
    )


def in_words(certificate: Mapping[str, Any]) -> str:
    """The result in a few sentences."""
    rows = max((check["rows"] for check in certificate["checks"]), default=0)
    groups = certificate["groups"]
    unknown = "" if groups["identities"] else ": identities unknown"
    found = [check for check in certificate["checks"] if check["found"]]
    leaks = "; ".join(
        f"{check['looked_for']}: {check['found']:,}{' (tolerated)' if check['tolerated'] else ''}" for check in found
    )
    return (
        f"The certificate of the splits {'holds' if certificate['holds'] else 'does not hold'}: {rows:,} rows, "
        f"{groups['count']:,} groups, which are {groups['are']}{unknown}. Leaks found: {leaks or 'none'}."
        f"{_moved(certificate.get('moves'))}"
    )


def _moved(moves: Mapping[str, Any] | None) -> str:
    """What is to be said of rows that changed their split."""
    if moves is None:
        return ""
    return f" Of {moves['rows']:,} rows of the earlier manifest {moves['moved']:,} lie in another split now."


def _judged(certificate: Mapping[str, Any], checks: Iterable[Check]) -> Certificate:
    """A certificate with further checks, its result first."""
    every = [*certificate.get("checks", ()), *(asdict(check) for check in checks)]
    holds = all(check["tolerated"] or not check["found"] for check in every)
    return {"holds": holds} | {key: value for key, value in certificate.items() if key != "holds"} | {"checks": every}


def _rows(table: Table | RecordStream, *columns: str) -> Iterator[dict[str, Any]]:
    for batch in table if isinstance(table, RecordStream) else table.batches(columns):
        yield from batch.select(columns).to_pylist()


def _first(rows: Iterable[dict[str, Any]]) -> tuple[int, list[dict[str, Any]]]:
    """How many there are, and the first of them."""
    count, first = 0, []
    for row in rows:
        count += 1
        if count <= NAMED:
            first.append(row)
    return count, first


def _ordered(splits: set[str]) -> list[str]:
    return [split for split in SPLITS if split in splits]


def _named(found: Iterable[tuple[str, list[str]]]) -> list[dict[str, Any]]:
    return [{"group": name, "splits": splits} for name, splits in list(found)[:NAMED]]
