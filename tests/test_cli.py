"""The command line: one line for bad input, nothing lost by Ctrl-C, several processes."""

import io
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from processes import alive, wait_until
from typer.main import get_command

from aotgan import cli
from aotgan.models.generator import Generator
from aotgan.models.weights import save_generator
from aotgan.reproduce.runs.record import load_record
from aotgan.reproduce.runs.scales import make_config
from aotgan.training.checkpoint import load_state
from aotgan.training.config import TrainConfig
from aotgan.training.log import read_log
from aotgan.training.loop import RunOptions, Trainer

ROOT = Path(__file__).parents[1]
PATIENCE_S = 240
TINY = """
from dataclasses import replace
from aotgan.reproduce.runs.scales import SCALES
SCALES["tiny"] = replace(
    SCALES["smoke"], name="tiny", size_px=40, width=4, features="random", feature_width=2,
    batch_size=2, steps=3, ema_decay=0.5, pairs=12, log_every_steps=1, save_every_steps=2,
)
from aotgan.cli import main
main()
"""


@pytest.fixture
def aotgan(monkeypatch, capsys):
    """Runs the command line; returns its exit status and what it printed."""

    def call(*words):
        monkeypatch.setattr(sys, "argv", ["aotgan", *map(str, words)])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        return stopped.value.code, *capsys.readouterr()

    return call


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("trian", r"No such command 'trian'.*See 'aotgan --help'\."),
        ("train --sed 1", r"No such option: --sed.*--seed.*See 'aotgan train --help'\."),
        ("train --seed x", r"'--seed'.*valid integer.*See 'aotgan train --help'\."),
        ("train --seed -1", r"'--seed'.*See 'aotgan train --help'\."),
        ("train --steps 0", r"'--steps'.*See 'aotgan train --help'\."),
        ("train --experiment gan", "no experiment 'gan': choose one of aotgan, "),
        ("train --scale huge", "no scale 'huge': choose one of smoke, "),
        ("train --device gpu", "device='gpu': choose one of auto, cpu, cuda, mps"),
        ("train --device cuda --devices 64", "device=cuda.*: PyTorch finds"),
        ("train --minutes 0", r"minutes=0\.0: must be above 0"),
        ("train --device cpu --devices 3", "batch_size=8 on 3 processes: .* Use"),
        ("train --data nowhere", '"nowhere" is neither a set nor a folder. Sets: bundled'),
        ("train --data faces", '"faces" was asked for, but no data folder is known.*--data-root'),
        ("train --data faces --data-root .", '"faces" is not in faces.*Where to get it'),
        ("train --out pyproject.toml", "cannot write in pyproject.toml/.*Choose another folder"),
        ("evaluate --model absent.safetensors", "absent.safetensors"),
        ("evaluate --model pyproject.toml", "pyproject.toml is not a readable safetensors file"),
        ("evaluate --scale huge", "no scale 'huge'"),
        ("evaluate --device gpu", "device='gpu': choose one of"),
        ("evaluate --csv pyproject.toml/table.csv", "cannot write in pyproject.toml"),
        (
            "reproduce --experiments aotgan,gan",
            "no experiment or group 'gan': choose of the groups",
        ),
        ("reproduce --seeds 0,a", "'0,a': expected whole numbers by commas, like 0,1,2"),
        ("reproduce --seeds -1", "seed=-1: must be at least 0"),
        ("reproduce --scale huge", "no scale 'huge'"),
        ("reproduce --figures pyproject.toml", "cannot write in pyproject.toml"),
        ("bench --device gpu", "device='gpu': choose one of"),
        ("bench --out pyproject.toml", "cannot write in pyproject.toml.*Choose another folder"),
        ("bench --what speed", "no 'speed' to measure: choose of inference, .*, or all"),
        ("bench --threads 1,0", "threads '1,0': expected whole numbers above 0 by commas"),
        ("bench --rounds 5", r"'--rounds'.*See 'aotgan bench --help'\."),
        ("weights import absent.pt out.safetensors", "no file absent.pt"),
        ("weights import pyproject.toml x.safetensors", "cannot be read as a PyTorch state dict"),
        ("weights import absent.pt", "Missing argument.*See 'aotgan weights import --help'"),
        ("weights show absent.safetensors", "absent.safetensors"),
        ("weights ship absent", "absent"),
    ],
)
def test_bad_input_is_one_line_and_status_2(aotgan, monkeypatch, tmp_path, words, expected):
    monkeypatch.delenv("AOTGAN_DATA", raising=False)
    monkeypatch.chdir(tmp_path)
    Path("pyproject.toml").write_text("[project]\n")
    status, out, err = aotgan(*words.split())
    assert (status, out) == (2, "")
    assert err.startswith("error: ") and err.count("\n") == 1 and err.endswith("\n")
    assert re.search(expected, err)
    assert [path.name for path in tmp_path.iterdir()] == ["pyproject.toml"], "no work was begun"


