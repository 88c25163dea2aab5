import pytest

from fairmot.evaluation.protocol import choose_protocol
from fairmot.utils.errors import InputError


def gt_of(*classes):
    return [(1, number, 20 * number, 0, 10, 10, 1, kind) for number, kind in enumerate(classes)]


@pytest.mark.parametrize(
    ("name", "classes", "chosen"),
    [
        ("MOT17-02-FRCNN", (1, 6), "mot17"),
        ("MOT16-02", (1, 6), "mot16"),
        ("mot20-01", (1, 6), "mot20"),
        ("MOT17-04-half", (1, 8), "mot17"),
        ("SYN-0001", (1, 8), "mot17"),
        ("ADL-Rundle-6", (-1, -1), "mot15"),
        ("MOT17-02", (-1,), "mot15"),
        ("anything", (), "mot17"),
    ],
)
def test_auto_uses_names_and_columns(sequence, name, classes, chosen):
    assert choose_protocol([sequence(gt_of(*classes), [], name=name)]).protocol.name == chosen


def test_auto_gives_the_reason(sequence):
    assert "MOT20" in choose_protocol([sequence(gt_of(1), [], name="MOT20-01")]).reason
    assert "class 6" in choose_protocol([sequence(gt_of(1), [], name="SYN-1")]).reason
    assert "no class column" in choose_protocol([sequence(gt_of(-1), [])]).reason


@pytest.mark.parametrize(
    "infos",
    [
        [{"name": "STREET"}],
        [{"name": "MOT17-02", "has_name": False}],
        [{"name": "MOT17-02"}, {"name": "MOT20-01"}],
        [{"name": "MOT20-01"}, {"name": "STREET"}],
    ],
)
def test_auto_refuses_ambiguous_class_6(sequence, infos):
    """A name from the folder and names of two benchmarks do not decide."""
    scenes = [sequence(gt_of(1, 6), [], **info) for info in infos]
    with pytest.raises(InputError, match=r"class 6 are distractors in MOT20 .* set EVAL.PROTOCOL"):
        choose_protocol(scenes)
    assert choose_protocol(scenes, "mot20").protocol.name == "mot20"


def test_auto_refuses_mixed_class_columns(sequence):
    scenes = [sequence(gt_of(1), [], name="A"), sequence(gt_of(-1), [], name="B"), sequence([], [], name="C")]
    with pytest.raises(InputError, match="B ground truth: no class column"):
        choose_protocol(scenes)


def test_named_protocol_needs_a_class_column(sequence):
    scene = sequence(gt_of(-1), [])
    with pytest.raises(
        InputError, match=r"A ground truth: no class column, which EVAL.PROTOCOL mot17 needs; use mot15"
    ):
        choose_protocol([scene], "mot17")
    assert choose_protocol([scene], "mot15").reason == "EVAL.PROTOCOL"
    assert choose_protocol([sequence([], [])], "mot17").protocol.name == "mot17"


def test_unknown_protocol_is_refused():
    with pytest.raises(InputError, match="unknown 'mot18'; choose from auto, mot15"):
        choose_protocol([], "mot18")
