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
def test_auto_reads_names_and_columns(sequence, name, classes, chosen):
    assert choose_protocol([sequence(gt_of(*classes), [], name=name)]).protocol.name == chosen


def test_auto_says_why(sequence):
    assert "MOT20" in choose_protocol([sequence(gt_of(1), [], name="MOT20-01")]).reason
    assert "class 6" in choose_protocol([sequence(gt_of(1), [], name="SYN-1")]).reason
    assert "no class column" in choose_protocol([sequence(gt_of(-1), [])]).reason


@pytest.mark.parametrize(
    "infos",
    [
        [{"name": "STREET"}],
        [{"name": "MOT17-02", "named": False}],
        [{"name": "MOT17-02"}, {"name": "MOT20-01"}],
        [{"name": "MOT20-01"}, {"name": "STREET"}],
    ],
)
def test_auto_refuses_to_guess_where_class_6_counts(sequence, infos):
    """A name that only the folder gives is no evidence, nor are names of two benchmarks."""
    scenes = [sequence(gt_of(1, 6), [], **info) for info in infos]
    with pytest.raises(InputError, match=r"class 6 are distractors in MOT20 .* set EVAL.PROTOCOL"):
        choose_protocol(scenes)
    assert choose_protocol(scenes, "mot20").protocol.name == "mot20"


def test_auto_does_not_mix_truth_with_and_without_classes(sequence):
    scenes = [sequence(gt_of(1), [], name="A"), sequence(gt_of(-1), [], name="B"), sequence([], [], name="C")]
    with pytest.raises(InputError, match="B ground truth: no class column"):
        choose_protocol(scenes)


def test_a_named_protocol_needs_its_classes(sequence):
    scene = sequence(gt_of(-1), [])
    with pytest.raises(
        InputError, match=r"A ground truth: no class column, which EVAL.PROTOCOL mot17 needs; use mot15"
    ):
        choose_protocol([scene], "mot17")
    assert choose_protocol([scene], "mot15").reason == "EVAL.PROTOCOL"
    assert choose_protocol([sequence([], [])], "mot17").protocol.name == "mot17"


def test_unknown_protocol():
    with pytest.raises(InputError, match="unknown 'mot18'; choose from auto, mot15"):
        choose_protocol([], "mot18")
