from dataclasses import replace

import pytest

from fairmot.evaluation.sequences import add_results, read_ground_truth
from fairmot.formats.motchallenge import write_ground_truth, write_results, write_sequence_info
from fairmot.utils.errors import InputError


@pytest.fixture
def root(tmp_path, random_sequence):
    """gt/A, gt/B and results/A.txt, results/B.txt, 12 frames each."""
    for seed, name in enumerate(("A", "B")):
        scene = random_sequence(seed, name=name)
        write_sequence_info(replace(scene.info, root=tmp_path / "gt" / name))
        write_ground_truth(tmp_path / "gt" / name / "gt" / "gt.txt", scene.ground_truth)
        write_results(tmp_path / "results" / f"{name}.txt", scene.results)
    return tmp_path


def add_images(root, name, count):
    (root / "gt" / name / "img1").mkdir()
    for frame in range(1, count + 1):
        (root / "gt" / name / "img1" / f"{frame:06d}.jpg").touch()


def test_reads_all_sequences_or_one(root):
    both = add_results(read_ground_truth(root / "gt"), root / "results")
    assert [sequence.info.name for sequence in both.sequences] == ["A", "B"]
    assert all(len(sequence.results) for sequence in both.sequences)
    assert both.notes == ()
    one = add_results(read_ground_truth(root / "gt" / "B"), root / "results")
    assert [sequence.info.name for sequence in one.sequences] == ["B"]
    assert one.notes == (f"{root / 'results'}: no ground truth for A.txt; not scored",)


def test_results_are_named_by_folder_or_seqinfo(root):
    (root / "gt" / "A").rename(root / "gt" / "A-folder")
    assert len(add_results(read_ground_truth(root / "gt"), root / "results").sequences[0].results)
    (root / "results" / "A.txt").rename(root / "results" / "A-folder.txt")
    assert len(add_results(read_ground_truth(root / "gt"), root / "results").sequences[0].results)


@pytest.mark.parametrize(("images", "length"), [(0, 12), (5, 12), (12, 12), (15, 12)])
def test_length_is_covered_by_images_or_ground_truth(root, images, length):
    add_images(root, "A", images)
    assert read_ground_truth(root / "gt" / "A").sequences[0].info.length == length


def test_cut_sequence_is_scored_over_its_remaining_frames(root):
    info = read_ground_truth(root / "gt" / "A").sequences[0].info
    write_sequence_info(replace(info, length=600))
    assert read_ground_truth(root / "gt" / "A").sequences[0].info.length == 600
    add_images(root, "A", 14)
    cut = read_ground_truth(root / "gt" / "A")
    assert cut.sequences[0].info.length == 14
    assert cut.notes == ("A: scored over 14 of the 600 frames in seqinfo.ini",)


def test_missing_files(root):
    (root / "results" / "B.txt").unlink()
    with pytest.raises(InputError, match=r"results/B\.txt: no such result file; a sequence without results"):
        add_results(read_ground_truth(root / "gt"), root / "results")
    (root / "results" / "A.txt").unlink()
    with pytest.raises(InputError, match=r"results/A\.txt: no such result file \(2 of 2 are missing\)"):
        add_results(read_ground_truth(root / "gt"), root / "results")
    with pytest.raises(InputError, match="nowhere: no such folder of results"):
        add_results(read_ground_truth(root / "gt"), root / "nowhere")
    (root / "gt" / "A" / "gt" / "gt.txt").unlink()
    with pytest.raises(InputError, match=r"A/gt/gt\.txt: no such file"):
        read_ground_truth(root / "gt")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,1,0,0,9,9,1,-1,-1,-1\n\n1,1,5,5,9,9,1,-1,-1,-1\n", r"A\.txt:3: identity 1 is in frame 1 twice"),
        ("1,1,0,0,9,9,1\n13,1,0,0,9,9,1\n", r"A\.txt:2: frame 13 is beyond the sequence's 12 frames"),
        ("1,1,0,0,9,9,1\n2,1,0,zero,9,9,1\n", r"A\.txt:2: not a row of numbers"),
    ],
)
def test_wrong_lines_of_results_are_named(root, text, message):
    (root / "results" / "A.txt").write_text(text)
    with pytest.raises(InputError, match=message):
        add_results(read_ground_truth(root / "gt"), root / "results")


def test_invalid_ground_truth_lines_are_named(root):
    path = root / "gt" / "A" / "gt" / "gt.txt"
    path.write_text("1,1,0,0,9,9,1,1,1\n1,2,0,0,9,9,1,1,1\n1,1,0,0,9,9,1,1,1\n")
    with pytest.raises(InputError, match=r"gt\.txt:3: identity 1 is in frame 1 twice"):
        read_ground_truth(root / "gt")
