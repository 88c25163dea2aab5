import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fairmot.utils.seed import make_rng

KEYS = st.lists(st.integers(0, 2**31), min_size=1, max_size=4)


@given(KEYS)
def test_same_keys_give_same_draws(keys: list[int]) -> None:
    first = make_rng(*keys).integers(0, 2**60, 4)
    np.random.default_rng(0).random(3)
    assert np.array_equal(first, make_rng(*keys).integers(0, 2**60, 4))


@given(KEYS, st.integers(1, 2**31))
def test_other_last_key_gives_other_draws(keys: list[int], other: int) -> None:
    draws = make_rng(*keys, other).integers(0, 2**60, 4)
    assert not np.array_equal(draws, make_rng(*keys, other - 1).integers(0, 2**60, 4))
