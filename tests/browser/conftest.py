"""A real Chromium, and a bare page that mounts the painter with a stub in the kernel's place."""

import base64
import io
import math
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("anywidget", reason="anywidget is in the extra 'notebooks'")

from aotgan.apply.painter import MaskCanvas
from aotgan.apply.painter_files import unpack_mask

ROOT = Path(__file__).parents[2]
DEMO = "notebooks/18_draw_a_mask.ipynb"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
SITE = "http://painter.invalid/"
PAGE = """<!doctype html><html lang="en"><title>painter</title><meta charset="utf-8">
<link rel="icon" href="data:,"><link rel="stylesheet" href="painter.css">
<body style="margin: 10px"><div id="host"></div><script type="module">
import painter from "./painter.js";
class Model { // what a widget's model does for its view, without a kernel
  constructor(state) { Object.assign(this, { state, handlers: {}, messages: [], answers: true }); }
  get(name) { return this.state[name]; }
  set(name, value) {
    if (this.state[name] === value) return;
    this.state[name] = value;
    this.fire(`change:${name}`);
  }
  fire(name, ...content) { for (const handler of this.handlers[name] ?? []) handler(...content); }
  on(name, handler) { (this.handlers[name] ??= []).push(handler); }
  off(name, handler) { this.handlers[name] = this.handlers[name].filter((h) => h !== handler); }
  send(content, callbacks, buffers) {
    if (content.kind !== "seen") this.messages.push({ ...content, buffers });
  }
  save_changes() { if (this.answers) setTimeout(() => this.set("received", this.state.sent)); }
}
const bytes = (text) => new DataView(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer);
window.bytes = bytes;
window.mount = (size, photo) => {
  const empty = { packed: bytes(""), filled: bytes(""), sent: 0, received: 0, notice: "" };
  const state = { size, photo: bytes(photo), digest: "photo", shown: 1, kept: false, past: false };
  window.model = new Model({ ...state, ...empty });
  window.unmount = painter.render({ model: window.model, el: document.getElementById("host") });
};
window.packed = () => {
  const { buffer, byteOffset, byteLength } = window.model.get("packed");
  return btoa(String.fromCharCode(...new Uint8Array(buffer, byteOffset, byteLength)));
};
window.loaded = true;
</script></body></html>"""


