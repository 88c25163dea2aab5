"""`fairmot track` with a slim network, a few frames and public detections."""

import dataclasses
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from types import SimpleNamespace

import av
import cv2
import numpy as np
import pytest
import torch
from helpers.small_runs import SLIM

from fairmot.cli import main
from fairmot.commands.track import outputs as track_outputs
from fairmot.config.load import load_cfg
from fairmot.engine.predictor import Predictor
from fairmot.formats.detection_cache import DetectionCache, read_cache, write_cache
from fairmot.formats.images import write_image
from fairmot.formats.motchallenge import format_results, read_boxes
from fairmot.models.build import build_model
from fairmot.tracking.build import build_postprocess
from fairmot.utils.errors import InputError
from fairmot.video.writer import VideoWriter

pytestmark = pytest.mark.e2e
FRAMES = 12
SMALL = [*SLIM, "MODEL.REID_DIM", "8"]
ROWS = ".txt", ".jsonl", ".events.jsonl"


def box(person, frame):
    """Return the box of a person: the second is absent in frames 6 to 8, the third present in frames 4 to 5 only."""
    is_present = {1: True, 2: not 6 <= frame <= 8, 3: 4 <= frame <= 5}[person]
    return (20 + 60 * (person - 1) + 2 * frame, 20, 24, 60) if is_present else None


