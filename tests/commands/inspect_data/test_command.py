"""The command `inspect_data`: each error is added to a valid data set of its own."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from helpers.locations import SHARED
from helpers.one_of_each import make_one_of_each
from helpers.small_sequences import make_sequence, walkers

from fairmot.cli import main

Rows = list[tuple[float, ...]]
DRAWN = ("test_valid_data_set_has_no_finding", "test_every_layout_is_inspected", "test_real_frames_have_no_finding")


@pytest.fixture(autouse=True)
def no_figures(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Skip the figures, which take most of the time, except in the tests of DRAWN."""
    if request.node.originalname not in DRAWN:
        monkeypatch.setattr("fairmot.commands.inspect_data.command.write_figures", lambda *_, **__: [])


def run(*argv: object) -> int:
    return main(["inspect_data", *map(str, argv)])


def report_of(output: Path) -> dict[str, Any]:
    return json.loads((output / "report.json").read_text())


def found_in(output: Path) -> set[tuple[str, str]]:
    return {(finding["severity"], finding["check"]) for finding in report_of(output)["findings"]}


def make_valid(tmp_path: Path, name: str = "A", *, frames: int = 12, info: str = "") -> Path:
    """Three people over some frames with different images."""
    folder = make_sequence(tmp_path, name, walkers((1, 2, 3), frames), frames=frames)
    (folder / "seqinfo.ini").write_text(info or f"[Sequence]\nseqLength={frames}\nimWidth=64\nimHeight=48\n")
    return folder


def add_rows(folder: Path, *rows: str) -> None:
    gt_file = folder / "gt" / "gt.txt"
    gt_file.write_text(gt_file.read_text() + "".join(f"{row}\n" for row in rows))


def explode(folder: Path) -> None:
    """Give each row an identity of its own."""
    rows = sorted((folder / "gt" / "gt.txt").read_text().splitlines(), key=lambda row: int(row.split(",")[0]))
    exploded = [",".join([row.split(",")[0], str(number), *row.split(",")[2:]]) for number, row in enumerate(rows)]
    (folder / "gt" / "gt.txt").write_text("\n".join(exploded))


def cut_off(folder: Path) -> None:
    path = folder / "img1" / "000005.png"
    path.write_bytes(path.read_bytes()[:200])


def unknown(folder: Path) -> None:
    gt_file = folder / "gt" / "gt.txt"
    rows = [row.split(",") for row in gt_file.read_text().splitlines()]
    gt_file.write_text("\n".join(",".join([row[0], "-1", *row[2:]]) for row in rows))


ERRORS: dict[str, tuple[Callable[[Path], object], tuple[str, str], int]] = {
    "identity explosion": (explode, ("error", "identity explosion"), 1),
    "identity twice": (lambda f: add_rows(f, "3,1,40,6,12,30,1,1,1"), ("error", "identity twice"), 1),
    "duplicated": (lambda f: add_rows(f, "3,9,15,6,12,30,1,1,1"), ("warning", "duplicated boxes"), 0),
    "degenerate": (lambda f: add_rows(f, "3,9,15,6,0,30,1,1,1"), ("warning", "degenerate boxes"), 0),
    "off the image": (lambda f: add_rows(f, "3,9,70,6,12,30,1,1,1"), ("warning", "boxes off the image"), 0),
    "unknown": (unknown, ("warning", "identities unknown"), 0),
    "no boxes": (lambda f: (f / "gt" / "gt.txt").write_text(""), ("warning", "no boxes"), 0),
    "missing": (lambda f: (f / "img1" / "000005.png").unlink(), ("error", "labels without image"), 1),
    "broken": (cut_off, ("error", "broken images"), 1),
    "no ground truth": (lambda f: (f / "gt" / "gt.txt").unlink(), ("error", "unreadable labels"), 1),
    "not a number": (lambda f: add_rows(f, "3,x,15,6,9,30,1,1,1"), ("error", "unreadable labels"), 1),
    "wrong size": (
        lambda f: (f / "seqinfo.ini").write_text("[Sequence]\nseqLength=12\nimWidth=640\nimHeight=480\n"),
        ("error", "wrong size"),
        1,
    ),
    "wrong length": (
        lambda f: (f / "seqinfo.ini").write_text("[Sequence]\nseqLength=600\nimWidth=64\nimHeight=48\n"),
        ("warning", "wrong length"),
        0,
    ),
}


