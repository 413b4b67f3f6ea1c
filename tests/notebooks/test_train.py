"""The training notebook, run as a batch job, writes the record that the command line writes."""

import json
from pathlib import Path

import pytest
import torch
from tolerances import SINGLE_NET

from aotgan.reproduce.runs.notebook import read_parameters, run_notebook
from aotgan.reproduce.runs.record import load_record
from aotgan.reproduce.runs.run import run
from aotgan.reproduce.runs.scales import make_config
from aotgan.training.devices import RunOptions

pytestmark = [pytest.mark.notebook, pytest.mark.slow]

NOTEBOOK = Path(__file__).resolve().parents[2] / "notebooks" / "06_train_aotgan.ipynb"
DEFAULTS = {"experiment": "aotgan", "scale": "smoke", "seed": 0, "out": "runs", "steps": 0}


def test_its_own_parameters_are_a_check_of_the_pipeline():
    assert DEFAULTS.items() <= read_parameters(NOTEBOOK).items()


@pytest.mark.timeout(600)
def test_two_steps_leave_a_record_and_nothing_outside_the_run(tmp_path, capsys):
    pytest.importorskip("papermill", reason="papermill is in the extra 'notebooks'")
    given = {"seed": 1, "steps": 2, "workers": 0, "device": "cpu"}
    executed = run_notebook(NOTEBOOK, tmp_path / "train.ipynb", given, tmp_path, echo="step ")
    assert "step 2/2" in capsys.readouterr().out
    folder = tmp_path / "runs" / "smoke" / "aotgan" / "seed1"
    record = load_record(folder / "record.json")
    assert record.config == make_config("aotgan", "smoke", 1, steps=2).to_dict()
    assert record.steps == 2
    assert len(record.metrics["raw"]) == 7
    made = {path.relative_to(tmp_path).parts[0] for path in tmp_path.rglob("*")}
    assert made == {"train.ipynb", "runs"}
    assert [path for path in (tmp_path / "runs").rglob("*") if path.parent == folder]

    outputs = [
        output
        for cell in json.loads(executed.read_text())["cells"]
        for output in cell.get("outputs", [])
    ]
    assert [output for output in outputs if output.get("name") == "stderr"] == []
    pictures = [
        output for output in outputs if {"image/png", "image/jpeg"} & output.get("data", {}).keys()
    ]
    assert len(pictures) == 3

    torch.set_num_threads(1)
    quick = RunOptions(device="cpu", workers=0, progress="none")
    directly = run("aotgan", "smoke", 1, out=tmp_path / "direct", options=quick, steps=2)
    assert directly.config == record.config and directly.protocol == record.protocol
    assert directly.evaluation == record.evaluation
    for metric in ("l1", "psnr", "ssim"):  # threads sum in other orders
        assert directly.table()[metric].tolist() == pytest.approx(
            record.table()[metric], rel=SINGLE_NET
        )
