"""Notebook 18 in a real JupyterLab: draw, fill, look at the result.

With STORE_PICTURE=1 the painter as it then looks becomes the notebook's stored output, which stands
where no widget can: on a page without a kernel. So do the outputs of the cell after it. Do this
after each execution of the notebook.
"""

import base64
import io
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import nbformat
import numpy as np
import pytest
from PIL import Image

from aotgan.apply.holes import grow_mask
from aotgan.data.catalogue import load
from aotgan.data.images import read_image

NAME = "18_draw_a_mask.ipynb"
NOTEBOOK = Path(__file__).parents[2] / "notebooks" / NAME
PATIENCE = 180_000  # ms; a kernel that imports PyTorch on a busy machine takes long
REACH = 5  # px: the notebook's grow and feather
NEWS = "@jupyterlab/apputils-extension:announcements"  # its question would lie over the painter
AFTER = "from aotgan.reproduce.figures"  # begins the cell after the painter's
SHOWN = (
    "The painter: rows of tools, a cat's face with the hole in it filled, and buttons "
    "for model, grow, feather and fill"
)

pytestmark = [
    pytest.mark.browser,
    pytest.mark.notebook,
    pytest.mark.slow,
    pytest.mark.timeout(900),
]


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """Address of a JupyterLab that serves a copy of the notebook; (base, path with token)."""
    pytest.importorskip("jupyterlab", reason="jupyterlab is in the extra 'notebooks'")
    folder = tmp_path_factory.mktemp("lab")
    shutil.copy(NOTEBOOK, folder)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    token = secrets.token_hex(16)
    options = [f"--ServerApp.port={port}", f"--IdentityProvider.token={token}", "--no-browser"]
    options += [f"--ServerApp.root_dir={folder}", "--LabApp.expose_app_in_browser=True"]
    options += ["--allow-root"] if os.geteuid() == 0 else []
    settings = folder / "CONFIG" / "labconfig" / "page_config.json"
    settings.parent.mkdir(parents=True)
    settings.write_text(json.dumps({"disabledExtensions": {NEWS: True}}))
    homes = {f"JUPYTER_{name}_DIR": str(folder / name) for name in ("CONFIG", "RUNTIME", "DATA")}
    with open(folder / "lab.log", "w") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", *options],
            env=os.environ | homes | {"OMP_NUM_THREADS": "1"},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    base = f"http://127.0.0.1:{port}"
    try:
        wait_for(f"{base}/api/status?token={token}", server)
        yield base, f"{base}/lab/tree/{NAME}?token={token}"
    finally:
        server.terminate()
        server.wait(60)


def wait_for(address, server):
    for _ in range(240):
        assert server.poll() is None, "JupyterLab ended at once"
        try:
            urllib.request.urlopen(address, timeout=5).close()  # noqa: S310
            return
        except (urllib.error.URLError, TimeoutError):
            time.sleep(0.5)
    pytest.fail("JupyterLab did not answer")


@pytest.fixture
def page(browser, lab):
    context = browser.new_context(viewport={"width": 1280, "height": 1000})
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(lab[1])
    kernel = "jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel"
    page.wait_for_function(f"window.{kernel}?.status === 'idle'")  # else it asks for a kernel
    yield page
    context.close()


def saved(page, name):
    """The pixels of a file that a button saves."""
    with page.expect_download() as download:
        page.locator(f"[data-name='{name}']").click()
    assert download.value.suggested_filename == f"chelsea-{name.partition('-')[2]}.png"
    with Image.open(download.value.path()) as image:
        return np.array(image)


def run_cell_after_painter(page):
    """Runs the cell that looks at the mask again; returns its outputs."""
    page.evaluate(
        """() => {
          const { content } = jupyterapp.shell.currentWidget;
          const source = (cell) => cell.model.sharedModel.getSource();
          content.activeCellIndex = content.widgets.findIndex((c) => source(c).startsWith(FIRST));
          content.deselectAll();
          window.looked = content.activeCell;
          return jupyterapp.commands.execute("notebook:run-cell");
        }""".replace("FIRST", f"'{AFTER}'")
    )
    outputs = page.evaluate("looked.model.outputs.toJSON()")
    return [nbformat.from_dict(output) for output in outputs]


def store(png, after):
    """Stores a picture where the painter's view would be, and the outputs of the cell after it."""
    buffer = io.BytesIO()
    Image.open(io.BytesIO(png)).convert("RGB").save(buffer, "jpeg", quality=80)
    notebook = nbformat.read(NOTEBOOK, 4)
    (cell,) = [cell for cell in notebook.cells if cell.source.endswith("\npainter")]
    data = {"image/jpeg": base64.b64encode(buffer.getvalue()).decode(), "text/plain": "Painter"}
    about = {"execution_count": cell.execution_count, "metadata": {"image/jpeg": {"alt": SHOWN}}}
    cell.outputs = [nbformat.v4.new_output("execute_result", data, **about)]
    (cell,) = [cell for cell in notebook.cells if cell.source.startswith(AFTER)]
    for output in after:
        if "execution_count" in output:
            output["execution_count"] = cell.execution_count
    cell.outputs = after
    nbformat.write(notebook, NOTEBOOK)


def test_draw_fill_and_save(page, lab):
    requests = []
    page.on("request", lambda request: requests.append(request.url))
    page.evaluate("() => void jupyterapp.commands.execute('notebook:run-all-cells')")
    canvas = page.locator(".ap canvas")
    canvas.wait_for()
    page.locator(".ap-foot", has_text="451 × 300 px").wait_for()
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x - 60, y - 60)
    page.mouse.down()
    page.mouse.move(x + 40, y - 40, steps=5)
    page.mouse.up()
    page.keyboard.press("r")  # the painter's key, and no cell's
    assert page.locator("[data-name='box']").get_attribute("aria-pressed") == "true"
    page.locator(".ap-foot", has_text="hole").wait_for()
    cells = page.locator(".jp-Notebook .jp-Cell").count()
    page.keyboard.press("b")
    assert page.locator(".jp-Notebook .jp-Cell").count() == cells
    page.locator(".ap-controls button", has_text="Fill").click()
    page.locator(".ap-notice", has_text="Filled in").wait_for()
    page.locator("[data-name='result'][aria-pressed='true']").wait_for()
    page.mouse.move(0, 0)
    widget = page.locator(".jp-OutputArea-output:has(.ap-controls)").first
    widget.scroll_into_view_if_needed()
    for name in (".ap-bar", ".ap-foot", ".ap-controls"):
        assert page.locator(name).first.bounding_box()["y"] > 0  # none scrolled away
    picture = widget.screenshot()
    after = run_cell_after_painter(page)
    assert "filled: True" in after[0]["text"] and "hole: 0 " not in after[0]["text"]
    if os.environ.get("STORE_PICTURE"):
        store(picture, after)
    photo = read_image(next(f for f in load("bundled", "test").files if f.stem == "chelsea"))
    hole, result = saved(page, "save-mask"), saved(page, "save-result")
    assert hole.dtype == bool and 500 < hole.sum() < hole.size / 4
    changed = (result != photo).any(axis=-1)
    assert changed[hole].mean() > 0.5
    assert not changed[~grow_mask(hole, REACH)].any()
    foreign = [url for url in requests if not url.startswith((lab[0], "data:", "blob:"))]
    assert foreign == []
