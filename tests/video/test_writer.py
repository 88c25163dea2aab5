from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairmot.utils.errors import InputError
from fairmot.video.writer import MIN_FRAME_RATE, VideoWriter

RED, GREEN = (200, 40, 30), (30, 190, 60)
KINDS = pytest.mark.parametrize(("codec", "suffix"), [("h264", ".mp4"), ("vp9", ".webm")])


def plain(colour, hw=(48, 64)):
    return np.full((*hw, 3), colour, np.uint8)


def write(path, images, frame_rate=25.0, *, times=None, codec="h264", **options):
    with VideoWriter(path, frame_rate, codec=codec, **options) as writer:
        for index, image in enumerate(images):
            writer.write(image, time=None if times is None else times[index])
    return path


def read(path):
    """Return the frames as RGB, their times and the stream's properties."""
    with av.open(str(path)) as file:
        stream = file.streams.video[0]
        frames = list(file.decode(stream))
        facts = {
            "codec": stream.codec_context.name,
            "pixels": stream.codec_context.pix_fmt,
            "hw": (stream.height, stream.width),
            "rate": float(stream.average_rate),
        }
        return [frame.to_ndarray(format="rgb24") for frame in frames], [frame.time for frame in frames], facts


@KINDS
def test_written_video_decodes_to_its_colours_times_and_size(tmp_path, codec, suffix):
    path = write(tmp_path / "deep" / f"clip{suffix}", [plain(RED)] * 5 + [plain(GREEN)] * 7, codec=codec)
    images, times, facts = read(path)
    assert facts == {"codec": codec, "pixels": "yuv420p", "hw": (48, 64), "rate": 25.0}
    np.testing.assert_allclose(times, np.arange(12) / 25, atol=1e-3)
    assert np.abs(images[0].astype(int) - plain(RED)).max() < 8
    assert np.abs(images[-1].astype(int) - plain(GREEN)).max() < 8


@KINDS
def test_hd_video_has_the_colour_space_of_players(tmp_path, codec, suffix):
    path = write(tmp_path / f"clip{suffix}", [plain(RED, (720, 96))] * 2, codec=codec)
    images, _, _ = read(path)
    assert np.abs(images[0].astype(int) - plain(RED, (720, 96))).max() < 8


def test_mp4_has_its_index_first(tmp_path):
    content = write(tmp_path / "clip.mp4", [plain(RED)] * 3).read_bytes()
    assert 0 < content.index(b"moov") < content.index(b"mdat")


@KINDS
def test_odd_sides_are_padded(tmp_path, codec, suffix):
    images, _, facts = read(write(tmp_path / f"odd{suffix}", [plain(RED, (47, 63))] * 2, codec=codec))
    assert facts["hw"] == (48, 64)
    assert np.abs(images[0].astype(int) - RED).max() < 8  # padding repeats the border


@KINDS
def test_uneven_times_are_kept(tmp_path, codec, suffix):
    times = [12.0, 12.04, 12.5, 12.51, 14.0]
    _, found, _ = read(write(tmp_path / f"clip{suffix}", [plain(RED)] * 5, times=times, codec=codec))
    np.testing.assert_allclose(found, np.array(times) - 12.0, atol=1e-3)


@given(times=st.lists(st.none() | st.floats(0, 2, width=16), min_size=1, max_size=6))
def test_equal_decreasing_or_missing_times_are_made_to_increase(tmp_path_factory, times):
    path = tmp_path_factory.mktemp("times") / "clip.mp4"
    images, found, _ = read(write(path, [plain(RED, (16, 16))] * len(times), times=times))
    assert len(images) == len(times)
    assert (np.diff(found) > 0).all()


def test_fractional_frame_rates_do_not_drift(tmp_path):
    _, times, facts = read(write(tmp_path / "clip.mp4", [plain(RED, (16, 16))] * 90, 30000 / 1001))
    assert facts["rate"] == pytest.approx(30000 / 1001, rel=1e-4)
    assert times[-1] == pytest.approx(89 * 1001 / 30000, abs=2e-5)


def test_frame_of_another_size_is_letterboxed(tmp_path):
    images, _, facts = read(write(tmp_path / "clip.mp4", [plain(RED), plain(GREEN, (24, 64)), plain(GREEN, (480, 64))]))
    assert facts["hw"] == (48, 64)
    assert np.abs(images[1][24, 32].astype(int) - GREEN).max() < 24
    assert images[1][2].max() < 40
    assert images[2][:, 2].max() < 40


