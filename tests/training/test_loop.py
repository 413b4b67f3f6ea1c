"""A run can be killed, stopped, prolonged and shared by processes, and is the same run."""

import multiprocessing
import os
import signal
import time

import numpy as np
import pytest
import torch
from PIL import Image

from aotgan.data.catalogue import load as load_images
from aotgan.errors import InputError
from aotgan.models.weights import load_generator, read_metadata
from aotgan.training.checkpoint import load_state, not_finite
from aotgan.training.log import read_log
from aotgan.training.loop import RunOptions, Trainer

QUICK = {"device": "cpu", "workers": 0, "progress": "none"}
OFTEN = {"log_every_steps": 3, "save_every_steps": 2}  # some states lie between two rows
TIMES = ("images_per_s", "seconds")


def run(config, directory, on_sample=None, **options):
    trainer = Trainer(config, directory, RunOptions(**QUICK | OFTEN | options), on_sample=on_sample)
    return trainer, trainer.fit()


@pytest.fixture(scope="module")
def straight(tiny, tmp_path_factory):
    """The directory of a run of 12 steps that nothing disturbed."""
    torch.set_num_threads(1)
    directory = tmp_path_factory.mktemp("straight")
    assert run(averaging(tiny), directory)[1] == "steps"
    return directory


def averaging(tiny, **settings):
    return tiny(ema_decay=0.9, jitter=0.05, **settings)


def without_times(value):
    """The state or rows of a log without what a clock measured."""
    if isinstance(value, dict):
        clocks = (*TIMES, "seconds_on", "marked")
        return {k: without_times(v) for k, v in value.items() if k not in clocks}
    return [without_times(item) for item in value] if isinstance(value, list | tuple) else value


def assert_same(found, expected):
    """Equality to the last bit of everything in two nested structures."""
    assert type(found) is type(expected)
    if isinstance(expected, dict):
        assert list(found) == list(expected)
        for key in expected:
            assert_same(found[key], expected[key])
    elif isinstance(expected, list):
        assert len(found) == len(expected)
        for pair in zip(found, expected, strict=True):
            assert_same(*pair)
    elif isinstance(expected, torch.Tensor):
        assert torch.equal(found, expected) and found.dtype == expected.dtype
    else:
        assert found == expected


def assert_same_run(found, expected):
    """Equal weights, moving average, optimisers, step, settings and logged losses."""
    states = [without_times(load_state(folder / "state.pt")) for folder in (found, expected)]
    assert_same(*states)
    assert_same(*(without_times(read_log(folder / "log.csv")) for folder in (found, expected)))
    for name in ("generator.safetensors", "generator-ema.safetensors"):
        assert (found / name).read_bytes() == (expected / name).read_bytes()


def test_a_run_leaves_weights_state_and_log(straight, tiny):
    names = ["generator-ema.safetensors", "generator.safetensors", "log.csv", "state.pt"]
    assert sorted(path.name for path in straight.iterdir()) == names
    state = load_state(straight / "state.pt")
    assert (state["step"], state["config"]) == (12, averaging(tiny).to_dict())
    trained = state["recipe"]["networks"]["generator"]
    for name, part, prefix in (
        ("generator", trained, ""),
        ("generator-ema", state["average"], "module."),
    ):
        weights = load_generator(straight / f"{name}.safetensors").state_dict()
        assert all(torch.equal(part[prefix + n], value) for n, value in weights.items())
    facts = read_metadata(straight / "generator.safetensors")
    assert facts["step"] == "12" and facts["features"] == "random-2-seed0"
    assert facts["data"].startswith("folder:photographs")
    rows = read_log(straight / "log.csv")
    assert [row["step"] for row in rows] == [3, 6, 9, 12]
    assert list(rows[0]) == [
        "step",
        "reconstruction",
        "perceptual",
        "style",
        "discriminator",
        "adversarial",
        *TIMES,
    ]


def test_the_moving_average_is_that_of_the_weights(tiny, tmp_path):
    weights = []
    trainer, _ = run(
        tiny(steps=4, ema_decay=0.75),
        tmp_path,
        on_sample=lambda t: weights.append(t.recipe.generator.encoder[0].weight.detach().clone()),
        sample_every_steps=1,
    )
    expected = weights[0]
    for later in weights[1:]:
        expected = 0.75 * expected + 0.25 * later
    torch.testing.assert_close(trainer.averaged.encoder[0].weight.detach(), expected)
    assert trainer.averaged is not trainer.recipe.generator
    assert not list(not_finite(trainer.state()))


