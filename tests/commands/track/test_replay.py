from pathlib import Path

import numpy as np
import pytest

from fairmot.commands.track.replay import replay
from fairmot.config.load import load_cfg
from fairmot.formats.detection_cache import DetectionCache, read_cache, write_cache
from fairmot.formats.motchallenge import read_boxes
from fairmot.utils.errors import InputError


def make_cache(path: Path) -> Path:
    boxes = np.array([[0, 0, 40, 100], [200, 0, 400, 100]], dtype=np.float32)
    cache = DetectionCache(
        frame_counts=np.array([2, 2, 0, 2]),
        boxes_xyxy=np.tile(boxes, (3, 1)),
        scores=np.tile(np.array([0.9, 0.8], np.float32), 3),
        embeddings=np.tile(np.eye(2, dtype=np.float32), (3, 1)),
    )
    write_cache(path, cache)
    return path


def test_replay_writes_a_result_file_and_counts_the_filtered(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "new" / "result.txt"
    assert replay(load_cfg(), cache=make_cache(tmp_path / "cache.npz"), output=output) == output
    assert output.read_text().splitlines()[0] == "1,1,0.000,0.000,40.000,100.000,0.900,-1,-1,-1"
    assert read_boxes(output, "results").frames.tolist() == [1, 2, 4]
    assert "3 rows of 4 frames" in capsys.readouterr().out
    replay(load_cfg(None, ["TRACKER.MAX_ASPECT", "0"]), cache=tmp_path / "cache.npz", output=output)
    assert read_boxes(output, "results").ids.tolist() == [1, 2, 1, 2, 1, 2]


def test_replay_refuses_a_folder_and_a_missing_cache(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is a folder"):
        replay(load_cfg(), cache=make_cache(tmp_path / "cache.npz"), output=tmp_path)
    with pytest.raises(InputError, match="no such file"):
        replay(load_cfg(), cache=tmp_path / "none.npz", output=tmp_path / "result.txt")
    assert not (tmp_path / "result.txt").exists()


def test_replay_uses_the_prefix_that_is_asked_for(tmp_path: Path) -> None:
    cache = read_cache(make_cache(tmp_path / "cache.npz"))
    cut = DetectionCache(cache.frame_counts, cache.boxes_xyxy, cache.scores, np.tile([[0.6, 0.8]], (6, 1)))
    assert cut.truncate_embeddings(1).embeddings.tolist() == [[1.0]] * 6
    assert cache.truncate_embeddings(1).embeddings.tolist() == [[1.0], [0.0]] * 3  # what has no length keeps none
    cfg = load_cfg(None, ["PREDICT.REID_PREFIX", "1"])
    replay(cfg, cache=tmp_path / "cache.npz", output=tmp_path / "result.txt")
    assert len(read_boxes(tmp_path / "result.txt", "results")) == 3
    with pytest.raises(InputError, match=r"embeddings have 2 values, fewer than PREDICT\.REID_PREFIX = 3"):
        replay(load_cfg(None, ["PREDICT.REID_PREFIX", "3"]), cache=tmp_path / "cache.npz", output=tmp_path / "r.txt")