def test_valid_data_set_has_no_finding(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_valid(tmp_path)
    assert run("--root", tmp_path / "data", "--output", tmp_path / "out") == 0
    assert "no errors; no warnings" in capsys.readouterr().out
    report = report_of(tmp_path / "out")
    assert report["errors"] == report["warnings"] == 0
    (facts,) = report["data_sets"]
    counts = {key: facts[key] for key in ("images", "decoded", "boxes", "identities", "sequences")}
    assert counts == {"images": 12, "decoded": 12, "boxes": 36, "identities": 3, "sequences": 1}
    assert facts["classes"] == {"1": 36}
    for name in report["figures"]:
        assert cv2.imread(str(tmp_path / "out" / name)).std() > 5
    assert report["figures"] == ["boxes_data.png", "identities_data.png", "mosaic_data.png"]


@pytest.mark.parametrize("name", ERRORS)
def test_each_error_is_found(tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    add_error, expected, code = ERRORS[name]
    add_error(make_valid(tmp_path))
    make_valid(tmp_path, "another")
    assert run("--root", tmp_path / "data", "--output", tmp_path / "out") == code
    assert expected in found_in(tmp_path / "out")
    assert f"{expected[0]}: {expected[1]}: " in capsys.readouterr().out
    assert report_of(tmp_path / "out")["data_sets"][0]["images"] >= 12  # the valid one is inspected too


def test_no_boxes_is_an_error(tmp_path: Path) -> None:
    (make_valid(tmp_path) / "gt" / "gt.txt").write_text("")
    assert run("--root", tmp_path / "data", "--output", tmp_path / "out") == 1
    assert ("error", "no boxes") in found_in(tmp_path / "out")


@pytest.mark.slow
def test_leak_between_train_and_val_of_a_root(tmp_path: Path) -> None:
    make_valid(tmp_path, "train/A")
    (tmp_path / "data" / "val").mkdir()
    other = make_valid(tmp_path, "val/BBBBBBBB")
    assert run("--root", tmp_path / "data", "--output", tmp_path / "out") == 0
    assert [facts["use"] for facts in report_of(tmp_path / "out")["data_sets"]] == ["train", "val"]
    shutil.copy(tmp_path / "data" / "train" / "A" / "img1" / "000003.png", other / "img1" / "000007.png")
    assert run("--root", tmp_path / "data", "--output", tmp_path / "out") == 1
    leaks = [f for f in report_of(tmp_path / "out")["findings"] if f["severity"] == "error"]
    assert [(f["check"], f["where"]) for f in leaks] == [
        ("training images in validation", str(other / "img1" / "000007.png"))
    ]


def test_leak_between_root_and_val(tmp_path: Path) -> None:
    one = make_valid(tmp_path)
    assert run("--root", one, "--val", one, "--images", "none", "--output", tmp_path / "out") == 1
    assert found_in(tmp_path / "out") == {("error", "training images in validation")}


@pytest.mark.slow
def test_data_sets_of_a_configuration(tmp_path: Path) -> None:
    make_valid(tmp_path, frames=12)
    config = tmp_path / "some.yaml"
    config.write_text(
        f"DATA: {{ROOT: {tmp_path / 'data'}, TRAIN: [first], VAL: [second], SETS: "
        "{first: {ROOT: A, SPLIT: first_half}, second: {ROOT: A, SPLIT: second_half}}}\n"
    )
    assert run("--config", config, "--output", tmp_path / "out") == 0
    assert [facts["images"] for facts in report_of(tmp_path / "out")["data_sets"]] == [6, 6]
    assert run("--config", config, "--output", tmp_path / "out", "DATA.SETS.second.SPLIT", "whole") == 1
    assert ("error", "training images in validation") in found_in(tmp_path / "out")


LAYOUTS = {
    "mot": "MOT17/train",
    "crowdhuman": "CrowdHuman",
    "jde": "caltech.train",
    "yolo": "yard/images",
    "coco": "shop",
    "csv": "frames",
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_is_inspected(tmp_path: Path, layout: str) -> None:
    root = distinct(make_one_of_each(tmp_path))
    path = root / LAYOUTS[layout] if layout != "yolo" else root / "yard"
    if layout == "yolo":
        (path / "data.yaml").write_text("train: images/train\nnames: [person]\n")
    assert run("--root", path, "--output", tmp_path / "out") == 0
    (facts,) = report_of(tmp_path / "out")["data_sets"]
    assert facts["layout"] == layout
    assert facts["boxes"] == 2 * facts["images"] > 0
    assert {name.split("_")[0] for name in report_of(tmp_path / "out")["figures"]} >= {"boxes", "mosaic"}
    path = next((root / LAYOUTS[layout].split(".")[0].title()).rglob("*.jpg")) if layout == "jde" else path
    image = path if path.is_file() else sorted(p for p in path.rglob("*") if p.suffix in (".jpg", ".png"))[-1]
    image.write_bytes(image.read_bytes()[:-400])
    assert run("--root", root / LAYOUTS[layout] if layout != "yolo" else root / "yard", "--output", tmp_path / "o") == 1
    assert found_in(tmp_path / "o") >= {("error", "broken images")}


def distinct(root: Path) -> Path:
    """Give every image its own content."""
    for number, path in enumerate(sorted(p for p in root.rglob("*") if p.suffix in (".jpg", ".png"))):
        values = np.random.default_rng(number).integers(0, 256, (6, 8, 3), dtype=np.uint8)
        cv2.imwrite(str(path), cv2.resize(values, (64, 48)))
    return root


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ([], "--root or --config: one of them is needed"),
        (["--root", "nowhere"], "--root: nowhere: no such folder or file"),
        (["--root", "."], "no known layout"),
        (["--root", "data", "--images", "some"], "--images: 'some' is neither all, none nor a number"),
        (["--root", "data", "--images", "0"], "--images: '0' is neither"),
        (["--root", "data", "--fix", "data/A/copy"], "--fix: data/A/copy is in the original"),
        (["--root", "data/A", "--fix", "data"], "--fix: data holds the original"),
        (["--root", "data", "--fix", "full"], "--fix: full is not an empty folder"),
        (["--root", "data", "--fix", "copy", "--images", "3"], "--fix: needs --root, and --images all"),
        (["--root", "data", "NONSENSE", "3"], "NONSENSE"),
    ],
)
def test_wrong_use_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, argv: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    make_valid(tmp_path)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    monkeypatch.chdir(tmp_path)
    assert run(*argv) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "runs").exists()