def draw(frame):
    """Return an image of people in front of a textured background, with a panning camera."""
    background = np.random.default_rng(0).integers(0, 256, (16, 40, 3), dtype=np.uint8)
    image = cv2.resize(background, (400, 160), interpolation=cv2.INTER_CUBIC)[
        10:143, 3 * frame : 3 * frame + 191
    ].copy()
    for person, colour in ((1, (220, 40, 40)), (2, (40, 220, 40)), (3, (40, 40, 220))):
        if tlwh := box(person, frame):
            left, top, width, height = tlwh
            cv2.rectangle(image, (left, top), (left + width, top + height), colour, -1)
    return image


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Folder of sequences with det/det.txt: `street`, of odd size, and `empty`, without people; and weights."""
    root = tmp_path_factory.mktemp("world")
    for name, people in (("street", (1, 2, 3)), ("empty", ())):
        folder = root / "data" / name
        for frame in range(1, FRAMES + 1):
            write_image(folder / "img1" / f"{frame:06d}.png", draw(frame))
        rows = [
            f"{frame},-1,{','.join(map(str, tlwh))},{0.9 - 0.1 * person:.1f},-1,-1,-1\n"
            for frame in range(1, FRAMES + 1)
            for person in people
            if (tlwh := box(person, frame))
        ]
        (folder / "det").mkdir()
        (folder / "det" / "det.txt").write_text("".join(rows))
        seqinfo = f"[Sequence]\nname={name}\nseqLength={FRAMES}\nframeRate=25\nimWidth=191\nimHeight=133\n"
        (folder / "seqinfo.ini").write_text(seqinfo)
    torch.manual_seed(0)
    torch.save(build_model(load_cfg(None, SMALL)).state_dict(), root / "slim.pt")
    return root


def arguments(world, output, *more, source=None):
    source = source or world / "data" / "street"
    given = ["track", "--weights", world / "slim.pt", "--input", source, "--output", output]
    return [*map(str, given), "--public-detections", "det", "--public-mode", "replace", *more, *SMALL]


def decode(path):
    with av.open(str(path)) as file:
        return [(frame.time, frame.to_ndarray(format="rgb24")) for frame in file.decode(video=0)]


OFFLINE = ["TRACKER.CAMERA_MOTION", "flow", "TRACKER.INTERPOLATE", "linear", "TRACKER.MIN_TRACK_LENGTH", "3"]
EVERYTHING = ["--video", "--json", "--event-log", "--save-cache", "TRACKER.CAMERA_MOTION", "flow", "DEVICE", "cpu"]


@pytest.fixture(scope="module")
def run(world, tmp_path_factory):
    """Output folder of a run with all outputs."""
    output = tmp_path_factory.mktemp("run") / "new"
    assert main(arguments(world, output, *EVERYTHING, source=world / "data")) == 0
    return output


def test_all_output_files_are_written_and_no_others(run):
    suffixes = (*ROWS, ".npz", ".mp4", ".png")
    expected = {f"{name}{suffix}" for name in ("street", "empty") for suffix in suffixes}
    assert {path.name for path in run.iterdir()} == {*expected, "config.yaml", "run.log"}


def test_log_has_the_frame_rate_and_load_of_each_stage(run):
    (line,) = (line for line in (run / "run.log").read_text().splitlines() if "street" in line and "end to end" in line)
    for stage in ("network", "camera", "track", "write", "draw", "encode"):
        assert f"{stage} " in line
    assert "frames/s" in line
    assert "waiting: network" in line


def test_rows_are_in_motchallenge_format(run):
    table = read_boxes(run / "street.txt", "results")
    keys = list(zip(table.frames.tolist(), table.ids.tolist(), strict=True))
    assert keys == sorted(keys)
    assert {line.count(",") for line in (run / "street.txt").read_text().splitlines()} == {9}
    assert len(table) > 2 * (FRAMES - 5)
    assert (run / "empty.txt").read_text() == ""


def test_no_pipeline_gives_the_same_files(world, run, tmp_path):
    assert main(arguments(world, tmp_path, *EVERYTHING, "--no-pipeline")) == 0
    for suffix in ROWS:
        assert (tmp_path / f"street{suffix}").read_bytes() == (run / f"street{suffix}").read_bytes()
    one, other = read_cache(tmp_path / "street.npz"), read_cache(run / "street.npz")
    for name in ("frame_counts", "boxes_xyxy", "scores", "embeddings", "times", "camera_motion"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    for (time_one, image_one), (time_other, image_other) in zip(
        decode(tmp_path / "street.mp4"), decode(run / "street.mp4"), strict=True
    ):
        assert time_one == time_other
        np.testing.assert_array_equal(image_one, image_other)


def test_json_lines_agree_with_the_rows(run):
    lines = [json.loads(line) for line in (run / "street.jsonl").read_text().splitlines()]
    assert [line["frame"] for line in lines] == list(range(1, FRAMES + 1))
    np.testing.assert_allclose([line["time"] for line in lines], np.arange(FRAMES) / 25, atol=1e-5)
    from_json = [
        (line["frame"], track["id"], *track["box"], round(track["score"], 3))
        for line in lines
        for track in line["tracks"]
    ]
    rows = [tuple(map(float, line.split(",")[:7])) for line in (run / "street.txt").read_text().splitlines()]
    assert sorted(from_json) == rows
    assert {track["stage"] for track in lines[0]["tracks"]} == {"initiation"}
    assert all(json.loads(line)["tracks"] == [] for line in (run / "empty.jsonl").read_text().splitlines())


def test_event_log_has_initiated_and_lost_tracks(run):
    events = [json.loads(line) for line in (run / "street.events.jsonl").read_text().splitlines()]
    assert {"initiated", "matched", "lost"} <= {event["event"] for event in events}
    assert [event["track"] for event in events if event["event"] == "initiated" and event["frame"] == 1] == [1, 2]


def test_video_has_each_frame_at_its_time(run):
    frames = decode(run / "street.mp4")
    np.testing.assert_allclose([seconds for seconds, _ in frames], np.arange(FRAMES) / 25, atol=1e-3)
    assert {image.shape for _, image in frames} == {(134, 192, 3)}


def test_cache_has_all_detections(run):
    cache = read_cache(run / "street.npz")
    assert cache.frame_counts.tolist() == [
        sum(box(person, frame) is not None for person in (1, 2, 3)) for frame in range(1, FRAMES + 1)
    ]
    assert cache.frame_rate == 25.0
    assert cache.camera_motion[0].tolist() == np.eye(2, 3).tolist()
    assert np.abs(cache.camera_motion[1:, 0, 2] + 3).max() < 1.5  # px: the background moves to the left
    empty = read_cache(run / "empty.npz")
    assert (len(empty), len(empty.scores)) == (FRAMES, 0)


@pytest.mark.parametrize("name", ["street", "empty"])
def test_replay_of_the_cache_gives_the_same_files(run, tmp_path, name):
    given = [
        "track",
        "--replay",
        str(run / f"{name}.npz"),
        "--output",
        str(tmp_path / f"{name}.txt"),
        "--json",
        "--event-log",
    ]
    assert main([*given, "TRACKER.CAMERA_MOTION", "flow"]) == 0
    for suffix in ROWS:
        assert (tmp_path / f"{name}{suffix}").read_bytes() == (run / f"{name}{suffix}").read_bytes()


def test_replay_of_initiation_flags_gives_the_same_rows(world, tmp_path):
    """Mode `initiate`: the cache stores which detections may start a track."""
    options = ["--public-mode", "initiate", "--save-cache", "PREDICT.MIN_SCORE", "0.1", "TRACKER.CONF_THRESHOLD", "0.1"]
    filters = ["TRACKER.MIN_AREA", "0", "TRACKER.MAX_ASPECT", "0", "TRACKER.CONF_THRESHOLD", "0.1"]
    assert main(arguments(world, tmp_path, *options, *filters)) == 0
    cache = read_cache(tmp_path / "street.npz")
    assert len(cache.scores) > 0
    assert cache.can_initiate.dtype == np.bool_
    assert not cache.can_initiate.all()
    replayed = tmp_path / "replayed.txt"
    assert main(["track", "--replay", str(tmp_path / "street.npz"), "--output", str(replayed), *filters]) == 0
    assert replayed.read_bytes() == (tmp_path / "street.txt").read_bytes()


@pytest.fixture(scope="module")
def other(world, tmp_path_factory):
    """Run with offline postprocessing, another codec, and JSON lines to standard output."""
    output, out, err = tmp_path_factory.mktemp("other"), io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        assert main(arguments(world, output, "--json", "-", "--video", "VIDEO.CODEC", "vp9", *OFFLINE)) == 0
    return SimpleNamespace(output=output, out=out.getvalue(), err=err.getvalue())


def test_json_to_standard_output_has_json_lines_only(run, other, tmp_path, capsys):
    assert other.out == (run / "street.jsonl").read_text()
    assert "frames/s" in other.err
    assert not (other.output / "street.jsonl").exists()
    given = ["track", "--replay", str(run / "street.npz"), "--output", str(tmp_path / "street.txt"), "--json", "-"]
    assert main([*given, "TRACKER.CAMERA_MOTION", "flow"]) == 0
    assert capsys.readouterr().out == other.out


def test_postprocessing_uses_the_rows_as_written(run, other):
    refine = build_postprocess(load_cfg(None, OFFLINE))
    raw = read_boxes(run / "street.txt", "results")
    assert (other.output / "street.txt").read_text() == "".join(format_results(refine(raw)))
    assert (other.output / "street.txt").read_text() != (run / "street.txt").read_text()
    assert not list(other.output.glob("*.part"))


def test_codec_key_selects_the_codec(other):
    assert len(decode(other.output / "street.webm")) == FRAMES


@pytest.fixture
def in_frame(monkeypatch):
    """Call a function while the network processes a frame."""

    def install(number, act):
        calls, embed = [], Predictor.embed

        def patched(self, image, boxes_xyxy):
            calls.append(1)
            if len(calls) == number:
                act()
            return embed(self, image, boxes_xyxy)

        monkeypatch.setattr(Predictor, "embed", patched)
        return calls

    return install


@pytest.mark.parametrize(
    ("number", "code", "serial"), [(signal.SIGINT, 130, ["--no-pipeline"]), (signal.SIGTERM, 143, [])]
)
def test_signal_finishes_frames_in_progress_and_all_files(world, run, tmp_path, in_frame, number, code, serial):
    calls = in_frame(5, lambda: os.kill(os.getpid(), number))
    before = signal.getsignal(number)
    assert main(arguments(world, tmp_path, *EVERYTHING, *serial, source=world / "data")) == code
    assert signal.getsignal(number) == before
    assert not list(tmp_path.glob("*.part"))
    frames = len((tmp_path / "empty.jsonl").read_text().splitlines())
    assert 5 <= frames == len(calls) < FRAMES
    assert len(decode(tmp_path / "empty.mp4")) == frames
    assert len(read_cache(tmp_path / "empty.npz")) == frames
    assert not (tmp_path / "street.txt").exists()


def test_broken_frame_keeps_the_rows_before_it(world, run, tmp_path, capsys):
    folder = tmp_path / "street"
    for frame in range(1, FRAMES + 1):
        write_image(folder / f"{frame}.png", draw(frame))
    (folder / "7.png").write_bytes(b"no image")
    detections = str(world / "data" / "street" / "det" / "det.txt")
    output = tmp_path / "out"
    given = arguments(world, output, *EVERYTHING, "--public-detections", detections, source=folder)
    assert main(given) == 2
    shown = capsys.readouterr()
    assert "7.png" in shown.err
    assert f"rows of 6 frames are in {output / 'street.txt.part'}" in shown.out
    assert not (output / "street.txt").exists()
    full = (run / "street.txt").read_text().splitlines()
    assert (output / "street.txt.part").read_text().splitlines() == [row for row in full if int(row.split(",")[0]) < 7]
    assert {path.name for path in output.iterdir() if "street" in path.name} == {
        f"street{suffix}.part" for suffix in ROWS
    }


def test_full_disk_ends_the_run(world, tmp_path, capsys):
    (tmp_path / "street.jsonl.part").symlink_to("/dev/full")
    assert main(arguments(world, tmp_path, "--json")) == 2
    assert capsys.readouterr().err.endswith("street.jsonl: cannot be written: No space left on device\n")
    assert not (tmp_path / "street.txt").exists()


def kill_when_some_frames_are_written(command, rows):
    """Kill a process; return the number of frames written before, and the last complete frame found afterwards."""
    quiet = {"stdout": subprocess.DEVNULL, "env": {**os.environ, "OMP_NUM_THREADS": "1"}}
    process = subprocess.Popen([sys.executable, *map(str, command)], **quiet)
    part, before = rows.with_suffix(".jsonl.part"), 0
    while before < 30 and process.poll() is None:
        time.sleep(0.005)
        before = len(part.read_text().splitlines()) if part.exists() else 0
    process.kill()
    assert process.wait(20) == -signal.SIGKILL
    assert not rows.exists()
    last = [json.loads(line)["frame"] for line in part.read_text().splitlines()][-1]
    frames = read_boxes(rows.with_suffix(".txt.part"), "results").frames
    assert last <= frames.max() <= last + 1  # the frame in progress may be in one file only
    assert set(frames.tolist()) >= set(range(1, last + 1))
    return before, last


def test_kill_of_a_replay_keeps_the_rows_of_complete_frames(run, tmp_path):
    street = read_cache(run / "street.npz")
    turns = 2000
    cache = DetectionCache(
        frame_counts=np.tile(street.frame_counts, turns),
        boxes_xyxy=np.tile(street.boxes_xyxy, (turns, 1)),
        scores=np.tile(street.scores, turns),
        embeddings=np.tile(street.embeddings, (turns, 1)),
    )
    write_cache(tmp_path / "long.npz", cache)
    code = """
