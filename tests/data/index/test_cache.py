import os

import numpy as np
import pytest
from helpers.small_sequences import make_sequence, walkers

from fairmot.data.index.builder import Selection
from fairmot.data.index.cache import DatasetSpec, cache_folder, load_index
from fairmot.data.readers.base import Source, read_units
from fairmot.data.readers.motchallenge import MotChallengeReader
from fairmot.utils.errors import InputError

PEOPLE = Selection(("pedestrian",), (1,))


class Counting:
    """A reader that counts its reads."""

    def __init__(self, source):
        self.reader, self.reads = MotChallengeReader(source), 0
        self.image_root, self.is_normalised, self.plan = source.root, False, self.reader.plan

    def read(self, unit):
        self.reads += 1
        return self.reader.read(unit)


@pytest.fixture
def world(tmp_path):
    folder = make_sequence(tmp_path, "S", walkers((1, 2), 3))
    source = Source(folder.parent, name="world")
    reader = Counting(source)

    def load(selection=PEOPLE, **options):
        index = load_index(DatasetSpec("mot", source, selection), reader, cache=tmp_path / "cache", **options)
        return index, reader.reads

    return folder, load


def test_cache_second_load_reads_no_labels(world):
    _, load = world
    first, second = load(), load()
    assert (first[1], second[1]) == (1, 1)
    np.testing.assert_array_equal(first[0].arrays.boxes_tlwh, second[0].arrays.boxes_tlwh)
    assert load(rebuild=True)[1] == 2


def test_cache_changed_label_file_rebuilds(world):
    folder, load = world
    load()
    gt_file = folder / "gt" / "gt.txt"
    gt_file.write_text(gt_file.read_text() + "1,9,5,5,10,20,1,1,1\n")
    index, reads = load()
    assert (reads, index.num_boxes) == (2, 7)


def test_cache_new_image_rebuilds(world):
    folder, load = world
    load()
    (folder / "img1" / "000004.png").write_bytes((folder / "img1" / "000003.png").read_bytes())
    assert len(load()[0]) == 4


def test_cache_other_selection_is_other_index(world):
    _, load = world
    assert load()[0].info.identity_counts == (2,)
    assert load(Selection(("pedestrian",), (1,), identity="box"))[0].info.identity_counts == (6,)
    assert load()[1] == 2


@pytest.mark.parametrize("damage", ["manifest.json", "boxes_tlwh.npy"])
def test_cache_damaged_index_is_rebuilt(world, damage, tmp_path):
    _, load = world
    load()
    (folder,) = (tmp_path / "cache").iterdir()
    (folder / damage).unlink()
    index, reads = load()
    assert (reads, index.num_boxes) == (2, 6)


def test_cache_write_error_leaves_no_files(world, tmp_path, monkeypatch):
    _, load = world

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("fairmot.data.index.cache.write_index", full)
    with pytest.raises(InputError, match=r"the index cannot be written: No space left on device; set DATA\.CACHE"):
        load()
    assert list((tmp_path / "cache").iterdir()) == []


def test_stale_index_is_replaced_while_mapped(world):
    folder, load = world
    before, _ = load()
    (folder / "gt" / "gt.txt").write_text("1,1,5,5,10,20,1,1,1\n")
    after, _ = load()
    assert (before.num_boxes, after.num_boxes) == (6, 1)
    assert float(before.arrays.boxes_tlwh.sum()) > 0


def test_cache_folder_from_environment_or_key(tmp_path, monkeypatch):
    monkeypatch.delenv("FAIRMOT_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user"))
    assert cache_folder() == tmp_path / "user" / "fairmot"
    monkeypatch.setenv("FAIRMOT_CACHE", str(tmp_path / "named"))
    assert cache_folder() == tmp_path / "named"
    assert cache_folder(str(tmp_path / "key")) == tmp_path / "key"


def test_cache_folder_unwritable_default_falls_back(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.delenv("FAIRMOT_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert cache_folder() == tmp_path / f"fairmot-{os.getuid()}"
    with pytest.raises(InputError, match=r"DATA\.CACHE: .*below cannot be written"):
        cache_folder(str(tmp_path / "file" / "below"))


def test_read_units_in_processes_keeps_order(tmp_path):
    for number in range(10):
        make_sequence(tmp_path, f"S{number}", walkers((number,), 1), frames=1)
    reader = MotChallengeReader(Source(tmp_path / "data"))
    units = reader.plan().units
    blocks = read_units(reader, units, processes=2)
    assert [block.sequences[0] for block in blocks] == [f"S{number}" for number in range(10)]
    (units[3] / "gt" / "gt.txt").write_text("1,x\n")
    with pytest.raises(InputError, match=r"S3.*gt\.txt:1"):
        read_units(reader, units, processes=2)


class Dying:
    """A reader whose process is killed."""

    def read(self, unit):
        os._exit(9)


def test_read_units_killed_process_raises():
    with pytest.raises(InputError, match="was killed; is there enough memory"):
        read_units(Dying(), list(range(9)), processes=2)
