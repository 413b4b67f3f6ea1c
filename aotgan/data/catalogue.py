"""Named photograph sets (section 4.1): where they lie, how they are split, whose they are.

Nothing is ever downloaded. "bundled" lies inside installed packages; every other set is looked for
below a root folder, `root` or the environment variable AOTGAN_DATA.
"""

import csv
import hashlib
import importlib.util
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from aotgan.data.images import Skipped, list_images, scan_images
from aotgan.data.listing import Listed, State, compare, read_listing
from aotgan.data.sources import CATALOGUE, Entry
from aotgan.errors import InputError

SPLITS = ("train", "test")
ENVIRONMENT = "AOTGAN_DATA"
BUNDLED_TEST = ("astronaut", "chelsea", "coffee", "china")
CELEBA_HQ_TRAIN = 28_000  # images 0 to 27999 train, the last 2,000 test
TEST_BELOW = 26  # of 256: about a tenth of a set without a split of its own


@dataclass(frozen=True)
class ImageSet:
    """The files of one split of a set."""

    name: str
    split: str
    files: tuple[Path, ...]
    root: Path  # folder that holds the set
    skipped: tuple[Skipped, ...] = ()  # unreadable files that a scan left out
    scanned: int = 0  # readable files that it found, of both splits
    listed: dict[str, Listed] = field(default_factory=dict, repr=False)  # by name in the set
    source: str = ""
    licence: str = ""
    citation: str = ""

    def __len__(self) -> int:
        """Number of files."""
        return len(self.files)

    @cached_property
    def manifest_hash(self) -> str:
        """SHA-256 over the list of files: each by its listed SHA-256, else by its size in bytes."""
        lines = [f"{self.name}/{self.split}"]
        for file in self.files:
            name = self.name_of(file)
            known = self.listed.get(name)
            lines.append(f"{name} {known.sha256 if known else file.stat().st_size}")
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    @property
    def found(self) -> int:
        """Readable files of both splits, where the set was scanned; else those of this one."""
        return self.scanned or len(self)

    def facts(self) -> dict[str, object]:
        """What a record says of the set: counts, hash, and what could not be read and why."""
        left_out = {skipped.path.name: skipped.reason for skipped in self.skipped}
        return {
            "name": self.name,
            "split": self.split,
            "images": len(self),
            "manifest_sha256": self.manifest_hash,
            **({"left_out": left_out} if left_out else {}),
        }

    def name_of(self, file: Path) -> str:
        """The file's name in the set, the same on every machine."""
        if self.name == "bundled":
            return next(name for name in self.listed if file.as_posix().endswith(name))
        return file.relative_to(self.root).as_posix()


def load(name: str, split: str = "train", root: str | Path | None = None) -> ImageSet:
    """Finds the files of a set.

    Args:
        name: a key of `CATALOGUE`, a folder's path, or "folder:" and a path. Folders are scanned,
            and a file belongs to the test split when the first byte of the SHA-1 of its name
            without extension is below 26 (about a tenth).
        split: "train" or "test".
        root: folder that holds the named sets' folders; $AOTGAN_DATA by default.

    Raises:
        InputError: an unknown name or split, or a set that is not there: the message has the
            folder looked in, the layout expected and where to get it.
    """
    if split not in SPLITS:
        raise InputError(f'split="{split}" was given; expected "train" or "test".')
    if name not in CATALOGUE:
        return _load_folder(name, split)
    entry = CATALOGUE[name]
    if name == "bundled":
        image_set = _bundled(entry, split)
    else:
        image_set = _finders()[entry.layout](entry, split, _folder_of(entry, root))
    if not image_set.files:
        raise InputError(_missing(entry, image_set.root, f"no file of the {split} split"))
    return image_set


def verify(image_set: ImageSet) -> None:
    """Compares every file with what the package lists: its bytes, or else its pixels.

    Raises:
        InputError: the set has no list, or files differ; the message counts and names them.
    """
    if not image_set.listed:
        raise InputError(
            f"{image_set.name} has no list of checksums; {', '.join(_listed_names())} have one."
        )
    changed = [
        file
        for file in image_set.files
        if compare(file.read_bytes(), image_set.listed[image_set.name_of(file)]) == State.OTHER
    ]
    if changed:
        raise InputError(
            f"{len(changed)} of {len(image_set)} files of {image_set.name} differ from the "
            f"published ones, first: {changed[0]}. Move them away and get them again from: "
            f"{image_set.source}"
        )


