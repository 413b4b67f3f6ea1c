"""Committed notebooks are fit for readers, and the check that says so notices unfit ones."""

import copy
import json
from pathlib import Path

import pytest

import check_notebooks

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
NAMES = frozenset({"AOTBlock", "l1_loss"})
SOMEWHERE = "/".join(["", "home", "someone", "picture.png"])
WINDOWS = "\\".join(["C:", "Users", "someone"])


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_committed_notebook_is_fit(path):
    assert check_notebooks.check(path) == []


def code(source, count, *outputs, tags=()):
    return {
        "cell_type": "code",
        "metadata": {"tags": list(tags)},
        "source": source.splitlines(keepends=True),
        "execution_count": count,
        "outputs": list(outputs),
    }


def stream(text, name="stdout"):
    return {"output_type": "stream", "name": name, "text": [text]}


def display(kind, data, alt="what it shows"):
    metadata = {kind: {"alt": alt}} if kind.startswith("image/") else {}
    return {"output_type": "display_data", "data": {kind: data}, "metadata": metadata}


ADDRESS = "/".join(("https://example.org", "home", "page"))  # of no machine's folder
FIT = {
    "nbformat": 4,
    "nbformat_minor": 5,
    "metadata": {"kernelspec": {"name": "python3"}},
    "cells": [
        {"cell_type": "markdown", "metadata": {}, "source": f"See {ADDRESS}."},
        code('scale: str = "smoke"\nseeds = [0, -1]\nrate = 1e-4', 1, tags=["parameters"]),
        code("%matplotlib inline\nfrom aotgan import inpaint", 2),
        code(
            "def helper(x):\n    return x",
            3,
            stream("runs/smoke: 1/2 done"),
            display("image/png", SOMEWHERE),
        ),
    ],
}


def unfit(change):
    notebook = copy.deepcopy(FIT)
    change(notebook, notebook["cells"])
    return list(check_notebooks.problems(notebook, NAMES))


def test_a_fit_notebook_has_no_problems():
    assert unfit(lambda notebook, cells: None) == []


def parameters(source):
    return lambda notebook, cells: cells.__setitem__(1, code(source, 1, tags=["parameters"]))


def last_source(source):
    return lambda notebook, cells: cells.__setitem__(3, code(source, 3))


def last_output(output):
    return lambda notebook, cells: cells[3]["outputs"].append(output)


UNFIT = {
    "foreign kernel": (
        lambda n, c: n["metadata"]["kernelspec"].update(name="aot"),
        "kernel is 'aot'",
    ),
    "no kernel": (lambda n, c: n["metadata"].clear(), "kernel is None"),
    "path in metadata": (
        lambda n, c: n["metadata"].update(papermill={"output_path": SOMEWHERE}),
        "metadata: absolute",
    ),
    "run twice": (lambda n, c: c[3].update(execution_count=7), "execution counts are [1, 2, 7]"),
    "never run": (
        lambda n, c: c[3].update(execution_count=None),
        "execution counts are [1, 2, None]",
    ),
    "empty cell": (lambda n, c: c.append(code(" \n", 4)), "empty code cell"),
    "no parameters": (lambda n, c: c[1]["metadata"].clear(), "tagged 'parameters' are []"),
    "late parameters": (lambda n, c: c.insert(1, c[0]), "tagged 'parameters' are [2]"),
    "computed parameter": (parameters("size = 2 * 64"), "`size = 2 * 64` is not NAME"),
    "nested parameter": (parameters("sizes = [[1], [2]]"), "is not NAME"),
    "tuple parameter": (parameters("sizes = (1, 2)"), "is not NAME"),
    "import in parameters": (parameters("import torch"), "`import torch` is not NAME"),
    "unpacked parameters": (parameters("a, b = 1"), "is not NAME"),
    "broken parameters": (parameters("size ="), "parameters cell is not Python"),
    "error": (
        last_output({"output_type": "error", "ename": "ValueError"}),
        "error output ValueError",
    ),
    "warning": (last_output(stream("UserWarning: old", "stderr")), "stderr output"),
    "path in output": (last_output(stream(f"wrote {SOMEWHERE}")), "in its output"),
    "path in result": (last_output(display("text/html", [f"<b>{SOMEWHERE}</b>"])), "in its output"),
    "silent picture": (last_output(display("image/png", "A", alt=" ")), "picture without a text"),
    "picture of old": (
        last_output(display("image/jpeg", "A") | {"metadata": {}}),
        "picture without a text",
    ),
    "path in source": (last_source(f"open('{SOMEWHERE}')"), "in its source"),
    "windows path": (last_source(f"path = r'{WINDOWS}'"), "in its source"),
    "path in text": (lambda n, c: c[0].update(source=f"in {SOMEWHERE}"), "cell 0: absolute path"),
    "class again": (last_source("class AOTBlock:\n    pass"), "defines `AOTBlock` again"),
    "function again": (
        last_source("def l1_loss(a, b):\n    return a - b"),
        "defines `l1_loss` again",
    ),
    "not Python": (last_source("x = = 1"), "not Python"),
}


@pytest.mark.parametrize(("change", "message"), UNFIT.values(), ids=UNFIT)
def test_an_unfit_notebook_is_noticed(change, message):
    found = unfit(change)
    assert any(message in problem for problem in found), found


def test_a_picture_inside_html_is_not_read_as_text():
    html = f'<img src="data:image/png;base64,AAAA+{SOMEWHERE.replace(".", "")}==">'
    assert unfit(last_output(display("text/html", html))) == []


def test_a_heavy_notebook_is_noticed(tmp_path):
    path = tmp_path / "heavy.ipynb"
    heavy = copy.deepcopy(FIT)
    heavy["cells"][3]["outputs"].append(display("image/png", "A" * check_notebooks.MAX_BYTES))
    path.write_text(json.dumps(heavy))
    assert check_notebooks.check(path, NAMES) == ["600 kB, the limit is 600 kB"]


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"metadata": {}, "cells": [{}]}'])
def test_a_file_that_is_no_notebook_is_a_problem_not_a_crash(tmp_path, content):
    path = tmp_path / "broken.ipynb"
    path.write_text(content)
    (problem,) = check_notebooks.check(path, NAMES)
    assert "not a notebook" in problem


def test_names_of_the_package_are_found():
    assert {"Generator", "InputError"} <= check_notebooks.package_names()


def test_the_command_names_file_and_problem_and_fails(tmp_path, capsys):
    fit, bad = tmp_path / "fit.ipynb", tmp_path / "bad.ipynb"
    fit.write_text(json.dumps(FIT))
    bad.write_text(json.dumps(FIT | {"metadata": {}}))
    assert check_notebooks.main([str(fit)]) == 0
    assert capsys.readouterr().out == ""
    assert check_notebooks.main([str(fit), str(bad)]) == 1
    assert capsys.readouterr().out.startswith(f"{bad}: kernel is None")
