import tracking_gains as script
from helpers.small_pairs import people_side_by_side, write_sequence


def test_tracking_gains_writes_the_table_and_reuses_results(tmp_path, capsys):
    write_sequence(tmp_path / "pairs" / "train" / "one", people_side_by_side(tmp_path, length=12), images=12)
    argv = ["--data", str(tmp_path / "pairs"), "--work", str(tmp_path / "work"), "--jobs", "1", "--seeds", "1"]
    argv += ["--frames", "6", "--rows", "byte"]
    assert script.main(argv) == 0
    table = capsys.readouterr().out
    assert "| byte | fairmot |" in table
    assert (tmp_path / "work" / "pairs-train.md").read_text() == table
    assert script.main(argv) == 0
    assert capsys.readouterr() == (table, "")
