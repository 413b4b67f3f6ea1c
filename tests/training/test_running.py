"""A run has one process, and whoever asks learns at once whether it has one."""

import subprocess
import sys

import pytest

from aotgan.errors import InputError
from aotgan.training.running import is_running, running

HOLD = """
import sys, time
from pathlib import Path
from aotgan.training.running import running
with running(Path(sys.argv[1])):
    print("ready", flush=True)
    time.sleep(60)
"""


def test_a_run_runs_as_long_as_its_process_and_no_longer(tmp_path):
    directory = tmp_path / "run"
    assert not is_running(directory)
    command = [sys.executable, "-c", HOLD, str(directory)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "ready\n"
        assert is_running(directory)
        with pytest.raises(InputError, match="another process is at work in"), running(directory):
            pass
        process.kill()
    assert not is_running(directory), "the file alone is no lock"
    with running(directory):
        assert is_running(directory)
    assert not is_running(directory)
