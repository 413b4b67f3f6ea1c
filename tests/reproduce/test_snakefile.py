"""The workflow plans one job a run, refuses misspelt settings, and remakes only what changed."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("snakemake", reason="snakemake is in the extra 'batch'")
pytestmark = [pytest.mark.notebook, pytest.mark.slow]

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ("aotgan.md", "aotgan.csv", "fills.png", "loss_curves.png")


def plan(tmp_path, *settings):
    """A dry run: what it prints, and how often each rule would run."""
    folders = [f"out={tmp_path / 'runs'}", f"figures={tmp_path / 'figures'}"]
    command = [sys.executable, "-m", "snakemake", "--dry-run", "--nolock", "--cores", "2"]
    command += ["--printshellcmds", "--workflow-profile", "none"]
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
    text, jobs = plan(tmp_path, "seeds=0,1", "experiments=aotgan,aotgan-released")
    assert jobs == {"train": 4, "collect": 1, "all": 1, "total": 6}, text
    for run in ("experiment=aotgan seed=1", "experiment=aotgan-released seed=0"):
        assert re.search(f"06_train_aotgan.ipynb .* scale=smoke .* {run}", text)
    assert "--experiments aotgan,aotgan-released --seeds 0,1" in text


def test_a_misspelt_setting_is_refused(tmp_path):
    text, jobs = plan(tmp_path, "sacle=gpu")
    assert "--config sacle: unknown, choose of scale, experiments, seeds" in text
    assert jobs == {}


def make_results(tmp_path, seeds):
    """Empty files in the order in which the workflow makes them."""
    runs = [tmp_path / "runs" / "smoke" / "aotgan" / f"seed{seed}" for seed in seeds]
    made = [run / "train.ipynb" for run in runs]
    made += [tmp_path / "figures" / "smoke" / name for name in RESULTS]
    records = tmp_path / "figures" / "smoke" / "records"
    made += [records / f"aotgan-seed{seed}.{kind}" for seed in seeds for kind in ("csv", "json")]
    for path in made:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return made


def test_only_what_changed_is_made_again(tmp_path):
    run, *_, record = make_results(tmp_path, [0])
    text, jobs = plan(tmp_path)
    assert "Nothing to be done" in text
    assert jobs == {}

    later = time.time() + 10
    os.utime(run, (later, later))
    assert plan(tmp_path)[1] == {"collect": 1, "all": 1, "total": 2}

    record.unlink()
    run.unlink()
    assert plan(tmp_path)[1] == {"train": 1, "collect": 1, "all": 1, "total": 3}


def test_a_new_seed_leaves_the_old_run_alone(tmp_path):
    make_results(tmp_path, [0])
    text, jobs = plan(tmp_path, "seeds=0,1")
    assert jobs == {"train": 1, "collect": 1, "all": 1, "total": 3}
    assert "experiment=aotgan seed=1" in text
    assert "experiment=aotgan seed=0" not in text
