import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fairmot.data.identities import build_identity_space

sequences = st.lists(st.lists(st.integers(-5, 60), max_size=12), min_size=1, max_size=5)


@given(sequences)
def test_numbers_are_dense_and_lead_back(ids_of_sequences):
    space = build_identity_space([np.array(ids, dtype=np.int64) for ids in ids_of_sequences])
    numbers = [
        int(number)
        for place, ids in enumerate(ids_of_sequences)
        for number in space.number(place, np.unique(np.array(ids, dtype=np.int64)))
    ]
    assert numbers == list(range(space.count))
    origins = [space.origin(number) for number in numbers]
    assert origins == [(place, person) for place, ids in enumerate(ids_of_sequences) for person in sorted(set(ids))]


def test_row_order_makes_no_difference():
    ids = np.array([9, 2, 9, 4, 2])
    one, other = build_identity_space([ids]), build_identity_space([np.sort(ids)])
    assert one.number(0, ids).tolist() == other.number(0, ids).tolist() == [2, 0, 2, 1, 0]
