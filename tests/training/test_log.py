"""The loss table, the display and the stop signal of a run."""

import math
import os
import signal
import threading
import time

import pytest
import torch
from lightning.fabric import Fabric

from aotgan.errors import InputError
from aotgan.training.log import Interrupt, LossLog, Progress, read_log


@pytest.fixture
def fabric():
    return Fabric(accelerator="cpu", devices=1)


def add(log, step, **losses):
    log.add(step, {name: torch.tensor(value) for name, value in losses.items()})


def test_a_row_is_the_mean_since_the_last_one(tmp_path, fabric):
    log = LossLog(tmp_path / "run" / "log.csv")
    for step in (1, 2, 3, 4):
        add(log, step, reconstruction=float(step), style=0.5 * step)
        if step in (3, 4):
            log.flush(fabric, seconds=2.0 * step, batch=8)
    log.flush(fabric, 9.0, 8)  # nothing new: no row
    assert read_log(log.path) == [
        {"step": 3, "reconstruction": 2, "style": 1, "images_per_s": 4, "seconds": 6},
        {"step": 4, "reconstruction": 4, "style": 2, "images_per_s": 4, "seconds": 8},
    ]
    assert read_log(log.path) == log.rows
    assert log.latest == log.rows[-1]


def test_a_restored_log_drops_later_rows_and_keeps_the_open_interval(tmp_path, fabric):
    path = tmp_path / "log.csv"
    log = LossLog(path)
    for step in range(1, 8):
        add(log, step, style=float(step))
        if step == 5:
            state = log.state()  # steps 4 to 5 are in no row yet ...
        if step % 3 == 0:
            log.flush(fabric, step, 1)
    again = LossLog(path)
    again.restore(state, 5, write=True)
    assert [row["step"] for row in read_log(path)] == [3]
    add(again, 6, style=6.0)
    again.flush(fabric, 6, 1)
    assert [(row["step"], row["style"]) for row in read_log(path)] == [
        (3, 2.0),
        (6, 5.0),
    ]  # ... now


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf])
def test_the_first_step_that_is_not_finite_is_remembered(tmp_path, fabric, wrong):
    log = LossLog(tmp_path / "log.csv")
    assert log.first_bad_step(fabric) is None
    for step, value in enumerate([1.0, 2.0, wrong, 3.0, math.nan], start=1):
        add(log, step, style=1.0, reconstruction=value)
        assert log.first_bad_step(fabric) == (None if step < 3 else 3)


def test_opposite_infinities_do_not_cancel(tmp_path, fabric):
    log = LossLog(tmp_path / "log.csv")
    add(log, 4, style=math.inf, reconstruction=-math.inf)
    assert log.first_bad_step(fabric) == 4


@pytest.mark.parametrize("end", ["\n4,0.", "\n4", "\n", "\n4,0.5,7"])
def test_a_row_that_a_kill_cut_short_is_left_out(tmp_path, end):
    path = tmp_path / "log.csv"
    path.write_text("step,style,images_per_s,seconds\n3,0.25,1.0,2.5" + end)
    assert read_log(path) == [{"step": 3, "style": 0.25, "images_per_s": 1, "seconds": 2.5}]


def test_a_file_that_is_no_log_is_refused(tmp_path):
    assert read_log(tmp_path / "absent.csv") == []
    for text in ("step,style\n1,good", "step,style\n1,2,3"):
        (tmp_path / "log.csv").write_text(text)
        with pytest.raises(InputError, match="not a loss table"):
            read_log(tmp_path / "log.csv")


def test_ctrl_c_is_a_request_and_a_second_one_an_order(capsys, monkeypatch):
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with Interrupt() as interrupt:
        assert not interrupt.requested
        os.kill(os.getpid(), signal.SIGTERM)
        assert interrupt.requested
        assert "saved and can be resumed" in capsys.readouterr().err
        os.kill(os.getpid(), signal.SIGINT)  # the same Ctrl-C by another way
        assert capsys.readouterr().err == ""
        monkeypatch.setattr("aotgan.training.log.PATIENCE_S", 0)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(1)
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_other_threads_leave_signals_alone():
    before, found = signal.getsignal(signal.SIGINT), []

    def work():
        with Interrupt() as interrupt:
            found.append((interrupt.requested, signal.getsignal(signal.SIGINT)))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [(False, before)]


def test_lines_tell_losses_speed_and_time_left(capsys):
    with Progress("lines", steps=100, start=50) as progress:
        for step in range(51, 101):
            progress.update(step, {"step": step, "style": 0.125, "seconds": 1.0}, batch=8)
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert [line.split()[1] for line in lines] == [f"{n}/100" for n in (60, 70, 80, 90, 100)]
    assert all("styl 0.125" in line and "img/s" in line for line in lines)
    assert lines[-1].endswith(" 0 s left") and err == ""


@pytest.mark.parametrize("kind", ["bar", "none"])
def test_a_bar_goes_to_stderr_and_none_nowhere(kind, capsys):
    with Progress(kind, steps=2, start=0) as progress:
        for step in (1, 2):
            progress.update(step, {"style": 0.125}, batch=8)
    out, err = capsys.readouterr()
    assert out == ""
    assert ("2/2" in err and "styl=0.125" in err and "img/s" in err) == (kind == "bar")
    assert (err == "") == (kind == "none")