def tree_of(root: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def test_fixed_copy_of_sequences_has_no_error(tmp_path: Path) -> None:
    folder = make_valid(tmp_path)
    cut_off(folder)
    (folder / "img1" / "000009.png").unlink()
    add_rows(folder, "3,9,15,6,12,30,1,1,1", "3,9,15,6,0,30,1,1,1", "3,9,70,6,12,30,1,1,1")
    add_rows(folder, "2,1,40,16,12,30,1,1,1", "1,8,20,6,200,30,1,1,1", "1,2", "1,8,20,6,5,9,0,7,1")
    (folder / "seqinfo.ini").write_text("[Sequence]\nseqLength=99\nframeRate=7.5\nimWidth=640\nimHeight=480\n")
    before = tree_of(tmp_path / "data")
    assert run("--root", tmp_path / "data", "--output", tmp_path / "out", "--fix", tmp_path / "copy") == 1
    assert tree_of(tmp_path / "data") == before
    assert run("--root", tmp_path / "copy", "--output", tmp_path / "again") == 0
    assert found_in(tmp_path / "again") <= {("warning", "gaps in frames"), ("note", "classes")}
    copied = (tmp_path / "copy" / "A" / "gt" / "gt.txt").read_text().splitlines()
    original = (folder / "gt" / "gt.txt").read_text().splitlines()
    assert copied == [row for row in original[:36] if row.split(",")[0] not in ("5", "9")] + [original[-1]]
    info = (tmp_path / "copy" / "A" / "seqinfo.ini").read_text()
    assert "seqLength=10" in info
    assert "frameRate=7.5" in info
    assert "imWidth=64\nimHeight=48" in info


def add_errors_crowdhuman(root: Path) -> None:
    file = root / "CrowdHuman" / "annotation_train.odgt"
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    lines[0]["gtboxes"] += [lines[0]["gtboxes"][0], {"tag": "person", "fbox": [70, 1, 5, 5]}]
    lines[1]["gtboxes"] += [{"tag": "person", "fbox": [7, 1, 0, 5]}]
    gone = {"ID": "gone", "gtboxes": lines[0]["gtboxes"]}
    file.write_text("\n".join([*map(json.dumps, [*lines, gone, lines[0]]), "{nonsense"]))


def add_errors_jde(root: Path) -> None:
    (root / "caltech.train").write_text("Caltech/images/a.jpg\nCaltech/images/b.jpg\nCaltech/images/a.jpg\n")
    labels = root / "Caltech" / "labels_with_ids"
    extra = "0 7 0.5 0.5 0.2 0.3\n0 9 0.5 0.5 0 0.3\n0 9 1.5 0.5 0.2 0.3\n"
    (labels / "a.txt").write_text((labels / "a.txt").read_text() + extra)
    (labels / "b.txt").write_text("0 nonsense\n" + (labels / "b.txt").read_text() + "0 1\n")


def add_errors_yolo(root: Path) -> None:
    (root / "yard" / "data.yaml").write_text(f"path: {root / 'yard'}\ntrain: images/train\nnames: [person]\n")
    labels = root / "yard" / "labels" / "train"
    (labels / "a.txt").write_text((labels / "a.txt").read_text() * 2 + "0 0.5 0.5 0 0.3\n")
    (labels / "b.txt").write_text("0 nonsense\n" + (labels / "b.txt").read_text() + "0 1\n")


def add_errors_coco(root: Path) -> None:
    file = root / "shop" / "labels.json"
    content = json.loads(file.read_text())
    content["images"] += [{"id": 7, "file_name": "gone.jpg"}, {**content["images"][0], "id": 8}]
    content["images"][1]["width"] = 99
    boxes = [[4, 6, 12, 30], [4, 6, 0, 30], [70, 6, 12, 30]]
    for number, box in enumerate(boxes):
        content["annotations"].append({"id": 50 + number, "image_id": 0, "category_id": 1, "bbox": box})
    content["annotations"].append({"id": 60, "image_id": 7, "category_id": 1, "bbox": [4, 6, 12, 30]})
    file.write_text(json.dumps(content))


def add_errors_csv(root: Path) -> None:
    file = root / "frames" / "boxes.csv"
    file.write_text(file.read_text() + "a.png,4,6,12,30,9\nb.png,4,6,0,30,9\nb.png,30,9,8,30,0\ngone.png,1,2,3,4,5\n")


@pytest.mark.parametrize(
    ("add_errors", "path", "copied"),
    [
        (add_errors_crowdhuman, "CrowdHuman", "."),
        (add_errors_jde, "caltech.train", "caltech.train"),
        pytest.param(add_errors_yolo, "yard", ".", marks=pytest.mark.slow),
        pytest.param(add_errors_coco, "shop", ".", marks=pytest.mark.slow),
        (add_errors_csv, "frames", "."),
    ],
)
def test_fixed_copy_of_any_layout_has_no_error(
    tmp_path: Path, add_errors: Callable[[Path], None], path: str, copied: str
) -> None:
    root = distinct(make_one_of_each(tmp_path))
    add_errors(root)
    before = tree_of(root)
    assert run("--root", root / path, "--output", tmp_path / "out", "--fix", tmp_path / "copy") == 1
    assert tree_of(root) == before
    found = {check for severity, check in found_in(tmp_path / "out")}
    assert found & {"missing images", "images listed twice", "unreadable labels", "identity twice"}
    assert run("--root", tmp_path / "copy" / copied, "--output", tmp_path / "again") == 0
    assert {check for severity, check in found_in(tmp_path / "again")} <= {"identities unknown"}
    (facts,) = report_of(tmp_path / "again")["data_sets"]
    assert (facts["images"], facts["boxes"]) == (2, 4)


def test_validation_data_is_not_copied(tmp_path: Path) -> None:
    one, other = make_valid(tmp_path), make_valid(tmp_path, "BBBBBBBB")
    options = ["--root", one, "--val", other, "--output", tmp_path / "out"]
    assert run(*options, "--fix", other / "copy") == 2
    assert run(*options, "--fix", tmp_path / "copy") == 0
    assert len(list((tmp_path / "copy").glob("img1/*"))) == 12
    assert not (tmp_path / "copy" / "BBBBBBBB").exists()


def test_shared_images_of_training_sets_are_an_error(tmp_path: Path) -> None:
    make_valid(tmp_path)
    overrides = ["DATA.ROOT", tmp_path / "data", "DATA.TRAIN", "('.', 'A')"]
    assert run("--output", tmp_path / "out", *overrides) == 1
    assert found_in(tmp_path / "out") == {("error", "images listed twice")}


@pytest.mark.slow
def test_fixed_copy_has_train_and_val(tmp_path: Path) -> None:
    add_rows(make_valid(tmp_path, "train/A"), "3,1,40,6,12,30,1,1,1")
    add_rows(make_valid(tmp_path, "val/BBBBBBBB"), "3,1,40,6,12,30,1,1,1")
    assert run("--root", tmp_path / "data", "--output", tmp_path / "out", "--fix", tmp_path / "copy") == 1
    assert run("--root", tmp_path / "copy", "--output", tmp_path / "again") == 0
    assert len(report_of(tmp_path / "again")["data_sets"]) == 2


@pytest.mark.dataset
def test_real_frames_have_no_finding(tmp_path: Path) -> None:
    root = SHARED / "data" / "mot17-half"
    if not root.is_dir():
        pytest.skip(f"{root} is not there")
    assert run("--root", root, "--images", "50", "--output", tmp_path) == 0
