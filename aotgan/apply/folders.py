"""Many pictures at once: files or folders in, filled files out, in one process or several.

Every picture is computed by one process with the same number of threads, however many processes
work side by side, so that the bytes do not depend on their number.
"""

import multiprocessing
import os
import signal
import threading
import warnings
from collections import abc
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from aotgan.apply.inpaint import OnProgress, check_options, inpaint
from aotgan.apply.saving import FORMATS, check_quality, format_of, read_exif, save_picture
from aotgan.data.images import list_images
from aotgan.devices import find_device
from aotgan.errors import InputError
from aotgan.models.generator import Generator
from aotgan.models.weights import load_generator

MOST_WORKERS = 4  # unless more are asked for: each may take some 2 GB


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
        failed: images that have no result, and why.
        remarks: images that have one, and what is odd about them.
        ignored: files among the images that are of no kind that can be read.
    """

    written: list[Path] = field(default_factory=list)
    skipped: list[Path] = field(default_factory=list)
    failed: dict[Path, str] = field(default_factory=dict)
    remarks: dict[Path, str] = field(default_factory=dict)
    ignored: list[Path] = field(default_factory=list)

    def summary(self, out: Path) -> str:
        """One line: how many of each."""
        text = (
            f"{out}: {len(self.written)} filled, {len(self.skipped)} there before, "
            f"{len(self.failed)} failed"
        )
        if not self.ignored:
            return text
        endings = sorted({path.suffix.lower() or "no ending" for path in self.ignored})
        return f"{text}, {len(self.ignored)} of other kinds left out ({', '.join(endings)})"


@dataclass(frozen=True)
class Settings:
    """How every picture of a batch is filled and written.

    Attributes:
        model: a shipped name, a weights file, or None for the first shipped model.
        device: as of `aotgan.inpaint`.
        file_format: one of `aotgan.apply.saving.FORMATS`.
        quality: as of `aotgan.apply.saving.save_picture`.
        grow: as of `aotgan.inpaint`, as are the others.
        feather: see there.
        context: see there.
        precision: see there.
        levels: see there.
    """

    model: str | None = None
    device: str = "auto"
    file_format: str = "png"
    quality: int | None = None
    grow: float = 0
    feather: float = 0
    context: int | None = None
    precision: str = "auto"
    levels: int | None = None

    @property
    def options(self) -> dict[str, Any]:
        """The arguments of `aotgan.inpaint` that are the same for all pictures."""
        names = ("grow", "feather", "context", "precision", "levels")
        return {name: getattr(self, name) for name in names}


def choose_format(images: Path, out: Path, file_format: str | None) -> str:
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
    is_name = images.is_file() and out.suffix != "" and not out.is_dir()
    if not is_name:
        if out.is_file():
            raise InputError(f"{out} is a file: give a folder for the results.")
        return file_format or "png"
    named = format_of(out)
    if named is None or file_format not in (None, named):
        raise InputError(
            f"{out}: the ending {out.suffix} does not stand for {file_format or 'a known format'}. "
            f"Known: {', '.join(end for kind in FORMATS.values() for end in kind.endings)}."
        )
    return named


def plan_tasks(
    images: Path, masks: Path, out: Path, file_format: str = "png"
) -> tuple[list[Task], FolderOutcome]:
    """Pairs images with masks, and says where the results go.

    Args:
        images: an image file, or a folder with its sub-folders, which the results keep.
        masks: a mask for all, or a folder where a mask has the name of its image but for the
            ending: a/b.png is the mask of a/b.jpg.
        out: folder of the results; of a single image also a file.
        file_format: one of `aotgan.apply.saving.FORMATS`; decides the endings in a folder.

    Returns:
        What is to be done, and an outcome that holds what is done already (files that exist are
        whole, and left alone) and the images that cannot be done.

    Raises:
        InputError: nothing at one of the places, or a result that would replace an image or mask.
    """
    # inputs below one another's folders are told apart by the places that were given
    pictures = _find(images, "images", (masks, out))
    choices = _find(masks, "masks", (images, out))
    ending = FORMATS[file_format].endings[0]
    named = images.is_file() and format_of(out) is not None and not out.is_dir()
    results = {name: out if named else out / f"{name}{ending}" for name, _ in pictures}
    _check_no_input_is_replaced(results.values(), [path for _, path in (*pictures, *choices)])
    # what cannot be done, or is done already, stops no other picture
    tasks, taken = [], set[Path]()
    outcome = FolderOutcome(
        ignored=_unreadable(images, [path for _, path in pictures], (masks, out))
    )
    for name, image in pictures:
        fitting = [path for other, path in choices if masks.is_file() or other == name]
        if results[name] in taken:
            outcome.failed[image] = f"{results[name]} is the result of another image, too."
        elif results[name].exists():
            outcome.skipped.append(results[name])
        elif len(fitting) != 1:
            which = " and ".join(map(str, fitting)) or "none"
            outcome.failed[image] = f"expected one mask {masks / name}.*, found {which}."
        else:
            tasks.append(Task(image, fitting[0], results[name]))
        taken.add(results[name])
    return tasks, outcome


def _find(place: Path, what: str, others: Sequence[Path]) -> list[tuple[str, Path]]:
    """The images at a place, each with its name there without the ending."""
    if place.is_file():
        return [(place.stem, place)]
    if not place.is_dir():
        raise InputError(f"{what} {place}: no such file or folder. Check the path.")
    inside = [other for other in others if _is_below(other, place)]
    files = [
        path for path in list_images(place) if not any(_is_below(path, other) for other in inside)
    ]
    if not files:
        raise InputError(f"{what} {place}: no image in this folder. Name a folder with images.")
    return [(path.relative_to(place).with_suffix("").as_posix(), path) for path in files]


def _unreadable(place: Path, readable: Sequence[Path], others: Sequence[Path]) -> list[Path]:
    """The files of a folder that are no images by their ending, hidden ones left out."""
    if place.is_file():
        return []
    inside = [other for other in others if _is_below(other, place)]
    return sorted(
        path
        for path in set(place.rglob("*")) - set(readable)
        if path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(place).parts)
        and not any(_is_below(path, other) or path == other for other in inside)
    )


def _is_below(path: Path, folder: Path) -> bool:
    return folder.resolve() in path.resolve().parents


def _check_no_input_is_replaced(results: Iterable[Path], inputs: Sequence[Path]) -> None:
    originals = {path.resolve() for path in inputs}
    for result in results:
        if result.resolve() in originals:
            raise InputError(
                f"{result} would replace an image or mask that is read. Give another place for "
                "the results."
            )


def fill_files(
    tasks: Sequence[Task],
    settings: Settings,
    outcome: FolderOutcome,
    workers: int | None = None,
    on_file: Callable[[Task], object] = lambda task: None,
    on_progress: OnProgress | None = None,
) -> None:
    """Fills pictures and writes them; one that cannot be filled stops no other.

    A script that asks for several workers needs the usual `if __name__ == "__main__":`.

    Args:
        tasks: what is to be done.
        settings: how.
        outcome: gets what became of each.
        workers: processes; None: as many as cores and pictures, but at most 4, and one on a GPU.
        on_file: called with each task that is through, whatever became of it.
        on_progress: as of `aotgan.inpaint`, if there is a single task.

    Raises:
        InputError: settings that cannot be used; before any work.
    """
    # all settings are tried here, before a process is started
    check_quality(settings.file_format, settings.quality)
    check_options(**settings.options)
    device = find_device(settings.device)
    generator = load_generator(settings.model, device)
    # one process on a GPU: its memory is shared, and one keeps it busy
    if workers is None:
        workers = min(os.cpu_count() or 1, MOST_WORKERS) if device == "cpu" else 1
    if workers < 1:
        raise InputError(f"workers={workers}: must be at least 1.")
    workers = min(workers, len(tasks))
    # several processes would fight for the cores
    threads = torch.get_num_threads() if len(tasks) == 1 else 1
    if workers > 1:
        results = _in_processes(tasks, settings, workers, threads)
    else:
        report = on_progress if len(tasks) == 1 else None
        results = _in_turn(tasks, settings, generator, threads, report)
    # closed on errors, too, so that no process is left behind
    with closing(results):
        for task, problem, remark in results:
            if problem:
                outcome.failed[task.image] = problem
            else:
                outcome.written.append(task.destination)
                outcome.remarks |= {task.image: remark} if remark else {}
            on_file(task)


FillResult = tuple[Task, str, str]  # why it failed, or what is odd; empty where there is nothing

FillResults = abc.Generator[FillResult, None, None]


def _in_turn(
    tasks: Sequence[Task],
    settings: Settings,
    generator: Generator,
    threads: int,
    on_progress: OnProgress | None,
) -> FillResults:
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        for task in tasks:
            yield _fill(task, settings, generator, on_progress)
    finally:
        torch.set_num_threads(before)


def _in_processes(
    tasks: Sequence[Task], settings: Settings, workers: int, threads: int
) -> FillResults:
    pool = ProcessPoolExecutor(
        workers, multiprocessing.get_context("spawn"), _start, (settings, threads)
    )
    try:
        with _deaf_children():
            waiting = {pool.submit(_fill_here, task): task for task in tasks}
        for future in as_completed(waiting):
            error = future.exception()  # that of a process that was killed
            yield (waiting[future], str(error), "") if error else future.result()
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def _deaf_children() -> Iterator[None]:
    """Processes that are started here ignore Ctrl-C: it is for the one that waits for them."""
    if threading.current_thread() is not threading.main_thread():
        yield  # elsewhere Python lets nobody touch signals
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


_here: list[tuple[Settings, Generator]] = []  # of a worker process


def _start(settings: Settings, threads: int) -> None:
    torch.set_num_threads(threads)
    _here.append((settings, load_generator(settings.model, find_device(settings.device))))


def _fill_here(task: Task) -> FillResult:
    return _fill(task, *_here[0], None)


def _fill(
    task: Task, settings: Settings, generator: Generator, on_progress: OnProgress | None
) -> FillResult:
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", UserWarning)
            filled = inpaint(
                task.image, task.mask, generator, on_progress=on_progress, **settings.options
            )
        exif = read_exif(task.image)
        save_picture(filled, task.destination, settings.file_format, settings.quality, exif)
    except Exception as error:  # whatever is wrong with one picture, the others go on
        known = isinstance(error, InputError)
        return task, str(error) if known else f"{type(error).__name__}: {error}", ""
    return task, "", " ".join(str(warning.message) for warning in caught)
