"""Checks of the image files of a data set, and of images that two data sets share. Legend: F images."""

from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
from scipy.spatial import cKDTree

from fairmot.data.inspection.findings import ERROR, WARNING, Check, Finding, list_findings
from fairmot.data.inspection.image_survey import MISSING, THUMB, ImageSurvey
from fairmot.data.inspection.raw_labels import RawLabels
from fairmot.geometry.arrays import FloatArray, IntArray

# Largest difference in grey levels between cells of two near copies' thumbnails. On frames of MOT17-02, -04 and -11
# copies at 2/3 of the size and JPEG quality 60 differ by 2 to 3, neighbouring frames at 30/s by 3 to 24.
MAX_DIFFERENCE = 3.0
MIN_CONTRAST = 8.0  # standard deviation in grey levels; thumbnails with less are not compared
_COARSE = 4  # side of the reduced thumbnails that are searched for candidates
_CHUNK = 1024


class InspectedDataset(NamedTuple):
    """Labels and images of a data set."""

    raw: RawLabels
    survey: ImageSurvey


def check_images(dataset: InspectedDataset) -> list[Finding]:
    """Run all checks of a data set's image files."""
    return [*_check_files(dataset), *_check_sizes(dataset), *_check_same_content(dataset)]


def _check_files(dataset: InspectedDataset) -> list[Finding]:
    """Check for missing and broken images."""
    problems = dataset.survey.problems

    def describe(image: int) -> tuple[str, str]:
        return str(dataset.raw.image_path(image)), problems[image]

    missing = [image for image, problem in problems.items() if problem == MISSING]
    broken = [image for image, problem in problems.items() if problem != MISSING]
    return [
        *list_findings(ERROR, Check.MISSING, missing, describe, name=dataset.raw.name),
        *list_findings(ERROR, Check.BROKEN, broken, describe, name=dataset.raw.name),
    ]


def _check_sizes(dataset: InspectedDataset) -> list[Finding]:
    """Check for sizes that differ from the labels', and for frames of one sequence that differ in size."""
    raw, labels, true_hw = dataset.raw, dataset.raw.labels, dataset.survey.hw
    is_known = np.asarray((true_hw > 0).all(axis=1))
    is_wrong = is_known & (labels.image_hw > 0).all(axis=1) & (true_hw != labels.image_hw).any(axis=1)

    def sizes(image: int) -> str:
        (height, width), (stated_height, stated_width) = true_hw[image], labels.image_hw[image]
        return f"{width}x{height} pixels, the labels state {stated_width}x{stated_height}"

    unnumbered = np.flatnonzero(np.asarray(is_wrong) & (labels.frames == 0))
    found = list_findings(
        ERROR, Check.WRONG_SIZE, unnumbered, lambda image: (str(raw.image_path(image)), sizes(image)), name=raw.name
    )
    for index, name in enumerate(labels.sequences):
        frames = np.flatnonzero((labels.sequence_of == index) & (labels.frames > 0))
        wrong = frames[is_wrong[frames]]
        if len(wrong):
            message = f"{sizes(wrong[0])} in {len(wrong)} of {len(frames)} frames"
            found.append(Finding(ERROR, Check.WRONG_SIZE, name or raw.name, message, len(wrong)))
        unique_hw, counts = np.unique(true_hw[frames[is_known[frames]]], axis=0, return_counts=True)
        if len(unique_hw) > 1:
            sizes_wh = [f"{width}x{height}" for height, width in unique_hw]
            message = ", ".join(f"{count} of {size}" for count, size in zip(counts, sizes_wh, strict=True))
            found.append(
                Finding(WARNING, Check.MIXED_SIZES, name or raw.name, message, int(counts.sum() - counts.max()))
            )
    return found


def _check_same_content(dataset: InspectedDataset) -> list[Finding]:
    """Check for identical files under two names."""
    raw, repeated = dataset.raw, set(dataset.raw.repeated_images().tolist())
    first_of: dict[bytes, int] = {}
    pairs: dict[int, int] = {}
    for image, digest in enumerate(dataset.survey.digests):
        if digest and image not in repeated and first_of.setdefault(digest, image) != image:
            pairs[image] = first_of[digest]
    return list_findings(
        WARNING,
        Check.SAME_CONTENT,
        list(pairs),
        lambda image: (str(raw.image_path(image)), f"the same as {raw.labels.images[pairs[image]]}"),
        name=raw.name,
    )


