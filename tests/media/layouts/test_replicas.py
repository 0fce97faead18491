"""Every layout on random replicas with dropped, renamed and damaged files, against the truth of their generator."""

from __future__ import annotations

import random
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from deepfake_pipeline.media.index import index_source
from deepfake_pipeline.media.index_params import IndexParams
from deepfake_pipeline.media.layouts import LayoutParams, resolve_layout
from deepfake_pipeline.media.sources import MediaSource
from deepfake_pipeline.media.study import DatasetStudy
from deepfake_pipeline.tables.splits import SPLITS
from tests.media.layouts.replicas import REPLICAS, Replica


def ingested(replica: Replica, **params: Any) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    study = DatasetStudy(name="replica", layout="auto")
    result = index_source(MediaSource(replica.root, []), study, IndexParams(**params))
    rows = {row["path"]: row for batch in result.manifest for row in batch.to_pylist()}
    return rows, {row["path"]: row["reason"] for batch in result.rejected for row in batch.to_pylist()}


def partition(names: dict[str, Any]) -> set[frozenset[str]]:
    members = defaultdict(set)
    for path, name in names.items():
        members[name].add(path)
    return {frozenset(paths) for paths in members.values()}


def true_groups(replica: Replica) -> set[frozenset[str]]:
    """Connected files, by scipy: two are joined by what both belong to."""
    paths = sorted(replica.files)
    tags = sorted({tag for truth in replica.files.values() for tag in truth.belongs})
    edges = np.array([(n, tags.index(tag)) for n, path in enumerate(paths) for tag in replica.files[path].belongs])
    incidence = coo_array((np.ones(len(edges)), (edges[:, 0], edges[:, 1])), (len(paths), len(tags))).tocsr()
    return partition(dict(zip(paths, connected_components(incidence @ incidence.T)[1].tolist(), strict=True)))


@pytest.fixture(params=[(name, seed) for name in REPLICAS for seed in range(3)], ids=lambda p: f"{p[0]}-{p[1]}")
def replica(request: pytest.FixtureRequest, tmp_path: Path) -> Replica:
    name, seed = request.param
    made = REPLICAS[name](tmp_path, random.Random(f"{name} {seed}"))
    found = resolve_layout("auto", tmp_path, LayoutParams())
    assert found.layout == name.removesuffix("_crops") and found.why
    return made


def test_labels_methods_groups_keys_and_refusals_are_those_of_the_generator(replica: Replica) -> None:
    rows, refused = ingested(replica)
    assert refused == replica.refused
    assert {p: row["label"] for p, row in rows.items()} == {p: truth.label for p, truth in replica.files.items()}
    assert {p: row["method"] for p, row in rows.items()} == {p: truth.method for p, truth in replica.files.items()}
    assert partition({path: row["group"] for path, row in rows.items()}) == true_groups(replica)
    assert len({row["sample_id"] for row in rows.values()}) == len(rows)
    splits = defaultdict(set)
    for row in rows.values():
        for tag in row["memberships"]:
            splits[tag].add(row["split"])
    assert all(len(own) == 1 for own in splits.values())
    for path, truth in replica.files.items():
        if truth.faces is not None:
            given = {tuple(face[side] for side in "xywh"): face["label"] for face in rows[path]["given_faces"]}
            assert given == truth.faces
        masks = list(replica.root.rglob(f"masks/videos/{Path(path).name}")) if truth.label else []
        of_method = [m.relative_to(replica.root).as_posix() for m in masks if m.parts[-4] == truth.method]
        assert rows[path]["mask"] == (of_method[0] if of_method else None)


def test_official_splits_are_followed(replica: Replica) -> None:
    rows, refused = ingested(replica, split_policy="official")
    for path, truth in replica.files.items():
        if truth.split is None:
            assert refused[path] == "unlabelled"
        else:
            official = rows[path]["split"]
            carved = [name for name in SPLITS if not any(t.split == name for t in replica.files.values())]
            assert official == truth.split or (truth.split == "train" and official in carved)
