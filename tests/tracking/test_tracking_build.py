from fairmot.config.load import load_cfg
from fairmot.tracking.build import build_filters, build_tracker
from fairmot.tracking.run import OutputFilters
from fairmot.tracking.tracker import TrackerOptions


def options(frame_rate: float, *overrides: str) -> TrackerOptions:
    return build_tracker(load_cfg(None, overrides), frame_rate=frame_rate)._options


def test_defaults_of_config_and_constructor_agree() -> None:
    assert options(30.0) == TrackerOptions()
    assert build_filters(load_cfg()) == OutputFilters()


def test_buffer_follows_the_frame_rate() -> None:
    assert options(14.0).max_lost == 14
    assert options(25.0, "TRACKER.BUFFER", "20").max_lost == 16
    assert options(60.0).max_lost == 60


def test_every_key_reaches_the_tracker() -> None:
    keys = {
        "CONF_THRESHOLD": "conf_threshold",
        "MOTION_LAMBDA": "motion_lambda",
        "APPEARANCE_THRESHOLD": "appearance_threshold",
        "OVERLAP_THRESHOLD": "overlap_threshold",
        "UNCONFIRMED_THRESHOLD": "unconfirmed_threshold",
        "EMBEDDING_MOMENTUM": "embedding_momentum",
        "DUPLICATE_DISTANCE": "duplicate_distance",
    }
    for key, name in keys.items():
        assert getattr(options(30.0, f"TRACKER.{key}", "0.123"), name) == 0.123
    assert options(30.0, "TRACKER.USE_APPEARANCE", "False").use_appearance is False
    assert build_filters(load_cfg(None, ["TRACKER.MIN_AREA", "5", "TRACKER.MAX_ASPECT", "0"])) == OutputFilters(
        5.0, 0.0
    )
