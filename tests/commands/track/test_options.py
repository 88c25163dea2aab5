import argparse

import pytest

from fairmot.commands.track.options import Outputs, TrackOptions, add_output_options, given_options, options_of


def parse(*given):
    parser = argparse.ArgumentParser()
    add_output_options(parser)
    parser.add_argument("--config")
    parser.add_argument("overrides", nargs="*")
    return options_of(parser.parse_intermixed_args(given))


def test_defaults_are_empty_options():
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
def test_dash_at_the_position_of_a_key_is_standard_output(given, overrides):
    options, remaining = parse(*given)
    assert options.outputs == Outputs(stdout=True)
    assert remaining == overrides


def test_dash_as_a_value_or_without_json_is_an_override():
    assert parse("--json", "OUTPUT", "-") == (TrackOptions(outputs=Outputs(json=True)), ["OUTPUT", "-"])
    assert parse("-", "SEED", "1") == (TrackOptions(), ["-", "SEED", "1"])


@pytest.mark.parametrize(
    "given",
    [
        ["--video"],
        ["--json"],
        ["--json", "-"],
        ["--event-log"],
        ["--save-cache"],
        ["--public-detections", "det"],
        ["--public-mode", "replace"],
        ["--no-pipeline"],
    ],
)
def test_given_options_are_named(given):
    assert given_options(parse()[0]) == []
    assert given_options(parse(*given)[0]) == given[:1]
