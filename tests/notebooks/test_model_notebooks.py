"""What notebooks 11, 12, 16 and 17 say in words is refused when the records say something else."""

import json
from pathlib import Path

import pytest

from aotgan.reproduce.runs.experiments import READINGS
from aotgan.reproduce.tables.rows import rows_of_table

ROOT = Path(__file__).resolve().parents[2]
TABLES = {
    "11_compare_models": "1",
    "12_compare_centre_holes": "2",
    "16_compare_readings": READINGS,
    "17_check_claims": "6",
}


def say(name, **parameters):
    """Runs the cells of a notebook that its guarded sentences need, in this process."""
    cells = json.loads((ROOT / "notebooks" / f"{name}.ipynb").read_text("utf-8"))["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    settings, imports = code[:2]
    needed = [cell for cell in code[2:] if "kinds = pd" in cell]
    (guard,) = (cell for cell in code if "written for other records" in cell)
    names = {}
    exec(settings, names)  # noqa: S102 - our own notebook
    names |= parameters
    for cell in (imports, *needed, guard):
        exec(cell, names)  # noqa: S102 - the same
    return names


@pytest.mark.parametrize("name", TABLES)
def test_committed_records_say_what_is_written(name):
    assert say(name, figures=str(ROOT / "figures"))["scale"] == "laptop"


@pytest.mark.parametrize(("name", "table"), TABLES.items())
def test_other_records_are_refused_and_other_scales_are_shown(
    name, table, make_run, write_runs, tmp_path
):
    rows = rows_of_table(table).values()
    runs = [make_run(row, seed, at + 0.02 * seed) for at, row in enumerate(rows) for seed in (0, 1)]
    folder = write_runs(*runs, figures=tmp_path)
    with pytest.raises(AssertionError, match="written for other records"):
        say(name, figures=str(tmp_path))
    folder.rename(tmp_path / "gpu")
    assert say(name, figures=str(tmp_path), scale="gpu")["scale"] == "gpu"
