import argparse

import pytest

from fairmot.commands.track_options import Outputs, TrackOptions, add_output_options, options_of


def parse(*given):
    parser = argparse.ArgumentParser()
    add_output_options(parser)
    parser.add_argument("--config")
    parser.add_argument("overrides", nargs="*")
    return options_of(parser.parse_intermixed_args(given))


def test_nothing_is_asked_for_by_default():
    assert parse() == (TrackOptions(), [])


@pytest.mark.parametrize(
    ("given", "overrides"),
    [
        (["--json", "-"], []),
        (["--json", "-", "SEED", "1"], ["SEED", "1"]),
        (["SEED", "1", "--json", "-"], ["SEED", "1"]),
        (["SEED", "1", "--json", "-", "--config", "c", "OUTPUT", "-"], ["SEED", "1", "OUTPUT", "-"]),
    ],
)
def test_a_dash_in_a_key_s_place_is_standard_output(given, overrides):
    options, left = parse(*given)
    assert options.outputs == Outputs(stdout=True)
    assert left == overrides


def test_a_dash_that_is_a_value_or_stands_without_json_stays():
    assert parse("--json", "OUTPUT", "-") == (TrackOptions(outputs=Outputs(json=True)), ["OUTPUT", "-"])
    assert parse("-", "SEED", "1") == (TrackOptions(), ["-", "SEED", "1"])
