"""Rows that are added, and taken out again where a run goes on from an earlier step."""

import json

from fairmot.formats.text_io import append_row, cut_rows


def up_to_20(row):
    return row.get("step", 0) <= 20


def test_rows_are_added_one_a_line(tmp_path):
    path = tmp_path / "rows.jsonl"
    append_row(path, {"step": 1, "name": "Zoë"})
    append_row(path, {"step": 2})
    assert [json.loads(line) for line in path.read_text().splitlines()] == [{"step": 1, "name": "Zoë"}, {"step": 2}]


def test_rows_beyond_a_step_go_and_so_does_a_half_written_one(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"step": 10}\n{"note": 1}\n{"step": 20}\n{"step": 30}\n7\n{"step": 1')
    cut_rows(path, up_to_20)
    assert path.read_text() == '{"step": 10}\n{"note": 1}\n{"step": 20}\n'


def test_a_file_with_nothing_to_take_out_stays_as_it_is(tmp_path):
    path = tmp_path / "rows.jsonl"
    cut_rows(path, up_to_20)
    assert not path.exists()
    path.write_text('{"step":20}\n')
    before = path.stat().st_mtime_ns
    cut_rows(path, up_to_20)
    assert path.stat().st_mtime_ns == before
