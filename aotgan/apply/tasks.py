"""Which pictures are to be filled: images paired with their masks, and where the results go."""

import errno
import os
import re
import unicodedata
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from aotgan.apply.saving import FORMATS, check_quality, format_of
from aotgan.data.images import EXTENSIONS, Skipped, check_some, is_image, list_files
from aotgan.errors import InputError
from aotgan.files import real, why_absent

MASK_NAME = re.compile(r"(.+)[_-]mask\d*", re.IGNORECASE)
Named = tuple[str, Path]  # a file, with its name below the place that was given


@dataclass(frozen=True)
class Task:
    """One picture to fill."""

    image: Path
    mask: Path
    destination: Path


@dataclass
class FolderOutcome:
    """What became of a batch.

    Attributes:
        written: files that are new.
        skipped: files that were there before.
        among: whether some of these lie among the images or masks; --overwrite replaces no such.
        failed: images that have no result, and why.
        remarks: images that have one, and what is odd about them; folders that were passed over.
        ignored: files among the images that are of no kind that can be read.
    """

    written: list[Path] = field(default_factory=list)
    skipped: list[Path] = field(default_factory=list)
    failed: dict[Path, str] = field(default_factory=dict)
    remarks: dict[Path, str] = field(default_factory=dict)
    ignored: list[Path] = field(default_factory=list)
    among: bool = False

    def summary(self, out: Path) -> str:
        """One line: how many of each."""
        again = "remove them to fill them again" if self.among else "--overwrite fills them again"
        left = f" and left as they are ({again})" if self.skipped else ""
        text = (
            f"{out}: {len(self.written)} filled, {len(self.skipped)} there before{left}, "
            f"{len(self.failed)} failed"
        )
        if not self.ignored:
            return text
        endings = sorted({path.suffix.lower() or "no ending" for path in self.ignored})
        return f"{text}, {len(self.ignored)} of other kinds left out ({', '.join(endings)})"


def choose_format(images: Path, out: str | Path, file_format: str | None) -> str:
    """Returns the format of the results: that which was asked for, that of a file's name, or png.

    Args:
        images: as of `plan_tasks`.
        out: as of `plan_tasks`.
        file_format: one of `aotgan.apply.saving.FORMATS`, or None.

    Raises:
        InputError: an unknown format, one that contradicts the name, or a file as the folder.
    """
    if file_format is not None:
        check_quality(file_format, None)
    place = Path(out)
    if not _is_file_name(images, out):
        if os.path.isfile(place):
            raise InputError(f"{out} is a file: give a folder for the results.")
        return file_format or "png"
    named = format_of(place)
    if named is None or file_format not in (None, named):
        wanted = file_format or "a known format"
        raise InputError(
            f"{out}: the ending {place.suffix} does not stand for {wanted}. "
            f"Known: {', '.join(end for kind in FORMATS.values() for end in kind.endings)}."
        )
    return named


