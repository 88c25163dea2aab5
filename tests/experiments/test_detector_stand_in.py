import detector_stand_in as script
import numpy as np
from helpers.small_pairs import people_side_by_side, write_sequence

from fairmot.formats.detection_cache import read_cache


def test_detector_stand_in_writes_a_cache_with_camera_motion(tmp_path):
    write_sequence(tmp_path / "gt" / "pairs", people_side_by_side(tmp_path, length=4), images=4)
    argv = ["--gt", str(tmp_path / "gt"), "--output", str(tmp_path / "caches"), "--seed", "5", "--camera-motion"]
    assert script.main(argv) == 0
    cache = read_cache(tmp_path / "caches" / "pairs.npz")
    assert len(cache) == 4
    np.testing.assert_allclose(cache.camera_motion[1:, 0, 2], -2, atol=0.3)
