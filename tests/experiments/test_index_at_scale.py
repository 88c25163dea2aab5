import index_at_scale as script


def test_index_at_scale_prints_size_and_time(tmp_path, capsys):
    assert script.main(["--folder", str(tmp_path), "--images", "50", "--boxes", "3"]) == 0
    assert capsys.readouterr().out.startswith("50 images, 150 boxes, ")
