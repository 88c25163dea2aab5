"""What can be wrong with the images of a data set, and which images two data sets share. Legend: F images."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.spatial import cKDTree

from fairmot.data.inspection import findings as kinds
from fairmot.data.inspection.findings import ERROR, WARNING, Finding, list_findings
from fairmot.data.inspection.image_survey import THUMB, ImageSurvey
from fairmot.data.inspection.label_checks import images_again
from fairmot.data.inspection.raw_labels import RawLabels, image_key
from fairmot.geometry.arrays import BoolArray, FloatArray, IntArray

# Grey levels by which any of the 24 x 24 parts of two near copies may differ. On frames of MOT17-02, -04 and -11
# copies at 2/3 of the size and JPEG quality 60 differ by 2 to 3, neighbouring frames at 30/s by 3 to 24.
ALIKE = 3.0
CONTRAST = 8.0  # grey levels: pictures with less between their parts say nothing
_COARSE = 4  # parts a side by which candidates are found
_BLOCK = 1024


class Surveyed(NamedTuple):
    """A data set's labels and images."""

    raw: RawLabels
    survey: ImageSurvey


def check_images(one: Surveyed) -> list[Finding]:
    """Run all checks of a data set's image files."""
    return [*check_files(one), *check_sizes(one), *check_same_content(one)]


def check_files(one: Surveyed) -> list[Finding]:
    """Images that are not there or cannot be decoded."""

    def describe(image: int) -> tuple[str, str]:
        return str(one.raw.image_path(image)), one.survey.problems[image]

    missing = list_findings(ERROR, kinds.MISSING, one.survey.missing(), describe, name=one.raw.name)
    return missing + list_findings(ERROR, kinds.BROKEN, one.survey.broken(), describe, name=one.raw.name)


def check_sizes(one: Surveyed) -> list[Finding]:
    """Images of another size than the labels state; frames of one sequence that differ in size."""
    raw, true_hw = one.raw, one.survey.hw
    known: BoolArray = np.asarray((true_hw > 0).all(axis=1))
    wrong = known & (raw.image_hw > 0).all(axis=1) & (true_hw != raw.image_hw).any(axis=1)
    stills = np.flatnonzero(np.asarray(wrong) & (raw.frames == 0))
    found = list_findings(
        ERROR,
        kinds.SIZE,
        stills,
        lambda image: (str(raw.image_path(image)), _sizes(true_hw[image], raw.image_hw[image])),
        name=raw.name,
    )
    for place, name in enumerate(raw.sequences):
        inside = np.flatnonzero((raw.sequence_of == place) & (raw.frames > 0))
        bad = inside[wrong[inside]]
        if len(bad):
            message = f"{_sizes(true_hw[bad[0]], raw.image_hw[bad[0]])} in {len(bad)} of {len(inside)} frames"
            found.append(Finding(ERROR, kinds.SIZE, name or raw.name, message, len(bad)))
        found += _mixed(name or raw.name, true_hw[inside[known[inside]]])
    return found


def _sizes(true_hw: IntArray, stated_hw: IntArray) -> str:
    return f"{true_hw[1]}x{true_hw[0]} pixels, the labels say {stated_hw[1]}x{stated_hw[0]}"


def _mixed(name: str, sizes_hw: IntArray) -> list[Finding]:
    sizes, counts = np.unique(sizes_hw, axis=0, return_counts=True)
    if len(sizes) < 2:
        return []
    shown = ", ".join(f"{count} of {width}x{height}" for (height, width), count in zip(sizes, counts, strict=True))
    return [Finding(WARNING, kinds.MIXED, name, shown, int(counts.sum() - counts.max()))]


def check_same_content(one: Surveyed) -> list[Finding]:
    """The same bytes under two names of a data set."""
    again = set(images_again(one.raw).tolist())
    first_of: dict[bytes, int] = {}
    pairs: dict[int, int] = {}
    for image, digest in enumerate(one.survey.digests):
        if digest and image not in again and first_of.setdefault(digest, image) != image:
            pairs[image] = first_of[digest]

    def describe(image: int) -> tuple[str, str]:
        return str(one.raw.image_path(image)), f"the same as {one.raw.images[pairs[image]]}"

    return list_findings(WARNING, kinds.SAME_CONTENT, list(pairs), describe, name=one.raw.name)