def check_shared(train: Sequence[InspectedDataset]) -> list[Finding]:
    """Check for image files, by path, in two training data sets; training refuses them."""
    keys = [{dataset.raw.image_key(image) for image in range(len(dataset.raw))} for dataset in train]
    found = []
    for first, second in combinations(range(len(train)), 2):
        shared = keys[first] & keys[second]
        if shared:
            message = f"{len(shared)} images are in both {train[first].raw.name} and {train[second].raw.name}"
            found.append(Finding(ERROR, Check.LISTED_TWICE, min(shared), message, len(shared)))
    return found


def check_leaks(train: Sequence[InspectedDataset], val: Sequence[InspectedDataset]) -> list[Finding]:
    """Check for training images in validation: by path, content or thumbnail."""
    return [finding for one in train for other in val for finding in _check_leak(one, other)]


def _check_leak(train: InspectedDataset, val: InspectedDataset) -> list[Finding]:
    same = _equal_images(train, val)
    near = {image: other for image, other in _near_copies(train.survey, val.survey).items() if image not in same}

    def list_pairs(pairs: dict[int, int], severity: str, check: Check, verb: str) -> list[Finding]:
        def describe(image: int) -> tuple[str, str]:
            return str(val.raw.image_path(image)), f"{verb} {train.raw.image_path(pairs[image])}"

        return list_findings(severity, check, sorted(pairs), describe, name=f"{train.raw.name} and {val.raw.name}")

    return [*list_pairs(same, ERROR, Check.LEAK, "is"), *list_pairs(near, WARNING, Check.NEAR_LEAK, "resembles")]


def _equal_images(train: InspectedDataset, val: InspectedDataset) -> dict[int, int]:
    """Return image of `val` -> equal image of `train`."""
    by_path = {train.raw.image_key(image): image for image in range(len(train.raw))}
    by_content = {digest: image for image, digest in enumerate(train.survey.digests) if digest}
    pairs = {
        image: by_path.get(val.raw.image_key(image), by_content.get(digest, -1))
        for image, digest in enumerate(val.survey.digests)
    }
    return {image: other for image, other in pairs.items() if other >= 0}


def _near_copies(train: ImageSurvey, val: ImageSurvey) -> dict[int, int]:
    """Return image of `val` -> nearest image of `train` with a maximum thumbnail difference of MAX_DIFFERENCE."""
    val_images, train_images = _comparable(val), _comparable(train)
    if not len(val_images) or not len(train_images):
        return {}
    tree = cKDTree(_reduce(train, train_images))
    pairs = {}
    for start in range(0, len(val_images), _CHUNK):
        chunk = val_images[start : start + _CHUNK]
        candidates_of = tree.query_ball_point(_reduce(val, chunk), MAX_DIFFERENCE, p=np.inf)
        for image, candidates in zip(chunk.tolist(), candidates_of, strict=True):
            others = train_images[np.array(candidates, dtype=np.int64)]
            difference = np.abs(train.thumbs[others].astype(np.int16) - val.thumbs[image].astype(np.int16)).max(axis=1)
            if len(difference) and difference.min() <= MAX_DIFFERENCE:
                pairs[image] = int(others[difference.argmin()])
    return pairs


def _comparable(survey: ImageSurvey) -> IntArray:
    """Return the decoded images with sufficient contrast."""
    return np.flatnonzero(survey.has_thumb & (survey.thumbs.std(axis=1) > MIN_CONTRAST))


def _reduce(survey: ImageSurvey, images: IntArray) -> FloatArray:
    """Return (n, 16) means of the thumbnails' 4 x 4 parts; they differ at most as much as the thumbnails."""
    side = THUMB // _COARSE
    parts = survey.thumbs[images].reshape(-1, _COARSE, side, _COARSE, side)
    return np.asarray(parts.mean(axis=(2, 4)).reshape(len(images), -1))