def logo_boxes(image_set: ImageSet) -> dict[str, list[tuple[int, int, int, int]]]:
    """Boxes around logos (section 4.8) as (left, top, width, height) in px, by file name.

    Read from annotations.csv ("logos") or from `Annotations/*.xml` ("openlogo").
    """
    table = image_set.root / "annotations.csv"
    boxes: dict[str, list[tuple[int, int, int, int]]] = {file.name: [] for file in image_set.files}
    if table.is_file():
        with open(table, newline="", encoding="utf-8") as text:
            for row in csv.DictReader(text):
                box = (int(row["x"]), int(row["y"]), int(row["w"]), int(row["h"]))
                boxes.get(row["file"], []).append(box)
        return boxes
    for file in image_set.files:
        path = image_set.root / "Annotations" / f"{file.stem}.xml"
        if not path.is_file():
            raise InputError(f"{path}: no box file. Expected annotations.csv or Annotations/*.xml.")
        boxes[file.name] = _voc_boxes(path.read_text(encoding="utf-8"))
    return boxes


def _voc_boxes(xml: str) -> list[tuple[int, int, int, int]]:
    """The boxes of a PASCAL VOC annotation: inclusive corners, counted from 1."""
    boxes = []
    for block in re.findall(r"<bndbox>(.*?)</bndbox>", xml, re.DOTALL):
        corner = {k: round(float(v)) for k, v in re.findall(r"<([xy]m\w\w)>\s*([\d.]+)", block)}
        left, top = max(corner["xmin"], 1), max(corner["ymin"], 1)
        width, height = corner["xmax"] - left + 1, corner["ymax"] - top + 1
        boxes.append((left - 1, top - 1, width, height))
    return boxes


def in_test_split(stem: str) -> bool:
    """The rule for sets without a split of their own: stable when files are added or removed."""
    return hashlib.sha1(stem.encode(), usedforsecurity=False).digest()[0] < TEST_BELOW


def _of_split(files: list[Path], split: str) -> tuple[Path, ...]:
    return tuple(file for file in files if in_test_split(file.stem) == (split == "test"))


def _load_folder(name: str, split: str) -> ImageSet:
    folder = Path(name.removeprefix("folder:")).expanduser()
    if not folder.is_dir():
        raise InputError(
            f'"{name}" is neither a set nor a folder. Sets: {", ".join(CATALOGUE)} (see `aotgan '
            "data list`); a folder is given by its path."
        )
    files, skipped = scan_images(folder)
    chosen = _of_split(files, split)
    if not chosen:
        raise InputError(
            f"{folder}: none of its {len(files)} images falls into the {split} split (by file "
            "name, one in ten is for testing). Add images."
        )
    return ImageSet(f"folder:{folder.name}", split, chosen, folder, tuple(skipped), len(files))


def root_of(root: str | Path | None) -> Path | None:
    """The folder of the named sets: as given, else $AOTGAN_DATA, else None."""
    base = root if root is not None else os.environ.get(ENVIRONMENT)
    return Path(base) if base else None


def _folder_of(entry: Entry, root: str | Path | None) -> Path:
    base = root_of(root)
    if base is None:
        raise InputError(
            f'"{entry.name}" was asked for, but no data folder is known. Pass root (--data-root '
            f'ROOT) or set {ENVIRONMENT}; "bundled" needs neither. '
            f"Expected in ROOT/{entry.folder}: {entry.expected}. {entry.remedy('ROOT')}"
        )
    folder = base / entry.folder
    if not folder.is_dir():
        raise InputError(_missing(entry, folder, "no such folder"))
    return folder


def _missing(entry: Entry, folder: Path, what: str) -> str:
    return (
        f'"{entry.name}" is not in {folder}: {what}. Expected there: {entry.expected}. '
        f"{entry.remedy(str(folder.parent))}"
    )


def _listed_names() -> list[str]:
    return [entry.name for entry in CATALOGUE.values() if entry.listed]


def _made(
    entry: Entry, split: str, files: tuple[Path, ...], root: Path, **more: object
) -> ImageSet:
    terms = {"source": entry.source, "licence": entry.licence, "citation": entry.citation}
    return ImageSet(entry.name, split, files, root, **terms, **more)  # type: ignore[arg-type]


