"""The chart of the tracking gains, from the rows next to its script."""

from pathlib import Path

import tracking_gains_chart as chart


def test_read_rows_default_file_has_three_data_sets():
    rows = chart.read_rows(chart.ROWS)
    assert len({row["data"] for row in rows}) == 3
    assert all(row["against"] in ("fairmot", "strong") for row in rows)


def test_chart_default_rows_writes_an_image(tmp_path: Path):
    path = tmp_path / "chart.png"
    assert chart.main(["--output", str(path)]) == 0
    assert path.read_bytes().startswith(b"\x89PNG")
