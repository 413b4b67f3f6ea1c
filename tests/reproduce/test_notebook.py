"""Notebooks run with checked parameters, leave whole files, and say clearly what went wrong."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from processes import alive, wait_until

from aotgan.errors import InputError
from aotgan.reproduce.runs import notebook as notebooks
from aotgan.reproduce.runs.notebook import (
    NotebookError,
    check_parameters,
    parse_parameters,
    read_parameters,
    run_notebook,
)

DECLARED = {
    "experiment": "aotgan",
    "scale": "smoke",
    "seed": 0,
    "rate": 0.5,
    "fast": False,
    "names": ["a"],
    "limit": None,
}
ROOT = Path(__file__).parents[2]
DIED = "the kernel died (out of memory?)"
CELL = "\n".join(f"{name} = {value!r}" for name, value in DECLARED.items())


@pytest.fixture
def write_notebook(tmp_path):
    def write(*sources, parameters=CELL, tags=("parameters",)):
        first = nbformat.v4.new_code_cell(parameters, metadata={"tags": list(tags)})
        cells = [first, *map(nbformat.v4.new_code_cell, sources)]
        kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
        notebook = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})
        path = tmp_path / "notebook.ipynb"
        nbformat.write(notebook, path)
        return path

    return write


@pytest.fixture
def no_kernel(monkeypatch):
    def refuse(*_):
        pytest.fail("a kernel was started")

    monkeypatch.setattr(notebooks, "_execute", refuse)


def test_parameters_are_read_from_the_tagged_cell(write_notebook):
    assert read_parameters(write_notebook()) == DECLARED
    annotated = write_notebook(
        parameters='# a comment\nscale: str = "smoke"  # or laptop\nseed = -1'
    )
    assert read_parameters(annotated) == {"scale": "smoke", "seed": -1}


@pytest.mark.parametrize(
    ("cell", "tags"),
    [
        ("scale = 'smoke'", ()),
        ("scale =", ("parameters",)),
        ("import torch", ("parameters",)),
        ("a, b = 1, 2", ("parameters",)),
        ("a = 2 * 3", ("parameters",)),
    ],
)
def test_a_notebook_without_plain_parameters_is_refused(write_notebook, cell, tags):
    with pytest.raises(InputError, match="one cell tagged 'parameters'"):
        read_parameters(write_notebook(parameters=cell, tags=tags))


def test_what_is_no_notebook_is_refused(tmp_path):
    (tmp_path / "text.ipynb").write_text("not JSON")
    for name in ("text.ipynb", "absent.ipynb"):
        with pytest.raises(InputError, match=name):
            read_parameters(tmp_path / name)


@pytest.mark.parametrize(
    "given",
    [
        {"scale": "laptop"},
        {"seed": 3},
        {"rate": 2},
        {"rate": 0.25, "fast": True},
        {"names": []},
        {"names": ["b", "c"]},
        {"limit": 4},
        {"limit": None},
    ],
)
def test_parameters_of_the_declared_types_are_accepted(given):
    assert check_parameters(DECLARED, given) == given


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"sede": 1}, "has no such parameter"),
        ({"seed": "1"}, "expects a int"),
        ({"seed": True}, "expects a int"),
        ({"seed": 1.0}, "expects a int"),
        ({"fast": 1}, "expects a bool"),
        ({"rate": float("nan")}, "expects a float"),
        ({"names": ("a", "b")}, "expects a list"),
        ({"names": [1]}, "expects a list"),
        ({"names": "a"}, "expects a list"),
        ({"scale": None}, "expects a str"),
        ({"limit": {"a": 1}}, "expects a NoneType"),
        ({"limit": [[1]]}, "expects a NoneType"),
    ],
)
def test_other_parameters_are_refused_with_a_list_of_the_valid_ones(given, message):
    with pytest.raises(InputError, match=message) as error:
        check_parameters(DECLARED, given)
    assert "scale='smoke' (str), seed=0 (int)" in str(error.value)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"scale": "huge"}, "choose one of smoke"),
        ({"experiment": "dcgan"}, "choose one of aotgan"),
        ({"seed": -1}, "at least 0"),
    ],
)
def test_values_that_mean_nothing_are_refused(given, message):
    with pytest.raises(InputError, match=message):
        check_parameters(DECLARED, given)
    with pytest.raises(InputError, match="choose one of auto"):
        check_parameters({"device": "auto"}, {"device": "gpu"})


def test_words_of_a_command_line_become_values():
    texts = ["seed=3", "rate=1e-3", "fast=True", "names=['x']", "scale=laptop", "experiment=a=b"]
    expected = {"seed": 3, "rate": 1e-3, "fast": True, "names": ["x"], "scale": "laptop"}
    assert parse_parameters(DECLARED, texts) == expected | {"experiment": "a=b"}
    assert parse_parameters(DECLARED, ["scale=", "seed=x"]) == {"scale": "", "seed": "x"}
    with pytest.raises(InputError, match="name=value"):
        parse_parameters(DECLARED, ["seed"])


def test_bad_parameters_are_refused_before_anything_is_written(write_notebook, tmp_path, no_kernel):
    source = write_notebook()
    with pytest.raises(InputError, match="no such parameter"):
        run_notebook(source, tmp_path / "out" / "done.ipynb", {"sede": 1})
    assert not (tmp_path / "out").exists()


@pytest.mark.notebook
def test_a_run_leaves_one_whole_file_without_places_or_times(write_notebook, tmp_path, capsys):
    pytest.importorskip("papermill", reason="papermill is in the extra 'notebooks'")
    source = write_notebook(
        "from pathlib import Path\nPath('made').touch()\nprint('step 1\\nother', flush=True)",
        "scale, seed, names",
    )
    (tmp_path / "work").mkdir()
    given = {"scale": "laptop", "seed": 7, "names": ["x", 'quo"te\\']}
    done = run_notebook(
        source, tmp_path / "out" / "done.ipynb", given, tmp_path / "work", "job", echo="step"
    )
    assert (tmp_path / "work" / "made").exists()
    assert capsys.readouterr().out == "job: step 1\n"
    assert [path.name for path in done.parent.iterdir()] == ["done.ipynb"]
    notebook = nbformat.read(done, as_version=4)
    nbformat.validate(notebook)
    assert notebook.cells[-1].outputs[0].data["text/plain"] == repr(tuple(given.values()))
    assert notebook.metadata == nbformat.read(source, as_version=4).metadata
    tags = [cell.metadata for cell in notebook.cells]
    assert tags == [{"tags": ["parameters"]}, {"tags": ["injected-parameters"]}, {}, {}]
    assert str(tmp_path) not in json.dumps(notebook)


@pytest.mark.notebook
def test_a_failed_run_keeps_its_copy_and_names_cell_and_error(write_notebook, tmp_path, capsys):
    pytest.importorskip("papermill", reason="papermill is in the extra 'notebooks'")
    source = write_notebook("if seed:\n    raise KeyError('lost')", "1 + 1")
    destination = tmp_path / "done.ipynb"
    with pytest.raises(NotebookError, match=r"notebook.ipynb: cell In \[3\] raised KeyError"):
        run_notebook(source, destination, {"seed": 1})
    copy = nbformat.read(tmp_path / "done.unfinished.ipynb", as_version=4)
    assert any(out.output_type == "error" for cell in copy.cells for out in cell.get("outputs", []))
    assert "papermill" not in copy.metadata
    assert not destination.exists()

    run_notebook(source, destination, {"seed": 0})
    assert destination.exists()
    assert not (tmp_path / "done.unfinished.ipynb").exists()


@pytest.mark.notebook
def test_bad_input_inside_a_notebook_stays_an_input_error(write_notebook, tmp_path):
    pytest.importorskip("papermill", reason="papermill is in the extra 'notebooks'")
    source = write_notebook(
        "class InputError(ValueError):\n    pass\nraise InputError('give more')"
    )
    with pytest.raises(InputError, match=r"^notebook.ipynb: give more\n"):
        run_notebook(source, tmp_path / "done.ipynb")


@pytest.mark.notebook
def test_a_dead_or_slow_kernel_is_reported_in_its_cell(write_notebook, tmp_path):
    pytest.importorskip("papermill", reason="papermill is in the extra 'notebooks'")
    dies = write_notebook("import os\nos._exit(1)", "'never run'")
    with pytest.raises(NotebookError, match="the kernel died"):
        run_notebook(dies, tmp_path / "done.ipynb")
    assert errors(tmp_path / "done.unfinished.ipynb") == [[], [("NotebookError", DIED)], []]
    slow = write_notebook("import time\ntime.sleep(60)")
    late = ("NotebookError", "a cell took more than 0.02 minutes")
    with pytest.raises(NotebookError, match="took more than"):
        run_notebook(slow, tmp_path / "done.ipynb", cell_minutes=0.02)
    assert errors(tmp_path / "done.unfinished.ipynb") == [[], [("KeyboardInterrupt", ""), late]]
    assert not (tmp_path / "done.ipynb").exists()


def errors(path):
    """Name and words of the errors in each cell of an executed copy."""
    cells = nbformat.read(path, as_version=4).cells
    return [
        [(out.ename, out.evalue) for out in cell.outputs if out.output_type == "error"]
        for cell in cells
    ]


STARTS = """
import os, subprocess, sys
from pathlib import Path
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"])
Path("new").write_text(f"{os.getpid()} {os.getpgrp()}")
Path("new").rename("pids")
import time
time.sleep(300)
"""


@pytest.mark.notebook
@pytest.mark.timeout(200)
@pytest.mark.parametrize(
    ("killed", "number"),
    [("kernel", signal.SIGKILL), ("run", signal.SIGKILL), ("run", signal.SIGTERM)],
)
def test_nothing_outlives_a_killed_kernel_or_run(write_notebook, tmp_path, killed, number):
    pytest.importorskip("papermill", reason="papermill is in the extra 'notebooks'")
    source = write_notebook(STARTS)
    command = [sys.executable, "-m", "aotgan.cli", "notebook", str(source), "done.ipynb"]
    with open(tmp_path / "log", "w") as log:
        job = subprocess.Popen(command, cwd=tmp_path, stdout=log, stderr=log)
    try:
        wait_until((tmp_path / "pids").exists)
        kernel, group = map(int, (tmp_path / "pids").read_text().split())
        os.kill(kernel if killed == "kernel" else job.pid, number)
        assert job.wait(60) == (1 if killed == "kernel" else -number)
        wait_until(lambda: not alive(group))
    finally:
        job.kill()
    if killed == "kernel":
        assert errors(tmp_path / "done.unfinished.ipynb") == [[], [("NotebookError", DIED)]]


TRANSPORT = """
import json
from ipykernel import get_connection_info
assert json.loads(get_connection_info())["transport"] == "ipc"
"""


@pytest.mark.notebook
@pytest.mark.skipif(os.name != "posix", reason="elsewhere Jupyter's ports are used")
def test_no_other_process_can_take_the_ports_of_a_kernel(write_notebook, tmp_path):
    pytest.importorskip("papermill", reason="papermill is in the extra 'notebooks'")
    source = write_notebook(TRANSPORT)
    run_notebook(source, tmp_path / "done.ipynb")
    under_nbval = [sys.executable, "-m", "pytest", "-p", "conftest", "--nbval-lax", str(source)]
    subprocess.run(under_nbval, cwd=ROOT, check=True)


@pytest.mark.parametrize(("started", "at"), [((), 0), ((0,), 0), ((0, 1), 1)])
def test_what_stopped_a_kernel_stands_in_the_cell_that_ran_or_the_first(tmp_path, started, at):
    def cell(kind, begun):
        papermill = {"start_time": "now" if begun else None}
        return {"cell_type": kind, "metadata": {"papermill": papermill}, "outputs": []}

    code = [cell("code", number in started) for number in range(3)]
    draft = tmp_path / "draft.ipynb"
    draft.write_text(json.dumps({"cells": [cell("markdown", True), *code]}))
    assert notebooks._said_in_cell(draft, DIED) == DIED
    told = [bool(c["outputs"]) for c in json.loads(draft.read_text())["cells"]]
    assert told == [False, *(number == at for number in range(3))]
