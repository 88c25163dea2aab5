"""`fairmot inspect_data`: look a data set through before a training does."""

import argparse
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from fairmot.commands.inspect_data.pictures import TILES, write_pictures
from fairmot.commands.run import reading_bar
from fairmot.config.load import load_cfg
from fairmot.config.node import CfgNode
from fairmot.data.build import build_dataset_spec
from fairmot.data.index.cache import DatasetSpec
from fairmot.data.inspection.findings import ERROR, MEANING, MORE, NO_BOXES, NOTE, WARNING, Finding, from_error
from fairmot.data.inspection.image_checks import Surveyed, check_images, check_leaks, check_shared
from fairmot.data.inspection.image_survey import ALL, NO_IMAGES, ImageFacts, survey_images
from fairmot.data.inspection.label_checks import check_labels
from fairmot.data.inspection.lenient_reading import read_leniently
from fairmot.data.inspection.raw_labels import gather
from fairmot.data.inspection.repair import plan_repair, require_place
from fairmot.data.inspection.repair_layouts import leave_out_unreadable, write_copy
from fairmot.data.inspection.subsets import TRAIN, VAL, subsets_of
from fairmot.data.readers.base import Reader
from fairmot.data.readers.registry import LAYOUTS
from fairmot.formats.atomic import check_writable, write_text
from fairmot.structures.annotations import UNKNOWN
from fairmot.utils.errors import InputError

MAX_EXAMPLES = 5  # printed findings of each kind
REPORT = "report.json"


@dataclass(frozen=True)
class Target:
    """A data set to look through. `copy_at`: where a corrected copy goes, below the folder of --fix; None for none."""

    wanted: DatasetSpec
    is_val: bool = False
    copy_at: str | None = None

    @property
    def name(self) -> str:
        """What messages call it."""
        return self.wanted.source.name

    def reader(self) -> Reader:
        """Return its reader."""
        return LAYOUTS[self.wanted.layout].make_reader(self.wanted.source)


@dataclass(frozen=True)
class Inspection:
    """What was found in one data set; `surveyed` is None where nothing of it could be read."""

    target: Target
    surveyed: Surveyed | None
    findings: tuple[Finding, ...]


EXAMPLES = """\
fairmot inspect_data --root MOT17/train
fairmot inspect_data --config configs/mot17_half_dla34.yaml --output runs/inspect
fairmot inspect_data --root CrowdHuman --fix CrowdHuman-fixed
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the tool's options."""
    parser.add_argument(
        "--root", type=Path, metavar="DIR", help="dataset folder or annotation file, or a folder of train and val"
    )
    parser.add_argument(
        "--val", type=Path, metavar="DIR", help="validation dataset: also checked, and for images shared with --root"
    )
    parser.add_argument(
        "--output",
        type=Path,
        metavar="DIR",
        help="folder for the report and sample images (default: runs/inspect/<name>)",
    )
    parser.add_argument(
        "--images", default=ALL, metavar="N", help="images of each dataset to decode: all, none or a number"
    )
    parser.add_argument("--fix", type=Path, metavar="DIR", help="write a corrected copy of the labels of --root there")
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="YAML configuration; without --root its DATA.TRAIN and DATA.VAL are checked",
    )
    parser.add_argument("overrides", nargs="*", metavar="KEY VALUE", help="configuration, e.g. DATA.CLASSES car")


def main(arguments: argparse.Namespace) -> int:
    """Run the tool; exit code 1 where errors were found, 0 where there are warnings alone."""
    cfg = load_cfg(arguments.config, arguments.overrides)
    decode = _images_option(arguments.images)
    _check_fix(arguments, decode)
    targets = find_targets(
        cfg, root=arguments.root, val=arguments.val, has_config=bool(arguments.config or arguments.overrides)
    )
    output = (
        arguments.output or Path("runs/inspect") / (arguments.root or arguments.config or Path("data")).resolve().stem
    )
    check_writable(output / REPORT)
    inspections = [inspect(target, decode=decode, max_objects=cfg.DATA.MAX_OBJECTS) for target in targets]
    found = [*(finding for one in inspections for finding in one.findings), *_leaks(inspections)]
    fixes = (
        []
        if arguments.fix is None
        else [fix(one, arguments.fix / one.target.copy_at) for one in inspections if one.target.copy_at is not None]
    )
    pictures = _draw(inspections, output, tiles=0 if decode == NO_IMAGES else TILES)
    facts = [_facts(one) for one in inspections]
    report = {
        "data_sets": facts,
        "findings": [asdict(finding) for finding in found],
        "errors": len([finding for finding in found if finding.severity == ERROR]),
        "warnings": len([finding for finding in found if finding.severity == WARNING]),
        "pictures": [path.name for path in pictures],
        "fix": fixes,
    }
    write_text(output / REPORT, json.dumps(report, indent=2, ensure_ascii=False) + "\n")
    print(*map(_summary, facts), *format_findings(found), *fixes, sep="\n")
    print(f"{_verdict(found)} -> {output}")
    return 1 if report["errors"] else 0