def test_kills_and_resumes_change_not_a_bit(tiny, straight, tmp_path, start):
    config, state, rng = averaging(tiny), tmp_path / "state.pt", np.random.default_rng()
    killed = []
    for workers, last in ((1, 5), (0, 9)):
        before = state.stat().st_ino if state.exists() else None
        process = start("train", config.to_dict(), tmp_path, OFTEN | {"workers": workers}, last)
        while not state.exists() or state.stat().st_ino == before:
            assert process.is_alive()
            time.sleep(0.001)
        time.sleep(rng.uniform(0, 0.3))
        process.kill()
        process.join()
        assert process.exitcode == -signal.SIGKILL
        assert 2 <= load_state(state)["step"] < last
        killed.append(process.pid)
    assert run(config, tmp_path)[1] == "steps"
    assert_same_run(tmp_path, straight)
    for group in killed:  # loading processes notice within five seconds
        with pytest.raises(ProcessLookupError):
            for _ in range(3000):
                os.killpg(group, 0)
                time.sleep(0.01)


def test_workers_change_not_a_bit(tiny, straight, tmp_path):
    run(averaging(tiny), tmp_path, workers=2)
    assert_same_run(tmp_path, straight)


def test_ctrl_c_saves_and_the_same_call_goes_on(tiny, straight, tmp_path):
    def press(trainer):
        if trainer.step == 5:
            os.kill(os.getpid(), signal.SIGINT)

    trainer, reason = run(averaging(tiny), tmp_path, press, sample_every_steps=1, workers=1)
    assert (reason, trainer.step) == ("interrupt", 5)
    assert load_state(tmp_path / "state.pt")["step"] == 5
    assert run(averaging(tiny), tmp_path)[1] == "steps"
    assert_same_run(tmp_path, straight)


def test_a_batch_system_that_ends_every_process_is_obeyed(tiny, straight, tmp_path):
    """Slurm's scancel sends SIGTERM to the loading processes as well."""

    def cancel(trainer):
        if trainer.step == 2:
            for child in multiprocessing.active_children():
                os.kill(child.pid, signal.SIGTERM)
            time.sleep(0.5)  # for a dying child to be noticed
            os.kill(os.getpid(), signal.SIGTERM)

    trainer, reason = run(averaging(tiny), tmp_path, cancel, sample_every_steps=1, workers=2)
    assert (reason, trainer.step) == ("interrupt", 2)
    assert not multiprocessing.active_children()
    assert run(averaging(tiny), tmp_path)[1] == "steps"
    assert_same_run(tmp_path, straight)


