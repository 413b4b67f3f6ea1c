"""What `make demo` opens: the painter as a page without code that loads nothing from elsewhere."""

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NOTEBOOK = "notebooks/18_draw_a_mask.ipynb"
PATIENCE_MS = 240_000  # a kernel that imports PyTorch on a busy machine takes long

pytestmark = [
    pytest.mark.browser,
    pytest.mark.notebook,
    pytest.mark.slow,
    pytest.mark.timeout(600),
]


@pytest.fixture
def address(tmp_path):
    """A Voila server with the settings of `make demo`."""
    pytest.importorskip("voila", reason="voila is in the extra 'notebooks'")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = ["--Voila.config_file_paths=tools", "--Voila.ip=127.0.0.1", f"--port={port}"]
    command = [sys.executable, "-m", "voila", NOTEBOOK, "--no-browser", *options]
    own = {name: str(tmp_path / name) for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR")}
    with open(tmp_path / "voila.log", "wb") as log:
        server = subprocess.Popen(command, cwd=ROOT, env=os.environ | own, stdout=log, stderr=log)
    yield f"http://127.0.0.1:{port}/", server
    server.terminate()
    server.wait(60)


def wait_until_it_answers(address, server):
    for _ in range(240):
        assert server.poll() is None, "the server has ended"
        try:
            # A file that is not there: asking for the page would start a kernel.
            urllib.request.urlopen(address + "voila/static/none", timeout=5)  # noqa: S310
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.5)
    pytest.fail("voila did not start")


def test_the_makefile_opens_this_page():
    assert f"-m voila {NOTEBOOK} --Voila.config_file_paths=tools" in (ROOT / "Makefile").read_text()


def test_a_visitor_draws_and_fills(browser, address):
    wait_until_it_answers(*address)
    page = browser.new_context(viewport={"width": 1200, "height": 1000}).new_page()
    page.set_default_timeout(PATIENCE_MS)
    foreign = []

    def note(route):
        foreign.append(route.request.url)
        route.abort()

    page.route(lambda url: not url.startswith((address[0], "data:", "blob:")), note)
    page.goto(address[0], wait_until="commit")
    canvas = page.locator(".ap canvas")
    page.locator(".ap-foot", has_text="no hole yet").wait_for()
    assert "import" not in page.inner_text("body")  # no code
    box = canvas.bounding_box()
    page.mouse.move(box["x"] + 0.45 * box["width"], box["y"] + 0.4 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.55 * box["width"], box["y"] + 0.5 * box["height"], steps=5)
    page.mouse.up()
    page.get_by_role("button", name="Fill", exact=True).click()
    page.locator(".ap-foot", has_text="Filled in").wait_for()
    page.context.close()
    assert not foreign  # the browser refuses before it asks