@pytest.fixture(scope="session")
def browser():
    """Chromium of the machine, headless; skips where there is none."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is in the extra 'dev'")
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        pytest.skip(f"no browser: none of {', '.join(BROWSERS)} is installed")
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=program, args=arguments)
        yield chromium
        chromium.close()


def preview_of(size):
    """A JPEG of a smooth picture, as base64."""
    width, height = (min(side, 640) for side in size)
    y, x = np.mgrid[:height, :width]
    colours = np.stack([255 * x / width, 255 * y / height, 128 + 0 * x], axis=-1)
    buffer = io.BytesIO()
    Image.fromarray(colours.astype(np.uint8)).save(buffer, "jpeg")
    return base64.b64encode(buffer.getvalue()).decode()


class Page:
    """The bare page with one painter on it; places are given in pixels of the image."""

    def __init__(self, page, size):
        self.page, self.size, self.requests = page, size, []
        page.set_default_timeout(60_000)
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("pageerror", lambda error: pytest.fail(f"JavaScript: {error}"))
        page.route("**/*", self._answer)
        page.goto(SITE)
        page.wait_for_function("window.loaded")
        self.mount()
        self.canvas = page.locator("canvas")
        self.scale = None

    def mount(self):
        shown = [self.size, preview_of(self.size)]
        self.page.evaluate("([size, photo]) => mount(size, photo)", shown)
        self.wait_text(" px")

    def show(self, size, **state):
        """Shows another photograph without hole or result, as the kernel does."""
        self.page.evaluate(
            "([photo, state]) => {"
            "  for (const name of ['packed', 'filled']) model.set(name, bytes(''));"
            "  model.set('photo', bytes(photo));"
            "  for (const [name, value] of Object.entries(state)) model.set(name, value);"
            "}",
            [preview_of(size), {"size": size, **state}],
        )
        self.size = size
        self.wait_text(f"{size[0]} × {size[1]} px · no hole yet")

    def _answer(self, route):
        files = {"": ("text/html", PAGE), "painter.js": ("text/javascript", MaskCanvas._esm)}
        files["painter.css"] = ("text/css", MaskCanvas._css)
        name = route.request.url.removeprefix(SITE)
        if name not in files:
            return route.abort()
        kind, body = files[name]
        route.fulfill(body=body, content_type=kind)

    def key(self, keys):
        self.canvas.focus()
        self.page.keyboard.press(keys)

    def zoom(self, scale):
        """Makes a pixel of the image `scale` CSS px, in the middle of the canvas."""
        self.key("1")
        steps = round(2 * math.log2(scale))  # a press is a factor of the square root of 2
        for _ in range(abs(steps)):
            self.page.keyboard.press("+" if steps > 0 else "-")
        self.wait_text(f" {100 * scale:.0f} %")
        self.scale = scale

    def wait_text(self, text):
        """Waits until the line below the picture has these words."""
        self.page.locator(".ap-foot", has_text=text).wait_for()

    def at(self, x, y):
        """Image -> page, in CSS px, after `zoom`."""
        box = self.canvas.bounding_box()
        width, height = self.size
        middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        return (
            middle[0] + (x - width / 2) * self.scale,
            middle[1] + (y - height / 2) * self.scale,
        )

    def drag(self, points, steps=3):
        """A stroke of the mouse through points of the image; waits until the mask was sent."""
        before = self.sent
        self.page.mouse.move(*self.at(*points[0]))
        self.page.mouse.down()
        for point in points[1:]:
            self.page.mouse.move(*self.at(*point), steps=steps)
        self.page.mouse.up()
        self.wait_sent(before)

    @property
    def sent(self):
        return self.page.evaluate("model.get('sent')")

    def wait_sent(self, before):
        self.page.wait_for_function(f"model.get('sent') > {before}")

    def after(self, action):
        """Does something that changes the mask; waits until it was sent."""
        before = self.sent
        action()
        self.wait_sent(before)
        return self.mask

    @property
    def packed(self):
        return base64.b64decode(self.page.evaluate("packed()"))

    @property
    def mask(self):
        """(H, W) bool, as Python reads what the page sent."""
        return unpack_mask(self.packed, self.size[::-1])

    def screen(self):
        """The canvas as it is seen, (H, W, 3)."""
        self.page.wait_for_timeout(100)  # a frame
        with Image.open(io.BytesIO(self.canvas.screenshot())) as seen:
            return np.array(seen.convert("RGB")).astype(int)

    def button(self, name):
        return self.page.locator(f"[data-name='{name}']")

    @property
    def diameter(self):
        return int(self.page.locator(".ap-size output").inner_text().split()[0])


@pytest.fixture
def open_painter(browser):
    """Opens the bare page: open_painter(size=(width, height), ratio=..., touch=...)."""
    contexts = []

    def opened(size=(640, 480), ratio=1, touch=False, width=760):
        viewport = {"width": width, "height": 560}
        contexts.append(
            browser.new_context(viewport=viewport, device_scale_factor=ratio, has_touch=touch)
        )
        return Page(contexts[-1].new_page(), size)

    yield opened
    for context in contexts:
        context.close()


@pytest.fixture
def serve_voila(tmp_path):
    """Serves a notebook as a page: serve_voila(notebook, *options, cwd=..., NAME=...) -> address.

    What is given by name goes into the server's environment.
    """
    pytest.importorskip("voila", reason="voila is in the extra 'notebooks'")
    servers = []

    def serve(notebook, *options, cwd=None, **environment):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        options = ["--no-browser", f"--port={port}", "--Voila.ip=127.0.0.1", *options]
        own = {name: str(tmp_path / name) for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR")}
        command = [sys.executable, "-m", "voila", str(notebook), *options]
        with open(tmp_path / "voila.log", "wb") as log:
            variables = os.environ | own | environment
            servers.append(
                subprocess.Popen(command, cwd=cwd, env=variables, stdout=log, stderr=log)
            )
        address = f"http://127.0.0.1:{port}/"
        wait_until_it_answers(address, servers[-1])
        return address

    yield serve
    for server in servers:
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


@pytest.fixture
def demo(serve_voila):
    """Address of a Voila server with the settings of `make demo`."""
    options = {"cwd": ROOT, "JUPYTER_PATH": "tools"}
    return serve_voila(DEMO, "--Voila.config_file_paths=tools/voila", **options)
