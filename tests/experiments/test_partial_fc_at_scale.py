import partial_fc_at_scale as script
import pytest

SMALL = ["--identities", "3000", "--dims", "8", "--embeddings", "20", "--steps", "3", "--processes", "1"]


def test_partial_fc_at_scale_prints_memory_and_time(capsys):
    assert script.main(SMALL) == 0
    size, row, _ = capsys.readouterr().out.splitlines()
    assert size.startswith("3,000 identities x 8: ")
    assert "MiB; step " in row


@pytest.mark.slow
def test_partial_fc_at_scale_two_million_identities_fit():
    assert script.main([]) == 0
