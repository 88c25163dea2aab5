import camera_motion_on_synthetic as script


def test_camera_motion_on_synthetic_prints_errors(capsys):
    assert script.main(["--seeds", "1001", "--frames", "3", "--height", "96", "--side", "64"]) == 0
    output = capsys.readouterr().out
    assert "flow" in output
    assert "ecc" in output