def test_a_second_ctrl_c_leaves_the_last_state(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr("aotgan.training.log.PATIENCE_S", 0)

    def press_twice(trainer):
        if trainer.step == 3:
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        run(tiny(), tmp_path, press_twice, sample_every_steps=1)
    assert load_state(tmp_path / "state.pt")["step"] == 2


def test_rows_after_the_last_state_are_not_doubled(tiny, tmp_path):
    class CrashError(Exception):
        pass

    def crash(trainer):
        if trainer.step == 5:
            raise CrashError

    often = {"log_every_steps": 1, "save_every_steps": 3, "sample_every_steps": 1}
    with pytest.raises(CrashError):
        run(tiny(steps=7), tmp_path, crash, **often)
    assert [row["step"] for row in read_log(tmp_path / "log.csv")] == [1, 2, 3, 4, 5]
    run(tiny(steps=7), tmp_path, **often)
    assert [row["step"] for row in read_log(tmp_path / "log.csv")] == [1, 2, 3, 4, 5, 6, 7]


def test_more_steps_prolong_a_run(tiny, tmp_path):
    assert run(tiny(steps=4), tmp_path / "a")[1] == "steps"
    trainer, _ = run(tiny(steps=6), tmp_path / "a")
    expected, _ = run(tiny(steps=6), tmp_path / "b")
    assert trainer.step == 6
    for own, other in ((trainer, expected), (expected, trainer)):
        assert_same(own.recipe.generator.state_dict(), other.recipe.generator.state_dict())
    written = (tmp_path / "a" / "state.pt").stat().st_mtime_ns
    assert run(tiny(steps=6), tmp_path / "a")[1] == "steps"
    assert (tmp_path / "a" / "state.pt").stat().st_mtime_ns == written, "a finished run is left"
    with pytest.raises(InputError, match="steps 6, not 5"):
        run(tiny(steps=5), tmp_path / "a")


SURFACE = {
    "width": 4,
    "blocks": 1,
    "rates": [1],
    "gate_bias": 2.0,
    "fill": "surface",
    "correction": True,
}
GROWING = {"size_px": 48, "stages": ((0.3, 40), (1.0, 48))}
TUNED = {"schedule": "cosine", "warmup_steps": 3, "clip_norm": 0.05, "hole": 6.0}


def test_a_resumed_run_of_all_choices_changes_not_a_bit(tiny, tmp_path):
    config = averaging(tiny, generator=SURFACE, refine=0.5, **TUNED, **GROWING)
    one, why = run(config, tmp_path / "one")
    assert why == "steps"
    for stop in (2, 5, 12):  # in the warm-up, and as images have grown
        half = Trainer(config, tmp_path / "two", RunOptions(**QUICK | OFTEN))
        half._stop_reason = lambda interrupted, half=half, stop=stop: (
            "interrupt" if half.step >= stop else ""
        )
        half.fit()
    assert_same(without_times(half.state()), without_times(one.state()))
    states = [load_state(tmp_path / name / "state.pt") for name in ("one", "two")]
    assert_same(*map(without_times, states))
    rate = one.recipe.optimisers["generator"].param_groups[0]["lr"]
    assert 0 < rate < 0.1 * config.optim.learning_rate


@pytest.mark.parametrize("settings", [{"schedule": "cosine"}, GROWING])
def test_a_run_that_follows_the_share_of_its_steps_cannot_be_prolonged(tiny, tmp_path, settings):
    run(tiny(steps=2, **settings), tmp_path)
    with pytest.raises(InputError, match="a run of 2 steps, not 4, whose stages or learning"):
        Trainer(tiny(steps=4, **settings), tmp_path, RunOptions(**QUICK))


def test_a_state_from_before_a_setting_existed_goes_on(tiny, tmp_path):
    run(tiny(steps=2), tmp_path)
    state = load_state(tmp_path / "state.pt")
    for part, name in (("optim", "schedule"), ("optim", "clip_norm"), ("data", "stages")):
        del state["config"][part][name]
    torch.save(state, tmp_path / "state.pt")
    assert run(tiny(steps=4), tmp_path)[0].step == 4


def test_a_directory_of_other_settings_is_refused_by_name(tiny, straight):
    wanted = averaging(tiny, style=1.0, seed=3)
    with pytest.raises(InputError, match=r"loss\.style 250\.0, not 1\.0; seed 0, not 3.*Choose"):
        Trainer(wanted, straight, RunOptions(**QUICK))


def poison(trainer, step):
    """Makes the batch of a step NaN."""
    one_step = trainer._one_step
    trainer._one_step = lambda image, mask: one_step(
        image * torch.nan if trainer.step + 1 == step else image, mask
    )


@pytest.mark.parametrize("step", [5, 8])
def test_nan_stops_the_run_names_the_batch_and_reaches_no_file(tiny, tmp_path, step):
    """Step 5 is found where it would be saved, step 8, the last, where it would be logged."""
    options = RunOptions(**QUICK, log_every_steps=4, save_every_steps=3)
    trainer = Trainer(tiny(steps=8, ema_decay=0.9), tmp_path, options)
    poison(trainer, step)
    first, last = 2 * (step - 1), 2 * step - 1
    expected = rf"loss is not finite in step {step} \(samples {first} to {last} of seed 0\)"
    with pytest.raises(FloatingPointError, match=expected):
        trainer.fit()
    state = load_state(tmp_path / "state.pt")
    assert state["step"] == (3 if step == 5 else 6)
    assert not list(not_finite(state))
    for name in ("generator", "generator-ema"):
        weights = load_generator(tmp_path / f"{name}.safetensors").state_dict()
        assert not list(not_finite(weights))
    assert all(np.isfinite(list(row.values())).all() for row in read_log(tmp_path / "log.csv"))
    again = Trainer(tiny(steps=8, ema_decay=0.9), tmp_path, options)
    assert again.step == state["step"] and again.fit() == "steps"


def test_a_weight_that_is_not_finite_is_not_saved(tiny, tmp_path):
    """A gradient can overflow where the loss of its step was finite."""
    trainer, _ = run(tiny(steps=2), tmp_path)
    for state in (
        trainer.recipe.networks["discriminator"].state_dict(),
        trainer.recipe.optimisers["generator"].state[trainer.recipe.generator.encoder[0].bias],
    ):
        value = next(iter(reversed(state.values())))
        kept = value.clone()
        value.view(-1)[0] = torch.inf
        with pytest.raises(FloatingPointError, match=r"is not finite after step 2 \(samples 2 to"):
            trainer.save()
        value.copy_(kept)
    trainer.save()


def test_without_an_adversary_only_three_losses_are_logged(tiny, tmp_path):
    run(tiny(objective="none", steps=1), tmp_path)
    (row,) = read_log(tmp_path / "log.csv")
    assert list(row) == ["step", "reconstruction", "perceptual", "style", *TIMES]


def test_mixed_precision_trains_on_the_processor(tiny, tmp_path):
    trainer, reason = run(tiny(precision="bf16-mixed", steps=3), tmp_path)
    assert reason == "steps" and not list(not_finite(trainer.state()))
    assert all(np.isfinite(list(row.values())).all() for row in read_log(tmp_path / "log.csv"))


def test_a_photograph_that_breaks_is_replaced_and_told(tiny, tmp_path, capsys):
    folder = tmp_path / "photographs"
    folder.mkdir()
    for number in range(3):
        Image.new("RGB", (48, 48), (80 * number, 90, 90)).save(folder / f"photo{number}.png")
    trainer = Trainer(tiny(name=str(folder), steps=3), tmp_path / "run", RunOptions(**QUICK))
    broken = load_images(str(folder)).files[0]
    broken.write_bytes(broken.read_bytes()[:50])
    assert trainer.fit() == "steps"
    assert f"replaced by the next photograph: {broken}" in capsys.readouterr().err
