"""Command `fairmot inspect_data`: validation of data sets before training."""

import argparse
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from fairmot.commands.inspect_data.figures import TILES, write_figures
from fairmot.commands.run import reading_bar
from fairmot.config.load import load_cfg
from fairmot.config.node import CfgNode
from fairmot.data.build import build_dataset_spec
from fairmot.data.index.cache import DatasetSpec
from fairmot.data.inspection.findings import ERROR, MORE, NOTE, WARNING, Check, Finding, from_error
from fairmot.data.inspection.image_checks import InspectedDataset, check_images, check_leaks, check_shared
from fairmot.data.inspection.image_survey import ALL, NO_IMAGES, ImageFacts, survey_images
from fairmot.data.inspection.label_checks import check_labels
from fairmot.data.inspection.lenient_reading import read_leniently
from fairmot.data.inspection.raw_labels import collect_labels
from fairmot.data.inspection.repair import plan_repair, require_target
from fairmot.data.inspection.repair_layouts import drop_unreadable_rows, write_copy
from fairmot.data.inspection.subsets import TRAIN, VAL, subsets_of
from fairmot.data.readers.base import Reader
from fairmot.data.readers.registry import LAYOUTS
from fairmot.formats.atomic import check_writable, write_text
from fairmot.structures.annotations import UNKNOWN
from fairmot.utils.errors import InputError

MAX_EXAMPLES = 5  # printed findings of each check
REPORT = "report.json"


@dataclass(frozen=True)
class InspectionTarget:
    """A data set to inspect. `copy_to`: folder of a corrected copy within that of --fix; None for no copy."""

    spec: DatasetSpec
    is_val: bool = False
    copy_to: str | None = None

    @property
    def name(self) -> str:
        """The data set's name in messages."""
        return self.spec.source.name

    def make_reader(self) -> Reader:
        """Make its reader."""
        return LAYOUTS[self.spec.layout].make_reader(self.spec.source)


@dataclass(frozen=True)
class Inspection:
    """Result for one data set; `dataset` is None if it cannot be read."""

    target: InspectionTarget
    dataset: InspectedDataset | None
    findings: tuple[Finding, ...]


