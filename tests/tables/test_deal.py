"""Dealing samples to splits, also where one group swallows the dataset."""

from hypothesis import given, settings
from hypothesis import strategies as st

from deepfake_pipeline.tables.groups import group_names
from deepfake_pipeline.tables.splits import deal, hash_split

SHARES = {"train": 0.6, "validation": 0.1, "calibration": 0.1, "test": 0.2}


def swapped(identities: int) -> dict[str, tuple[str, ...]]:
    """A real file of each identity, and a forgery of each and the next seven, in a ring."""
    names = [f"id{number}" for number in range(identities)]
    real = {f"real {name}": (name,) for name in names}
    others = [(n, (n + step) % identities) for n in range(identities) for step in range(1, 8)]
    return real | {f"forged {a} {b}": (names[a], names[b]) for a, b in others}


def test_small_groups_go_as_a_whole():
    memberships = {f"{kind} {n}": (f"v{n}",) for n in range(50) for kind in ("real", "forged")}
    dealt = deal(memberships, SHARES)
    assert dealt.groups == group_names(memberships) and not dealt.crossing and not dealt.divided
    assert dealt.splits == {sample: hash_split(group, SHARES) for sample, group in dealt.groups.items()}


def test_where_a_group_swallows_the_dataset_each_identity_has_its_split():
    memberships = swapped(60)
    dealt = deal(memberships, SHARES)
    assert dealt.divided == {"id0": 480}
    own = {f"id{n}": hash_split(f"id{n}", SHARES) for n in range(60)}
    for sample, tags in memberships.items():
        if len({own[tag] for tag in tags}) == 1:
            assert dealt.splits[sample] == own[tags[0]]
        else:
            assert sample not in dealt.splits and dealt.crossing[sample] == {tag: own[tag] for tag in tags}
    assert all(sample in dealt.splits for sample in memberships if sample.startswith("real"))
    assert 0.4 < len(dealt.crossing) / 420 < 0.75  # 1 − Σ share² = 0.58 of the forgeries
    assert dealt.groups == group_names({sample: memberships[sample] for sample in dealt.splits})


def test_other_groups_are_not_divided():
    memberships = swapped(20) | {f"pair {n} {k}": (f"a{n}", f"b{n}") for n in range(30) for k in range(2)}
    dealt = deal(memberships, SHARES)
    assert dealt.divided == {"id0": 160}
    assert all(dealt.groups[sample] == f"a{sample.split()[1]}" for sample in memberships if sample.startswith("pair"))


def test_one_split_alone_divides_nothing():
    dealt = deal(swapped(60), {"test": 1.0})
    assert not dealt.divided and not dealt.crossing and set(dealt.splits.values()) == {"test"}


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sets(st.integers(0, 25), min_size=1, max_size=3), min_size=1, max_size=80), st.text(max_size=3))
def test_nothing_lies_in_two_splits_and_nothing_is_lost(belongs, salt):
    memberships = {str(n): tuple(f"i{tag}" for tag in sorted(tags)) for n, tags in enumerate(belongs)}
    dealt = deal(memberships, SHARES, salt)
    assert dealt.groups.keys() == dealt.splits.keys() == memberships.keys() - dealt.crossing.keys()
    for names in (dealt.groups, None):
        where: dict[str, set[str]] = {}
        for sample, split in dealt.splits.items():
            for tag in (names[sample],) if names else memberships[sample]:
                where.setdefault(tag, set()).add(split)
        assert all(len(splits) == 1 for splits in where.values())