def plan_tasks(
    images: Path, masks: Path, out: str | Path, file_format: str = "png", overwrite: bool = False
) -> tuple[list[Task], FolderOutcome]:
    """Pairs images with masks, and says where the results go.

    Args:
        images: an image file, or a folder with its sub-folders, which the results keep.
        masks: a mask for all, or a folder where a mask has the name of its image but for the
            ending, or that with "_mask" behind it: a/b.png or a/b_mask.png is the mask of a/b.jpg.
            In the folder of the images themselves it has to end so. A mask that fits no image
            exactly is that of an image whose name has the same letters, in capitals or not.
        out: folder of the results; of a single image also a file, by the ending of an image format.
            As text it may end in a slash, which says that it is a folder whatever its name.
        file_format: one of `aotgan.apply.saving.FORMATS`; decides the endings in a folder.
        overwrite: fill again what has a result.

    Returns:
        What is to be done, and an outcome that holds what is done already (files that exist are
        whole, and left alone) and the images that cannot be done.

    Raises:
        InputError: nothing at one of the places, or a result that would replace an image or mask.
            Where results lie beside these, a file that is there is known as one by its name, that
            of another image, and left alone; with `overwrite` it is refused.
    """
    is_file, out = _is_file_name(images, out), Path(out)
    # inputs below one another's folders are told apart by the places that were given
    pictures, strange, passed_over = _find(images, "images", (masks, out))
    choices, strange_masks, _ = _find(masks, "masks", (images, out))
    outcome = FolderOutcome(ignored=[path for _, path in strange if os.path.isfile(path)])
    outcome.remarks = {left.path: f"passed over: {left.reason}" for left in passed_over}
    if os.path.isdir(images) and real(images) == real(masks):
        pictures, choices = _apart(pictures, images)
        outcome.failed = _of_no_image(choices, pictures)
    ending = FORMATS[file_format].endings[0]
    results = {name: out if is_file else out / f"{name}{ending}" for name, _ in pictures}
    masks_of = _by_image(choices)
    find, find_strange = (_search(of, pictures) for of in (masks_of, _by_image(strange_masks)))
    earlier = _earlier(results, _by_name(pictures), masks_of)
    outcome.among = bool(earlier)
    pictures = [(name, path) for name, path in pictures if path not in earlier]
    inputs = {path for _, path in (*pictures, *choices)} - earlier
    _check_no_input_is_replaced(results.values(), inputs, earlier if overwrite else ())
    # what cannot be done, or is done already, stops no other picture
    tasks, taken = [], set[Path]()
    for name, image in pictures:
        fitting = [masks] if os.path.isfile(masks) else find(name)
        if reason := _unusable(results[name], taken):
            outcome.failed[image] = reason
        elif os.path.exists(results[name]) and not overwrite:
            outcome.skipped.append(results[name])
        elif len(fitting) != 1:
            outcome.failed[image] = _not_one(masks / name, fitting, find_strange(name))
        else:
            tasks.append(Task(image, fitting[0], results[name]))
        taken.add(results[name])
    return tasks, outcome


def _is_file_name(images: Path, out: str | Path) -> bool:
    """Whether the place of the results is that of a file: of one image, called like one."""
    is_folder = os.path.basename(out) in ("", ".") or os.path.isdir(out)
    known = Image.registered_extensions()  # of all kinds of images, so that x.gif can be refused
    return os.path.isfile(images) and not is_folder and Path(out).suffix.lower() in known


def _find(
    place: Path, what: str, others: Sequence[Path]
) -> tuple[list[Named], list[Named], list[Skipped]]:
    """The images at a place, files of other kinds, and folders in it that are not looked into.

    What lies at the other places, or below them, is none of these.
    """
    if os.path.isfile(place):
        return [(place.stem, place)], [], []
    if not os.path.isdir(place):
        raise InputError(f"{what} {place}: {why_absent(place, 'file or folder')}. Check the path.")
    inside = [other for other in others if _is_below(other, place)]
    files, folders = list_files(place)
    named = [(_name(path, place), path) for path in files if not _is_of(path, inside)]
    images = [(name, path) for name, path in named if is_image(path)]
    check_some(images, what, place)
    strange = [(name, path) for name, path in named if not is_image(path)]
    return images, strange, [left for left in folders if not _is_of(left.path, others)]


def _name(path: Path, place: Path) -> str:
    """What a file is called below a place, without the ending."""
    return path.relative_to(place).with_suffix("").as_posix()


def _by_image(masks: Iterable[Named]) -> dict[str, list[Path]]:
    """Masks by the names of the images that they may belong to."""
    # an image may itself be called NAME_mask
    return _by_name((name, path) for own, path in masks for name in {own, _image_of(own)})


def _search(
    named: Mapping[str, list[Path]], images: Iterable[Named]
) -> Callable[[str], list[Path]]:
    """Finds masks by the name of an image, or by one that only its letters' case tells from it."""
    exact = {name for name, _ in images}
    others = [(name, path) for name in named if name not in exact for path in named[name]]
    alike = _by_name((_plain(name), path) for name, path in others)
    return lambda name: named.get(name) or alike.get(_plain(name), [])


