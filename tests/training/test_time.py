"""The time of a training: a limit on all of it, and how much of it on which device."""

import platform

import pytest
import torch

from aotgan.training import loop
from aotgan.training.checkpoint import load_state
from aotgan.training.loop import RunOptions, Trainer


def run(config, directory, **options):
    options = RunOptions(device="cpu", workers=0, progress="none", **options)
    trainer = Trainer(config, directory, options)
    return trainer, trainer.fit()


def test_minutes_stop_a_run_and_more_minutes_go_on(tiny, tmp_path):
    trainer, reason = run(tiny(), tmp_path, minutes=1e-6)
    assert (reason, trainer.step, load_state(tmp_path / "state.pt")["step"]) == ("minutes", 1, 1)
    trainer, reason = run(tiny(), tmp_path, minutes=1e-6)
    assert (reason, trainer.step) == ("minutes", 1), "earlier time counts"
    trainer, reason = run(tiny(), tmp_path, minutes=trainer.seconds / 60 + 1e-6)
    assert (reason, trainer.step) == ("minutes", 2)


def test_time_is_counted_by_device(tiny, tmp_path, monkeypatch):
    run(tiny(steps=2), tmp_path)
    monkeypatch.setattr(loop, "device_name", lambda device: "another")
    trainer, _ = run(tiny(steps=4), tmp_path)
    assert list(trainer.seconds_on) == [f"CPU ({platform.machine()})", "another"]
    assert min(trainer.seconds_on.values()) > 0
    assert sum(trainer.seconds_on.values()) == pytest.approx(trainer.seconds)

    state = load_state(tmp_path / "state.pt")
    del state["seconds_on"]  # as in states that did not have it
    torch.save(state, tmp_path / "state.pt")
    trainer, _ = run(tiny(steps=5), tmp_path)
    assert trainer.seconds_on[loop.UNRECORDED] == pytest.approx(state["seconds"])


def test_a_run_that_was_stopped_at_once_has_no_other_device(tiny, tmp_path):
    trainer = Trainer(tiny(steps=2), tmp_path, RunOptions(device="cpu", workers=0, progress="none"))
    trainer.save()
    assert list(run(tiny(steps=2), tmp_path)[0].seconds_on) == [f"CPU ({platform.machine()})"]
