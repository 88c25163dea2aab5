"""The benchmark measures what it says; at full size it is the issue's bound."""

import partial_fc_at_scale as bench
import pytest

SMALL = ["--identities", "3000", "--dims", "8", "--embeddings", "20", "--steps", "3"]


@pytest.mark.slow
def test_it_prints_what_a_process_took(capsys):
    assert bench.main([*SMALL, "--processes", "1"]) == 0
    size, row, extra = capsys.readouterr().out.splitlines()
    assert size == f"3,000 identities x 8: classifier and moments {3 * 3000 * 9 * 4 / 2**20:.0f} MiB"
    assert row.startswith("rate 0.1, 1 processes, 20 embeddings each: peak ")
    assert "MiB; step " in row
    assert extra.endswith("allowed 1024")


def test_peaks_over_the_allowance_are_exit_code_1(monkeypatch, capsys):
    peaks = [bench.Measured(peak, 0.2, 0.1, 0.09) for peak in (600.0, 700.0)]
    monkeypatch.setattr(bench, "measure_all", lambda *_: peaks)
    assert bench.main(SMALL) == 1
    row = capsys.readouterr().out.splitlines()[1]
    assert row.endswith("peak 600 + 700 = 1300 MiB; step 0.10 s (0.09 s of CPU), the first 0.20 s")


def test_wrong_use_is_exit_code_2(capsys):
    with pytest.raises(SystemExit) as ended:
        bench.main(["--identities", "many"])
    assert ended.value.code == 2
    assert "--identities" in capsys.readouterr().err


@pytest.mark.slow
def test_two_million_identities_take_their_share_and_a_gibibyte_on_two_processes():
    assert bench.main([]) == 0