def _plain(name: str) -> str:
    """The same for names in capitals or not, and with accents as one letter or two."""
    return unicodedata.normalize("NFC", name).casefold()


def _by_name(files: Iterable[Named]) -> dict[str, list[Path]]:
    named: dict[str, list[Path]] = {}
    for name, path in files:
        named.setdefault(name, []).append(path)
    return named


def _earlier(results: Mapping[str, Path], *groups: Mapping[str, Sequence[Path]]) -> set[Path]:
    """Those of the images, or masks, by name, that an earlier call has made beside the originals.

    Such a file is where a result goes, and another has its name, which it is the result of.
    """
    return {
        path
        for named in groups
        for name, result in results.items()
        for path in named.get(name, ())
        if len(named[name]) > 1 and real(path) == real(result)
    }


def _not_one(expected: Path, found: Sequence[Path], strange: Sequence[Path]) -> str:
    """Why an image has no mask, though there may be files of its name that are not read."""
    which = " and ".join(map(str, found)) or "none"
    if strange and not found:
        which = f"{strange[0]}: save it as a file that ends in {', '.join(EXTENSIONS)}"
    return f"expected one mask {expected}.* or {expected}_mask.*, found {which}."


def _apart(files: Sequence[Named], folder: Path) -> tuple[list[Named], list[Named]]:
    """Images and masks of one folder, told apart by their names."""
    masks = [(name, path) for name, path in files if _image_of(name)]
    images = [(name, path) for name, path in files if not _image_of(name)]
    if not masks:
        raise InputError(
            f"{folder} is the folder of the images and of the masks, and no name in it ends in "
            "_mask. Call the mask of photo.jpg photo_mask.png, or keep masks in a folder of their "
            "own."
        )
    return images, masks


def _of_no_image(masks: Iterable[Named], images: Sequence[Named]) -> dict[Path, str]:
    """Files among the images that only their names make masks, and what to do."""
    names, reasons = {_plain(name) for name, _ in images}, {}
    for name, path in masks:
        if _plain(image := _image_of(name)) not in names:
            expected = path.with_name(Path(image).name)
            reasons[path] = (
                f"its name is that of a mask, and there is no image {expected}.*. Rename it if it "
                "is to be filled."
            )
    return reasons


def _image_of(mask: str) -> str:
    """The name of the image that a mask called NAME_mask belongs to; "" for other names."""
    named = MASK_NAME.fullmatch(mask)
    return named[1] if named else ""


def _unusable(result: Path, taken: Collection[Path]) -> str:
    """Why a result cannot go to its place, where others have theirs; "" if it can."""
    if result in taken:
        return f"{result} is the result of another image, too."
    return f"{result}: the name is too long. Choose a shorter one." if _is_too_long(result) else ""


def _is_too_long(path: Path) -> bool:
    """Whether the file system has no files of such a name."""
    try:
        # looking tells it, without a file being made
        os.lstat(path)
    except OSError as error:
        return error.errno == errno.ENAMETOOLONG
    return False


def _is_below(path: Path, folder: Path) -> bool:
    return real(folder) in real(path).parents


def _is_of(path: Path, places: Sequence[Path]) -> bool:
    """Whether a file is one of these or lies below one of them."""
    return any(_is_below(path, place) or real(path) == real(place) for place in places)


def _check_no_input_is_replaced(
    results: Iterable[Path], inputs: Iterable[Path], doubtful: Collection[Path]
) -> None:
    originals = set(map(real, inputs))
    for result in results:
        if real(result) in originals:
            raise InputError(
                f"{result} would replace an image or mask that is read. Give another place for "
                "the results."
            )
    if doubtful:
        raise InputError(
            f"{min(doubtful)} lies among the images or masks and may be one, which --overwrite "
            "does not replace. Remove it first, or give another place for the results."
        )
