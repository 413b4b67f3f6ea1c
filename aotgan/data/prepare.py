"""Makes the listed sets from clones of their public sources, and says which are intact."""

import csv
import io
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from aotgan.data.catalogue import load
from aotgan.data.images import open_image, read_image, shrink_to_short_side
from aotgan.data.listing import Listed, State, compare, read_listing
from aotgan.data.mask_files import read_mask
from aotgan.data.sources import CATALOGUE, Entry, Making, Origin
from aotgan.errors import InputError
from aotgan.files import check_writable, remove_leftovers, write_atomically

SMALLEST_BOX = 4  # px; smaller boxes around logos are left out
OnFile = Callable[[], object]  # called after each file


def _silent() -> None:
    """Shows no progress."""


@dataclass
class Report:
    """What became of the files of a set."""

    made: Counter[State] = field(default_factory=Counter)
    kept: Counter[State] = field(default_factory=Counter)  # were there before
    problems: dict[str, str] = field(default_factory=dict)  # file -> why it is not in the set


def files_of(entry: Entry) -> dict[str, Listed]:
    """Every file of a listed set, and what it must be; the photographs that it extends apart."""
    boxes = {entry.boxes.file: Listed(entry.boxes.sha256)} if entry.boxes else {}
    return read_listing(entry.name) | boxes


def inspect(entry: Entry, root: Path, tick: OnFile = _silent) -> Counter[State]:
    """Compares each file of a listed set below a root with the published one."""
    states: Counter[State] = Counter()
    for name, listed in files_of(entry).items():
        path = root / entry.folder / name
        states[compare(path.read_bytes(), listed) if path.is_file() else State.ABSENT] += 1
        tick()
    return states


def condition(entry: Entry, root: Path | None, tick: OnFile = _silent) -> str:
    """Says in words whether a set is there below a root, and intact."""
    if entry.name != "bundled":
        if root is None:
            return "not looked for: no data root is given"
        if not (root / entry.folder).is_dir():
            return "not there"
        if entry.listed:
            return _in_words(inspect(entry, root, tick))
    try:
        sets = [load(entry.name, split, root) for split in ("train", "test")]
    except InputError as error:
        return f"not there: {str(error).partition('Expected')[0]}".rstrip()
    if entry.listed:
        counts = Counter(
            compare(path.read_bytes(), part.listed[part.name_of(path)])
            for part in sets
            for path in part.files
        )
        return _in_words(counts)
    return f"{len(sets[0]):,} to train on and {len(sets[1]):,} to test on are there; not checked"


def _in_words(states: Counter[State]) -> str:
    """Counts of states; "intact" alone where all files have the published bytes."""
    if set(states) == {State.INTACT}:
        return f"there and intact ({states.total():,} files)"
    if set(states) == {State.ABSENT}:
        return "not there"
    return "; ".join(f"{states[state]:,} files: {state}" for state in State if states[state])


def missing_sources(entry: Entry, sources: Path) -> list[Origin]:
    """The repositories that a set is made from and that are not below a folder."""
    return [origin for origin in entry.origins if not (sources / origin.repository).is_dir()]


def prepare(
    name: str, sources: Path, root: Path, accept: bool = False, tick: OnFile = _silent
) -> Report:
    """Makes a listed set; what is there already and right is kept, so that a stopped one goes on.

    A file is first sought with the published bytes, then made as declared in sources.toml. It is
    written only when its bytes or its pixels are the published ones. Nothing is overwritten.

    Args:
        name: a set with origins. One that extends another does not make that other.
        sources: folder of the clones, each at owner/name below it.
        root: the folder of all sets.
        accept: whether to write files of other pixels as well, and to keep those that are there.
        tick: called after each file.

    Returns:
        What was made and kept, and each file that is not right.

    Raises:
        InputError: the set is not made from anything, a source is missing, or the root cannot be
            written.
    """
    entry = check_made(name)
    if missing := missing_sources(entry, sources):
        commands = "; ".join(origin.commands(str(sources)) for origin in missing)
        raise InputError(f"{name} needs sources that are not below {sources}. Run: {commands}")
    folder = root / entry.folder
    check_writable(folder)
    files = files_of(entry)
    # a kill leaves half-written files beside the targets
    for place in {(folder / file).parent for file in files}:
        remove_leftovers(place)
    report = Report()
    for file, listed in files.items():
        target = folder / file
        if target.exists():
            _keep(target, file, listed, accept, report)
        else:
            _make(entry, file, listed, sources, target, accept, report)
        tick()
    return report


