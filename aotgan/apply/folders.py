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
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from aotgan.apply.defaults import FEATHER_PX, GROW_PX
from aotgan.apply.inpaint import OnProgress, check_options, inpaint
from aotgan.apply.metadata import LeftOut
from aotgan.apply.reading import read_metadata
from aotgan.apply.saving import check_quality, save_picture
from aotgan.apply.tasks import FolderOutcome, Task
from aotgan.devices import find_device
from aotgan.errors import InputError
from aotgan.models.inpainter import Inpainter
from aotgan.models.weights import load_filling

MOST_WORKERS = 4  # unless more are asked for: each may take some 2 GB


@dataclass(frozen=True)
class Settings:
    """How every picture of a batch is filled and written.

    Attributes:
        model: a shipped name, a classical filling, a weights file, or None for the default.
        device: as of `aotgan.inpaint`.
        file_format: one of `aotgan.apply.saving.FORMATS`.
        quality: as of `aotgan.apply.saving.save_picture`.
        grow: as of `aotgan.inpaint`, as are the others.
        feather: see there.
        context: see there.
        precision: see there.
        levels: see there.
        hole: see there.
    """

    model: str | None = None
    device: str = "auto"
    file_format: str = "png"
    quality: int | None = None
    grow: float = GROW_PX
    feather: float = FEATHER_PX
    context: int | None = None
    precision: str = "auto"
    levels: int | None = None
    hole: str = "white"

    @property
    def options(self) -> dict[str, Any]:
        """The arguments of `aotgan.inpaint` that are the same for all pictures."""
        names = ("grow", "feather", "context", "precision", "levels", "hole")
        return {name: getattr(self, name) for name in names}


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
    model = load_filling(settings.model, device)
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
        results = _in_turn(tasks, settings, model, threads, report)
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
    model: Inpainter,
    threads: int,
    on_progress: OnProgress | None,
) -> FillResults:
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        for task in tasks:
            yield _fill(task, settings, model, on_progress)
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


_here: list[tuple[Settings, Inpainter]] = []  # of a worker process


def _start(settings: Settings, threads: int) -> None:
    torch.set_num_threads(threads)
    _here.append((settings, load_filling(settings.model, find_device(settings.device))))


def _fill_here(task: Task) -> FillResult:
    return _fill(task, *_here[0], None)


def _fill(
    task: Task, settings: Settings, model: Inpainter, on_progress: OnProgress | None
) -> FillResult:
    try:
        with warnings.catch_warnings(record=True) as caught:
            # by default Python tells a warning once, for the first of many pictures
            warnings.simplefilter("always", UserWarning)
            warnings.simplefilter("ignore", LeftOut)  # what a file keeps is said when it is written
            filled = inpaint(
                task.image, task.mask, model, on_progress=on_progress, **settings.options
            )
            said = read_metadata(task.image)
            save_picture(filled, task.destination, settings.file_format, settings.quality, said)
    except Exception as error:  # whatever is wrong with one picture, the others go on
        known = isinstance(error, InputError)
        return task, str(error) if known else f"{type(error).__name__}: {error}", ""
    return task, "", " ".join(dict.fromkeys(str(warning.message) for warning in caught))
