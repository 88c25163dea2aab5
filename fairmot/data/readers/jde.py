"""Folders as prepared for JDE and FairMOT: Caltech, CityPersons, CUHK-SYSU, PRW, ETHZ, and MOT sets.

A list names the images, and `labels_with_ids` mirrors `images`: the labels of A/images/x/1.jpg are in
A/labels_with_ids/x/1.txt. Identities are one space over the whole set.
"""

from dataclasses import dataclass
from pathlib import Path

from fairmot.data.readers.base import ReadPlan, Source
from fairmot.data.readers.paths import (
    existing,
    files_with,
    first_line,
    folder_of,
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
    block_of_text,
    image_folders,
    label_folder,
    label_tree,
    name_classes,
    read_text_labels,
    require_label_trees,
    split_images,
)
from fairmot.formats.text_labels import parse_jde
from fairmot.structures.annotations import Annotations
from fairmot.utils.errors import InputError

LABELS = "labels_with_ids"
LIST_SUFFIXES = (".train", ".val", ".test", ".all", ".half", ".txt")


def recognises(root: Path) -> bool:
    """Whether `root` is a list of images with such labels, or has `labels_with_ids` in it or up to two levels below."""
    if root.is_file():
        image = root.parent / first_line(root)
        tree = label_tree(str(image.parent), LABELS) if starts_with_image(root) else None
        return tree is not None and tree.is_dir()
    below = [folder for folder in subfolders_of(root) if folder.name not in (IMAGES, LABELS)]
    deeper = (inner for folder in below[:20] for inner in subfolders_of(folder, most=20))
    return any((folder / LABELS).is_dir() for folder in (root, *below, *deeper))


@dataclass(frozen=True)
class JDEReader:
    """Boxes in shares of the image's sides; class 0 is "person", others their number, unless classes.txt names them."""

    source: Source
    is_normalised: bool = True

    @property
    def image_root(self) -> Path:
        """The folder that the list's images start from."""
        return folder_of(self.source) / self.source.images

    def plan(self) -> ReadPlan:
        """List the images; InputError: no list and no folder, several lists, an image out of place, no labels."""
        image_list = self._find_list()
        lists = () if image_list is None else (image_list,)
        if image_list is None:
            images, walked = self._walk()
        else:
            images, walked = read_image_list(image_list), []
            self._require_places(image_list, images)
        folders = image_folders(self.image_root, images)
        require_label_trees(folders, LABELS)
        names, names_file = read_class_names(folder_of(self.source))
        mirrored = [Path(place) for folder in folders if (place := label_folder(folder, LABELS))]
        return ReadPlan(
            units=split_images(images, class_names=names),
            lists=(*lists, *names_file),
            folders=existing([*walked, *map(Path, folders), *mirrored]),
        )

    def read(self, unit: TextUnit) -> Annotations:
        """Read the label files of some images; an image without one is background, its place in `label_files` ""."""
        labels, files = read_text_labels(unit.images, root=self.image_root, folder_name=LABELS, parse=parse_jde)
        return block_of_text(unit, labels, files, classes=name_classes(labels, files, unit.class_names, first="person"))

    def _find_list(self) -> Path | None:
        """Return the list of images, None where there is none, or where IMAGES alone says what to take."""
        root = self.source.root
        if self.source.labels:
            path = folder_of(self.source) / self.source.labels
            if not path.is_file():
                raise InputError(f"{path}: no such list of images (LABELS of {self.source.name or root})")
            return path
        if root.is_file():
            return root
        if not root.is_dir():
            raise InputError(f"{root}: no such file or folder")
        if self.source.images:
            return None
        found = [path for suffix in LIST_SUFFIXES for path in files_with(root, suffix, starts_with_image)]
        if len(found) > 1:
            raise InputError(f"{root}: several lists ({', '.join(p.name for p in found[:8])}); name one with LABELS")
        return found[0] if found else None

    def _require_places(self, image_list: Path, images: list[str]) -> None:
        """The first image tells whether the list starts from here; and each needs a folder `images` above it."""
        if not (self.image_root / images[0]).exists():
            raise InputError(
                f"{image_list}: {images[0]} is not in {self.image_root}; ROOT (or IMAGES) is what the list starts from"
            )
        for folder in image_folders(self.image_root, images):
            if label_folder(folder, LABELS) is None:
                raise InputError(f"{image_list}: its images in {folder} lie below no folder called {IMAGES}")

    def _walk(self) -> tuple[list[str], list[Path]]:
        """Return the images of all folders `images` that have labels beside them, and the folders seen."""
        root = self.image_root
        if label_folder(str(root), LABELS) is not None:
            tops: list[Path] = [root]
            seen: list[Path] = []
        else:
            tops, seen = _find_tops(root)
        images: list[str] = []
        for top in tops:
            found, folders = walk_images(root, top)
            images += found
            seen += folders
        if not images:
            raise InputError(f"{root}: neither a list of images nor a folder {IMAGES} with {LABELS} beside it")
        return images, seen


def _find_tops(root: Path) -> tuple[list[Path], list[Path]]:
    """Return the folders `images` that have labels beside them, by name, and the folders that were looked into."""
    tops: list[Path] = []
    seen: list[Path] = []
    for folder, names, _ in walk_folders(root):
        seen.append(Path(folder))
        if IMAGES in names and LABELS in names:
            tops.append(Path(folder) / IMAGES)
        names[:] = [name for name in names if name not in (IMAGES, LABELS)]
    return tops, seen
