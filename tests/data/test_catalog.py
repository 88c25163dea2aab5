import pytest
from small_sequences import make_sequence

from fairmot.data.catalog import resolve_sequences
from fairmot.utils.errors import InputError


def names(folders):
    return [folder.name for folder in folders]


@pytest.fixture
def root(tmp_path):
    for name in ("b/S2", "b/S1", "a"):
        make_sequence(tmp_path, name, [], frames=1)
    return tmp_path / "data"


def test_entries_keep_their_order_and_sequences_are_sorted_within(root):
    assert names(resolve_sequences(root, ["b", "a"])) == ["S1", "S2", "a"]
    assert names(resolve_sequences(root, ["a", "b/S2"])) == ["a", "S2"]


def test_a_dot_is_the_root_itself(root):
    assert names(resolve_sequences(root / "b", ["."])) == ["S1", "S2"]
    assert names(resolve_sequences(root / "a", ["."])) == ["a"]


def test_absolute_entries_need_no_root(root, tmp_path):
    assert names(resolve_sequences(tmp_path / "absent", [str(root / "a")])) == ["a"]


def test_an_absent_root_names_its_key(tmp_path):
    with pytest.raises(InputError, match=r"^DATA\.ROOT: .*absent: no such folder$"):
        resolve_sequences(tmp_path / "absent", ["."])


def test_an_absent_entry_names_its_key(root):
    with pytest.raises(InputError, match=r"^DATA\.TRAIN: 'MOT99': no such folder under DATA\.ROOT .*data$"):
        resolve_sequences(root, ["MOT99"])
    with pytest.raises(InputError, match=r"^DATA\.VAL: 'MOT99'"):
        resolve_sequences(root, ["MOT99"], key="DATA.VAL")


def test_a_folder_without_sequences_names_its_key(tmp_path):
    with pytest.raises(InputError, match=r"^DATA\.TRAIN: .*no MOTChallenge sequence here"):
        resolve_sequences(tmp_path, ["."])


def test_a_sequence_reached_twice_is_refused(root):
    with pytest.raises(InputError, match="S1 is reached by both 'b' and 'b/S1'"):
        resolve_sequences(root, ["b", "b/S1"])
    with pytest.raises(InputError, match="reached by both 'a' and 'a'"):
        resolve_sequences(root, ["a", "a"])