def test_lower_quality_numbers_give_larger_files(tmp_path):
    images = list(np.random.default_rng(0).integers(0, 256, (4, 48, 64, 3), dtype=np.uint8))
    sizes = [write(tmp_path / f"{q}.mp4", images, quality=q).stat().st_size for q in (0, 23, 51)]
    assert sizes[0] > sizes[1] > sizes[2]


def test_file_appears_only_when_the_block_succeeds(tmp_path):
    path = write(tmp_path / "clip.mp4", [plain(RED)])
    before = path.read_bytes()
    with pytest.raises(ValueError, match="expected shape"):
        write(path, [plain(GREEN), np.zeros((48, 64), np.uint8)])
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["clip.mp4"]


def test_no_frame_leaves_no_file(tmp_path):
    write(tmp_path / "clip.mp4", [])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "rate", "options", "word"),
    [
        ("clip.avi", 25.0, {}, "h264 are written as .mp4"),
        ("clip.mp4", 25.0, {"codec": "vp9"}, "vp9 are written as .webm"),
        ("clip.mp4", 25.0, {"codec": "xvid"}, r"VIDEO\.CODEC: unknown 'xvid'; choose from h264, vp9"),
        ("clip.mp4", 25.0, {"quality": 52}, r"VIDEO\.QUALITY = 52: h264 accepts 0 to 51"),
        ("clip.mp4", 0.0, {}, "frame rate"),
        ("clip.mp4", 1e-9, {}, r"frame rate 1e-09 is not between 0\.0001 and 1000"),
        ("clip.mp4", float("nan"), {}, "frame rate nan"),
    ],
)
def test_invalid_options_are_one_line(tmp_path, name, rate, options, word):
    with pytest.raises(InputError, match=word):
        VideoWriter(tmp_path / name, rate, **options)


def test_lowest_frame_rate_keeps_its_times(tmp_path):
    _, found, _ = read(write(tmp_path / "clip.mp4", [plain(RED, (16, 16))] * 3, MIN_FRAME_RATE))
    np.testing.assert_allclose(found, [0, 10_000, 20_000])


@KINDS
def test_container_has_the_duration_of_uneven_times(tmp_path, codec, suffix):
    times = [*np.arange(50) / 25, 12.0, 12.04]
    path = write(tmp_path / f"clip{suffix}", [plain(RED, (16, 16))] * 52, times=times, codec=codec)
    with av.open(str(path)) as file:
        assert file.duration / 1e6 == pytest.approx(12.08, abs=2e-3)


@KINDS
def test_colon_in_a_name_is_no_protocol(tmp_path, monkeypatch, codec, suffix):
    monkeypatch.chdir(tmp_path)
    for name in (f"at 12:30{suffix}", f"http:{suffix}", f"10%{suffix}"):
        write(Path(name), [plain(RED)], codec=codec)
        assert len(read(tmp_path / name)[0]) == 1


@pytest.mark.parametrize("refusal", [av.error.ProtocolNotFoundError, av.error.ExternalError])
def test_error_of_the_library_is_one_line(tmp_path, monkeypatch, refusal):
    def refuse(*_, **__):
        raise refusal(1, "Reason of FFmpeg")

    monkeypatch.setattr(av, "open", refuse)
    with pytest.raises(InputError, match=r"clip\.mp4: cannot be written: Reason of FFmpeg"):
        write(tmp_path / "clip.mp4", [plain(RED)])


@KINDS
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_full_disk_is_one_line_and_leaves_no_file(tmp_path, monkeypatch, codec, suffix):
    """The writer writes to /dev/full under another name."""
    opened = av.open
    monkeypatch.setattr(
        av, "open", lambda _, mode, **options: opened("/dev/full", mode, format=suffix.strip("."), **options)
    )
    images = np.random.default_rng(0).integers(0, 256, (30, 96, 128, 3), dtype=np.uint8)
    with pytest.raises(InputError, match=rf"clip\{suffix}: cannot be written: No space left on device"):
        write(tmp_path / f"clip{suffix}", list(images), codec=codec)
    assert list(tmp_path.iterdir()) == []
