"""Parameter names: mapping between this package and the reference implementations (FairMOT, CenterNet, backbones)."""

from collections.abc import Collection
from typing import NamedTuple

Prefixes = tuple[tuple[str, str], ...]
"""Pairs of a name's prefix in the reference implementation and in this package."""

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

OURS, REFERENCE, BACKBONE = "ours", "FairMOT/CenterNet names", "ImageNet backbone"  # naming schemes

WRAPPING_PREFIXES = ("module.", "_orig_mod.")  # added to every name by DataParallel and torch.compile
BACKBONE_ROOTS = ("base.", "backbone.")  # prefixes of the backbone in the reference implementations


class Naming(NamedTuple):
    """The detected naming scheme, and the file's names -> own names (unknown names stay unchanged)."""

    scheme: str
    own_names: dict[str, str]


def to_own_name(name: str, prefixes: Prefixes) -> str:
    """Return the own name of a reference name; a name without a known prefix stays unchanged.

    >>> to_own_name("hm.2.bias", (("hm.", "heads.heatmap."),))
    'heads.heatmap.2.bias'
    """
    for reference, own in prefixes:
        if name.startswith(reference):
            return own + name.removeprefix(reference)
    return name


def to_reference_name(name: str, prefixes: Prefixes) -> str:
    """Return the reference name of an own name: the inverse of `to_own_name`.

    >>> to_reference_name("heads.heatmap.2.bias", (("hm.", "heads.heatmap."),))
    'hm.2.bias'
    """
    return to_own_name(name, tuple((own, reference) for reference, own in prefixes))


def unwrapped(names: Collection[str]) -> dict[str, str]:
    """Return each name -> the name without the wrapping prefixes that *all* names have.

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
    """Return the naming scheme (ours, the reference's, or a backbone's alone) that matches most of the names `own`."""
    bare = unwrapped(names)
    candidates = [Naming(OURS, bare)]
    for root in ("", *BACKBONE_ROOTS) if prefixes else ():
        candidates.append(Naming(REFERENCE, {name: to_own_name(root + rest, prefixes) for name, rest in bare.items()}))
    known = set(own)
    best = max(candidates, key=lambda naming: sum(name in known for name in naming.own_names.values()))
    found = known.intersection(best.own_names.values())
    if best.scheme == REFERENCE and found and all(name.startswith("backbone.") for name in found):
        return best._replace(scheme=BACKBONE)
    return best