import sys
from pathlib import Path
from fairmot.commands.track.replay import replay
from fairmot.commands.track.options import Outputs
from fairmot.config.load import load_cfg
replay(load_cfg(), cache=Path(sys.argv[1]), output=Path(sys.argv[2]), outputs=Outputs(json=True))
"""
    rows = tmp_path / "long.txt"
    before, last = kill_when_some_frames_are_written(["-c", code, tmp_path / "long.npz", rows], rows)
    assert 30 <= before <= last < len(cache)


@pytest.mark.slow
def test_kill_of_a_run_keeps_the_rows_of_complete_frames(world, tmp_path):
    folder, rows, turns = tmp_path / "long", tmp_path / "out" / "long.txt", 300
    folder.mkdir()
    for frame in range(FRAMES * turns):
        (folder / f"{frame + 1}.png").symlink_to(world / "data" / "street" / "img1" / f"{frame % FRAMES + 1:06d}.png")
    boxes = [
        ",".join([str(FRAMES * turn + int(row.split(",")[0])), *row.split(",")[1:]])
        for turn in range(turns)
        for row in (world / "data" / "street" / "det" / "det.txt").read_text().splitlines()
    ]
    (tmp_path / "boxes.txt").write_text("\n".join(boxes))
    given = arguments(world, rows.parent, "--json", "--public-detections", str(tmp_path / "boxes.txt"), source=folder)
    before, last = kill_when_some_frames_are_written(["-m", "fairmot", *given], rows)
    assert 30 <= before <= last < FRAMES * turns


def test_missing_screen_is_reported_before_the_run(world, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("DISPLAY", "")
    monkeypatch.setenv("WAYLAND_DISPLAY", "")
    monkeypatch.setenv("QT_QPA_PLATFORM", "xcb")
    assert main(arguments(world, tmp_path / "out", "--show")) == 2
    shown = capsys.readouterr()
    assert shown.err.startswith("fairmot track: --show: no window can be opened")
    assert shown.err.count("\n") == 1
    assert not (tmp_path / "out").exists()


class Screen:
    """OpenCV windows of a user who presses `q` at a frame."""

    def __init__(self, monkeypatch, *, at):
        self.shown, self.at = [], at
        for name in ("namedWindow", "resizeWindow", "destroyWindow"):
            monkeypatch.setattr(cv2, name, lambda *_: None)
        monkeypatch.setattr(cv2, "getWindowProperty", lambda *_: 1.0)
        monkeypatch.setattr(cv2, "imshow", lambda _, image: self.shown.append(image))
        monkeypatch.setattr(cv2, "waitKey", lambda _: ord("q") if len(self.shown) == self.at else -1)


def test_key_in_the_window_ends_the_run(world, tmp_path, monkeypatch):
    screen = Screen(monkeypatch, at=3)
    monkeypatch.setattr("fairmot.commands.track.command.require_screen", lambda: None)
    assert main(arguments(world, tmp_path, "--show", source=world / "data")) == 0
    assert len(screen.shown) == 3
    assert screen.shown[0].shape == (133, 191, 3)
    assert (tmp_path / "empty.txt").exists()
    assert not (tmp_path / "street.txt").exists()


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--video"], "--video: not with --replay"),
        (["--show"], "--show: not with --replay"),
        (["--save-cache"], "--save-cache: not with --replay"),
        (["--public-detections", "det"], "--public-detections: not with --replay"),
        (["TRACKER.CAMERA_MOTION", "ecc"], "TRACKER.CAMERA_MOTION = 'ecc': "),
        (["TRACKER.CAMERA_MOTION", "file"], "TRACKER.CAMERA_FILE"),
    ],
)
def test_unsupported_option_of_a_replay_is_one_line(run, tmp_path, capsys, more, words):
    write_cache(tmp_path / "street.npz", dataclasses.replace(read_cache(run / "street.npz"), camera_motion=None))
    output = tmp_path / "replayed" / "street.txt"
    assert main(["track", "--replay", str(tmp_path / "street.npz"), "--output", str(output), *more]) == 2
    shown = capsys.readouterr()
    assert shown.err.startswith("fairmot track: ")
    assert words in shown.err
    assert shown.err.count("\n") == 1
    assert not output.parent.exists()


def test_missing_public_detections_are_one_line(world, tmp_path, capsys):
    given = arguments(world, tmp_path, "--public-detections", str(tmp_path / "nowhere"))
    assert main(given) == 2
    assert "nowhere: no such file" in capsys.readouterr().err
    assert not list(tmp_path.glob("street*"))


def refuse(capsys, *given):
    """Run, expect exit code 2, and return the line on stderr."""
    assert main(list(map(str, given))) == 2
    shown = capsys.readouterr().err
    assert shown.count("\n") == 1
    return shown.removeprefix("fairmot track: ").strip()


@pytest.fixture
def inputs(tmp_path):
    """Copy input files, and check at the end that they are unchanged."""
    copies = {}

    def copy(source, name):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, path)
        copies[path] = path.read_bytes()
        return path

    yield copy
    assert copies == {path: path.read_bytes() for path in copies}
    assert not list(tmp_path.rglob("*.part"))


def test_input_video_is_not_overwritten(world, run, capsys, inputs):
    video = inputs(run / "street.mp4", "vids/street.mp4")
    detections = world / "data" / "street" / "det" / "det.txt"
    given = arguments(world, video.parent, "--video", "--public-detections", str(detections), source=video)
    assert refuse(capsys, *given) == f"{video}: is the input itself; give another --output"
    assert not video.with_suffix(".txt").exists()


@pytest.mark.parametrize("use", ["detections", "camera motion"])
def test_other_input_files_are_not_overwritten(world, capsys, inputs, use):
    text = inputs(world / "data" / "street" / "det" / "det.txt", "texts/street.txt")
    camera = ["TRACKER.CAMERA_MOTION", "file", "TRACKER.CAMERA_FILE", str(text.parent)]
    more = ["--public-detections", str(text.parent)] if use == "detections" else camera
    given = arguments(world, text.parent, *more)
    assert refuse(capsys, *given) == f"{text}: is the input itself; give another --output"


def test_inputs_of_a_replay_are_not_overwritten(world, run, tmp_path, capsys, inputs):
    cache = inputs(run / "street.npz", "street.npz")
    message = f"{cache}: is the input itself; give another --output"
    assert refuse(capsys, "track", "--replay", cache, "--output", cache) == message
    camera, link = tmp_path / "street.txt", tmp_path / "link.npz"
    camera.write_text("2 1 0 3 0 1 0\n")
    link.symlink_to(cache)
    assert "is the input itself" in refuse(capsys, "track", "--replay", link, "--output", cache)
    more = ["TRACKER.CAMERA_MOTION", "file", "TRACKER.CAMERA_FILE", camera]
    assert refuse(capsys, "track", "--replay", cache, "--output", camera, *more).startswith(f"{camera}: is the input")
    assert camera.read_text() == "2 1 0 3 0 1 0\n"


def renamed(world, folder, name):
    folder.mkdir(parents=True)
    for part in ("img1", "det"):
        (folder / part).symlink_to(world / "data" / "street" / part)
    (folder / "seqinfo.ini").write_text(f"[Sequence]\nname={name}\nseqLength={FRAMES}\n")


def test_duplicate_sequence_names_are_refused(world, tmp_path, capsys):
    for folder in "ab":
        renamed(world, tmp_path / "data" / folder, "MOT")
    message = refuse(capsys, *arguments(world, tmp_path / "out", source=tmp_path / "data"))
    assert message.endswith("they would write the same files")
    assert not (tmp_path / "out").exists()


def test_sequence_name_with_a_path_is_refused(world, tmp_path, capsys):
    renamed(world, tmp_path / "data", "../escaped")
    message = refuse(capsys, *arguments(world, tmp_path / "out", "--video", source=tmp_path / "data"))
    assert message.endswith("the name '../escaped' in seqinfo.ini is no plain file name")
    assert not list(tmp_path.glob("escaped*"))


def send_before(monkeypatch, owner, name, number):
    """Send a signal when a function is called."""
    called = getattr(owner, name)

    def act(*given, **named):
        os.kill(os.getpid(), number)
        return called(*given, **named)

    monkeypatch.setattr(owner, name, act)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signal_while_files_are_finished_completes_them(world, tmp_path, monkeypatch, number, code):
    send_before(monkeypatch, VideoWriter, "_finish", number)
    assert main(arguments(world, tmp_path, *EVERYTHING, source=world / "data")) == code
    assert not list(tmp_path.glob("*.part"))
    assert len(decode(tmp_path / "empty.mp4")) == len(read_cache(tmp_path / "empty.npz")) == FRAMES
    assert len((tmp_path / "empty.jsonl").read_text().splitlines()) == FRAMES
    assert not (tmp_path / "street.txt").exists()


def test_signal_while_files_are_opened_ends_the_run(world, tmp_path, monkeypatch, in_frame):
    calls = in_frame(1, lambda: None)
    send_before(monkeypatch, VideoWriter, "__enter__", signal.SIGINT)
    assert main(arguments(world, tmp_path, *EVERYTHING)) == 130
    assert calls == []
    assert not list(tmp_path.glob("*.part"))


def test_signal_during_postprocessing_completes_the_files(run, other, tmp_path, monkeypatch):
    send_before(monkeypatch, track_outputs, "write_results", signal.SIGINT)
    given = ["track", "--replay", str(run / "street.npz"), "--output", str(tmp_path / "street.txt"), "--json", *OFFLINE]
    assert main(given) == 130
    assert sorted(path.name for path in tmp_path.iterdir()) == ["street.jsonl", "street.txt"]
    assert (tmp_path / "street.txt").read_bytes() == (other.output / "street.txt").read_bytes()


def test_video_error_at_the_end_logs_where_the_rows_are(world, run, tmp_path, monkeypatch, capsys):
    def refuse_end(_):
        raise InputError("street.mp4: cannot be written: No space left on device")

    monkeypatch.setattr(VideoWriter, "_finish", refuse_end)
    assert main(arguments(world, tmp_path, "--video", "TRACKER.CAMERA_MOTION", "flow")) == 2
    assert f"rows of {FRAMES} frames are in {tmp_path / 'street.txt'}\n" in capsys.readouterr().out
    assert (tmp_path / "street.txt").read_bytes() == (run / "street.txt").read_bytes()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
@pytest.mark.parametrize(
    ("is_closed", "message"), [(False, "cannot be written: No space left on device"), (True, "is closed")]
)
def test_json_to_an_unusable_standard_output_is_one_line(run, tmp_path, monkeypatch, capsys, is_closed, message):
    given = ["track", "--replay", run / "street.npz", "--output", tmp_path / "street.txt", "--json", "-"]
    with Path("/dev/full").open("w") as full:
        monkeypatch.setattr(sys, "stdout", None if is_closed else full)
        assert refuse(capsys, *given) == f"standard output: {message}"
