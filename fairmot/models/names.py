"""Published parameter names -> ours, by prefix: below the prefix the names are the same."""

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
