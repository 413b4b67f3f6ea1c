"""Comparing stored outputs, as `make test` does with nbval, fails when an output is wrong."""

import os
import subprocess
import sys

import nbformat
import pytest

pytestmark = [pytest.mark.notebook, pytest.mark.timeout(600)]


def nbval(folder, stored):
    cell = nbformat.v4.new_code_cell("# NBVAL_CHECK_OUTPUT\nprint(1 + 1)", execution_count=1)
    cell.outputs = [nbformat.v4.new_output("stream", name="stdout", text=stored)]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = nbformat.v4.new_notebook(cells=[cell], metadata={"kernelspec": kernel})
    nbformat.write(notebook, folder / "sum.ipynb")
    options = [
        "--nbval-lax",
        "--nbval-cell-timeout=250",
        "-p",
        "no:cacheprovider",
        "-c",
        os.devnull,
    ]
    command = [sys.executable, "-m", "pytest", *options, "--rootdir", str(folder), "sum.ipynb"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


def test_right_output_passes_and_wrong_output_fails(tmp_path):
    right = nbval(tmp_path, "2\n")
    assert right.returncode == 0, right.stdout
    wrong = nbval(tmp_path, "3\n")
    assert wrong.returncode == 1, wrong.stdout
    assert "1 failed" in wrong.stdout
