"""Notebooks 07 to 10 say what records say, of all rows, some or none, and refuse stale tables."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from aotgan.metrics.report import PIXEL_METRICS
from aotgan.reproduce.ablation_report import write_ablations
from aotgan.reproduce.ablations import load_runs, rows_of_table
from aotgan.reproduce.figures import image_row, save_figure
from aotgan.reproduce.notebooks import NotebookError, read_parameters, run_notebook
from aotgan.reproduce.outputs import FIGURES
from aotgan.reproduce.records import load_record, save_record

ROOT = Path(__file__).resolve().parents[2]
DEMO = load_record(ROOT / "figures/laptop/records/aotgan-demo-seed0.json")
NAMES = {
    "4": "07_compare_dilation_rates",
    "6": "08_compare_residuals",
    "7": "09_compare_discriminators",
    "5": "10_add_components",
}
PICTURES = {
    "4": ("figure6.png", "receptive_fields.png"),
    "6": ("figure7.png", "gate_maps.png"),
    "7": ("figure8.png", "discriminators.png"),
    "5": (),
}
QUICK = {"4": {"size_px": 64}, "6": {}, "7": {"learn_steps": 1}, "5": {"size_px": 64}}
PARAMETERS = [pytest.param(table, id=name) for table, name in NAMES.items()]
executing = [pytest.mark.notebook, pytest.mark.slow, pytest.mark.timeout(600)]


def path_of(table):
    return ROOT / "notebooks" / f"{NAMES[table]}.ipynb"


def write_run(folder, experiment, seed, shift):
    """A run that was never trained: the shipped model's record, `shift` dB better."""
    psnr = 20 + shift + 0.02 * seed
    metrics = {
        kind: [row | {"psnr": psnr - (kind == "raw")} for row in rows]
        for kind, rows in DEMO.metrics.items()
    }
    record = replace(DEMO, experiment=experiment, seed=seed, metrics=metrics)
    pairs = pd.DataFrame({"image": [f"p{i}" for i in range(8)]})
    for metric in PIXEL_METRICS:
        pairs[metric] = psnr + np.linspace(-1, 1, 8) * (1 + shift / 9)
    save_record(record, folder / "records" / f"{experiment}-seed{seed}.json")
    frame = pd.concat([pairs.assign(weights=kind) for kind in metrics])
    frame.to_csv(folder / "records" / f"{experiment}-seed{seed}-pairs.csv", index=False)


def write_results(figures, experiments, seeds, pictures=()):
    """Results of a scale: each experiment is a decibel better than the one before."""
    folder = figures / "laptop"
    for at, experiment in enumerate(experiments):
        for seed in seeds:
            write_run(folder, experiment, seed, float(at))
    write_ablations("laptop", load_runs(folder), figures)
    for name in pictures:
        save_figure(image_row([np.full((20, 30, 3), 99, np.uint8)]), folder / name)


def execute(table, tmp_path):
    pytest.importorskip("papermill", reason="papermill is in the extra 'notebooks'")
    given = {"figures": "figures", "live_steps": 1, **QUICK[table]}
    executed = run_notebook(path_of(table), tmp_path / "done.ipynb", given, tmp_path, echo=None)
    cells = json.loads(executed.read_text())["cells"]
    found = [output for cell in cells for output in cell.get("outputs", [])]
    assert [output for output in found if output.get("name") == "stderr"] == []
    assert {path.name for path in tmp_path.iterdir()} <= {"done.ipynb", "figures"}
    return found


def text_of(found):
    kinds = ("text/html", "text/markdown")
    parts = ["".join(output.get("text", "")) for output in found]
    parts += ["".join(output.get("data", {}).get(kind, "")) for output in found for kind in kinds]
    return "\n".join(parts)


def pictures_of(found):
    return [o for o in found if {"image/png", "image/jpeg"} & o.get("data", {}).keys()]


@pytest.mark.parametrize("table", PARAMETERS)
def test_by_default_they_show_committed_records_and_train_a_row_of_their_own(table):
    own = read_parameters(path_of(table))
    assert {"scale": "laptop", "figures": "../figures", "seed": 0}.items() <= own.items()
    assert own["experiment"] in rows_of_table(table).values()
    assert own["live_steps"] < 10


@pytest.mark.parametrize("table", PARAMETERS)
def test_each_picture_of_section_4_7_has_its_notebook(table):
    source = path_of(table).read_text()
    assert all(name in FIGURES and f'drawn(\\"{name}\\")' in source for name in PICTURES[table])


@pytest.mark.parametrize(
    "table", [pytest.param(*p.values, marks=executing, id=p.id) for p in PARAMETERS]
)
def test_all_rows_become_table_verdicts_and_pictures(table, tmp_path):
    rows = rows_of_table(table)
    write_results(tmp_path / "figures", rows.values(), (0, 1), PICTURES[table])
    found = execute(table, tmp_path)
    text, last = text_of(found), list(rows)[-1]
    assert f"{len(rows)} of the {len(rows)} rows have been run" in text
    assert f"table{table}.md: the same" in text and f"table{table}.csv: the same" in text
    assert f"{19.01 + len(rows):.2f} ± 0.0" in text and "not run" not in text.lower()
    assert f"→ {last}** changes PSNR by +" in text and "paper's step pays" in text
    assert "Fréchet" not in text and "PSNR +1.00 (better)" in text
    assert text.count("not drawn yet") == 0


@pytest.mark.parametrize(
    "table", [pytest.param(*p.values, marks=executing, id=p.id) for p in PARAMETERS]
)
def test_without_records_they_say_how_to_make_some(table, tmp_path):
    found = execute(table, tmp_path)
    text = text_of(found)
    assert f"0 of the {len(rows_of_table(table))} rows have been run at scale laptop" in text
    assert "make reproduce SCALE=laptop EXPERIMENTS=ablations DATA_ROOT=" in text
    assert text.count("not drawn yet") == len(PICTURES[table])
    assert "→" not in text.split("EXPERIMENTS=ablations")[1]
    assert pictures_of(found)


@pytest.mark.parametrize("table", [pytest.param("6", marks=executing, id=NAMES["6"])])
def test_one_seed_of_some_rows_resolves_nothing(table, tmp_path):
    first, *_, last = rows_of_table(table).values()
    write_results(tmp_path / "figures", (first, last), (0,))
    text = text_of(execute(table, tmp_path))
    assert "2 of the 4 rows have been run" in text
    assert "nothing can be resolved" in text and "(better)" not in text
    assert "Not run at scale laptop: GatedConv; 1x1 conv." in text


@pytest.mark.parametrize("table", [pytest.param("5", marks=executing, id=NAMES["5"])])
def test_a_table_made_from_other_records_is_refused(table, tmp_path):
    write_results(tmp_path / "figures", rows_of_table(table).values(), (0,))
    table_file = tmp_path / "figures" / "laptop" / f"table{table}.md"
    table_file.write_text(table_file.read_text().replace("20.00", "20.01"))
    with pytest.raises(NotebookError, match="made from other records"):
        execute(table, tmp_path)
