"""A batch of runs: what is finished stays, what fails stops nothing, what is late goes on."""

import sys
import time

import pytest

from aotgan.cli import main
from aotgan.errors import InputError
from aotgan.reproduce.runs import batch as module
from aotgan.reproduce.runs.batch import Job, duration, make_batch, overview, run_batch
from aotgan.reproduce.runs.experiments import EXPERIMENTS
from aotgan.reproduce.runs.record import load_record
from aotgan.training.loop import RunOptions
from aotgan.training.running import running

QUICK = RunOptions(device="cpu", workers=0, progress="none")
NAMES = ["rates-1", "rates-2"]
pytestmark = pytest.mark.usefixtures("tiny_scale")


@pytest.fixture
def batch(photographs, tmp_path):
    return make_batch("tiny", NAMES, [0, 1], tmp_path, str(photographs))


def test_groups_stand_for_their_experiments_and_first_seeds_come_first():
    jobs = make_batch("smoke", ["aotgan", "ablations"], [0, 1]).jobs
    names = ["aotgan", *(name for name, e in EXPERIMENTS.items() if e.group == "ablations")]
    assert [job.seed for job in jobs] == [0] * len(names) + [1] * len(names)
    assert [job.experiment for job in jobs] == [*names, *names]


def test_what_is_not_trained_is_one_job_whatever_the_seeds(photographs, tmp_path, capsys):
    batch = make_batch("tiny", ["telea", "smooth"], [1, 2], tmp_path, str(photographs))
    assert batch.jobs == (Job("telea", 0), Job("smooth", 0))
    assert overview(batch) == "0 of 2 runs done, 0 running"
    assert [record.steps for record in run_batch(batch, QUICK).records] == [0, 0]
    assert overview(batch) == "2 of 2 runs done, 0 running"


def test_what_cannot_be_run_is_refused_before_anything_is(tmp_path):
    with pytest.raises(InputError, match="no experiment or group 'ablation': .* ablations"):
        make_batch("smoke", ["ablation"], [0], tmp_path)
    with pytest.raises(InputError, match="no scale 'tiny2'"):
        make_batch("tiny2", ["aotgan"], [0], tmp_path)
    assert not list(tmp_path.iterdir())


def test_every_run_is_made_once_and_the_second_time_nothing_is(batch, capsys, monkeypatch):
    outcome = run_batch(batch, QUICK)
    assert [(r.experiment, r.seed) for r in outcome.records] == [
        (job.experiment, job.seed) for job in batch.jobs
    ]
    assert (outcome.failed, outcome.waiting, outcome.interrupted) == ({}, (), False)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "rates-1, seed 0, scale tiny (run 1 of 4)"
    assert lines[1].startswith("1 of 4 runs done, 0 running, about 1 min")
    assert lines[-1] == "4 of 4 runs done, 0 running"
    monkeypatch.setattr("aotgan.reproduce.runs.run.Trainer", None)
    assert len(run_batch(batch, QUICK).records) == 4


def test_a_run_that_diverges_is_named_and_the_others_go_on(batch, monkeypatch):
    true_run = module.run

    def diverging(experiment, scale, seed, *rest):
        if (experiment, seed) == ("rates-1", 0):
            raise FloatingPointError("a loss is not finite in step 3")
        return true_run(experiment, scale, seed, *rest)

    monkeypatch.setattr(module, "run", diverging)
    outcome = run_batch(batch, QUICK)
    assert outcome.failed == {Job("rates-1", 0): "a loss is not finite in step 3"}
    assert len(outcome.records) == 3 and outcome.waiting == ()
    assert outcome.remarks() == "failed: rates-1, seed 0: a loss is not finite in step 3"
    monkeypatch.setattr(module, "run", true_run)
    assert not run_batch(batch, QUICK).failed, "the same call tries again"