def check_made(name: str) -> Entry:
    """The entry of a set that can be made; otherwise an InputError says how to get it."""
    if name not in CATALOGUE:
        makeable = ", ".join(entry.name for entry in CATALOGUE.values() if entry.origins)
        raise InputError(f'"{name}" is not a set that can be made. Choose of: {makeable}.')
    entry = CATALOGUE[name]
    if not entry.origins:
        raise InputError(
            f'"{name}" is not made from other files but used as published. Expected in '
            f"ROOT/{entry.folder}: {entry.expected}. {entry.remedy('ROOT')}"
        )
    return entry


def _keep(target: Path, file: str, listed: Listed, accept: bool, report: Report) -> None:
    """Looks at a file that is there."""
    state = compare(target.read_bytes(), listed)
    if state == State.OTHER and not accept:
        report.problems[file] = f"{target} is there with other pixels; move it away to make it anew"
    else:
        report.kept[state] += 1


def _make(
    entry: Entry,
    file: str,
    listed: Listed,
    sources: Path,
    target: Path,
    accept: bool,
    report: Report,
) -> None:
    """Writes the best of what the sources give for a file, if it is right."""
    best: tuple[State, bytes] | None = None
    damage = ""
    try:
        # sources may hold a file twice, or in several sizes: the exact one wins
        for content in _candidates(entry, file, listed, sources):
            state = compare(content, listed)
            if best is None or best[0] == State.OTHER or state == State.INTACT:
                best = state, content
            if state == State.INTACT:
                break
    except InputError as error:
        damage = str(error)
    if best is None:
        report.problems[file] = damage or "no such file in the sources; are they at their commits?"
    elif best[0] == State.OTHER and not accept:
        report.problems[file] = damage or "what the sources give has other pixels"
    else:
        write_atomically(target, best[1])
        report.made[best[0]] += 1


def _candidates(entry: Entry, file: str, listed: Listed, sources: Path) -> Iterator[bytes]:
    """What a file may be: the bytes in each source, then what is made of them."""
    if entry.boxes and file == entry.boxes.file:
        path = sources / entry.origins[0].repository / entry.boxes.path
        if path.is_file():
            yield boxes_table(path.read_text(encoding="utf-8"), set(read_listing(entry.name)))
        return
    paths = [
        (path, origin)
        for origin in entry.origins
        for place in origin.places(file, listed.origin)
        if (path := sources / origin.repository / place).is_file()
    ]
    original = Listed(listed.sha256)  # whose pixels need no look where the file is made
    for path, _ in paths:
        content = path.read_bytes()
        if entry.making is None or compare(content, original) == State.INTACT:
            yield content
    if entry.making:
        for path, origin in paths:
            yield make_file(path, entry.making, origin.hole)


def make_file(path: Path, making: Making, hole: str = "white") -> bytes:
    """Crops, resizes and encodes a photograph, or encodes a mask whose hole has a colour.

    Raises:
        InputError: the file cannot be decoded.
    """
    file = io.BytesIO()
    if making.mask:
        Image.fromarray(read_mask(path, hole=hole)).save(file, "PNG", optimize=True)
        return file.getvalue()
    with open_image(path) as source:
        comment = source.info.get("comment", b"")  # a JPEG's, which Pillow keeps
    image = read_image(path)  # (H, W, 3)
    if making.aspect:
        image = crop_to_aspect(image, making.aspect)
    if making.short_side:
        image = shrink_to_short_side(image, making.short_side)
    Image.fromarray(image).save(
        file, "JPEG", quality=making.quality, optimize=True, subsampling="4:2:0", comment=comment
    )
    return file.getvalue()


def crop_to_aspect(image: np.ndarray, aspect: int) -> np.ndarray:
    """The centre of an (H, W, 3) image whose long side is at most `aspect` short ones."""
    height, width = image.shape[:2]
    long = aspect * min(height, width)
    top, left = max(0, (height - long) // 2), max(0, (width - long) // 2)
    return image[top : top + min(height, long), left : left + min(width, long)]


def boxes_table(text: str, files: set[str]) -> bytes:
    """The table file,x,y,w,h,label in px of a list "file label subset left top right bottom".

    Repeated boxes are merged, those under 4 px dropped, and photographs outside of `files`
    ("images/<file>") left out.
    """
    boxes = set()
    for line in text.splitlines():
        if len(words := line.split()) == 7 and f"images/{words[0]}" in files:
            left, top, right, bottom = map(int, words[3:])
            if min(right - left, bottom - top) >= SMALLEST_BOX:
                boxes.add((words[0], left, top, right - left, bottom - top, words[1]))
    table = io.StringIO(newline="")
    writer = csv.writer(table)
    writer.writerow(("file", "x", "y", "w", "h", "label"))
    writer.writerows(sorted(boxes))
    return table.getvalue().encode()
