from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepfake_pipeline.tables.groups import connected_components, group_names
from deepfake_pipeline.tables.splits import SPLITS, hash_split

SHARES = {"train": 0.6, "validation": 0.1, "calibration": 0.1, "test": 0.2}
names = st.sampled_from("abcdefgh")


def test_samples_that_share_a_membership_share_a_group_named_by_the_smallest():
    groups = group_names({"s1": ["071", "054"], "s2": ["054"], "s3": ["999"], "s4": ["999", "100"]})
    assert groups == {"s1": "054", "s2": "054", "s3": "100", "s4": "100"}


@given(st.lists(st.tuples(names, names), max_size=12), st.permutations(range(12)))
def test_components_do_not_depend_on_the_order_of_edges(edges, order):
    shuffled = [edges[place] for place in order if place < len(edges)]
    components = connected_components(edges)
    assert components == connected_components(shuffled)
    assert all(components[a] == components[b] <= min(a, b) for a, b in edges)


def test_split_shares_are_met():
    counts = Counter(hash_split(f"group {number}", SHARES) for number in range(5000))
    for split in SPLITS:
        assert counts[split] / 5000 == pytest.approx(SHARES[split], abs=0.02)


def test_a_salt_deals_anew_and_no_salt_repeats():
    groups = [f"g{number}" for number in range(200)]
    first = [hash_split(group, SHARES) for group in groups]
    assert first == [hash_split(group, SHARES) for group in groups]
    assert first != [hash_split(group, SHARES, "other") for group in groups]


def test_an_empty_split_gets_nothing():
    shares = {"train": 0.5, "validation": 0.5, "calibration": 0.0, "test": 0.0}
    assert {hash_split(str(number), shares) for number in range(300)} == {"train", "validation"}