EXAMPLES = """\
fairmot inspect_data --root MOT17/train
fairmot inspect_data --config configs/mot17_half_dla34.yaml --output runs/inspect
fairmot inspect_data --root CrowdHuman --fix CrowdHuman-fixed
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
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
    """Run the command; exit code 1 if there are errors, 0 if there are at most warnings."""
    cfg = load_cfg(arguments.config, arguments.overrides)
    decode = arguments.images
    if decode not in (ALL, NO_IMAGES) and not (decode.isdecimal() and int(decode) > 0):
        raise InputError(f"--images: {decode!r} is neither all, none nor a number from 1 up")
    _check_fix(arguments)
    targets = find_targets(
        cfg, root=arguments.root, val=arguments.val, has_config=bool(arguments.config or arguments.overrides)
    )
    name = (arguments.root or arguments.config or Path("data")).resolve().stem
    output = arguments.output or Path("runs/inspect") / name
    check_writable(output / REPORT)
    inspections = [inspect(target, decode=decode, max_objects=cfg.DATA.MAX_OBJECTS) for target in targets]
    findings = [*(finding for one in inspections for finding in one.findings), *_check_across(inspections)]
    fixes = [] if arguments.fix is None else write_copies(inspections, arguments.fix)
    figures = _write_all_figures(inspections, output, tiles=0 if decode == NO_IMAGES else TILES)
    facts = [_facts(one) for one in inspections]
    report = {
        "data_sets": facts,
        "findings": [asdict(finding) for finding in findings],
        "errors": sum(finding.severity == ERROR for finding in findings),
        "warnings": sum(finding.severity == WARNING for finding in findings),
        "figures": [path.name for path in figures],
        "fix": fixes,
    }
    write_text(output / REPORT, json.dumps(report, indent=2, ensure_ascii=False) + "\n")
    print(*map(_summary, facts), *format_findings(findings), *fixes, sep="\n")
    print(f"{_verdict(findings)} -> {output}")
    return 1 if report["errors"] else 0


def find_targets(
    cfg: CfgNode, *, root: Path | None, val: Path | None, has_config: bool = False
) -> list[InspectionTarget]:
    """Return the data sets of `root` and `val`, or DATA.TRAIN and DATA.VAL of the configuration.

    Raises InputError without `root` and configuration, or where there is no known layout.
    """
    if root is not None:
        found = _targets_of(cfg, root, key="--root")
    elif has_config:
        found = [
            InspectionTarget(build_dataset_spec(cfg, entry, limit=cfg.DATA.FRAME_LIMIT)) for entry in cfg.DATA.TRAIN
        ]
        entries = () if val is not None else cfg.DATA.VAL
        found += [InspectionTarget(build_dataset_spec(cfg, entry, key="DATA.VAL"), is_val=True) for entry in entries]
    else:
        raise InputError("--root or --config: one of them is needed")
    if val is not None:
        found += [replace(target, is_val=True, copy_to=None) for target in _targets_of(cfg, val, key="--val")]
    return found


def _targets_of(cfg: CfgNode, root: Path, *, key: str) -> list[InspectionTarget]:
    if not root.exists():
        raise InputError(f"{key}: {root}: no such folder or file")
    names = [name for name in (TRAIN, VAL) if (root / name).is_dir() and _has_known_layout(root / name)]
    if _has_known_layout(root) or not names:
        return _subset_targets(cfg, root, root.resolve().stem, key=key)
    return [
        replace(target, is_val=name == VAL, copy_to=name)
        for name in names
        for target in _subset_targets(cfg, root / name, f"{root.resolve().name}/{name}", key=key)
    ]


def _has_known_layout(path: Path) -> bool:
    return any(layout.matches(path) for layout in LAYOUTS.values())


def _subset_targets(cfg: CfgNode, root: Path, name: str, *, key: str) -> list[InspectionTarget]:
    spec = build_dataset_spec(cfg, str(root.resolve()), key=key)
    targets = []
    for subset in subsets_of(spec):
        full_name = f"{name}:{subset.labels}" if subset.labels else name
        source = replace(spec.source, labels=subset.labels, name=full_name)
        targets.append(InspectionTarget(replace(spec, source=source), subset.is_val, copy_to=""))
    return targets


def inspect(target: InspectionTarget, *, decode: str = ALL, max_objects: int) -> Inspection:
    """Read a data set's labels and images and run all checks on it."""
    reader = target.make_reader()
    try:
        plan = reader.plan()
    except InputError as error:
        return Inspection(target, None, (from_error(error),))
    result = read_leniently(reader, plan.units, bar=reading_bar)
    raw = collect_labels(
        result.parts,
        target.spec.selection,
        name=target.name,
        image_root=reader.image_root,
        is_normalised=reader.is_normalised,
    )
    if not len(raw):
        nothing = Finding(ERROR, Check.NO_BOXES, target.name, "no image with readable labels")
        return Inspection(target, None, result.findings or (nothing,))
    paths = [raw.image_path(image) for image in range(len(raw))]
    dataset = InspectedDataset(raw, survey_images(paths, decode=decode, bar=_image_bar))
    found = [*check_labels(raw, dataset.survey.hw, max_objects=max_objects), *check_images(dataset)]
    return Inspection(target, dataset, (*result.findings, *found))


def _image_bar(facts: Iterable[ImageFacts], total: int) -> Iterable[ImageFacts]:
    return tqdm(facts, total=total, desc="reading images", unit="image", leave=False, disable=None)


def _check_across(inspections: Sequence[Inspection]) -> list[Finding]:
    """Check for images shared between data sets."""
    train, val = (
        [one.dataset for one in inspections if one.dataset is not None and one.target.is_val is is_val]
        for is_val in (False, True)
    )
    is_configured = all(one.target.copy_to is None for one in inspections)  # data sets to be trained on together
    return [*(check_shared(train) if is_configured else []), *check_leaks(train, val)]


