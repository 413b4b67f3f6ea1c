"""Many runs: in one process without Jupyter or Snakemake, and how far a batch has come.

The runs of a batch share nothing but their folder, so that any number of processes, and both ways
of running them, can work on one batch and go on where another stopped.
"""

import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from aotgan.reproduce.experiments import runs_of, select
from aotgan.reproduce.records import Record
from aotgan.reproduce.runs import RECORD, run, run_directory
from aotgan.reproduce.scales import make_config
from aotgan.training.devices import RunOptions
from aotgan.training.log import read_log

SILENT_S = 180.0  # a run whose log has not grown for so long is not running


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
        scale: a name of `aotgan.reproduce.scales.SCALES`.
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
        if record is None:
            break
        records.append(record)
        print(overview(batch), flush=True)
    finished = {Job(record.experiment, record.seed) for record in records}
    waiting = tuple(job for job in batch.jobs if job not in finished and job not in failed)
    return Outcome(tuple(records), failed, waiting, bool(waiting) and not late(until))


def late(until: float | None) -> bool:
    """Whether a time.monotonic() has come."""
    return until is not None and time.monotonic() >= until


def overview(batch: Batch) -> str:
    """Says how many runs are done and running, and how long the others take at this pace."""
    done = batch.done()
    rest = [job for job in batch.jobs if job not in done]
    logs = {job: batch.directory(job) / "log.csv" for job in batch.jobs}
    running = [job for job in rest if logs[job].exists() and _age_s(logs[job]) < SILENT_S]
    text = f"{len(done)} of {len(batch.jobs)} runs done, {len(running)} running"
    rates = [rate for job in batch.jobs if (rate := _steps_per_s(logs[job])) > 0]
    if not rest or not rates:
        return text
    left = sum(_steps_left(batch, job, logs[job]) for job in rest)
    minutes = left / (sum(rates) / len(rates)) / max(1, len(running)) / 60
    return f"{text}, about {max(1, round(minutes))} min of training left"


def _steps_left(batch: Batch, job: Job, log: Path) -> int:
    rows = read_log(log)
    steps = make_config(job.experiment, batch.scale, job.seed, batch.data).steps
    return max(0, steps - int(rows[-1]["step"])) if rows else steps


def _steps_per_s(log: Path) -> float:
    rows = read_log(log)
    return rows[-1]["step"] / rows[-1]["seconds"] if rows and rows[-1]["seconds"] > 0 else 0.0


def _age_s(path: Path) -> float:
    return time.time() - path.stat().st_mtime
