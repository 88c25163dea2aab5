"""Whose names a file uses, and what each of them is called here."""

from collections.abc import Collection
from typing import NamedTuple

Prefixes = tuple[tuple[str, str], ...]


HEAD_PREFIXES: Prefixes = (
    ("hm.", "heads.heatmap."),
    ("wh.", "heads.size_ltrb."),
    ("reg.", "heads.offset."),
    ("id.", "heads.embedding."),
)


DLA_PREFIXES: Prefixes = (("base.", "backbone."), ("dla_up.", "neck.dla_up."), ("ida_up.", "neck.ida_up."))


RESNET_PREFIXES: Prefixes = (
    ("conv1.", "backbone.conv1."),
    ("bn1.", "backbone.bn1."),
    ("layer", "backbone.layer"),
    ("deconv_layer", "neck.deconv_layer"),
    ("smooth_layer", "neck.smooth_layer"),
    ("project_layer", "neck.project_layer"),
)


HRNET_PREFIXES: Prefixes = tuple(
    (start, f"backbone.{start}") for start in ("conv1.", "bn1.", "conv2.", "bn2.", "layer1.", "transition", "stage")
)


YOLO_PREFIXES: Prefixes = (
    ("backbone.model.10.", "neck.narrow.0."),
    ("backbone.model.13.", "neck.merge.0."),
    ("backbone.model.14.", "neck.narrow.1."),
    ("backbone.model.17.", "neck.merge.1."),
    ("backbone.model.18.", "neck.narrow.2."),
    ("backbone.model.21.", "neck.merge.2."),
    ("backbone.model.", "backbone."),
)


OURS = "ours"


PUBLISHED = "published FairMOT/CenterNet names"


BACKBONE = "ImageNet backbone"


WRAPPING_PREFIXES = ("module.", "_orig_mod.")  # what DataParallel and torch.compile put before every name


BACKBONE_ROOTS = ("base.", "backbone.")  # where the published networks keep a backbone that was saved alone


class Naming(NamedTuple):
    """What was recognised: the scheme, and each of the file's names -> ours (unknown ones stay as they are)."""

    scheme: str
    ours: dict[str, str]


def to_ours(name: str, prefixes: Prefixes) -> str:
    """Return our name for a published one; a name that no prefix fits stays.

    >>> to_ours("hm.2.bias", (("hm.", "heads.heatmap."),))
    'heads.heatmap.2.bias'
    """
    for theirs, ours in prefixes:
        if name.startswith(theirs):
            return ours + name.removeprefix(theirs)
    return name


def to_published(name: str, prefixes: Prefixes) -> str:
    """Return the published name for one of ours: the inverse of `to_ours`.

    >>> to_published("heads.heatmap.2.bias", (("hm.", "heads.heatmap."),))
    'hm.2.bias'
    """
    return to_ours(name, tuple((ours, theirs) for theirs, ours in prefixes))


def unwrapped(names: Collection[str]) -> dict[str, str]:
    """Return each name -> the name without the prefixes that *all* of them carry.

    >>> unwrapped(["module.hm.2.bias", "module.hm.2.weight"])
    {'module.hm.2.bias': 'hm.2.bias', 'module.hm.2.weight': 'hm.2.weight'}
    """
    bare = {name: name for name in names}
    while bare:
        shared = [prefix for prefix in WRAPPING_PREFIXES if all(name.startswith(prefix) for name in bare.values())]
        if not shared:
            break
        bare = {name: rest.removeprefix(shared[0]) for name, rest in bare.items()}
    return bare


def detect_naming(names: Collection[str], *, own: Collection[str], prefixes: Prefixes) -> Naming:
    """Try our names, the published ones and a backbone's alone; keep what knows most of `own`, the network's names."""
    bare = unwrapped(names)
    readings = [Naming(OURS, bare)]
    for root in ("", *BACKBONE_ROOTS) if prefixes else ():
        readings.append(Naming(PUBLISHED, {name: to_ours(root + rest, prefixes) for name, rest in bare.items()}))
    known = set(own)
    best = max(readings, key=lambda naming: sum(name in known for name in naming.ours.values()))
    found = known.intersection(best.ours.values())
    if best.scheme == PUBLISHED and found and all(name.startswith("backbone.") for name in found):
        return best._replace(scheme=BACKBONE)
    return best
