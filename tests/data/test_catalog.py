import pytest
from helpers.small_sequences import make_sequence, walkers

from fairmot.config.load import load_cfg
from fairmot.data.build import build_dataset_spec, build_val_spans
from fairmot.utils.errors import InputError


def configured(root, *overrides):
    return load_cfg(None, ["DATA.ROOT", str(root), *overrides])


def spans(root, entries, *overrides):
    return build_val_spans(configured(root, "DATA.VAL", str(tuple(entries)), *overrides))


def names(root, entries, *overrides):
    return [span.folder.name for span in spans(root, entries, *overrides)]


@pytest.fixture
def root(tmp_path):
    for name in ("b/S2", "b/S1", "a"):
        make_sequence(tmp_path, name, [], frames=1)
    return tmp_path / "data"


def test_resolve_spans_keeps_entry_order_and_sorts_sequences(root):
    assert names(root, ["b", "a"]) == ["S1", "S2", "a"]
    assert names(root, ["a", "b/S2"]) == ["a", "S2"]


def test_dataset_name_dot_is_the_root(root):
    assert names(root / "b", ["."]) == ["S1", "S2"]
    assert names(root / "a", ["."]) == ["a"]


def test_absolute_entry_ignores_root(root, tmp_path):
    assert names(tmp_path / "absent", [str(root / "a")]) == ["a"]


def test_missing_root_names_key(tmp_path):
    with pytest.raises(InputError, match=r"^DATA\.ROOT: .*absent: no such folder$"):
        build_dataset_spec(configured(tmp_path / "absent"), ".")


def test_missing_entry_names_key(root):
    with pytest.raises(InputError, match=r"^DATA\.TRAIN: 'MOT99': no such folder under DATA\.ROOT .*data, and no data"):
        build_dataset_spec(configured(root), "MOT99")
    with pytest.raises(InputError, match=r"^DATA\.VAL: 'MOT99'"):
        spans(root, ["MOT99"])


def test_missing_catalog_set_names_its_root_key(root):
    with pytest.raises(
        InputError, match=r"'mot17_train': .*MOT17/train does not exist; set DATA\.SETS\.mot17_train\.ROOT"
    ):
        build_dataset_spec(configured(root), "mot17_train")


def test_unknown_layout_names_key(tmp_path):
    with pytest.raises(InputError, match=r"^DATA\.TRAIN: '\.': .*no known layout \(mot, crowdhuman"):
        build_dataset_spec(configured(tmp_path), ".")


def test_resolve_spans_repeated_sequence_raises(root):
    with pytest.raises(InputError, match="S1 is in both 'b' and 'b/S1'"):
        spans(root, ["b", "b/S1"])
    with pytest.raises(InputError, match="is in both 'a' and 'a'"):
        spans(root, ["a", "a"])


def test_catalog_name_sets_root_split_and_clipping(tmp_path):
    make_sequence(tmp_path, "MOT20/train/MOT20-01", walkers((1,), 3))
    spec = build_dataset_spec(configured(tmp_path / "data", "DATA.FRAME_LIMIT", "5"), "mot20_half_val", limit=5)
    assert spec.layout == "mot"
    assert spec.source.root == tmp_path / "data" / "MOT20" / "train"
    assert (spec.selection.split.part, spec.selection.split.limit) == ("second_half", 5)
    assert spec.selection.clip
    (span,) = spans(tmp_path / "data", ["mot20_half_val"])
    assert list(span.split.range_of(3)) == [1, 2]


def test_set_key_overrides_catalog(tmp_path):
    make_sequence(tmp_path, "MOT20/train/MOT20-01", walkers((1,), 3))
    cfg = configured(tmp_path / "data", "DATA.SETS.mot20_train.CLIP", "False", "DATA.SETS.mot20_train.IDENTITY", "box")
    spec = build_dataset_spec(cfg, "mot20_train")
    assert (spec.selection.clip, spec.selection.identity) == (False, "box")
    assert build_dataset_spec(cfg, "mot20_half_train").selection.clip


def test_custom_set(root):
    cfg = configured(root, "DATA.SETS.mine.ROOT", "b", "DATA.SETS.mine.SEQUENCES", "('S[2-9]',)", "DATA.VAL", "mine")
    assert [span.folder.name for span in build_val_spans(cfg)] == ["S2"]
    with pytest.raises(InputError, match=r"DATA\.VAL: .*no sequence is called S9"):
        names(root, ["mine"], "DATA.SETS.mine.ROOT", "b", "DATA.SETS.mine.SEQUENCES", "S9")


@pytest.mark.parametrize(
    ("classes", "numbers"), [(("pedestrian",), (1,)), (("person", "car"), (1, 3)), (("car", "tram"), (1, 2))]
)
def test_class_numbers_are_official_or_own(root, classes, numbers):
    cfg = configured(root, "DATA.CLASSES", str(classes), "MODEL.NUM_CLASSES", str(len(classes)))
    assert build_dataset_spec(cfg, "a").selection.numbers == numbers


def test_layout_rejects_foreign_keys(root):
    with pytest.raises(InputError, match=r"DATA\.SETS\.a\.BOX: only used in crowdhuman layout, not in mot"):
        build_dataset_spec(configured(root, "DATA.SETS.a.BOX", "head"), "a")