def _write_all_figures(inspections: Sequence[Inspection], output: Path, *, tiles: int) -> list[Path]:
    figures: list[Path] = []
    stems: list[str] = []
    for one in inspections:
        if one.dataset is not None:
            stem = "".join(letter if letter.isalnum() or letter in "-." else "_" for letter in one.target.name)
            stems.append(stem)
            stem += f"-{stems.count(stem)}" if stems.count(stem) > 1 else ""
            figures += write_figures(one.dataset, output, stem=stem, tiles=tiles)
    return figures


def _check_fix(arguments: argparse.Namespace) -> None:
    if arguments.fix is None:
        return
    if arguments.root is None or arguments.images != ALL:
        raise InputError("--fix: needs --root, and --images all")
    for original in (arguments.root, arguments.val):
        if original is not None:
            require_target(arguments.fix, original)


def write_copies(inspections: Sequence[Inspection], folder: Path) -> list[str]:
    """Write corrected copies of the data sets below `folder`; return one line on each."""
    lines = []
    for one in inspections:
        target, dataset = one.target, one.dataset
        if target.copy_to is None:
            continue
        if dataset is None:
            lines.append(f"fix: {target.name}: not copied since it cannot be read")
            continue
        reader, source = target.make_reader(), target.spec.source
        repair = plan_repair(dataset, one.findings)
        copy = (folder / target.copy_to).absolute()
        write_copy(reader, dataset, repair, copy)
        root = copy / source.root.relative_to(reader.image_root) if source.root.is_file() else copy
        drop_unreadable_rows(LAYOUTS[target.spec.layout].make_reader(replace(source, root=root)))
        lines.append(f"fix: {target.name}: {repair.describe()} -> {root}")
    return lines


def format_findings(findings: Sequence[Finding]) -> list[str]:
    """Return the lines to print: errors first; for each check a heading, some examples and the number of the others."""
    lines = []
    for severity in (ERROR, WARNING, NOTE):
        for check in dict.fromkeys(finding.check for finding in findings if finding.severity == severity):
            group = [finding for finding in findings if (finding.severity, finding.check) == (severity, check)]
            lines.append(f"{severity}: {check}: {check.meaning}")
            lines += [f"  {finding.where}: {finding.message}" for finding in group[:MAX_EXAMPLES]]
            more = sum(finding.count if finding.message.endswith(MORE) else 1 for finding in group[MAX_EXAMPLES:])
            lines += [f"  and {more} more"] if more else []
    return lines


def _verdict(findings: Sequence[Finding]) -> str:
    """Return the checks with errors and with warnings."""
    parts = []
    for severity in (ERROR, WARNING):
        checks = list(dict.fromkeys(finding.check for finding in findings if finding.severity == severity))
        parts.append(f"{severity}s: {', '.join(checks)}" if checks else f"no {severity}s")
    return "; ".join(parts)


def _facts(one: Inspection) -> dict[str, Any]:
    """Return the report's entry of one data set."""
    spec = one.target.spec
    facts: dict[str, Any] = {
        "name": one.target.name,
        "layout": spec.layout,
        "root": str(spec.source.root),
        "use": VAL if one.target.is_val else TRAIN,
    }
    if one.dataset is None:
        return facts
    raw, labels = one.dataset.raw, one.dataset.raw.labels
    is_known = raw.is_trained & (labels.ids != UNKNOWN)
    identities = np.stack([labels.sequence_of[labels.image_of[is_known]], labels.ids[is_known]], axis=1)
    counts = np.bincount(labels.classes, minlength=len(labels.class_names)).tolist()
    return facts | {
        "images": len(raw),
        "decoded": int(one.dataset.survey.has_thumb.sum()),
        "boxes": int(raw.is_trained.sum()),
        "identities": len(np.unique(identities, axis=0)),
        "sequences": len([name for name in labels.sequences if name]),
        "classes": dict(zip(labels.class_names, counts, strict=True)),
        "left_out": labels.left_out,
    }


def _summary(facts: dict[str, Any]) -> str:
    start = f"{facts['name']} ({facts['use']}, {facts['layout']} layout)"
    if "images" not in facts:
        return f"{start}: cannot be read"
    return (
        f"{start}: {facts['images']} images, {facts['boxes']} boxes, {facts['identities']} identities, "
        f"{facts['sequences']} sequences; {facts['left_out']} rows excluded by the labels"
    )
