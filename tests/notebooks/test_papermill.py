"""The training notebook runs from top to bottom with other parameters than its own."""

import json
from pathlib import Path

import nbformat
import pytest

papermill = pytest.importorskip("papermill", reason="papermill is in the extra 'notebooks'")
pytestmark = [pytest.mark.notebook, pytest.mark.slow]

ROOT = Path(__file__).resolve().parents[2]
QUICK = {"scale": "smoke", "seed": 1, "steps": 20}


def training_notebook():
    found = sorted((ROOT / "notebooks").glob("06_*.ipynb"))
    if not found:
        pytest.skip("there is no notebook 06_*.ipynb yet")
    return found[0]


@pytest.mark.timeout(600)
def test_training_notebook_runs_with_given_parameters(tmp_path):
    notebook = training_notebook()
    assert QUICK.keys() <= papermill.inspect_notebook(notebook).keys()
    executed = tmp_path / "executed.ipynb"
    papermill.execute_notebook(
        notebook,
        executed,
        parameters=QUICK,
        cwd=tmp_path,
        kernel_name="python3",
        execution_timeout=300,
        progress_bar=False,
    )
    cells = nbformat.read(executed, as_version=4).cells
    (injected,) = (c for c in cells if "injected-parameters" in c.metadata.get("tags", []))
    assert 'scale = "smoke"' in injected.source
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    assert outputs
    record = json.loads((tmp_path / "runs/smoke/aotgan/seed1/record.json").read_text())
    assert record["seed"] == 1
    assert not [output for output in outputs if output.output_type == "error"]