def find_targets(cfg: CfgNode, *, root: Path | None, val: Path | None, has_config: bool = False) -> list[Target]:
    """Return what to look through: `root` and `val`, or what the configuration trains and validates on.

    Raises InputError where nothing is named, or nothing of a known layout is there.
    """
    if root is not None:
        found = _targets_of(cfg, root, key="--root")
    elif has_config:
        found = [Target(build_dataset_spec(cfg, entry, limit=cfg.DATA.FRAME_LIMIT)) for entry in cfg.DATA.TRAIN]
        entries = () if val is not None else cfg.DATA.VAL
        found += [Target(build_dataset_spec(cfg, entry, key="DATA.VAL"), is_val=True) for entry in entries]
    else:
        raise InputError("--root or --config: one of them is needed")
    if val is not None:
        found += [replace(target, is_val=True, copy_at=None) for target in _targets_of(cfg, val, key="--val")]
    return found


def _targets_of(cfg: CfgNode, root: Path, *, key: str) -> list[Target]:
    if not root.exists():
        raise InputError(f"{key}: {root}: no such folder or file")
    folders = {name: root / name for name in (TRAIN, VAL)}
    known = {name: folder for name, folder in folders.items() if folder.is_dir() and _is_known(folder)}
    if _is_known(root) or not known:
        return _parts(cfg, root, root.resolve().stem, key=key)
    return [
        replace(target, is_val=name == VAL, copy_at=name)
        for name, folder in known.items()
        for target in _parts(cfg, folder, f"{root.resolve().name}/{name}", key=key)
    ]


def _is_known(place: Path) -> bool:
    return any(layout.matches(place) for layout in LAYOUTS.values())


def _parts(cfg: CfgNode, root: Path, name: str, *, key: str) -> list[Target]:
    wanted = build_dataset_spec(cfg, str(root.resolve()), key=key)
    targets = []
    for part in subsets_of(wanted):
        source = replace(wanted.source, labels=part.labels, name=f"{name}:{part.labels}" if part.labels else name)
        targets.append(Target(replace(wanted, source=source), part.is_val, copy_at=""))
    return targets


def inspect(target: Target, *, decode: str = ALL, max_objects: int) -> Inspection:
    """Read a data set's labels and images and run all checks of it."""
    reader = target.reader()
    try:
        plan = reader.plan()
    except InputError as error:
        return Inspection(target, None, (from_error(error),))
    reading = read_leniently(reader, plan.units, bar=reading_bar)
    raw = gather(
        reading.blocks,
        target.wanted.selection,
        name=target.name,
        image_root=reader.image_root,
        is_normalised=reader.is_normalised,
    )
    if not len(raw):
        nothing = Finding(ERROR, NO_BOXES, target.name, "no image with labels that can be read")
        return Inspection(target, None, reading.findings or (nothing,))
    paths = [raw.image_path(image) for image in range(len(raw))]
    one = Surveyed(raw, survey_images(paths, decode=decode, bar=_image_bar))
    found = [*reading.findings, *check_labels(raw, one.survey.hw, max_objects=max_objects), *check_images(one)]
    return Inspection(target, one, tuple(found))


def _image_bar(facts: Iterable[ImageFacts], total: int) -> Iterable[ImageFacts]:
    return tqdm(facts, total=total, desc="looking at images", unit="image", leave=False, disable=None)


def _leaks(inspections: Sequence[Inspection]) -> list[Finding]:
    train, val = (
        [one.surveyed for one in inspections if one.surveyed is not None and one.target.is_val is wanted]
        for wanted in (False, True)
    )
    are_named = all(one.target.copy_at is None for one in inspections)  # by a configuration, to be trained on together
    return [*(check_shared(train) if are_named else []), *check_leaks(train, val)]


