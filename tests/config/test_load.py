from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from fairmot.config.load import cfg_from_dict, cfg_to_dict, dump_cfg, load_cfg
from fairmot.config.tracker_presets import PRESETS
from fairmot.utils.errors import InputError


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def refused(*overrides: Any, path: Path | None = None) -> str:
    with pytest.raises(InputError) as caught:
        load_cfg(path, overrides)
    assert "\n" not in str(caught.value)
    return str(caught.value)


class TestOverrides:
    def test_an_int_fits_a_float_key_and_becomes_one(self) -> None:
        """yacs 0.1.8 refuses it."""
        width = load_cfg(None, ["MODEL.WIDTH", "2"]).MODEL.WIDTH
        assert width == 2.0
        assert type(width) is float

    def test_a_float_does_not_fit_an_int_key(self) -> None:
        assert "MODEL.REID_DIM = 64.0 is not a int" in refused("MODEL.REID_DIM", "64.0")

    @pytest.mark.parametrize(
        ("name", "value"),
        [("MODEL.WIDTH", "True"), ("SEED", "True"), ("AUGMENT.ENABLED", "1"), ("AUGMENT.ENABLED", "no")],
    )
    def test_a_bool_is_not_a_number_nor_a_number_a_bool(self, name: str, value: str) -> None:
        assert name in refused(name, value)

    @pytest.mark.parametrize(("text", "value"), [("false", False), ("False", False), ("TRUE", True), ("True", True)])
    def test_bools_in_any_case(self, text: str, value: bool) -> None:
        assert load_cfg(None, ["AUGMENT.ENABLED", text]).AUGMENT.ENABLED is value

    @pytest.mark.parametrize("value", ["(608,)", "(608, 1088, 3)", "608", "('608', '1088')", "(608.5, 1088)"])
    def test_tuples_keep_their_length_and_types(self, value: str) -> None:
        """yacs checks neither."""
        assert "INPUT.SIZE_HW" in refused("INPUT.SIZE_HW", value)

    def test_open_tuples_take_any_length(self) -> None:
        cfg = load_cfg(None, ["SOLVER.MILESTONES", "[10, 20, 27]", "DATA.TRAIN", "a", "DATA.VAL", "('b', 'c')"])
        assert (cfg.SOLVER.MILESTONES, cfg.DATA.TRAIN, cfg.DATA.VAL) == ((10, 20, 27), ("a",), ("b", "c"))
        assert load_cfg(None, ["SOLVER.MILESTONES", "()"]).SOLVER.MILESTONES == ()
        assert "SOLVER.MILESTONES" in refused("SOLVER.MILESTONES", "[1.5]")

    def test_text_stays_text_even_when_it_looks_like_a_number(self) -> None:
        assert load_cfg(None, ["OUTPUT", "2024"]).OUTPUT == "2024"

    def test_an_odd_list_names_what_is_left_over(self) -> None:
        assert refused("SEED", "1", "DEVICE") == "DEVICE: overrides come in pairs, KEY VALUE"

    def test_values_may_come_typed(self) -> None:
        assert load_cfg(None, ["SEED", 4]).SEED == 4  # type: ignore[list-item]

    @pytest.mark.parametrize(
        ("name", "word"),
        [("MODEL.WIDHT", "MODEL.WIDHT"), ("MODLE.WIDTH", "MODLE"), ("SEED.X", "SEED"), ("MODEL", "section")],
    )
    def test_an_unknown_name_is_refused(self, name: str, word: str) -> None:
        assert word in refused(name, "1")

    def test_an_unknown_key_lists_its_neighbours(self) -> None:
        assert "choose from BACKBONE, WIDTH, REID_DIM" in refused("MODEL.WIDHT", "1")


