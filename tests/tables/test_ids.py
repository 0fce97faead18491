import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from deepfake_pipeline.tables.ids import face_id, sample_id, sha256_hex, stable_seed, unit_hash


def test_ids_have_the_documented_form():
    digest = sha256_hex(b"abc")
    assert digest.startswith("ba7816bf8f01cfea")  # FIPS 180-4, example of "abc"
    assert face_id(sample_id(digest), 12, 3) == "ba7816bf8f01cfea-000012-03"


@given(st.lists(st.text(max_size=5), min_size=1, max_size=3))
def test_seeds_fit_numpy_and_repeat(parts):
    seed = stable_seed(*parts)
    assert 0 <= seed < 2**63
    assert seed == stable_seed(*parts)
    np.random.default_rng(seed)


def test_parts_do_not_run_into_one_another():
    assert stable_seed("a", "bc") != stable_seed("ab", "c")


def test_unit_hash_is_uniform():
    values = np.array([unit_hash("x", number) for number in range(4000)])
    assert abs(values.mean() - 0.5) < 0.02
    assert abs(values.std() - 12**-0.5) < 0.01
