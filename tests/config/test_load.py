import ast
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
    @pytest.mark.parametrize(
        ("name", "value", "type_name"),
        [
            ("MODEL.REID_DIM", "64.0", "int"),
            ("MODEL.WIDTH", "True", "float"),
            ("SEED", "True", "int"),
            ("AUGMENT.ENABLED", "1", "bool"),
            ("AUGMENT.ENABLED", "'no'", "bool"),
            ("INPUT.SIZE_HW", "(608,)", "(int, int)"),
            ("INPUT.SIZE_HW", "(608, 1088, 3)", "(int, int)"),
            ("INPUT.SIZE_HW", "('608', '1088')", "(int, int)"),
            ("INPUT.SIZE_HW", "608", "(int, int)"),
            ("SOLVER.MILESTONES", "[1.5]", "(int, ...)"),
        ],
    )
    def test_value_of_another_type_is_refused(self, name: str, value: str, type_name: str) -> None:
        """yacs 0.1.8 checks neither the length nor the types of a tuple."""
        assert refused(name, value) == f"override: {name} = {ast.literal_eval(value)!r} is not of type {type_name}"

    def test_int_for_a_float_key_becomes_float(self) -> None:
        """yacs 0.1.8 refuses it."""
        width = load_cfg(None, ["MODEL.WIDTH", "2"]).MODEL.WIDTH
        assert width == 2.0
        assert type(width) is float

    @pytest.mark.parametrize(("text", "value"), [("false", False), ("False", False), ("TRUE", True), ("True", True)])
    def test_bool_in_any_case(self, text: str, value: bool) -> None:
        assert load_cfg(None, ["AUGMENT.ENABLED", text]).AUGMENT.ENABLED is value

    def test_tuple_of_any_length(self) -> None:
        cfg = load_cfg(None, ["SOLVER.MILESTONES", "[10, 20, 27]", "DATA.TRAIN", "a", "DATA.VAL", "('b', 'c')"])
        assert (cfg.SOLVER.MILESTONES, cfg.DATA.TRAIN, cfg.DATA.VAL) == ((10, 20, 27), ("a",), ("b", "c"))
        assert load_cfg(None, ["SOLVER.MILESTONES", "()"]).SOLVER.MILESTONES == ()

    @pytest.mark.parametrize("text", ["2024", "12345e67", "00012345", "1e5", "True"])
    def test_text_that_reads_like_a_number_stays_as_typed(self, text: str) -> None:
        cfg = load_cfg(None, ["OUTPUT", text, "DATA.SETS.new.ROOT", text])
        assert (text, text) == (cfg.OUTPUT, cfg.DATA.SETS.new.ROOT)

    def test_key_without_value_is_named(self) -> None:
        assert refused("SEED", "1", "DEVICE") == "DEVICE: overrides come in pairs, KEY VALUE"

    def test_typed_value_is_accepted(self) -> None:
        assert load_cfg(None, ["SEED", 4]).SEED == 4  # type: ignore[list-item]

    def test_section_and_value_are_not_confused(self) -> None:
        assert refused("MODEL", "1") == "override: MODEL is a section, not a value"
        assert refused("SEED.X", "1") == "override: SEED = {'X': 1} is not of type int"

    @pytest.mark.parametrize(
        ("name", "unknown", "nearest"),
        [
            ("MODEL.WIDHT", "MODEL.WIDHT", "MODEL.WIDTH"),
            ("MODEL.BASE_LR", "MODEL.BASE_LR", "SOLVER.BASE_LR"),
            ("BASE_LR", "BASE_LR", "SOLVER.BASE_LR"),
            ("MODEL.width", "MODEL.width", "MODEL.WIDTH"),
            ("SEEED", "SEEED", "SEED"),
            ("MODLE.WIDTH", "MODLE", "MODEL"),
            ("DATA.SET.a.ROOT", "DATA.SET", "DATA.SETS"),
            ("DATA.SETS.a.LAYUOT", "DATA.SETS.a.LAYUOT", "DATA.SETS.a.LAYOUT"),
        ],
    )
    def test_unknown_key_suggests_the_nearest(self, name: str, unknown: str, nearest: str) -> None:
        assert refused(name, "1") == f"override: unknown key {unknown}; did you mean {nearest}?"