def test_time_that_is_up_leaves_runs_that_go_on_to_the_same_record(
    batch, photographs, tmp_path, monkeypatch
):
    straight = run_batch(make_batch("tiny", NAMES, [0], tmp_path / "b", str(photographs)), QUICK)
    clock = iter([0.0, 1.0] + [2.0] * 2 + [1e9] * 1000)  # the limit comes after two steps
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    outcome = run_batch(batch, QUICK, minutes=1)
    assert outcome.records == () and not outcome.interrupted
    assert len(outcome.waiting) == 4 and "rates-1, seed 0; rates-2" in outcome.remarks()
    assert (batch.directory(batch.jobs[0]) / "state.pt").exists()
    assert not (batch.directory(batch.jobs[0]) / "record.json").exists()
    monkeypatch.undo()
    again = make_batch("tiny", NAMES, [0], tmp_path, str(photographs))
    for record, reference in zip(run_batch(again, QUICK).records, straight.records, strict=True):
        assert record.metrics == reference.metrics and record.steps == reference.steps == 4


def test_an_interrupt_is_told_from_a_time_limit(batch, monkeypatch):
    monkeypatch.setattr(module, "run", lambda *_: None)
    assert run_batch(batch, QUICK).interrupted
    assert run_batch(batch, QUICK, minutes=5).interrupted


def test_the_overview_counts_what_lies_there(batch):
    assert overview(batch) == "0 of 4 runs done, 0 running"
    for job, rows in zip(batch.jobs, (4, 2, 0, 0), strict=True):
        log = batch.directory(job) / "log.csv"
        log.parent.mkdir(parents=True)
        text = "".join(f"{step},{300 * step}\n" for step in range(1, rows + 1))
        log.write_text("step,seconds\n" + text)
    (batch.directory(batch.jobs[0]) / "record.json").write_text("{}")
    with running(batch.directory(batch.jobs[1])), running(batch.directory(batch.jobs[2])):
        assert overview(batch) == "1 of 4 runs done, 2 running, about 25 min of training left"
    assert overview(batch) == "1 of 4 runs done, 0 running, about 50 min of training left"
    assert [duration(s) for s in (0, 119 * 60, 7200)] == ["1 min", "119 min", "2 h"]


def test_records_name_the_run_that_made_them(batch):
    run_batch(batch, QUICK)
    for job in batch.jobs:
        record = load_record(batch.directory(job) / "record.json")
        assert (record.experiment, record.seed) == (job.experiment, job.seed)
        assert {row["bin"] for row in record.metrics["ema"]} == {"40-50%", "all"}
        assert record.evaluation["pairs"] == 12


@pytest.fixture
def command(photographs, tmp_path, monkeypatch, capsys):
    """Runs `aotgan WORDS` on the photographs; returns status, output and messages."""

    def run_command(words):
        where = ["--data", str(photographs), "--out", str(tmp_path / "runs")]
        monkeypatch.setattr(sys, "argv", ["aotgan", *words.split(), *where])
        with pytest.raises(SystemExit) as stopped:
            main()
        return stopped.value.code, *capsys.readouterr()

    return run_command


def test_the_command_writes_tables_and_a_second_one_counts_runs(command, tmp_path):
    figures = tmp_path / "figures"
    words = "--scale tiny --experiments rates-1,rates-2"
    own = f" --device cpu --workers 0 --minutes 5 --figures {figures}"
    status, out, _ = command(f"reproduce {words}{own}")
    assert status == 0 and str(figures / "tiny" / "table4.md") in out
    assert "| rates 2 | 1 |" in (figures / "tiny" / "table4.md").read_text()
    assert command(f"status {words} --seeds 0,1")[1].startswith("2 of 4 runs done, 0 running")


def test_the_commands_status_tells_failure_from_interrupt(command, tmp_path, monkeypatch):
    words = f"reproduce --scale tiny --experiments rates-1 --figures {tmp_path / 'figures'}"
    monkeypatch.setattr(module, "run", lambda *_: None)
    status, _, err = command(words)
    assert status == 130 and "the same command goes on: rates-1, seed 0" in err

    def diverge(*_):
        raise FloatingPointError("a loss is not finite in step 3")

    monkeypatch.setattr(module, "run", diverge)
    status, _, err = command(words)
    assert status == 1 and "failed: rates-1, seed 0: a loss is not finite" in err
    assert command(f"{words} --minutes 0")[0] == 2
