from pathlib import Path

import cv2
import numpy as np
import pytest
from helpers.raw_labels import make_raw

from fairmot.data.inspection.findings import ERROR, WARNING, Check, Finding
from fairmot.data.inspection.image_checks import InspectedDataset, check_images, check_leaks
from fairmot.data.inspection.image_survey import ImageSurvey, survey_images
from fairmot.data.inspection.raw_labels import RawLabels
from fairmot.geometry.arrays import ImageArray

HW = (100, 200)


def make_image(seed: int, image_hw: tuple[int, int] = HW) -> ImageArray:
    values = np.random.default_rng(seed).integers(0, 256, (12, 16, 3), dtype=np.uint8)
    return cv2.resize(values, image_hw[::-1], interpolation=cv2.INTER_CUBIC)


def write(path: Path, image: ImageArray, *, quality: int = 95) -> Path:
    cv2.imwrite(str(path), image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return path


def survey_of(paths: list[Path], *, frames: list[int] | None = None, decode: str = "all", **more) -> InspectedDataset:
    raw: RawLabels = make_raw([(0, 1, 5, 5, 9, 20)], images=[str(path) for path in paths], frames=frames, **more)
    return InspectedDataset(raw, survey_images(paths, decode=decode))


def checks_of(found: list[Finding]) -> list[tuple[str, str]]:
    return [(finding.severity, finding.check) for finding in found]


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    return [write(tmp_path / f"{seed:06d}.jpg", make_image(seed)) for seed in range(1, 5)]


def test_valid_images_have_no_finding(paths: list[Path]) -> None:
    assert check_images(survey_of(paths)) == []


def test_missing_image_is_an_error(paths: list[Path]) -> None:
    paths[2].unlink()
    (finding,) = check_images(survey_of(paths))
    assert (finding.severity, finding.check, finding.where) == (ERROR, Check.MISSING, str(paths[2]))


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
@pytest.mark.parametrize("fraction", [0.0, 0.1, 0.6, 0.97])
def test_truncated_image_is_an_error(paths: list[Path], tmp_path: Path, suffix: str, fraction: float) -> None:
    broken = write(tmp_path / f"9{suffix}", make_image(9))
    data = broken.read_bytes()
    broken.write_bytes(data[: int(fraction * len(data))])
    found = check_images(survey_of([*paths, broken]))
    assert checks_of(found) == [(ERROR, Check.BROKEN)]
    assert found[0].where == str(broken)


def test_size_other_than_stated_is_an_error(paths: list[Path]) -> None:
    for frames in (None, [0] * 4):
        found = check_images(survey_of(paths, frames=frames, stated_hw=(100, 210)))
        assert set(checks_of(found)) == {(ERROR, Check.WRONG_SIZE)}
        assert sum(finding.count for finding in found) == 4
        assert "200x100 pixels, the labels state 210x100" in found[0].message


def test_frames_of_several_sizes_are_a_warning(paths: list[Path]) -> None:
    write(paths[1], make_image(7, (60, 80)))
    found = check_images(survey_of(paths, stated_hw=(0, 0)))
    assert checks_of(found) == [(WARNING, Check.MIXED_SIZES)]
    assert check_images(survey_of(paths, stated_hw=(0, 0), frames=[0] * 4)) == []


def test_equal_files_are_a_warning(paths: list[Path]) -> None:
    paths[3].write_bytes(paths[0].read_bytes())
    assert checks_of(check_images(survey_of(paths))) == [(WARNING, Check.SAME_CONTENT)]


@pytest.mark.parametrize("decode", ["all", "1"])
def test_copy_in_validation_is_an_error(paths: list[Path], tmp_path: Path, decode: str) -> None:
    copy = tmp_path / "copy.jpg"
    copy.write_bytes(paths[2].read_bytes())
    train, val = survey_of(paths[:3], decode=decode), survey_of([paths[3], copy], decode=decode)
    (finding,) = check_leaks([train], [val])
    assert (finding.severity, finding.check, finding.where) == (ERROR, Check.LEAK, str(copy))
    assert str(paths[2]) in finding.message
    assert check_leaks([train], [survey_of(paths[3:])]) == []


def test_shared_path_is_an_error_without_reading(paths: list[Path]) -> None:
    dataset = survey_of(paths, decode="none")
    assert checks_of(check_leaks([dataset], [dataset])) == [(ERROR, Check.LEAK)] * 4


@pytest.mark.parametrize("quality", [95, 80, 60])
def test_reencoded_or_resized_copy_is_a_warning(paths: list[Path], tmp_path: Path, quality: int) -> None:
    large = [write(path, make_image(seed, (432, 768))) for seed, path in enumerate(paths, 1)]
    other = cv2.resize(make_image(3, (432, 768)), (640, 360)) if quality < 80 else make_image(3, (432, 768))
    copy = write(tmp_path / "copy.jpg", other, quality=quality - 1)
    found = check_leaks([survey_of(large)], [survey_of([copy])])
    assert checks_of(found) == [(WARNING, Check.NEAR_LEAK)]
    assert str(paths[2]) in found[0].message


def test_moved_object_is_no_near_copy(paths: list[Path], tmp_path: Path) -> None:
    images = []
    for left in (20, 32):
        image = make_image(1)
        cv2.rectangle(image, (left, 30), (left + 10, 70), (255, 255, 255), -1)
        images.append(write(tmp_path / f"{left}.png", image))
    assert check_leaks([survey_of(images[:1])], [survey_of(images[1:])]) == []


def test_blank_images_are_no_near_copies(tmp_path: Path) -> None:
    black = [write(tmp_path / f"{n}.png", np.full((50 + n, 60, 3), 4, np.uint8)) for n in range(2)]
    assert check_leaks([survey_of(black[:1])], [survey_of(black[1:])]) == []


def test_decode_option_limits_decoded_images(paths: list[Path]) -> None:
    survey: ImageSurvey = survey_images(paths, decode="2")
    assert survey.has_thumb.tolist() == [True, False, False, True]
    assert survey.hw.tolist() == [list(HW)] * 4  # by their headers
    assert len(set(survey.digests)) == 4
    nothing = survey_images(paths, decode="none")
    assert not nothing.has_thumb.any()
    assert nothing.hw.tolist() == [[0, 0]] * 4


def test_processes_give_the_same_survey(tmp_path: Path) -> None:
    many = [write(tmp_path / f"{seed}.png", make_image(seed, (20, 30))) for seed in range(40)]
    many[7].write_bytes(b"")
    alone, together = (survey_images(many, processes=count) for count in (1, 2))
    assert alone.problems == together.problems == {7: "an empty file"}
    assert alone.digests == together.digests
    assert np.array_equal(alone.thumbs, together.thumbs)
