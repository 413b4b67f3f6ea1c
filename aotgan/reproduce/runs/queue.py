"""The trainings that the committed results rest on, in order, and a worker that goes through them.

What is worth most comes first: the models that are shipped, then the questions. Each training is a
process of its own with one thread, at the lowest priority, so that the machine can be used beside
it; it can be stopped at any time and goes on with the next call.
"""

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from aotgan.files import check_writable
from aotgan.reproduce.runs.batch import Batch, Job, late, make_batch, overview
from aotgan.reproduce.runs.experiments import CLASSICAL, COMPARED, EXPERIMENTS, READINGS
from aotgan.reproduce.runs.tuned import PILOTS, SHIPPED
from aotgan.training.log import Interrupt

LOG = "output.txt"  # of a process, in the folder of its run, locked while the process lives
NICE = 19  # the lowest priority
LOOK_S = 0.5
THREADS = {"OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
MEMORY = {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}  # huge pages, where the system gives them


def _group(name: str) -> list[str]:
    return [e.name for e in EXPERIMENTS.values() if e.group == name]


def _of(names: Iterable[str], seeds: int) -> list[Job]:
    return [Job(name, seed) for seed in range(seeds) for name in names]


def declared() -> tuple[Job, ...]:
    """Returns every training of the queue once, the most wanted first."""
    jobs = [
        *_of([e.name for e in SHIPPED], 1),
        *_of(["gate-sum", "sm-patchgan", "gate-open"], 2),
        *_of(["aotgan", "aotgan-open"], 2),
        *_of(["aotgan-tuned", *(e.name for e in COMPARED), *_group(CLASSICAL)], 1),
        *_of(["aotgan-centre", "mnps"], 1),
        *_of(_group("applications"), 1),
        *_of(_group("ablations"), 2),
        *_of(_group("thick"), 2),
        *_of(["objective-released", "objective-none"], 2),
        *_of(_group(READINGS), 1),
        *_of([e.name for e in PILOTS], 1),
    ]
    # a row of an ablation may stand further up, among the questions
    return tuple(dict.fromkeys(jobs))


def make_queue(scale: str, out: str | Path = "runs") -> Batch:
    """Returns the queue at a scale; errors as `make_batch`."""
    jobs = declared()
    make_batch(scale, {job.experiment for job in jobs}, [0], out)  # refuses what cannot be run
    return Batch(scale, jobs, out)


def work(
    batch: Batch,
    processes: int,
    data_root: str | Path | None = None,
    minutes: float | None = None,
    show: Callable[[str], None] = print,
) -> list[Job]:
    """Trains what is not finished, so many runs at a time, until all are or somebody stops it.

    After the minutes, Ctrl-C or SIGTERM, every process saves its run and ends. Several workers may
    share a queue: a run that has a process already is left to it.

    Args:
        batch: what to run, in order.
        processes: runs at a time.
        data_root: folder of the named image sets.
        minutes: when to stop.
        show: gets a line whenever a run begins or ends.

    Returns:
        The runs that failed; `LOG` in the folder of each says why.
    """
    until = None if minutes is None else time.monotonic() + 60 * minutes
    running: dict[Job, subprocess.Popen[bytes]] = {}
    failed: list[Job] = []
    waiting = [job for job in batch.jobs if job not in batch.done()]
    with Interrupt() as stop:
        while (waiting or running) and not stop.requested and not late(until):
            while waiting and len(running) < processes:
                job = waiting.pop(0)
                # another worker may have it: then it is that one's, and the next is tried
                process = _start(batch, job, data_root)
                if process:
                    running[job] = process
                show(f"{job}: {'begun' if process else 'another process is at it'}")
            time.sleep(LOOK_S)
            # one that failed is named and left; the others go on
            for job in [job for job, process in running.items() if process.poll() is not None]:
                status = running.pop(job).returncode
                failed += [job] if status else []
                show(f"{job}: {f'failed, status {status}' if status else 'done'}")
                show(overview(batch))
        # all are told first, so that they save at the same time
        for process in running.values():
            process.send_signal(signal.SIGTERM)
        for job, process in running.items():
            finished = process.wait() == 0
            show(f"{job}: {'done' if finished else 'stopped, the next call goes on'}")
    return failed


def _start(batch: Batch, job: Job, data_root: str | Path | None) -> subprocess.Popen[bytes] | None:
    """Starts the process of a run; None where it has one."""
    directory = batch.directory(job)
    check_writable(directory)
    with open(directory / LOG, "ab") as log:
        try:
            fcntl.flock(log, fcntl.LOCK_EX | fcntl.LOCK_NB)  # the process inherits it
        except BlockingIOError:
            return None
        return subprocess.Popen(  # noqa: S603  # this program, with names that are declared
            [sys.executable, "-m", "aotgan.cli", *_words(batch, job, data_root)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            # what the user has set for memory stays; one thread each is what the queue promises
            env=MEMORY | os.environ | THREADS,
            start_new_session=True,  # the worker alone hears Ctrl-C, and passes it on
            preexec_fn=_step_back,
        )


def _words(batch: Batch, job: Job, data_root: str | Path | None) -> list[str]:
    """The command line of a run."""
    options = {
        "experiment": job.experiment,
        "scale": batch.scale,
        "seed": job.seed,
        "data": batch.data,
        "data-root": data_root,
        "out": batch.out,
        "workers": 1,
    }
    return ["train", *(f"--{key}={value}" for key, value in options.items() if value is not None)]


def _step_back() -> None:
    """Gives way to every other process, of other terminals as well (Linux groups by session)."""
    os.nice(NICE)
    group = Path("/proc/self/autogroup")
    if group.exists():
        with suppress(OSError):  # a courtesy beyond `nice`, which some systems do not allow
            group.write_text(str(NICE))
