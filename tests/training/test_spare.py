"""A run whose state is lost goes on from the small spare that its interrupt has left."""

import os
import shutil
import signal

import torch
from tolerances import HALF_BITS, SINGLE

from aotgan.training.checkpoint import load_state
from aotgan.training.loop import RunOptions, Trainer

QUICK = {"device": "cpu", "workers": 0, "progress": "none"}


def run(config, directory, press_at=None, **options):
    def press(trainer):
        if trainer.step == press_at:
            os.kill(os.getpid(), signal.SIGINT)

    options = RunOptions(**QUICK, sample_every_steps=1, **options)
    trainer = Trainer(config, directory, options, on_sample=press)
    return trainer, trainer.fit()


def assert_close(found, expected):
    """Equal types, and values to half precision."""
    for key, value in expected.items():
        if isinstance(value, dict):
            assert_close(found[key], value)
        elif value.is_floating_point():
            torch.testing.assert_close(found[key], value, rtol=HALF_BITS, atol=SINGLE)
            assert found[key].dtype == value.dtype
        else:
            assert torch.equal(found[key], value)


def test_networks_are_as_they_were_to_half_precision_and_that_is_remembered(tiny, tmp_path):
    config, lost, found = tiny(steps=7, ema_decay=0.9), tmp_path / "lost", tmp_path / "found"
    assert run(config, lost, press_at=5)[1] == "interrupt"
    whole = load_state(lost / "state.pt")
    assert (lost / "spare.pt").stat().st_size < 0.3 * (lost / "state.pt").stat().st_size
    found.mkdir()
    shutil.copy(lost / "spare.pt", found / "state.pt")
    trainer, reason = run(config, found, minutes=1e-9)
    assert (reason, trainer.step, trainer.restarts) == ("minutes", 5, [5])
    networks, expected = (s["recipe"]["networks"] for s in (trainer.state(), whole))
    average = whole["average"].items()
    expected["generator"] = {k[7:]: v for k, v in average if k.startswith("module.")}
    assert_close(networks, expected)
    assert_close(trainer.state()["average"], whole["average"])
    assert run(config, found)[1] == "steps"
    assert load_state(found / "state.pt")["restarts"] == [5]


def test_without_an_average_the_generator_itself_is_kept(tiny, tmp_path):
    run(tiny(steps=3), tmp_path, press_at=2)
    whole = load_state(tmp_path / "state.pt")
    (tmp_path / "spare.pt").replace(tmp_path / "state.pt")
    trainer, _ = run(tiny(steps=3), tmp_path, minutes=1e-9)
    assert_close(trainer.state()["recipe"]["networks"], whole["recipe"]["networks"])


def test_the_run_itself_goes_on_from_its_state_and_takes_the_spare_away(tiny, tmp_path):
    config = tiny(steps=7, ema_decay=0.9)
    run(config, tmp_path / "a", press_at=5)
    assert run(config, tmp_path / "a")[1] == "steps"
    assert not (tmp_path / "a" / "spare.pt").exists()
    state = load_state(tmp_path / "a" / "state.pt")
    run(config, tmp_path / "b")
    straight = load_state(tmp_path / "b" / "state.pt")
    assert state["restarts"] == straight["restarts"] == []
    weights = [s["recipe"]["networks"]["generator"] for s in (state, straight)]
    assert all(torch.equal(weights[0][name], value) for name, value in weights[1].items())