def test_no_words_show_the_help(aotgan):
    status, out, err = aotgan()
    assert status == 2 and err == ""
    assert all(word in out for word in ("Usage: aotgan", "train", "evaluate", "weights", "list"))


def commands(command, words=()):
    """Every verb below a command, by its words."""
    if not hasattr(command, "commands"):
        return {" ".join(words): command}
    below = [commands(verb, (*words, name)) for name, verb in command.commands.items()]
    return {words: verb for found in below for words, verb in found.items()}


VERBS = commands(get_command(cli.app))


@pytest.mark.parametrize("verb", VERBS)
def test_the_help_explains_a_verb_and_its_options(aotgan, verb):
    status, out, err = aotgan(*verb.split(), "--help")
    assert (status, err) == (0, "") and f"Usage: aotgan {verb}" in out
    for text in (VERBS[verb].help, *(option.help for option in VERBS[verb].params)):
        assert text and text.endswith("."), verb


def test_a_dry_run_prints_the_configuration_and_nothing_else(aotgan, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    words = "train --experiment aotgan-released --scale paper --seed 7 --steps 9 --dry-run"
    status, out, err = aotgan(*words.split())
    assert (status, err) == (0, "")
    config = TrainConfig.from_dict(json.loads(out))
    assert config == make_config("aotgan-released", "paper", 7, steps=9)
    assert list(tmp_path.iterdir()) == []


def test_list_names_what_train_accepts(aotgan):
    status, out, _ = aotgan("list")
    assert status == 0
    assert re.search(
        r"^  aotgan +AOT-GAN as the paper's text has it \(Table 1\)", out, re.MULTILINE
    )
    assert re.search(r"^  rates-2-8 +dilation rates 2, 8 \(Table 4\)", out, re.MULTILINE)
    assert re.search("^  smoke +64 px, width 16, 150 steps$", out, re.MULTILINE)


def test_a_run_that_diverges_ends_with_status_1_and_one_line(aotgan, monkeypatch):
    def diverge(*_, **__):
        raise FloatingPointError("a loss is not finite in step 5 (samples 8 to 9 of seed 0)")

    monkeypatch.setattr("aotgan.reproduce.runs.run.run", diverge)
    assert aotgan("train") == (
        1,
        "",
        "error: a loss is not finite in step 5 (samples 8 to 9 of seed 0)\n",
    )


def test_weights_can_be_measured_and_shown(aotgan, tmp_path):
    path = save_generator(Generator(width=4, blocks=1), tmp_path / "g.safetensors", {"step": "3"})
    table = tmp_path / "table.csv"
    status, out, _ = aotgan("evaluate", "--model", path, "--csv", table)
    assert status == 0
    assert out.splitlines()[0].split()[:4] == ["bin", "n", "images", "identical"]
    assert out.splitlines()[-1].split()[0] == "all" and "_low" not in out
    assert table.read_text().count("\n") == 8 and "psnr_low" in table.read_text()
    status, out, _ = aotgan("weights", "show", path)
    assert status == 0 and "step: 3" in out and '"width": 4' in out


def test_ctrl_c_saves_the_run_and_leaves_no_process(tmp_path):
    """As a terminal does it: the signal goes to every process of the command."""
    words = "train --scale smoke --device cpu --workers 2 --out".split()
    process = subprocess.Popen(
        [sys.executable, "-m", "aotgan.cli", *words, str(tmp_path)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    directory = tmp_path / "smoke" / "aotgan" / "seed0"
    wait_until(lambda: (directory / "log.csv").exists() or process.poll() is not None)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 130, err
    assert "stopping soon; the run is saved" in err and "Traceback" not in err
    assert err.splitlines()[-1] == f"stopped; the same command goes on with {directory}"
    wait_until(lambda: not alive(process.pid))
    assert not (directory / "record.json").exists()
    options = RunOptions(device="cpu", workers=0, progress="none")
    resumed = Trainer(make_config("aotgan", "smoke"), directory, options)
    assert 10 <= resumed.step == load_state(directory / "state.pt")["step"] < 150


def test_a_terminal_that_lacks_letters_gets_their_numbers(aotgan, monkeypatch, tmp_path):
    terminal = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    path = save_generator(Generator(width=4, blocks=1), tmp_path / "g.safetensors", {"step": "é"})
    monkeypatch.setattr(sys, "stdout", terminal)
    assert aotgan("weights", "show", path)[::2] == (0, "")
    terminal.seek(0)
    assert "step: \\xe9\n" in terminal.read()


@pytest.mark.parametrize("words", ["--version", "list", "evaluate --help"])
def test_output_that_nobody_takes_ends_in_a_line_at_most(words):
    for name, said in (("/dev/full", "error: No space left on device. Make room, or "), ("", "")):
        if name:
            end = os.open(name, os.O_WRONLY)
        else:
            reader, end = os.pipe()
            os.close(reader)  # as head does when it has enough
        run = [sys.executable, "-m", "aotgan.cli", *words.split()]
        done = subprocess.run(run, cwd=ROOT, stdout=end, stderr=subprocess.PIPE, text=True)
        os.close(end)
        assert done.returncode == 1 and done.stderr.startswith(said), done.stderr
        assert done.stderr.count("\n") == bool(said), done.stderr


def test_two_processes_train_one_run_and_one_measures_it(tmp_path):
    """One table, one set of files; the second process leaves while the first evaluates."""
    script = tmp_path / "tiny.py"
    script.write_text(TINY)
    words = "train --scale tiny --device cpu --devices 2 --workers 1 --out".split()
    process = subprocess.Popen(
        [sys.executable, str(script), *words, str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
    )
    out, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, err
    directory = tmp_path / "tiny" / "aotgan" / "seed0"
    assert out.count("psnr") == 1 + out.count("psnr_hole") == 2, "one table"
    assert out.count("step 3/3") == 1, "one progress display"
    assert out.splitlines()[-1] == f"record, weights and samples: {directory}"
    assert "Warning" not in err
    wait_until(lambda: not alive(process.pid))
    assert not list(directory.glob(".*")), "half-written files"
    assert (directory / "state.pt").exists() and (directory / "record.json").exists()
    assert [row["step"] for row in read_log(directory / "log.csv")] == [1, 2, 3]
    record = load_record(directory / "record.json")
    assert record.environment["processes"] == 2 and record.steps == 3
    assert record.images_seen == 6


@pytest.mark.parametrize("words", ["status --out=~/none", "status --out ~/none"])
def test_the_home_folder_is_understood_wherever_a_path_is_given(
    aotgan, monkeypatch, tmp_path, words
):
    monkeypatch.setenv("HOME", str(tmp_path))
    status, _, err = aotgan(*words.split())
    assert status == 2 and f"{tmp_path}/none/smoke: no such folder" in err
