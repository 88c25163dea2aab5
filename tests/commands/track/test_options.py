import argparse

import pytest

from fairmot.commands.track.options import (
    Outputs,
    TrackOptions,
    add_output_options,
    options_of,
    refuse_tracking_options,
)
from fairmot.utils.errors import InputError


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
def test_what_asks_for_tracking_is_refused_where_there_is_none(given):
    refuse_tracking_options(parse().options)
    with pytest.raises(InputError, match=f"^{given[0]}: only with --weights"):
        refuse_tracking_options(parse(*given).options)
