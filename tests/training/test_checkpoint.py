"""The training state is whole or absent, says what it is, and brings no code along."""

import pickle
import time

import numpy as np
import pytest
import torch

from aotgan.errors import InputError
from aotgan.training.checkpoint import FORMAT, load_state, not_finite, save_state
from aotgan.training.config import TrainConfig
from aotgan.training.loop import prepare

KILLS = 30


def example():
    return {
        "config": TrainConfig().to_dict(),
        "step": 7,
        "seconds": 1.5,
        "generator": {"weight": torch.randn(3, 4), "bias": torch.zeros(0)},
        "optim": {"state": {0: {"step": torch.tensor(7.0)}}, "groups": [{"betas": (0.0, 0.9)}]},
        "average": None,
    }


def test_a_state_comes_back_as_it_was_and_says_what_it_is(tmp_path):
    state = example()
    path = save_state(tmp_path / "new" / "state.pt", state)
    found = load_state(path)
    assert found.pop("format") == FORMAT
    assert str(found) == str(state)
    assert torch.equal(found["generator"]["weight"], state["generator"]["weight"])
    assert TrainConfig.from_dict(found["config"]) == TrainConfig()
    assert torch.load(path, weights_only=True)["format"] == FORMAT


@pytest.mark.parametrize("keep", [0, 1, 100, 0.5, 0.9, -1])
def test_a_file_cut_short_is_refused_with_the_way_out(tmp_path, keep):
    path = save_state(tmp_path / "state.pt", example())
    content = path.read_bytes()
    path.write_bytes(content[: int(keep * len(content)) if isinstance(keep, float) else keep])
    with pytest.raises(InputError, match="cannot be read as a training state.*Move it away"):
        load_state(path)


def test_other_files_are_refused_with_the_way_out(tmp_path):
    path = tmp_path / "state.pt"
    for content in ({"weight": torch.zeros(3)}, [1, 2], {**example(), "format": "another-1"}):
        torch.save(content, path)
        with pytest.raises(InputError, match=f"not a training state of format {FORMAT}.*Move"):
            load_state(path)
    for damaged in (b"not a zip file", bytes(1000)):
        path.write_bytes(damaged)
        with pytest.raises(InputError, match="cannot be read"):
            load_state(path)
    with pytest.raises(InputError, match="cannot be read"):
        load_state(tmp_path / "absent.pt")


def test_code_in_a_state_is_not_run(tmp_path):
    class Harmful:
        def __reduce__(self):
            return (open, (str(tmp_path / "harm"), "w"))

    for save in (torch.save, lambda value, path: path.write_bytes(pickle.dumps(value, 2))):
        save({"format": FORMAT, "step": Harmful()}, tmp_path / "state.pt")
        with pytest.raises(InputError, match="cannot be read"):
            load_state(tmp_path / "state.pt")
        assert not (tmp_path / "harm").exists()


def test_numbers_that_are_not_finite_are_found_wherever_they_are():
    state = {"a": {"b": [torch.zeros(2), torch.tensor([0.0, torch.inf])]}, "c": (torch.arange(3),)}
    assert list(not_finite(state)) == ["a.b.1"]
    assert list(not_finite({**state, "d": torch.tensor(torch.nan)})) == ["a.b.1", "d"]
    assert list(not_finite(example())) == []


def test_a_kill_while_writing_leaves_a_whole_state(tmp_path, start):
    path, steps, rng = tmp_path / "run" / "state.pt", [], np.random.default_rng()
    for _ in range(KILLS):
        process = start("save_for_ever", path)
        for _ in range(rng.integers(1, 5)):
            wait_for_change(path, process)
        time.sleep(rng.uniform(0, 0.005))
        process.kill()
        process.join()
        state = load_state(path)
        assert state["weights"].eq(state["step"]).all()
        steps.append(state["step"])
    assert len(set(steps)) > 1, "the kills did not come at random instants"
    prepare(path.parent)
    assert [file.name for file in path.parent.iterdir()] == ["state.pt"]


def wait_for_change(path, process):
    before = path.stat().st_ino if path.exists() else None
    while not path.exists() or path.stat().st_ino == before:
        assert process.is_alive()
        time.sleep(0.0005)


def test_a_full_disk_keeps_the_previous_state(tmp_path, start):
    path = save_state(tmp_path / "state.pt", {"step": 1})
    start("save_on_full_disk", path, tmp_path / "outcome").join()
    message = (tmp_path / "outcome").read_text()
    assert "could not be written" in message and "kept. Make room" in message
    assert load_state(path)["step"] == 1
    assert sorted(file.name for file in tmp_path.iterdir()) == ["outcome", "state.pt"]


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"cannot write in .*file/run: Not a directory"):
        prepare(tmp_path / "file" / "run")