def check_leaks(train: Sequence[Surveyed], val: Sequence[Surveyed]) -> list[Finding]:
    """Images to validate on that are images to train on: by path, by content, or by how they look."""
    return [finding for one in train for other in val for finding in _leak(one, other)]


def check_shared(train: Sequence[Surveyed]) -> list[Finding]:
    """Image files, by path, that two data sets to train on have in common: a training refuses them."""
    keys = [{image_key(one.raw, image) for image in range(len(one.raw))} for one in train]
    found = []
    for place, one in enumerate(train):
        for other in range(place + 1, len(train)):
            shared = keys[place] & keys[other]
            if shared:
                message = f"{len(shared)} images are in both {one.raw.name} and {train[other].raw.name}"
                found.append(Finding(ERROR, kinds.LISTED_TWICE, min(shared), message, len(shared)))
    return found


def _leak(train: Surveyed, val: Surveyed) -> list[Finding]:
    same = _equal_images(train, val)
    name = f"{train.raw.name} and {val.raw.name}"

    def tell(pairs: dict[int, int], severity: str, check: str, verb: str) -> list[Finding]:
        def describe(image: int) -> tuple[str, str]:
            return str(val.raw.image_path(image)), f"{verb} {train.raw.image_path(pairs[image])}"

        return list_findings(severity, check, sorted(pairs), describe, name=name)

    found = tell(same, ERROR, kinds.LEAK, "is")
    near = {image: other for image, other in _near_copies(train.survey, val.survey).items() if image not in same}
    return found + tell(near, WARNING, kinds.NEAR_LEAK, "looks like")


def _equal_images(train: Surveyed, val: Surveyed) -> dict[int, int]:
    """Return, for images of `val`, the place of an equal one in `train`."""
    by_path = {image_key(train.raw, image): image for image in range(len(train.raw))}
    by_content = {digest: image for image, digest in enumerate(train.survey.digests) if digest}
    pairs = {}
    for image, digest in enumerate(val.survey.digests):
        place = by_path.get(image_key(val.raw, image), by_content.get(digest, -1))
        if place >= 0:
            pairs[image] = place
    return pairs


def _near_copies(train: ImageSurvey, val: ImageSurvey) -> dict[int, int]:
    """Return, for images of `val`, the place of one in `train` that no part of the thumbnail tells apart."""
    ours, theirs = _telling(val), _telling(train)
    if not len(ours) or not len(theirs):
        return {}
    tree = cKDTree(_coarse(train, theirs))
    pairs = {}
    for start in range(0, len(ours), _BLOCK):
        block = ours[start : start + _BLOCK]
        near = tree.query_ball_point(_coarse(val, block), ALIKE, p=np.inf)
        for image, candidates in zip(block.tolist(), near, strict=True):
            places = theirs[np.array(candidates, dtype=np.int64)]
            apart = np.abs(train.thumbs[places].astype(np.int16) - val.thumbs[image].astype(np.int16)).max(axis=1)
            if len(apart) and apart.min() <= ALIKE:
                pairs[image] = int(places[apart.argmin()])
    return pairs


def _telling(survey: ImageSurvey) -> IntArray:
    """Return the places of decoded images that show something."""
    return np.flatnonzero(survey.has_thumb & (survey.thumbs.std(axis=1) > CONTRAST))


def _coarse(survey: ImageSurvey, places: IntArray) -> FloatArray:
    """Return (n, 16) means of 4 x 4 parts: two near copies differ no more in any of them."""
    side = THUMB // _COARSE
    parts = survey.thumbs[places].reshape(-1, _COARSE, side, _COARSE, side)
    return np.asarray(parts.mean(axis=(2, 4)).reshape(len(places), -1))
