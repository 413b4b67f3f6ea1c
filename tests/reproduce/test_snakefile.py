"""The workflow plans one job a run, refuses misspelt settings, and remakes only what changed."""

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from aotgan.reproduce.runs.outputs import figure_files, record_files, table_files

pytest.importorskip("snakemake", reason="snakemake is in the extra 'batch'")
pytestmark = [pytest.mark.notebook, pytest.mark.slow]

ROOT = Path(__file__).resolve().parents[2]


def plan(tmp_path, *settings, flags=()):
    """A dry run: what it prints, and how often each rule would run."""
    folders = [f"out={tmp_path / 'runs'}", f"figures={tmp_path / 'figures'}"]
    command = [sys.executable, "-m", "snakemake", "--dry-run", "--nolock", "--cores", "2"]
    command += ["--printshellcmds", "--workflow-profile", "none", *flags]
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache")}
    done = subprocess.run(
        [*command, "--config", *folders, *settings],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
    )
    text = done.stdout + done.stderr
    return text, {rule: int(n) for rule, n in re.findall(r"^(\w+) +(\d+)$", text, re.MULTILINE)}


def test_each_run_is_a_job_and_the_results_are_one(tmp_path):
    text, jobs = plan(tmp_path, "seeds=0,1", "experiments=aotgan,fill-white")
    assert jobs == {"train": 4, "tables": 1, "figures": 1, "all": 1, "total": 7}, text
    for run in ("experiment=aotgan seed=1", "experiment=fill-white seed=0"):
        assert re.search(f"06_train_aotgan.ipynb .* scale=smoke .* {run}", text)
    assert "--experiments aotgan,fill-white --seeds 0,1" in text


def test_by_default_the_plan_is_every_ablation_once(tmp_path):
    text, jobs = plan(tmp_path)
    made = {"train": 12, "measure": 6, "tables": 1, "figures": 1, "all": 1, "total": 21}
    assert jobs == made, text
    for name in ("table4.tex", "table7.csv", "figure6.png", "receptive_fields.png"):
        assert name in text


def test_what_is_not_trained_is_measured_once_without_a_notebook(tmp_path):
    settings = ("seeds=1,2", "experiments=aotgan,telea", "data_root=/a b")
    text, jobs = plan(tmp_path, *settings)
    assert jobs == {"train": 2, "measure": 1, "tables": 1, "figures": 1, "all": 1, "total": 6}, text
    command = r"-m aotgan.cli train --experiment telea --seed 0 --scale smoke --out \S+ "
    assert re.search(f"{command}--data-root '/a b'", text), text
    assert "telea-seed0.json" in text and "telea-seed0.csv" not in text


def test_each_run_has_a_gpu_to_itself(tmp_path):
    text, _ = plan(
        tmp_path, "gpus=2", "experiments=rates-1,rates-2", flags=["--resources", "gpu=2"]
    )
    assert len(re.findall(r"sh tools/on_gpu.sh 2 \S+python\S* -m aotgan.cli notebook", text)) == 2


@pytest.mark.skipif(shutil.which("flock") is None, reason="flock is not installed")
def test_a_gpu_serves_one_command_at_a_time(tmp_path):
    script = (
        'echo "$CUDA_VISIBLE_DEVICES start" >> log; sleep 0.5; '
        'echo "$CUDA_VISIBLE_DEVICES end" >> log; exit 3'
    )
    command = ["sh", str(ROOT / "tools" / "on_gpu.sh"), "2", "sh", "-c", script]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    started = [subprocess.Popen(command, cwd=tmp_path, env=environment) for _ in range(3)]
    assert [process.wait(60) for process in started] == [3, 3, 3], "the command's own status"
    lines = (tmp_path / "log").read_text().split("\n")[:-1]
    for gpu in ("0", "1"):
        events = [line.split()[1] for line in lines if line.startswith(gpu)]
        assert events == ["start", "end"] * (len(events) // 2) and events


def test_a_misspelt_setting_is_refused(tmp_path):
    text, jobs = plan(tmp_path, "sacle=gpu")
    assert "--config sacle: unknown, choose of scale, experiments, seeds" in text
    assert jobs == {}


def make_results(tmp_path, seeds):
    """Empty files in the order in which the workflow makes them."""
    runs = [tmp_path / "runs" / "smoke" / "aotgan" / f"seed{seed}" for seed in seeds]
    made = [run / "train.ipynb" for run in runs]
    results = [*table_files(["aotgan"]), *figure_files(["aotgan"])]
    made += [tmp_path / "figures" / "smoke" / name for name in results]
    records = [name for seed in seeds for name in record_files("aotgan", seed)]
    made += [tmp_path / "figures" / "smoke" / name for name in records]
    for path in made:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return made


def test_only_what_changed_is_made_again(tmp_path):
    run, *_, record = make_results(tmp_path, [0])
    text, jobs = plan(tmp_path, "experiments=aotgan")
    assert "Nothing to be done" in text
    assert jobs == {}

    later = time.time() + 10
    os.utime(run, (later, later))
    made = {"tables": 1, "figures": 1, "all": 1}
    assert plan(tmp_path, "experiments=aotgan")[1] == {**made, "total": 3}

    record.unlink()
    run.unlink()
    assert plan(tmp_path, "experiments=aotgan")[1] == {"train": 1, **made, "total": 4}


def test_a_new_seed_leaves_the_old_run_alone(tmp_path):
    make_results(tmp_path, [0])
    text, jobs = plan(tmp_path, "seeds=0,1", "experiments=aotgan")
    assert jobs == {"train": 1, "tables": 1, "figures": 1, "all": 1, "total": 4}
    assert "experiment=aotgan seed=1" in text
    assert "experiment=aotgan seed=0" not in text


def test_folders_have_the_names_that_people_give_them(tmp_path):
    text, _ = plan(
        tmp_path, "experiments=aotgan", "data=2024", "data_root=~/sets/", f"out={tmp_path}/a é/"
    )
    assert "data=2024" in text and f"data_root={os.path.expanduser('~')}/sets/" in text
    assert f"{tmp_path}/a é/smoke/aotgan/seed0/train.ipynb" in text


def test_what_snakemake_cannot_do_is_said(tmp_path):
    text, jobs = plan(tmp_path, "out={run}")
    assert "Snakemake takes braces for wildcards" in text and jobs == {}
