"""Animation of docs/tracking.md: a sequence tracked by a trained network, as a looping WebP file.

    fairmot synthesize --sequences 1 --frames 150 --seed 4242 --output runs/preview
    python tools/experiments/tracking_preview.py --config configs/quickstart.yaml \\
        --weights runs/quickstart/train/last.pt --input runs/preview --output docs/images/tracking.webp --kilobytes 900

All frames are tracked; every `--step`-th is drawn with boxes, identities and trails, `--width` pixels wide. The WebP
quality is the highest one that fits in `--kilobytes`. Exit code 2 for invalid usage.
"""

import argparse
import io
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
from PIL import Image

from fairmot.commands.predictor import load_predictor
from fairmot.config.load import load_cfg
from fairmot.engine.predictor import Predictor
from fairmot.formats.atomic import atomic_write
from fairmot.geometry.arrays import FloatArray, ImageArray
from fairmot.structures.frame import Frame
from fairmot.structures.tracks import Tracks
from fairmot.tracking.build import build_filters, build_tracker
from fairmot.tracking.run import OutputFilters, apply_filters
from fairmot.tracking.tracker import JointTracker
from fairmot.utils.errors import InputError
from fairmot.video.source import find_sources, open_frames
from fairmot.viz.draw import draw_tracks
from fairmot.viz.trails import FootTrails

QUALITIES = (80, 65, 50, 35, 20)


@dataclass(frozen=True)
class PreviewOptions:
    """width: of the animation, in pixels. step: of the drawn frames. trail: length in frames."""

    width: int = 480
    step: int = 2
    trail: int = 30


def track_frames(
    frames: Iterable[Frame], predictor: Predictor, tracker: JointTracker, *, filters: OutputFilters
) -> Iterator[tuple[Frame, Tracks]]:
    """Yield each frame and the tracks to show in it."""
    for frame in frames:
        tracks = tracker.update(predictor(frame.image), frame_index=frame.index)
        yield frame, apply_filters(frame.index, tracks, filters).tracks


def draw_frames(tracked: Iterable[tuple[Frame, Tracks]], options: PreviewOptions) -> Iterator[ImageArray]:
    """Yield the drawn frames, (H, W, 3) RGB uint8, of width `options.width`."""
    trails = FootTrails(options.trail)
    for index, (frame, tracks) in enumerate(tracked):
        scale = options.width / frame.image_hw[1]
        boxes_tlwh: FloatArray = tracks.boxes_tlwh * scale
        shown = trails.update(tracks.ids, boxes_tlwh)
        if index % options.step == 0:
            size = (options.width, round(frame.image_hw[0] * scale))
            image = cv2.resize(frame.image, size, interpolation=cv2.INTER_AREA)
            yield draw_tracks(image.astype("uint8"), boxes_tlwh, tracks.ids, trails=shown)


def encode_animation(images: Sequence[ImageArray], *, frame_rate: float, kilobytes: int) -> tuple[bytes, int]:
    """Return a looping WebP and its quality, the best of QUALITIES that keeps it below `kilobytes` (of 1000).

    Raises InputError if none does.
    """
    first, *others = (Image.fromarray(image) for image in images)
    for quality in QUALITIES:
        file = io.BytesIO()
        settings = {"duration": round(1000 / frame_rate), "loop": 0, "quality": quality, "method": 4}
        first.save(file, "WEBP", save_all=True, append_images=others, **settings)
        if file.tell() < 1000 * kilobytes:
            return file.getvalue(), quality
    raise InputError(
        f"--kilobytes {kilobytes}: {len(images)} frames do not fit; reduce their number (--step, --last) or --width"
    )


def make_preview(arguments: argparse.Namespace) -> str:
    """Track, draw and write; return a summary line."""
    if min(arguments.first, arguments.step) < 1 or arguments.last < arguments.first or arguments.width < 16:
        raise InputError("--first and --step must be at least 1, --last at least --first, --width at least 16")
    cfg = load_cfg(arguments.config, arguments.overrides)
    options = PreviewOptions(width=arguments.width, step=arguments.step)
    predictor = load_predictor(arguments.weights, arguments.overrides, config=arguments.config, device=cfg.DEVICE)
    indices = range(arguments.first - 1, arguments.last)
    with open_frames(find_sources(arguments.input)[0], indices=indices) as source:
        tracker = build_tracker(cfg, frame_rate=source.frame_rate)
        tracked = track_frames(source, predictor, tracker, filters=build_filters(cfg))
        images = list(draw_frames(tracked, options))
    rate = source.frame_rate / options.step
    data, quality = encode_animation(images, frame_rate=rate, kilobytes=arguments.kilobytes)
    with atomic_write(arguments.output) as temporary:
        temporary.write_bytes(data)
    size = f"{images[0].shape[1]}x{images[0].shape[0]}"
    return f"{arguments.output}: {len(images)} frames of {size}, {len(data)} bytes, quality {quality}"


def parse(given: Sequence[str] | None) -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(description="Make the animation of docs/tracking.md.")
    parser.add_argument("--config", type=Path, required=True, help="YAML file")
    parser.add_argument("--weights", required=True, help="checkpoint of a trained network")
    parser.add_argument("--input", required=True, help="a sequence, or a folder of sequences (the first is used)")
    parser.add_argument("--output", type=Path, required=True, help="file to write (.webp)")
    parser.add_argument("--first", type=int, default=1, help="first frame")
    parser.add_argument("--last", type=int, default=150, help="last frame")
    parser.add_argument("--step", type=int, default=2, help="draw every STEP-th frame")
    parser.add_argument("--width", type=int, default=480, help="pixels")
    parser.add_argument("--kilobytes", type=int, default=1200, help="largest size")
    parser.add_argument("overrides", nargs="*", metavar="KEY VALUE", help="configuration overrides")
    return parser.parse_args(given)


def main(given: Sequence[str] | None = None) -> int:
    """Run the script."""
    try:
        print(make_preview(parse(given)))
    except InputError as error:
        print(f"tracking_preview: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
