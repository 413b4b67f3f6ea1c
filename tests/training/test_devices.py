"""Where a run may take place, and that several processes train the run that one would."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time

import pytest
import torch
from tolerances import SINGLE_SUM

from aotgan.devices import find_device
from aotgan.errors import InputError
from aotgan.training.checkpoint import load_state, not_finite
from aotgan.training.devices import check_shared_memory, loading_processes
from aotgan.training.log import LOSSES, read_log
from aotgan.training.loop import RunOptions, Trainer


def test_auto_is_a_device_that_is_there(monkeypatch):
    for cuda, mps, expected in ((True, True, "cuda"), (False, True, "mps"), (False, False, "cpu")):
        monkeypatch.setattr(torch.cuda, "is_available", lambda found=cuda: found)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda found=mps: found)
        assert find_device("auto") == expected
        assert find_device("cpu") == "cpu"
    with pytest.raises(InputError, match="device='gpu': choose one of auto, cpu, cuda, mps"):
        find_device("gpu")
    with pytest.raises(InputError, match="device=mps: PyTorch finds none here"):
        find_device("mps")


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's allocator is told, others are not")
def test_training_does_not_ask_the_system_for_the_same_memory_again():
    """A process of its own, for the setting stays: page faults of 20 tensors, one after another."""
    code = (
        "import resource, torch\n"
        "from aotgan.training.devices import keep_freed_memory\n"
        "def faults(): return resource.getrusage(resource.RUSAGE_SELF).ru_minflt\n"
        "def made():\n"
        "    torch.ones(2**23)\n"
        "    before = faults()\n"
        "    for _ in range(20): torch.ones(2**23)\n"
        "    return faults() - before\n"
        "before = made()\n"
        "print(keep_freed_memory(), before, made())\n"
    )
    told, before, after = subprocess.check_output([sys.executable, "-c", code], text=True).split()
    assert told == "False" or int(after) < int(before) / 10


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"device": "gpu"}, "device='gpu': choose one of auto, cpu, cuda, mps"),
        ({"progress": "dots"}, "progress='dots': choose one of bar, lines, none"),
        ({"devices": 0}, "devices=0: must be at least 1"),
        ({"workers": -2}, "workers=-2: must be at least -1"),
        ({"save_every_steps": 0}, "save_every_steps=0: must be at least 1"),
        ({"minutes": 0}, "minutes=0: must be above 0"),
        ({"minutes": float("nan")}, "minutes=nan: must be above 0"),
        ({"devices": 3}, "batch_size=2 on 3 processes: must be divisible"),
        ({"device": "cuda", "devices": 64}, "device=cuda.*: PyTorch finds"),
    ],
)
def test_impossible_options_are_refused_before_anything_is_written(
    tiny, tmp_path, options, expected
):
    with pytest.raises(InputError, match=expected):
        Trainer(tiny(), tmp_path, RunOptions(**{"device": "cpu"} | options))
    assert list(tmp_path.iterdir()) == []


def test_a_launcher_that_started_other_processes_is_noticed(tiny, tmp_path, monkeypatch):
    """Else each of them would be a run of its own in the same directory."""
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "test")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(InputError, match="torchrun started 2 processes, but devices=1 and nodes=1"):
        Trainer(tiny(), tmp_path, RunOptions(device="cpu"))


def processes(start, *arguments, **more):
    """Two processes as torchrun would start them, until they end."""
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        port = probe.getsockname()[1]
    common = {
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "WORLD_SIZE": "2",
        "LOCAL_WORLD_SIZE": "2",
        "GROUP_RANK": "0",
        "TORCHELASTIC_RUN_ID": "test",
    }
    ranks = [common | {"RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(2)]
    return [start("train_as", rank, *arguments, more.get(f"rank{rank['RANK']}")) for rank in ranks]


def outcomes(started, directory):
    for process in started:
        process.join()
    assert [process.exitcode for process in started] == [0, 0]
    return [(directory / f"outcome{rank}").read_text() for rank in range(2)]


def test_two_processes_equal_one(tiny, tmp_path, start):
    """Losses and weights to 1e-5, the same files, and the same state to go on from."""
    config = tiny(batch_size=4, steps=4, ema_decay=0.9)
    started = processes(start, config.to_dict(), tmp_path / "two")
    options = RunOptions(device="cpu", workers=0, progress="none", log_every_steps=1)
    Trainer(config, tmp_path / "one", options).fit()
    assert outcomes(started, tmp_path / "two") == ["steps 4", "steps 4"]
    rows = [read_log(tmp_path / name / "log.csv") for name in ("one", "two")]
    assert [row["step"] for row in rows[1]] == [1, 2, 3, 4]
    for one, two in zip(*rows, strict=True):
        assert [two[loss] for loss in LOSSES] == pytest.approx(
            [one[loss] for loss in LOSSES], rel=SINGLE_SUM
        )
    states = [load_state(tmp_path / name / "state.pt") for name in ("one", "two")]
    one, two = (state["recipe"]["networks"] | {"average": state["average"]} for state in states)
    assert set(one) == {"generator", "discriminator", "average"}
    for part, weights in one.items():
        for name, value in weights.items():
            torch.testing.assert_close(two[part][name], value, rtol=SINGLE_SUM, atol=SINGLE_SUM)
    assert Trainer(config, tmp_path / "two", options).step == 4


def test_nan_in_one_process_stops_both(tiny, tmp_path, start):
    config = tiny(batch_size=4, steps=6)
    found = outcomes(processes(start, config.to_dict(), tmp_path, rank1=2), tmp_path)
    assert all("step 3 (samples 8 to 11 of seed 0)" in text for text in found)
    state = load_state(tmp_path / "state.pt")
    assert state["step"] == 2 and not list(not_finite(state))


def test_ctrl_c_in_one_process_stops_both(tiny, tmp_path, start):
    config = tiny(batch_size=4, steps=1000)
    started = processes(start, config.to_dict(), tmp_path)
    while not (tmp_path / "state.pt").exists():
        assert all(process.is_alive() for process in started)
        time.sleep(0.01)
    os.kill(started[1].pid, signal.SIGINT)
    found = outcomes(started, tmp_path)
    assert found[0] == found[1] and found[0].startswith("interrupt ")
    assert load_state(tmp_path / "state.pt")["step"] == int(found[0].split()[1])


def test_a_gpu_gets_more_loading_processes_than_a_cpu(monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 16)
    assert loading_processes(-1, "cpu") == 2
    assert [loading_processes(-1, "cuda", n) for n in (1, 4, 16)] == [8, 4, 2]
    assert [loading_processes(n, "cuda") for n in (0, 3)] == [0, 3]


def test_too_little_shared_memory_is_said_before_the_first_batch(tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)._replace(free=64 << 20)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage)
    check_shared_memory(2, 1 << 20, tmp_path)
    check_shared_memory(0, 1 << 30, tmp_path)
    check_shared_memory(8, 1 << 30, tmp_path / "not Linux")
    with pytest.raises(InputError, match=r"64 MB .* 8 loading processes need 544 MB. Give --work"):
        check_shared_memory(8, 32 << 20, tmp_path)
