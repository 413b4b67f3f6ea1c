"""`aotgan notebook`: parameters are checked before a kernel starts, and errors are one line."""

import nbformat
import pytest

from aotgan.reproduce.runs import notebook as notebooks


@pytest.fixture
def source(tmp_path, monkeypatch):
    """A notebook with a seed, in the working folder."""
    monkeypatch.chdir(tmp_path)
    first = nbformat.v4.new_code_cell("seed = 0", metadata={"tags": ["parameters"]})
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    cells = [first, nbformat.v4.new_code_cell("assert seed < 5, 'too large'")]
    notebook = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})
    nbformat.write(notebook, tmp_path / "notebook.ipynb")
    return tmp_path


@pytest.mark.usefixtures("source")
def test_bad_parameters_are_one_line_before_a_kernel_starts(aotgan, monkeypatch):
    monkeypatch.setattr(notebooks, "_execute", lambda *_: pytest.fail("a kernel was started"))
    status, out, err = aotgan("notebook notebook.ipynb done.ipynb seed=one")
    assert status == 2 and out == ""
    assert (
        err.startswith("error: seed='one' (str): notebook.ipynb expects") and err.count("\n") == 1
    )
    assert aotgan("notebook notebook.ipynb")[0] == 2


@pytest.mark.notebook
def test_a_copy_is_executed_or_its_error_told(aotgan, source):
    pytest.importorskip("papermill", reason="papermill is in the extra 'notebooks'")
    status, _, err = aotgan("notebook notebook.ipynb done.ipynb seed=7")
    assert status == 1 and err.startswith("error: ") and "AssertionError: too large" in err
    assert not (source / "done.ipynb").exists()
    assert aotgan("notebook notebook.ipynb done.ipynb seed=3")[0] == 0
    cells = nbformat.read(source / "done.ipynb", as_version=4).cells
    assert any("seed = 3" in cell.source for cell in cells)
