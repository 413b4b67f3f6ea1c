"""The notebook of paper against released code says what records say, and what is missing."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from aotgan.metrics.report import PIXEL_METRICS
from aotgan.reproduce.figures import image_row, save_figure
from aotgan.reproduce.notebooks import read_parameters, run_notebook
from aotgan.reproduce.records import load_record, save_record

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOK = ROOT / "notebooks" / "16_compare_readings.ipynb"
DEMO = load_record(ROOT / "figures/laptop/records/aotgan-demo-seed0.json")
SHIFTS = {"sm-patchgan": 0.0, "objective-released": -1.0, "fill-white": 0.001, "adam-released": 0.5}


def write_run(folder, experiment, seed, shift):
    """A run that was never trained: the shipped model's record, `shift` dB better."""
    metrics = {
        kind: [row | {"psnr": 20 + shift + 0.02 * seed} for row in rows]
        for kind, rows in DEMO.metrics.items()
    }
    record = replace(DEMO, experiment=experiment, seed=seed, metrics=metrics)
    pairs = pd.DataFrame({"image": [f"p{i}" for i in range(8)]})
    for metric in PIXEL_METRICS:
        pairs[metric] = 20 + shift + np.linspace(-1, 1, 8) * (1 + shift / 9)
    frames = [pairs.assign(weights=kind) for kind in metrics]
    save_record(record, folder / f"{experiment}-seed{seed}.json")
    pd.concat(frames).to_csv(folder / f"{experiment}-seed{seed}-pairs.csv", index=False)


def outputs(path):
    cells = json.loads(path.read_text())["cells"]
    return [output for cell in cells for output in cell.get("outputs", [])]


def text_of(found):
    plain = ["".join(output.get("text", "")) for output in found]
    tables = ["".join(output.get("data", {}).get("text/html", "")) for output in found]
    return "\n".join(plain + tables)


def test_by_default_it_shows_the_committed_records_and_trains_nothing():
    defaults = {"train": False, "scale": "laptop", "figures": "../figures", "out": "runs"}
    assert defaults.items() <= read_parameters(NOTEBOOK).items()


@pytest.mark.notebook
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_records_become_rows_verdicts_and_pictures(tmp_path):
    pytest.importorskip("papermill", reason="papermill is in the extra 'notebooks'")
    folder = tmp_path / "figures" / "laptop"
    for experiment, shift in SHIFTS.items():
        for seed in (0, 1):
            write_run(folder / "records", experiment, seed, shift)
    drawing = image_row([np.full((20, 30, 3), 99, np.uint8)])
    save_figure(drawing, folder / "readings_discriminators.png")
    given = {"figures": "figures"}
    executed = run_notebook(NOTEBOOK, tmp_path / "done.ipynb", given, tmp_path, echo=None)
    found = outputs(executed)
    text = text_of(found)
    assert "3 of 9 readings measured; by PSNR: 1 better, 1 worse, 1 not resolved." in text
    assert "does worse than the text's choice: PSNR -1.00 dB (-" in text
    assert all(part in text for part in ("not run", "19.01 ± 0.03 (4)", "20.51 ± 0.03 (1)"))
    assert [output for output in found if output.get("name") == "stderr"] == []
    pictures = [o for o in found if {"image/png", "image/jpeg"} & o.get("data", {}).keys()]
    assert len(pictures) == 5


@pytest.mark.notebook
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_without_records_it_says_so_and_with_train_it_trains(tmp_path):
    pytest.importorskip("papermill", reason="papermill is in the extra 'notebooks'")
    given = {"figures": "nowhere", "scale": "smoke", "train": True, "steps": 2}
    given |= {"experiment": "gate-normalised"}
    executed = run_notebook(NOTEBOOK, tmp_path / "done.ipynb", given, tmp_path, echo=None)
    text = text_of(outputs(executed))
    assert "0 of 9 readings measured" in text and "Nothing to draw" in text
    record = load_record(tmp_path / "runs/smoke/gate-normalised/seed0/record.json")
    assert record.steps == 2 and record.config["generator"]["gate"] == "normalised"
    assert {path.name for path in tmp_path.iterdir()} == {"done.ipynb", "runs"}
