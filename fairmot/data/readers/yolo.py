"""Reader of YOLO data sets: Ultralytics' data.yaml, Roboflow's train/images, and plain images/ and labels/.

`labels` mirrors `images`: the labels of A/images/train/1.jpg are in A/labels/train/1.txt; without a folder called
`images` in their path, they are next to the images (darknet).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from fairmot.data.readers.base import ReadPlan, Source
from fairmot.data.readers.paths import (
    files_with,
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
    find_label_folders,
    image_folders,
    label_tree,
    lists_labelled_images,
    plan_text_labels,
    read_text_labels,
)
from fairmot.formats.text_labels import parse_yolo
from fairmot.formats.yolo_yaml import DataYaml, is_data_yaml, read_data_yaml
from fairmot.structures.annotations import Annotations
from fairmot.utils.errors import InputError

LABELS = "labels"
YAMLS = (".yaml", ".yml")
TRAIN = "train"
_OTHER_NAMES = {"val": "valid", "valid": "val"}  # Roboflow's folder is `valid`, Ultralytics' key `val`


def matches(root: Path) -> bool:
    """Whether `root` is a data.yaml or a list of images with such labels, or a folder with one or with such folders."""
    if root.is_file():
        return is_data_yaml(root) if root.suffix in YAMLS else lists_labelled_images(root, LABELS)
    if any(files_with(root, suffix, is_data_yaml) for suffix in YAMLS):
        return True
    folders = (root, *subfolders_of(root, most=20))
    return any((folder / IMAGES).is_dir() and (folder / LABELS).is_dir() for folder in folders)


@dataclass(frozen=True)
class YOLOReader:
    """Boxes in fractions of the image's sides; classes by the names of data.yaml or classes.txt, else by number."""

    source: Source
    is_normalised: bool = True

    @property
    def image_root(self) -> Path:
        """The data set's folder; images elsewhere, as data.yaml may have them, are absolute."""
        return self.source.folder

    def plan(self) -> ReadPlan:
        """List the images of the part that LABELS names (train); InputError: no such part, folder or labels."""
        data_yaml = self._find_yaml()
        images, walked, lists = self._list_images(self._image_sources(data_yaml))
        label_folders = find_label_folders(image_folders(self.image_root, images), LABELS)
        names = data_yaml.class_names if data_yaml else ()
        names_file: tuple[Path, ...] = ()
        if not names:  # a classes.txt in the root or with the labels, as labelImg writes it
            trees = {label_tree(folder, LABELS): Path(labels) for folder, labels in label_folders.items()}
            folders = (folder for tree, labels in trees.items() for folder in (tree, labels) if folder is not None)
            names, names_file = read_class_names(self.image_root, self.image_root / LABELS, *folders)
        return plan_text_labels(
            images,
            label_folders,
            walked=walked,
            lists=(*([data_yaml.path] if data_yaml else []), *lists, *names_file),
            class_names=names,
            keypoint_values=data_yaml.keypoint_values if data_yaml else 0,
        )

    def read(self, unit: TextUnit) -> Annotations:
        """Read the label files of some images; an image without one is background."""
        parse = partial(parse_yolo, keypoint_values=unit.keypoint_values)
        return read_text_labels(unit, root=self.image_root, folder_name=LABELS, parse=parse)

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

    def _image_sources(self, data_yaml: DataYaml | None) -> list[Path]:
        """Return the folders and image lists of the selected part."""
        if self.source.images:
            folder = self.source.folder / self.source.images
            if not folder.exists():
                raise InputError(f"{folder}: no such folder or list (IMAGES)")
            return [folder]
        if data_yaml is None or not data_yaml.parts:
            return [self._default_source()]
        part = self.source.labels or TRAIN
        if part not in data_yaml.parts:
            raise InputError(f"{data_yaml.path}: no part {part!r} (LABELS); it has {', '.join(data_yaml.parts)}")
        return [_resolve(data_yaml, text, part) for text in data_yaml.parts[part]]

    def _default_source(self) -> Path:
        root, part = self.source.root, self.source.labels
        if root.is_file():
            return root
        for name in [part, _OTHER_NAMES.get(part, part)] if part else [TRAIN]:
            for path in (root / IMAGES / name, root / name / IMAGES, root / name, root / f"{name}.txt"):
                if path.is_dir() or (path.is_file() and starts_with_image(path)):
                    return path
        if part:
            raise InputError(f"{root}: no part {part!r} (LABELS): neither {IMAGES}/{part} nor {part}/{IMAGES}")
        return root / IMAGES if (root / IMAGES).is_dir() else root

    def _list_images(self, sources: Iterable[Path]) -> tuple[list[str], list[Path], list[Path]]:
        """Return the images, the folders that were searched, and the lists that were read."""
        images: list[str] = []
        walked: list[Path] = []
        lists: list[Path] = []
        for path in sources:
            if path.is_file():
                lists.append(path)
                images += self._listed(path)
            else:
                found, folders = walk_images(self.image_root, path)
                if not found:
                    raise InputError(f"{path}: no images in this folder")
                images += found
                walked += folders
        return images, walked, lists

    def _listed(self, image_list: Path) -> list[str]:
        """Return the images of a list; relative names start from the list's folder, or from the root."""
        names = read_image_list(image_list)
        tops = list(dict.fromkeys((image_list.parent, self.image_root)))
        top = next((top for top in tops if (top / names[0]).exists()), None)
        if top is None:
            raise InputError(f"{image_list}: {names[0]} is not in {' or '.join(map(str, tops))}")
        prefix = relative_to(top, self.image_root)
        return [name if name.startswith("/") else prefix + name for name in names]


def _resolve(data_yaml: DataYaml, text: str, part: str) -> Path:
    """Return the folder or list that data.yaml refers to.

    Its `path` is relative to the file's folder, and ignored if it does not exist there: data sets are moved. Roboflow
    writes ../train/images for train/images.
    """
    own = data_yaml.path.parent
    base = own / data_yaml.base
    starts = [base, own] if base.is_dir() else [own]
    candidates = [start / name for name in (text, text.removeprefix("../")) for start in starts]
    found = next((path for path in candidates if path.exists()), None)
    if found is None:
        raise InputError(f"{data_yaml.path}: {part}: {text}: no such folder or list in {starts[0]}")
    return found
