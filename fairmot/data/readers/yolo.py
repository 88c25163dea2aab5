"""YOLO folders: Ultralytics' data.yaml, Roboflow's train/images, and plain images/ and labels/.

`labels` mirrors `images`: the labels of A/images/train/1.jpg are in A/labels/train/1.txt; where no folder is called
`images`, they lie beside the images (darknet).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from fairmot.data.readers.base import ReadPlan, Source
from fairmot.data.readers.paths import (
    existing,
    files_with,
    first_line,
    folder_of,
    read_class_names,
    read_image_list,
    relative_to,
    starts_with_image,
    subfolders_of,
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
from fairmot.formats.text_labels import parse_yolo
from fairmot.formats.yolo_yaml import DataYaml, is_data_yaml, read_data_yaml
from fairmot.structures.annotations import Annotations
from fairmot.utils.errors import InputError

LABELS = "labels"
YAMLS = (".yaml", ".yml")
TRAIN = "train"
_OTHER_NAMES = {"val": "valid", "valid": "val"}  # Roboflow's folder is `valid`, Ultralytics' key `val`


def recognises(root: Path) -> bool:
    """Whether `root` is a data.yaml or a list of images with such labels, or a folder with one or with such folders."""
    if root.is_file():
        return is_data_yaml(root) if root.suffix in YAMLS else _is_list(root)
    if any(files_with(root, suffix, is_data_yaml) for suffix in YAMLS):
        return True
    return any(
        (place / IMAGES).is_dir() and (place / LABELS).is_dir() for place in (root, *subfolders_of(root, most=20))
    )


def _is_list(path: Path) -> bool:
    image = path.parent / first_line(path)
    tree = label_tree(str(image.parent), LABELS) if starts_with_image(path) else None
    return tree is not None and tree.is_dir()


@dataclass(frozen=True)
class YOLOReader:
    """Boxes in shares of the image's sides; classes by the names of data.yaml or classes.txt, else by number."""

    source: Source
    is_normalised: bool = True

    @property
    def image_root(self) -> Path:
        """The data set's folder; images elsewhere, as data.yaml may have them, are absolute."""
        return folder_of(self.source)

    def plan(self) -> ReadPlan:
        """List the images of the part that LABELS names (train); InputError: no such part, folder or labels."""
        described = self._find_yaml()
        places = self._places(described)
        images, walked, lists = self._list_images(places)
        folders = image_folders(self.image_root, images)
        _require_labels(folders)
        mirrored = [Path(label_folder(folder, LABELS) or folder) for folder in folders]
        names, names_file = ((), ()) if described and described.class_names else self._class_names(folders)
        return ReadPlan(
            units=split_images(
                images,
                class_names=described.class_names if described and described.class_names else names,
                keypoint_values=described.keypoint_values if described else 0,
            ),
            lists=(*([described.path] if described else []), *lists, *names_file),
            folders=existing([*walked, *map(Path, folders), *mirrored]),
        )

    def read(self, unit: TextUnit) -> Annotations:
        """Read the label files of some images; an image without one is background, its place in `label_files` ""."""
        parse = partial(parse_yolo, keypoint_values=unit.keypoint_values)
        labels, files = read_text_labels(unit.images, root=self.image_root, folder_name=LABELS, parse=parse)
        return block_of_text(unit, labels, files, classes=name_classes(labels, files, unit.class_names))

    def _find_yaml(self) -> DataYaml | None:
        root = self.source.root
        if root.is_file():
            return read_data_yaml(root) if root.suffix in YAMLS else None
        if not root.is_dir():
            raise InputError(f"{root}: no such file or folder")
        if (root / "data.yaml").is_file():
            return read_data_yaml(root / "data.yaml")
        found = [path for suffix in YAMLS for path in files_with(root, suffix, is_data_yaml)]
        if len(found) > 1:
            shown = ", ".join(path.name for path in found)
            raise InputError(f"{root}: several YAML files name a data set ({shown}); give one of them as ROOT")
        return read_data_yaml(found[0]) if found else None

    def _places(self, described: DataYaml | None) -> list[Path]:
        """Return the folders and lists of the wanted part."""
        root = folder_of(self.source)
        if self.source.images:
            return [_require(root / self.source.images, "IMAGES")]
        if described is None or not described.parts:
            return [self._place_without_yaml()]
        part = self.source.labels or TRAIN
        if part not in described.parts:
            raise InputError(f"{described.path}: no part {part!r} (LABELS); it has {', '.join(described.parts)}")
        return [_resolve(described, text, part) for text in described.parts[part]]

    def _place_without_yaml(self) -> Path:
        root, part = self.source.root, self.source.labels
        if root.is_file():
            return root
        wanted = [part, _OTHER_NAMES.get(part, part)] if part else [TRAIN]
        for name in wanted:
            for place in (root / IMAGES / name, root / name / IMAGES, root / name, root / f"{name}.txt"):
                if place.is_dir() or (place.is_file() and starts_with_image(place)):
                    return place
        if part:
            raise InputError(f"{root}: no part {part!r} (LABELS): neither {IMAGES}/{part} nor {part}/{IMAGES}")
        return root / IMAGES if (root / IMAGES).is_dir() else root

    def _list_images(self, places: Iterable[Path]) -> tuple[list[str], list[Path], list[Path]]:
        """Return the images, the folders that were walked, and the lists that were read."""
        images: list[str] = []
        walked: list[Path] = []
        lists: list[Path] = []
        for place in places:
            if place.is_file():
                lists.append(place)
                images += self._listed(place)
            else:
                found, folders = walk_images(self.image_root, place)
                if not found:
                    raise InputError(f"{place}: no images in this folder")
                images += found
                walked += folders
        return images, walked, lists

    def _listed(self, image_list: Path) -> list[str]:
        """Return the images of a list, whose relative names start from the list's folder, or from the root's."""
        names = read_image_list(image_list)
        tops = list(dict.fromkeys((image_list.parent, self.image_root)))
        top = next((top for top in tops if (top / names[0]).exists()), None)
        if top is None:
            raise InputError(f"{image_list}: {names[0]} is not in {' or '.join(map(str, tops))}")
        prefix = relative_to(top, self.image_root)
        return [name if name.startswith("/") else prefix + name for name in names]

    def _class_names(self, folders: Iterable[str]) -> tuple[tuple[str, ...], tuple[Path, ...]]:
        """Return the names of a classes.txt in the root or with the labels, as labelImg writes it."""
        trees = {label_tree(folder, LABELS): Path(label_folder(folder, LABELS) or folder) for folder in folders}
        places = (place for tree, first in trees.items() for place in (tree, first) if place is not None)
        return read_class_names(self.image_root, self.image_root / LABELS, *places)


def _resolve(described: DataYaml, text: str, part: str) -> Path:
    """Return the folder or list that data.yaml means.

    Its `path` counts from the file's folder where that is there, else nothing is made of it: data sets move. Roboflow
    writes ../train/images for train/images.
    """
    own = described.path.parent
    base = own / described.base
    starts = [base, own] if base.is_dir() else [own]
    candidates = [start / name for name in (text, text.removeprefix("../")) for start in starts]
    found = next((place for place in candidates if place.exists()), None)
    if found is None:
        raise InputError(f"{described.path}: {part}: {text}: no such folder or list in {starts[0]}")
    return found


def _require(place: Path, key: str) -> Path:
    if not place.exists():
        raise InputError(f"{place}: no such folder or list ({key})")
    return place


def _require_labels(folders: list[str]) -> None:
    """Raise InputError where there is no folder of labels or, with labels beside the images, no label at all."""
    require_label_trees(folders, LABELS)
    alone = [Path(folder) for folder in folders if label_folder(folder, LABELS) is None]
    if alone and not any(files_with(folder, ".txt") for folder in alone):
        raise InputError(
            f"{alone[0]}: no label files: neither beside the images, nor is a folder above called {IMAGES}"
        )