def _draw(inspections: Sequence[Inspection], output: Path, *, tiles: int) -> list[Path]:
    pictures: list[Path] = []
    stems: list[str] = []
    for one in inspections:
        if one.surveyed is not None:
            stem = "".join(letter if letter.isalnum() or letter in "-." else "_" for letter in one.target.name)
            stems.append(stem)
            stem += f"-{stems.count(stem)}" if stems.count(stem) > 1 else ""
            pictures += write_pictures(one.surveyed, output, stem=stem, tiles=tiles)
    return pictures


def _images_option(text: str) -> str:
    if text not in (ALL, NO_IMAGES) and not (text.isdecimal() and int(text) > 0):
        raise InputError(f"--images: {text!r} is neither all, none nor a number from 1 up")
    return text


def _check_fix(arguments: argparse.Namespace, decode: str) -> None:
    if arguments.fix is None:
        return
    if arguments.root is None or decode != ALL:
        raise InputError("--fix: needs --root, and --images all")
    for original in (arguments.root, arguments.val):
        if original is not None:
            require_place(arguments.fix, original)


def fix(one: Inspection, target: Path) -> str:
    """Write a corrected copy of a data set's labels below `target`; return one line on it."""
    if one.surveyed is None:
        return f"fix: {one.target.name}: could not be read, and is not copied"
    reader = one.target.reader()
    repair = plan_repair(one.surveyed, one.findings)
    folder = target.absolute()
    write_copy(reader, one.surveyed, repair, folder)
    source = one.target.wanted.source
    root = folder / source.root.relative_to(reader.image_root) if source.root.is_file() else folder
    copy = replace(one.target.wanted, source=replace(source, root=root))
    leave_out_unreadable(Target(copy).reader())
    return f"fix: {one.target.name}: {repair.describe()} -> {root}"


def format_findings(found: Sequence[Finding]) -> list[str]:
    """Return the lines to print: errors first, a heading for each kind, some examples, and how many more there are."""
    lines = []
    for severity in (ERROR, WARNING, NOTE):
        mine = [finding for finding in found if finding.severity == severity]
        for check in dict.fromkeys(finding.check for finding in mine):
            group = [finding for finding in mine if finding.check == check]
            lines.append(f"{severity}: {check}: {MEANING[check]}")
            lines += [f"  {finding.where}: {finding.message}" for finding in group[:MAX_EXAMPLES]]
            more = sum(finding.count if finding.message.endswith(MORE) else 1 for finding in group[MAX_EXAMPLES:])
            lines += [f"  and {more} more"] if more else []
    return lines


def _verdict(found: Sequence[Finding]) -> str:
    """Return what kinds of errors and warnings there are."""
    parts = []
    for severity in (ERROR, WARNING):
        checks = list(dict.fromkeys(finding.check for finding in found if finding.severity == severity))
        parts.append(f"{severity}s: {', '.join(checks)}" if checks else f"no {severity}s")
    return "; ".join(parts)


def _facts(one: Inspection) -> dict[str, Any]:
    """Return counts of one data set for the report."""
    wanted = one.target.wanted
    facts: dict[str, Any] = {
        "name": one.target.name,
        "layout": wanted.layout,
        "root": str(wanted.source.root),
        "use": VAL if one.target.is_val else TRAIN,
    }
    if one.surveyed is None:
        return facts
    raw = one.surveyed.raw
    known = raw.trains & (raw.ids != UNKNOWN)
    keys = np.stack([raw.sequence_of[raw.image_of[known]], raw.ids[known]], axis=1)
    classes = zip(raw.class_names, np.bincount(raw.kinds, minlength=len(raw.class_names)).tolist(), strict=True)
    return facts | {
        "images": len(raw),
        "decoded": int(one.surveyed.survey.has_thumb.sum()),
        "boxes": int(raw.trains.sum()),
        "identities": len(np.unique(keys, axis=0)),
        "sequences": len([name for name in raw.sequences if name]),
        "classes": dict(classes),
        "left_out": raw.left_out,
    }


def _summary(facts: dict[str, Any]) -> str:
    start = f"{facts['name']} ({facts['use']}, {facts['layout']} layout)"
    if "images" not in facts:
        return f"{start}: could not be read"
    return (
        f"{start}: {facts['images']} images, {facts['boxes']} boxes, {facts['identities']} identities, "
        f"{facts['sequences']} sequences; {facts['left_out']} rows left out by the labels"
    )
