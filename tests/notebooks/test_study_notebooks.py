"""Notebooks 14 and 15 find the measurements, from the root of the project and from notebooks/."""

import json
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NAMES = ("14_apply_to_photographs", "15_find_the_limits")


@pytest.mark.parametrize("folder", ["", "notebooks"])
@pytest.mark.parametrize("name", NAMES)
def test_measurements_are_read_from_both_folders(name, folder, monkeypatch):
    cells = json.loads((ROOT / "notebooks" / f"{name}.ipynb").read_text("utf-8"))["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    reading = [cell for cell in code if "read_result(" in cell]
    monkeypatch.chdir(ROOT / folder)
    names = {}
    for cell in (*code[:2], *reading):
        exec(cell, names)  # noqa: S102 - our own notebook
    assert reading and names["made"]["rows"] > 0
