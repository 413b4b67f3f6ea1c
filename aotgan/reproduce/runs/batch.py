"""Many runs: in one process without Jupyter or Snakemake, and how far a batch has come.

The runs of a batch share nothing but their folder, so that any number of processes, and both ways
of running them, can work on one batch and go on where another stopped.
"""

import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from aotgan.reproduce.runs.experiments import runs_of, select
from aotgan.reproduce.runs.record import Record
from aotgan.reproduce.runs.run import RECORD, run, run_directory
from aotgan.reproduce.runs.scales import make_config
from aotgan.training.config import TrainConfig
from aotgan.training.devices import RunOptions
from aotgan.training.log import read_log
from aotgan.training.running import is_running
from aotgan.training.schedule import size_changes

LOG = "log.csv"


@dataclass(frozen=True)
class Job:
    """One run of a batch."""

    experiment: str
    seed: int

    def __str__(self) -> str:
        return f"{self.experiment}, seed {self.seed}"


@dataclass(frozen=True)
class Batch:
    """The runs of some experiments and seeds at one scale.

    Attributes:
        scale: a name of `aotgan.reproduce.runs.scales.SCALES`.
        jobs: what is to be run, in this order.
        out: folder of all runs.
        data: image set or folder instead of the scale's.
    """

    scale: str
    jobs: tuple[Job, ...]
    out: str | Path = "runs"
    data: str | None = None

    def directory(self, job: Job) -> Path:
        """Returns the folder of a run."""
        return run_directory(self.out, self.scale, job.experiment, job.seed)

    def done(self) -> list[Job]:
        """Returns the runs that have a record."""
        return [job for job in self.jobs if (self.directory(job) / RECORD).exists()]


@dataclass(frozen=True)
class Outcome:
    """What became of a batch.

    Attributes:
        records: of the runs that are finished.
        failed: the runs that diverged, and why.
        waiting: the runs that are not finished, because time was up or somebody interrupted.
        interrupted: whether it was somebody.
    """

    records: tuple[Record, ...]
    failed: dict[Job, str]
    waiting: tuple[Job, ...]
    interrupted: bool = False

    def remarks(self) -> str:
        """Names the runs that are not finished, a line each kind; empty where all are."""
        lines = [f"failed: {job}: {reason}" for job, reason in self.failed.items()]
        if self.waiting:
            names = "; ".join(map(str, self.waiting))
            lines.append(f"not finished, the same command goes on: {names}")
        return "\n".join(lines)


def make_batch(
    scale: str,
    experiments: Iterable[str],
    seeds: Sequence[int],
    out: str | Path = "runs",
    data: str | None = None,
) -> Batch:
    """Lists the runs, every experiment of the first seed before any of the next.

    Raises:
        InputError: names or values that no run can have, before anything is run.
    """
    jobs = tuple(Job(name, seed) for name, seed in runs_of(select(experiments), seeds))
    for job in jobs:
        # for its errors alone: none of the runs is to fail after days of others
        make_config(job.experiment, scale, job.seed, data)
    return Batch(scale, jobs, out, data)


def run_batch(
    batch: Batch,
    options: RunOptions,
    data_root: str | Path | None = None,
    minutes: float | None = None,
) -> Outcome:
    """Runs what is not finished, one after the other, and says so line by line.

    A run that diverges is noted, and the next one begins. A run that the time limit stops is saved
    and stays without a record: no number of a table comes from fewer steps than its neighbour's.

    Args:
        batch: what to run.
        options: device and progress display of each run.
        data_root: folder of the named image sets.
        minutes: begin no step after so long; the measurement of the run in progress may add to it.

    Raises:
        InputError: data or a device that are not there, or a folder that holds another run.
    """
    until = None if minutes is None else time.monotonic() + 60 * minutes
    options = replace(options, until=until)
    records: list[Record] = []
    failed: dict[Job, str] = {}
    for at, job in enumerate(batch.jobs):
        if late(until):
            break
        print(f"{job}, scale {batch.scale} (run {at + 1} of {len(batch.jobs)})", flush=True)
        try:
            record = run(
                job.experiment, batch.scale, job.seed, batch.data, batch.out, data_root, options
            )
        except FloatingPointError as error:
            failed[job] = str(error)
            print(f"failed: {error}", file=sys.stderr)
            continue
        # whatever stopped this one would stop the next
        if record is None:
            break
        records.append(record)
        print(overview(batch), flush=True)
    finished = {Job(record.experiment, record.seed) for record in records}
    waiting = tuple(job for job in batch.jobs if job not in finished and job not in failed)
    # runs that wait although there is time were stopped by somebody
    return Outcome(tuple(records), failed, waiting, bool(waiting) and not late(until))


def late(until: float | None) -> bool:
    """Whether a time.monotonic() has come."""
    return until is not None and time.monotonic() >= until


def overview(batch: Batch) -> str:
    """Says how many runs are done and running, and how long the others take at this pace."""
    finished = batch.done()
    rest = [job for job in batch.jobs if job not in finished]
    running = [job for job in rest if is_running(batch.directory(job))]
    text = f"{len(finished)} of {len(batch.jobs)} runs done, {len(running)} running"
    paces = {job: pace for job in batch.jobs if (pace := _pace(batch, job)) > 0}
    if not rest or not paces:
        return text
    # runs that have not begun are expected at the pace of the others
    usual = sum(paces.values()) / len(paces)
    # so many processes share what is left; where none runs, one will
    seconds = sum(_left(batch, job) / paces.get(job, usual) for job in rest) / max(1, len(running))
    return f"{text}, about {duration(seconds)} of training left"


def each(batch: Batch) -> list[str]:
    """Says of every run how many images it has seen and what becomes of it."""
    lines, finished = [], batch.done()
    for job in batch.jobs:
        config = _config(batch, job)
        size = config.optim.batch_size
        state = "done" if job in finished else "running" if is_running(batch.directory(job)) else ""
        images = f"{_steps_done(batch, job) * size:,} of {config.steps * size:,}"
        lines.append(f"{str(job):32} {images if config.steps else '':>20} {state}".rstrip())
    return lines


def _config(batch: Batch, job: Job) -> TrainConfig:
    return make_config(job.experiment, batch.scale, job.seed, batch.data)


def _steps_done(batch: Batch, job: Job) -> int:
    rows = read_log(batch.directory(job) / LOG)
    return int(rows[-1]["step"]) if rows else 0


def _pixels(config: TrainConfig, steps: int) -> int:
    """How many pixels so many steps see; most of a step's time goes with them."""
    data, batch = config.data, config.optim.batch_size
    ends = size_changes(data.stages or ((1.0, data.size_px),), config.steps, batch)
    seen, images = 0, 0
    for end, side in ends:
        # the steps may end within this size, or before it
        now = min(end, steps * batch)
        seen, images = seen + max(0, now - images) * side**2, max(images, now)
    return seen


def _left(batch: Batch, job: Job) -> int:
    config = _config(batch, job)
    return _pixels(config, config.steps) - _pixels(config, _steps_done(batch, job))


def _pace(batch: Batch, job: Job) -> float:
    """Pixels a second of a run so far; 0 where nothing is known."""
    rows = read_log(batch.directory(job) / LOG)
    if not rows or not rows[-1]["seconds"] > 0:
        return 0.0
    return _pixels(_config(batch, job), int(rows[-1]["step"])) / rows[-1]["seconds"]


def duration(seconds: float) -> str:
    """Returns a time in words, minutes below two hours."""
    minutes = max(1, round(seconds / 60))
    return f"{minutes} min" if minutes < 120 else f"{round(minutes / 60)} h"
