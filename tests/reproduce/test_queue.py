"""The queue: every training once, the wanted first; a worker that starts, stops and goes on."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from aotgan.reproduce.runs import queue as module
from aotgan.reproduce.runs.batch import Batch, Job, each
from aotgan.reproduce.runs.experiments import EXPERIMENTS
from aotgan.reproduce.runs.queue import declared, make_queue, work

# In place of a training: writes its record, waits, fails or is told to end, as its seed says.
PROGRAM = """
import os, pathlib, signal, sys, time
directory, seed = pathlib.Path(sys.argv[1]), int(sys.argv[2])
signal.signal(signal.SIGTERM, lambda *_: sys.exit(130))
print("nice", os.nice(0), os.environ["OMP_NUM_THREADS"], flush=True)
if seed == 1:
    sys.exit(1)
time.sleep(60 if seed == 2 else 0)
(directory / "record.json").write_text("{}")
"""


@pytest.fixture
def make(tmp_path, monkeypatch):
    """Returns a queue of runs with these seeds, whose processes are `PROGRAM`."""
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    real = subprocess.Popen

    def start(words, **options):
        seed = next(word.split("=")[1] for word in words if word.startswith("--seed="))
        directory = tmp_path / "runs" / "smoke" / "aotgan" / f"seed{seed}"
        return real([sys.executable, str(program), str(directory), seed], **options)

    monkeypatch.setattr(module.subprocess, "Popen", start)
    return lambda *seeds: Batch(
        "smoke", tuple(Job("aotgan", seed) for seed in seeds), tmp_path / "runs"
    )


def test_shipped_models_come_first_and_nothing_twice():
    jobs = declared()
    assert len(set(jobs)) == len(jobs)
    assert [str(job) for job in jobs[:2]] == ["aotgan-scenes, seed 0", "aotgan-faces, seed 0"]
    assert {job.seed for job in jobs if not EXPERIMENTS[job.experiment].trained} == {0}
    rows = {e.name for e in EXPERIMENTS.values() if e.rows and e.group != "classical"}
    assert rows <= {job.experiment for job in jobs}, "a table would lack a row"
    assert Job("logo-removal", 0) in jobs, "`aotgan measure logos` would lack a network"
    assert make_queue("laptop").jobs == jobs


def test_every_run_is_made_and_one_that_fails_is_told(make, tmp_path):
    batch, lines = make(0, 1, 3), []
    assert work(batch, 2, show=lines.append) == [Job("aotgan", 1)]
    assert {job.seed for job in batch.done()} == {0, 3}
    assert "aotgan, seed 1: failed, status 1" in lines and "aotgan, seed 3: done" in lines
    told = (batch.directory(batch.jobs[0]) / "output.txt").read_text()
    assert told == "nice 19 1\n", "lowest priority, one thread"
    assert work(batch, 1, show=lines.append) == [Job("aotgan", 1)], "tried again, the others not"
    assert sum("begun" in line for line in lines) == 4
    assert [line.split()[-1] for line in each(batch)] == ["done", "1,200", "done"]


def test_an_interrupt_lets_the_runs_save_themselves_and_the_next_call_goes_on(make):
    batch, lines = make(2), []

    def press(line):
        lines.append(line)
        if "begun" in line:
            threading.Timer(1.5, os.kill, (os.getpid(), signal.SIGINT)).start()

    began = time.monotonic()
    assert work(batch, 1, show=press) == []
    assert time.monotonic() - began < 30
    assert lines == ["aotgan, seed 2: begun", "aotgan, seed 2: stopped, the next call goes on"]
    assert work(batch, 1, minutes=0.02, show=lines.append) == []
    assert lines[2:] == lines[:2]


def test_a_run_that_has_a_process_is_left_to_it(make):
    batch, lines = make(2), []
    process = module._start(batch, batch.jobs[0], None)
    try:
        assert work(batch, 1, show=lines.append) == []
        assert lines == ["aotgan, seed 2: another process is at it"]
    finally:
        process.kill()
        process.wait()
    assert work(batch, 1, minutes=0.02, show=lines.append) == []
    assert lines[1] == "aotgan, seed 2: begun"


def test_the_command_of_a_run_is_one_that_the_program_knows(tmp_path, capsys, monkeypatch):
    from aotgan.cli import main

    batch = Batch("smoke", (Job("aotgan", 3),), tmp_path)
    words = module._words(batch, batch.jobs[0], tmp_path / "photographs")
    monkeypatch.setattr(sys, "argv", ["aotgan", *words, "--dry-run"])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 0 and '"seed": 3' in capsys.readouterr().out