class TestFiles:
    def test_a_file_changes_what_it_names_and_overrides_come_last(self, tmp_path: Path) -> None:
        path = write(tmp_path / "a.yaml", "SEED: 1\nMODEL: {WIDTH: 2}\nDATA: {TRAIN: [x, y]}\n")
        cfg = load_cfg(path, ["SEED", "5"])
        assert (cfg.SEED, cfg.MODEL.WIDTH, cfg.DATA.TRAIN, cfg.MODEL.REID_DIM) == (5, 2.0, ("x", "y"), 64)

    def test_a_float_without_a_point_is_a_float(self, tmp_path: Path) -> None:
        """YAML 1.1 reads 1e-4 as text."""
        cfg = load_cfg(write(tmp_path / "a.yaml", "SOLVER: {BASE_LR: 1e-4}\nOUTPUT: 1e-4\n"))
        assert (cfg.SOLVER.BASE_LR, cfg.OUTPUT) == (1e-4, "1e-4")

    def test_base_files_are_relative_to_the_file_that_names_them(self, tmp_path: Path) -> None:
        write(tmp_path / "root.yml", "SEED: 1\nDEVICE: cpu\nMODEL: {WIDTH: 0.5}\n")
        write(tmp_path / "sub" / "mid.yaml", "_BASE_: ../root.yml\nSEED: 2\n")
        cfg = load_cfg(write(tmp_path / "sub" / "top.yaml", "_BASE_: mid.yaml\nMODEL: {REID_DIM: 8}\n"))
        assert (cfg.SEED, cfg.DEVICE, cfg.MODEL.WIDTH, cfg.MODEL.REID_DIM) == (2, "cpu", 0.5, 8)

    def test_bases_that_turn_in_a_circle(self, tmp_path: Path) -> None:
        write(tmp_path / "a.yaml", "_BASE_: b.yaml\n")
        assert "leads back" in refused(path=write(tmp_path / "b.yaml", "_BASE_: a.yaml\n"))

    def test_an_empty_file_is_the_defaults(self, tmp_path: Path) -> None:
        assert load_cfg(write(tmp_path / "a.yaml", "# nothing\n")) == load_cfg()

    def test_a_python_file_is_not_executed(self, tmp_path: Path) -> None:
        path = write(tmp_path / "evil.py", f"open({str(tmp_path / 'ran')!r}, 'w')")
        assert ".yaml" in refused(path=path)
        assert not (tmp_path / "ran").exists()

    @pytest.mark.parametrize(
        ("text", "word"),
        [
            ("SEED: [1\n", "not YAML"),
            ("- 1\n", "mapping"),
            ("just words\n", "mapping"),
            ("SEEED: 1\n", "SEEED"),
            ("MODEL: 3\n", "section"),
            ("MODEL: {WIDTH: wide}\n", "MODEL.WIDTH"),
            ("SEED: null\n", "SEED"),
            ("SOLVER: {BASE_LR: 1e-4x}\n", "SOLVER.BASE_LR"),
            ("!!python/object/apply:os.getcwd []\n", "not YAML"),
        ],
    )
    def test_every_mistake_is_one_line_that_names_the_file(self, tmp_path: Path, text: str, word: str) -> None:
        message = refused(path=write(tmp_path / "bad.yaml", text))
        assert "bad.yaml" in message
        assert word in message

    def test_a_missing_file_and_one_that_is_not_text(self, tmp_path: Path) -> None:
        assert "no such file" in refused(path=tmp_path / "none.yaml")
        (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00\x81")
        assert "not YAML" in refused(path=tmp_path / "binary.yaml")


class TestRoundTrips:
    @settings(max_examples=25)
    @given(st.integers(1, 512), st.floats(0.01, 4), st.lists(st.integers(1, 90), max_size=4))
    def test_dicts_and_yaml_give_the_same_configuration_back(self, dim: int, width: float, steps: list[int]) -> None:
        cfg = load_cfg(None, ["MODEL.REID_DIM", str(dim), "MODEL.WIDTH", repr(width), "SOLVER.MILESTONES", repr(steps)])
        assert cfg_from_dict(cfg_to_dict(cfg)) == cfg
        assert cfg_from_dict(yaml.safe_load(dump_cfg(cfg))) == cfg

    def test_a_checkpoint_of_another_age_is_refused_by_name(self) -> None:
        with pytest.raises(InputError, match="checkpoint: unknown key OLD_KEY"):
            cfg_from_dict({"OLD_KEY": 1})

    def test_what_comes_back_from_a_dict_is_frozen_and_valid(self) -> None:
        assert cfg_from_dict({}).is_frozen()
        with pytest.raises(InputError, match="SEED"):
            cfg_from_dict({"SEED": -1})


@pytest.mark.parametrize("text", ["12345e67", "00012345", "1e5", "True"])
def test_a_text_that_looks_like_a_number_stays_as_it_was_typed(text: str) -> None:
    assert text == load_cfg(None, ["OUTPUT", text]).OUTPUT


class TestPresets:
    def value(self, *overrides: str, path: Path | None = None) -> tuple[str, float]:
        tracker = load_cfg(
            path, [f"TRACKER.{text}" if n % 2 == 0 else text for n, text in enumerate(overrides)]
        ).TRACKER
        return tracker.APPEARANCE_METRIC, tracker.APPEARANCE_THRESHOLD

    def test_it_sets_its_keys(self) -> None:
        assert self.value("PRESET", "jde") == ("euclidean", 0.7)
        assert self.value() == ("cosine", 0.4)

    def test_a_key_beside_it_wins_in_any_order(self) -> None:
        assert self.value("PRESET", "jde", "APPEARANCE_THRESHOLD", "0.6") == ("euclidean", 0.6)
        assert self.value("APPEARANCE_THRESHOLD", "0.6", "PRESET", "jde") == ("euclidean", 0.6)

    def test_a_later_preset_replaces_an_earlier_one_whole(self, tmp_path: Path) -> None:
        path = write(tmp_path / "a.yaml", "TRACKER:\n  APPEARANCE_THRESHOLD: 0.6\n  PRESET: jde\n")
        assert self.value(path=path) == ("euclidean", 0.6)
        assert self.value("PRESET", "fairmot", path=path) == ("cosine", 0.4)

    def test_the_detectors_own_threshold_stays(self, tmp_path: Path) -> None:
        path = write(tmp_path / "a.yaml", "TRACKER:\n  CONF_THRESHOLD: 0.3\n")
        for name in PRESETS:
            assert load_cfg(path, ["TRACKER.PRESET", name]).TRACKER.CONF_THRESHOLD == 0.3

    def test_it_is_a_whole_tracker(self, tmp_path: Path) -> None:
        """Keys of an earlier layer that make another tracker of it go; what describes the data stays."""
        path = write(tmp_path / "a.yaml", "TRACKER:\n  STATE: xywh\n  OCR: true\n  MAX_ASPECT: 0\n")
        tracker = load_cfg(path, ["TRACKER.PRESET", "fairmot"]).TRACKER
        assert (tracker.STATE, tracker.RECOVERY, tracker.MAX_ASPECT) == ("xyah", False, 0.0)

    def test_quotes_do_not_matter(self) -> None:
        assert self.value("PRESET", "'jde'") == ("euclidean", 0.7)

    def test_the_effective_configuration_comes_back(self, tmp_path: Path) -> None:
        cfg = load_cfg(None, ["TRACKER.PRESET", "byte", "TRACKER.SECOND_THRESHOLD", "0.2"])
        assert load_cfg(write(tmp_path / "whole.yaml", dump_cfg(cfg))) == cfg
        assert cfg_from_dict(cfg_to_dict(cfg)) == cfg

    def test_an_unknown_one_lists_the_choices(self) -> None:
        assert refused("TRACKER.PRESET", "sort") == (
            "TRACKER.PRESET: unknown 'sort'; choose from fairmot, jde, byte, strong"
        )
        assert "TRACKER.PRESET" in refused("TRACKER.PRESET", "[1, 2]")

    def test_presets_set_keys_that_exist_in_their_types(self) -> None:
        defaults = load_cfg().TRACKER
        for keys in PRESETS.values():
            for name, value in keys.items():
                assert type(value) is type(defaults[name]), name
