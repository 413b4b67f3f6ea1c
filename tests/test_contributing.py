"""What CONTRIBUTING.md says of extending the package, done literally in a copy of it."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
MEASURE = """
import sys
import numpy as np
sys.path.insert(0, "{tests}")
from synthetic_runs import synthetic_run, write_run
from aotgan.reproduce.runs.experiments import EXPERIMENTS
from aotgan.reproduce.tables.report import write_table
from aotgan.reproduce.tables.table import Table
for name in EXPERIMENTS:
    if any(table == "4" for table, _ in EXPERIMENTS[name].rows):
        for seed in (0, 1):
            write_run(synthetic_run(name, seed), "laptop")
write_table(Table.load("4", "laptop"), "laptop")
"""


def block(section: str) -> str:
    """The first block of Python in a section."""
    found = re.search(rf"## {section}\n.*?```python\n(.*?)```", TEXT, re.S)
    assert found, f"CONTRIBUTING.md has no code in {section!r}"
    return found[1]


@pytest.fixture
def copy(tmp_path):
    """The package in a folder of its own."""
    ignored = shutil.ignore_patterns("__pycache__", "weights")
    shutil.copytree(ROOT / "aotgan", tmp_path / "aotgan", ignore=ignored)
    return tmp_path


def insert(file: Path, before: str, text: str) -> None:
    """Puts a text before the line after the first that begins with another one."""
    lines = file.read_text("utf-8").splitlines(keepends=True)
    at = next(i for i, line in enumerate(lines) if line.lstrip().startswith(before)) + 1
    file.write_text("".join([*lines[:at], text, *lines[at:]]), "utf-8")


def tables_of(copy: Path) -> dict[str, str]:
    """Writes Table 4 from runs that were never trained, by the code of the copy."""
    code = MEASURE.format(tests=ROOT / "tests")
    environment = os.environ | {"PYTHONPATH": str(copy)}
    subprocess.run([sys.executable, "-c", code], cwd=copy, env=environment, check=True)
    return {path.suffix: path.read_text("utf-8") for path in copy.glob("laptop/table4.*")}


@pytest.mark.slow
def test_a_row_reaches_all_files_of_its_table(copy):
    before = tables_of(copy)
    assert len(before) == 3
    place = re.search(r"after the line that begins with `(.*?)`", TEXT)
    experiments = copy / "aotgan/reproduce/runs/experiments.py"
    insert(experiments, place[1], block("Adding a row to a table"))
    after = tables_of(copy)
    for ending, text in after.items():
        assert "rates 1,3,9" in text and "rates 1,3,9" not in before[ending]
    rows = [t for t in after[".md"].splitlines() if t.startswith("| rates 1,3,9 † | 2 |")]
    assert len(rows) == 2, "of averaged and of final weights"
    assert {row.split(" | ")[3] for row in rows} == {"-"}, "nothing of the paper's"
    assert "†: not in the paper: rates 1,3,9." in after[".md"]
    lines = [t.split("(")[0] for t in before[".md"].splitlines() if t.startswith("| rates")]
    assert all(line in after[".md"] for line in lines), "other rows stay as they are"


@pytest.mark.slow
def test_a_metric_is_recorded_shown_and_compared(copy):
    insert(copy / "aotgan/metrics/pixel.py", "METRICS = (", block("Adding a metric"))
    after = tables_of(copy)
    assert all("L2 in the hole (1e-2)" in text for text in after.values())
    assert "| rates 1 | rates 2 | L2 in the hole (1e-2) | 2 |" in after[".md"]
