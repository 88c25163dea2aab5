import numpy as np
import pytest

from fairmot.geometry.arrays import require_shape


@pytest.mark.parametrize("shape", [(2, 3), (None, 3), (2, None), (None, None)])
def test_matching_shape_passes(shape):
    require_shape("name", np.zeros((2, 3)), shape)


@pytest.mark.parametrize("shape", [(3, 3), (None, 4), (2,), (2, 3, 1)])
def test_other_shape_names_the_array(shape):
    with pytest.raises(ValueError, match=r"boxes: expected shape .*, got \(2, 3\)"):
        require_shape("boxes", np.zeros((2, 3)), shape)
