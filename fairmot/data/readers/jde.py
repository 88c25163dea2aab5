"""Reader of data sets prepared for JDE and FairMOT: Caltech, CityPersons, CUHK-SYSU, PRW, ETHZ, and MOT sets.

A list names the images, and `labels_with_ids` mirrors `images`: the labels of A/images/x/1.jpg are in
A/labels_with_ids/x/1.txt. Identities are unique over the full set.
"""

from dataclasses import dataclass
from pathlib import Path

from fairmot.data.readers.base import ReadPlan, Source
from fairmot.data.readers.paths import (
    files_with,
    named_label_file,
    only_file,
    read_class_names,
    read_image_list,
    starts_with_image,
    subfolders_of,
    walk_folders,
    walk_images,
)
from fairmot.data.readers.text_labels import (
    IMAGES,
    TextUnit,
    find_label_folders,
    image_folders,
    label_folder,
    lists_labelled_images,
    plan_text_labels,
    read_text_labels,
)
from fairmot.formats.text_labels import parse_jde
from fairmot.structures.annotations import Annotations
from fairmot.utils.errors import InputError

LABELS = "labels_with_ids"
LIST_SUFFIXES = (".train", ".val", ".test", ".all", ".half", ".txt")


def matches(root: Path) -> bool:
    """Whether `root` is a list of images with such labels, or has `labels_with_ids` in it or up to two levels below."""
    if root.is_file():
        return lists_labelled_images(root, LABELS)
    below = [folder for folder in subfolders_of(root) if folder.name not in (IMAGES, LABELS)]
    deeper = (inner for folder in below[:20] for inner in subfolders_of(folder, most=20))
    return any((folder / LABELS).is_dir() for folder in (root, *below, *deeper))


@dataclass(frozen=True)
class JDEReader:
    """Boxes in fractions of the image's sides; without a classes.txt, class 0 is "person", others their number."""

    source: Source
    is_normalised: bool = True

    @property
    def image_root(self) -> Path:
        """The folder that the list's images are relative to."""
        return self.source.folder / self.source.images

    def plan(self) -> ReadPlan:
        """List the images; InputError: no list and no folder, several lists, a misplaced image, no labels."""
        image_list = self._find_list()
        walked: list[Path] = []
        if image_list is None:
            images, walked = self._walk()
        else:
            images = read_image_list(image_list)
            self._check_list(image_list, images)
        label_folders = find_label_folders(image_folders(self.image_root, images), LABELS)
        names, names_file = read_class_names(self.source.folder)
        lists = [*([image_list] if image_list else []), *names_file]
        return plan_text_labels(images, label_folders, walked=walked, lists=lists, class_names=names)

    def read(self, unit: TextUnit) -> Annotations:
        """Read the label files of some images; an image without one is background."""
        root = self.image_root
        return read_text_labels(unit, root=root, folder_name=LABELS, parse=parse_jde, class_zero="person")

    def _find_list(self) -> Path | None:
        """Return the list of images; None without a list, or where IMAGES alone selects the images."""
        named = named_label_file(self.source)
        if named is not None or self.source.images:
            return named
        root = self.source.root
        lists = [path for suffix in LIST_SUFFIXES for path in files_with(root, suffix, starts_with_image)]
        return only_file(lists, root)

    def _check_list(self, image_list: Path, images: list[str]) -> None:
        """Raise InputError if the first image does not exist, or one has no folder `images` in its path."""
        if not (self.image_root / images[0]).exists():
            hint = "ROOT (or IMAGES) is what the list starts from"
            raise InputError(f"{image_list}: {images[0]} is not in {self.image_root}; {hint}")
        for folder in image_folders(self.image_root, images):
            if label_folder(folder, LABELS) is None:
                raise InputError(f"{image_list}: its images in {folder} are below no folder called {IMAGES}")

    def _walk(self) -> tuple[list[str], list[Path]]:
        """Return the images of all folders `images` with labels next to them, and the folders that were searched."""
        root = self.image_root
        tops: list[Path] = [root]
        walked: list[Path] = []
        if label_folder(str(root), LABELS) is None:
            tops = []
            for folder, names, _ in walk_folders(root):
                walked.append(Path(folder))
                if IMAGES in names and LABELS in names:
                    tops.append(Path(folder) / IMAGES)
                names[:] = [name for name in names if name not in (IMAGES, LABELS)]
        images: list[str] = []
        for top in tops:
            found, folders = walk_images(root, top)
            images += found
            walked += folders
        if not images:
            raise InputError(f"{root}: neither a list of images nor a folder {IMAGES} with {LABELS} next to it")
        return images, walked
