"""Notebooks 07 to 10 and 16 show what the records of their table say, or that there are none."""

import json
from pathlib import Path

import numpy as np
import pytest

from aotgan.reproduce.figures.style import image_row, save_figure
from aotgan.reproduce.runs.experiments import READINGS
from aotgan.reproduce.runs.notebook import NotebookError, read_parameters, run_notebook
from aotgan.reproduce.runs.outputs import FIGURES
from aotgan.reproduce.runs.record import load_record
from aotgan.reproduce.tables.report import write_table
from aotgan.reproduce.tables.rows import rows_of_table
from aotgan.reproduce.tables.table import Table

ROOT = Path(__file__).resolve().parents[2]
NAMES = {
    "4": "07_compare_dilation_rates",
    "6": "08_compare_residuals",
    "7": "09_compare_discriminators",
    "5": "10_add_components",
    READINGS: "16_compare_readings",
}
PICTURES = {
    "4": ("figure6.png", "receptive_fields.png"),
    "6": ("figure7.png", "gate_maps.png"),
    "7": ("figure8.png", "discriminators.png"),
    "5": (),
    READINGS: ("readings_discriminators.png",),
}
executing = [pytest.mark.notebook, pytest.mark.slow, pytest.mark.timeout(600)]


def path_of(table):
    return ROOT / "notebooks" / f"{NAMES[table]}.ipynb"


@pytest.fixture
def execute(tmp_path):
    pytest.importorskip("papermill", reason="papermill is in the extra 'notebooks'")

    def run(table, **parameters):
        given = {"figures": "figures", **parameters}
        executed = run_notebook(path_of(table), tmp_path / "done.ipynb", given, tmp_path, echo=None)
        cells = json.loads(executed.read_text())["cells"]
        found = [output for cell in cells for output in cell.get("outputs", [])]
        assert [output for output in found if output.get("name") == "stderr"] == []
        return found

    return run


@pytest.fixture
def results(tmp_path, make_run, write_runs):
    """Writes two seeds of each row, a decibel better than the row before, and all files.

    They are of scale gpu: what notebooks say in words is of the committed records, scale laptop.
    """

    def write(table, scale="gpu"):
        figures = tmp_path / "figures"
        runs = [
            make_run(name, seed, at + 0.02 * seed, scale=scale)
            for at, name in enumerate(rows_of_table(table).values())
            for seed in (0, 1)
        ]
        folder = write_runs(*runs, figures=figures).rename(figures / scale)
        write_table(Table.load(table, folder), folder)
        for name in PICTURES[table]:
            save_figure(image_row([np.full((20, 30, 3), 99, np.uint8)]), folder / name)
        return folder

    return write


def text_of(found):
    kinds = ("text/html", "text/markdown")
    parts = ["".join(output.get("text", "")) for output in found]
    parts += ["".join(output.get("data", {}).get(kind, "")) for output in found for kind in kinds]
    return "\n".join(parts)


def descriptions(outputs):
    """What the pictures say to who does not see them."""
    pairs = [(output.get("metadata", {}), output.get("data", {})) for output in outputs]
    images = [(meta, kind) for meta, data in pairs for kind in data if kind.startswith("image/")]
    return [meta.get(kind, {}).get("alt", "") for meta, kind in images]


@pytest.mark.parametrize("table", NAMES)
def test_by_default_they_show_committed_records(table):
    own = read_parameters(path_of(table))
    assert {"scale": "laptop", "figures": "../figures", "seed": 0}.items() <= own.items()
    assert own["experiment"] in rows_of_table(table).values()


@pytest.mark.parametrize("table", NAMES)
def test_each_picture_has_its_notebook(table):
    source = path_of(table).read_text()
    for name in PICTURES[table]:
        assert name in FIGURES and f'results.picture(\\"{name}\\")' in source


@pytest.mark.parametrize(
    "table", [pytest.param(table, marks=executing) for table in ("6", READINGS)]
)
def test_records_become_tables_and_pictures(table, execute, results):
    results(table)
    outputs = execute(table, scale="gpu")
    text, rows = text_of(outputs), list(rows_of_table(table))
    assert f"{len(rows)} of the {len(rows)} rows have been run" in text
    assert "(1)</td>" in text and "not run" not in text and "not drawn yet" not in text
    assert any("change in PSNR (dB)" in alt for alt in descriptions(outputs))


@pytest.mark.parametrize("table", [pytest.param("6", marks=executing)])
def test_words_of_other_records_are_refused(table, execute, results):
    results(table, scale="laptop")
    with pytest.raises((NotebookError, AssertionError), match="written for other records"):
        execute(table, live_steps=1)


@pytest.mark.parametrize("table", [pytest.param("5", marks=executing)])
def test_a_table_made_from_other_records_is_refused(table, execute, results):
    file = results(table) / "table5.md"
    file.write_text(file.read_text().replace("20.01", "20.11"))
    with pytest.raises((NotebookError, ValueError), match="made from other records"):
        execute(table, scale="gpu", live_steps=1)


@pytest.mark.notebook
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_without_records_it_says_so_and_with_train_it_trains(execute, tmp_path):
    given = {"scale": "smoke", "train": True, "steps": 2, "experiment": "gate-normalised"}
    text = text_of(execute(READINGS, **given))
    assert (
        f"0 of the {len(rows_of_table(READINGS))} rows have been run" in text
        and "No two rows to compare yet" in text
    )
    assert "make reproduce SCALE=smoke EXPERIMENTS=sm-patchgan,readings" in text
    record = load_record(tmp_path / "runs/smoke/gate-normalised/seed0/record.json")
    assert record.steps == 2 and record.config["generator"]["gate"] == "normalised"
    assert {path.name for path in tmp_path.iterdir()} == {"done.ipynb", "runs"}