class TestFiles:
    def test_file_changes_defaults_and_overrides_change_the_file(self, tmp_path: Path) -> None:
        path = write(tmp_path / "a.yaml", "SEED: 1\nMODEL: {WIDTH: 2}\nDATA: {TRAIN: [x, y]}\n")
        cfg = load_cfg(path, ["SEED", "5"])
        assert (cfg.SEED, cfg.MODEL.WIDTH, cfg.DATA.TRAIN, cfg.MODEL.REID_DIM) == (5, 2.0, ("x", "y"), 64)

    def test_exponent_without_a_point_is_a_float(self, tmp_path: Path) -> None:
        """YAML 1.1 reads 1e-4 as text."""
        cfg = load_cfg(write(tmp_path / "a.yaml", "SOLVER: {BASE_LR: 1e-4}\nOUTPUT: 1e-4\n"))
        assert (cfg.SOLVER.BASE_LR, cfg.OUTPUT) == (1e-4, "1e-4")

    def test_base_is_relative_to_the_file_that_names_it(self, tmp_path: Path) -> None:
        write(tmp_path / "root.yml", "SEED: 1\nDEVICE: cpu\nMODEL: {WIDTH: 0.5}\n")
        write(tmp_path / "sub" / "mid.yaml", "_BASE_: ../root.yml\nSEED: 2\n")
        cfg = load_cfg(write(tmp_path / "sub" / "top.yaml", "_BASE_: mid.yaml\nMODEL: {REID_DIM: 8}\n"))
        assert (cfg.SEED, cfg.DEVICE, cfg.MODEL.WIDTH, cfg.MODEL.REID_DIM) == (2, "cpu", 0.5, 8)

    def test_circular_base_is_refused(self, tmp_path: Path) -> None:
        write(tmp_path / "a.yaml", "_BASE_: b.yaml\n")
        assert "leads back" in refused(path=write(tmp_path / "b.yaml", "_BASE_: a.yaml\n"))

    def test_empty_file_gives_the_defaults(self, tmp_path: Path) -> None:
        assert load_cfg(write(tmp_path / "a.yaml", "# nothing\n")) == load_cfg()

    def test_dataset_name_with_a_point(self, tmp_path: Path) -> None:
        text = "DATA: {SETS: {mot.v2: {LAYOUT: mot, SPLIT: typo}}}\n"
        assert refused(path=write(tmp_path / "a.yaml", text)).startswith("DATA.SETS.mot.v2.SPLIT: unknown 'typo'")

    def test_python_file_is_not_executed(self, tmp_path: Path) -> None:
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
    def test_invalid_file_is_one_line_that_names_it(self, tmp_path: Path, text: str, word: str) -> None:
        message = refused(path=write(tmp_path / "bad.yaml", text))
        assert "bad.yaml" in message
        assert word in message

    def test_missing_and_binary_file_are_refused(self, tmp_path: Path) -> None:
        assert "no such file" in refused(path=tmp_path / "none.yaml")
        (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00\x81")
        assert "not YAML" in refused(path=tmp_path / "binary.yaml")


class TestRoundTrips:
    @settings(max_examples=25)
    @given(st.integers(1, 512), st.floats(0.01, 4), st.lists(st.integers(1, 90), max_size=4))
    def test_dict_and_yaml_return_the_same_cfg(self, dim: int, width: float, steps: list[int]) -> None:
        cfg = load_cfg(None, ["MODEL.REID_DIM", str(dim), "MODEL.WIDTH", repr(width), "SOLVER.MILESTONES", repr(steps)])
        assert cfg_from_dict(cfg_to_dict(cfg)) == cfg
        assert cfg_from_dict(yaml.safe_load(dump_cfg(cfg))) == cfg

    def test_checkpoint_with_an_unknown_key_is_refused(self) -> None:
        with pytest.raises(InputError, match="checkpoint: unknown key OLD_KEY"):
            cfg_from_dict({"OLD_KEY": 1})

    def test_cfg_from_dict_is_frozen_and_validated(self) -> None:
        assert cfg_from_dict({}).is_frozen()
        with pytest.raises(InputError, match="SEED"):
            cfg_from_dict({"SEED": -1})


class TestPresets:
    def value(self, *overrides: str, path: Path | None = None) -> tuple[str, float]:
        tracker = load_cfg(
            path, [f"TRACKER.{text}" if n % 2 == 0 else text for n, text in enumerate(overrides)]
        ).TRACKER
        return tracker.APPEARANCE_METRIC, tracker.APPEARANCE_THRESHOLD

    def test_preset_sets_its_keys(self) -> None:
        assert self.value("PRESET", "jde") == ("euclidean", 0.7)
        assert self.value("PRESET", "'jde'") == ("euclidean", 0.7)
        assert self.value() == ("cosine", 0.4)

    def test_key_given_with_a_preset_wins_in_any_order(self) -> None:
        assert self.value("PRESET", "jde", "APPEARANCE_THRESHOLD", "0.6") == ("euclidean", 0.6)
        assert self.value("APPEARANCE_THRESHOLD", "0.6", "PRESET", "jde") == ("euclidean", 0.6)

    def test_later_preset_replaces_all_keys_of_an_earlier_one(self, tmp_path: Path) -> None:
        path = write(tmp_path / "a.yaml", "TRACKER:\n  APPEARANCE_THRESHOLD: 0.6\n  PRESET: jde\n")
        assert self.value(path=path) == ("euclidean", 0.6)
        assert self.value("PRESET", "fairmot", path=path) == ("cosine", 0.4)

    def test_preset_resets_tracker_keys_but_not_those_of_the_data(self, tmp_path: Path) -> None:
        text = "TRACKER:\n  CONF_THRESHOLD: 0.3\n  KALMAN_STATE: xywh\n  OCR: true\n  MAX_ASPECT: 0\n"
        path = write(tmp_path / "a.yaml", text)
        for name in PRESETS:
            tracker = load_cfg(path, ["TRACKER.PRESET", name]).TRACKER
            assert (tracker.CONF_THRESHOLD, tracker.MAX_ASPECT) == (0.3, 0.0)
            assert (tracker.KALMAN_STATE, tracker.OCR) == ("xyah", False)

    def test_dumped_cfg_with_a_preset_loads_equal(self, tmp_path: Path) -> None:
        cfg = load_cfg(None, ["TRACKER.PRESET", "byte", "TRACKER.SECOND_THRESHOLD", "0.2"])
        assert load_cfg(write(tmp_path / "dumped.yaml", dump_cfg(cfg))) == cfg
        assert cfg_from_dict(cfg_to_dict(cfg)) == cfg

    def test_unknown_preset_lists_the_choices(self) -> None:
        assert refused("TRACKER.PRESET", "sort").endswith("choose from fairmot, jde, byte, strong")
        assert "TRACKER.PRESET" in refused("TRACKER.PRESET", "[1, 2]")

    def test_presets_have_known_keys_and_types(self) -> None:
        defaults = load_cfg().TRACKER
        for keys in PRESETS.values():
            for name, value in keys.items():
                assert type(value) is type(defaults[name]), name
