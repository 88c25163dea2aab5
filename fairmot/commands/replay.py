"""The tracker alone over a detection cache: `track.py --replay CACHE --output RESULT`."""

from pathlib import Path
from typing import Any

from fairmot.formats.detection_cache import read_cache
from fairmot.formats.motchallenge import write_results
from fairmot.tracking.build import build_filters, build_tracker
from fairmot.tracking.run import collect_tracks, track_sequence
from fairmot.utils.errors import InputError


def replay(cfg: Any, *, cache: Path, output: Path) -> Path:
    """Track the detections in `cache`, write a MOTChallenge result file to `output` atomically, and return `output`.

    The cache's frame rate scales TRACKER.BUFFER; of its embeddings the first PREDICT.REID_PREFIX values are used.
    Raises InputError when the cache cannot be read, its embeddings are shorter, or `output` is a folder.
    """
    if output.is_dir():
        raise InputError(f"{output}: is a folder; --replay writes one result file")
    detections = read_cache(cache)
    prefix, length = cfg.PREDICT.REID_PREFIX, detections.embeddings.shape[1]
    if prefix > length:
        raise InputError(f"{cache}: its embeddings have {length} values, fewer than PREDICT.REID_PREFIX = {prefix}")
    if prefix:
        detections = detections.cut_embeddings(prefix)
    tracker = build_tracker(cfg, frame_rate=detections.frame_rate)
    tracks = track_sequence(enumerate(detections.frames(), 1), tracker, filters=build_filters(cfg))
    result = collect_tracks(tracks, num_classes=cfg.MODEL.NUM_CLASSES)
    write_results(output, result.table)
    print(
        f"{output}: {len(result.table)} rows of {result.frames} frames; left out by the output filters: "
        f"{result.dropped_small} small (TRACKER.MIN_AREA), {result.dropped_wide} wide (TRACKER.MAX_ASPECT)"
    )
    return output