def _bundled(entry: Entry, split: str) -> ImageSet:
    """Files inside the scikit-image and scikit-learn packages."""
    listing, files, root = read_listing("bundled"), [], Path()
    for name in listing:
        package, _, inside = name.partition("/")
        spec = importlib.util.find_spec(package)
        if spec is None or spec.origin is None:
            raise InputError(f"{package} is not installed; its photographs are needed. Install it.")
        root = Path(spec.origin).parents[1]
        path = Path(spec.origin).parent / inside
        if not path.is_file():
            raise InputError(_missing(entry, path.parent, f"{path.name} is absent"))
        if (path.stem in BUNDLED_TEST) == (split == "test"):
            files.append(path)
    return _made(entry, split, tuple(files), root, listed=listing)


def _listed(entry: Entry, split: str, folder: Path) -> ImageSet:
    """A set whose files and checksums the package lists."""
    listing = read_listing(entry.name)
    files = _of_split([folder / name for name in listing], split)
    _check_present(entry, folder, files)
    return _made(entry, split, files, folder, listed=listing)


def _extended(entry: Entry, split: str, folder: Path) -> ImageSet:
    """Another listed set, and to train on further files that the package lists."""
    root = folder.parent
    base = CATALOGUE[entry.extends]
    files = _listed(base, split, root / base.folder).files
    if split == "train":
        more = tuple(folder / name for name in read_listing(entry.name))
        _check_present(entry, folder, more)
        files = tuple(file for file in files + more if file.name not in entry.left_out)
    listing = {
        f"{part.folder}/{name}": listed
        for part in (base, entry)
        for name, listed in read_listing(part.name).items()
    }
    return _made(entry, split, files, root, listed=listing)


def _check_present(entry: Entry, folder: Path, files: tuple[Path, ...]) -> None:
    missing = [file.name for file in files if not file.is_file()]
    if missing:
        what = f"{len(missing)} of {len(files)} files are absent, first {missing[0]}"
        raise InputError(_missing(entry, folder, what))


def _celeba_hq(entry: Entry, split: str, folder: Path) -> ImageSet:
    """Files numbered 0 to 29999."""
    files = [file for file in list_images(folder) if file.stem.isdigit()]
    files.sort(key=lambda file: int(file.stem))
    return _made(
        entry,
        split,
        tuple(f for f in files if (int(f.stem) < CELEBA_HQ_TRAIN) == (split == "train")),
        folder,
    )


def _first_folder(candidates: dict[str, tuple[str, ...]]) -> Callable[[Entry, str, Path], ImageSet]:
    """A split for a folder; the first that exists of several published names is taken."""

    def find(entry: Entry, split: str, folder: Path) -> ImageSet:
        existing = [folder / name for name in candidates[split] if (folder / name).is_dir()]
        files = list_images(existing[0]) if existing else []
        return _made(entry, split, tuple(files), folder)

    return find


def _openlogo(entry: Entry, split: str, folder: Path) -> ImageSet:
    """File stems in a list for each split."""
    table = folder / "ImageSets" / ("train.txt" if split == "train" else "val.txt")
    if not table.is_file():
        raise InputError(_missing(entry, folder, f"{table.name} is absent from ImageSets"))
    stems = table.read_text(encoding="utf-8").split()
    files = tuple(folder / "JPEGImages" / f"{stem}.jpg" for stem in stems)
    missing = [file.name for file in files if not file.is_file()]
    if missing:
        raise InputError(_missing(entry, folder, f"{missing[0]} is absent from JPEGImages"))
    return _made(entry, split, files, folder)


def _scanned(entry: Entry, split: str, folder: Path) -> ImageSet:
    """Every readable photograph of a folder, split by name."""
    files, skipped = scan_images(folder)
    return _made(
        entry,
        split,
        _of_split(files, split),
        folder,
        skipped=tuple(skipped),
        scanned=len(files),
    )


def _finders() -> dict[str, Callable[[Entry, str, Path], ImageSet]]:
    return {
        "folder": _scanned,
        "listed": _listed,
        "extended": _extended,
        "numbered": _celeba_hq,
        "places365": _first_folder(
            {
                "train": ("data_large_standard", "data_256_standard"),
                "test": ("val_large", "val_256"),
            }
        ),
        "imagefolder": _first_folder({"train": ("train",), "test": ("val",)}),
        "openlogo": _openlogo,
    }
