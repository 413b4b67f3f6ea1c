"""What `make demo` opens: the painter as a page without code that loads nothing from elsewhere."""

import io
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]
NOTEBOOK = "notebooks/18_draw_a_mask.ipynb"
PATIENCE_MS = 240_000  # a kernel that imports PyTorch on a busy machine takes long

pytestmark = [
    pytest.mark.browser,
    pytest.mark.notebook,
    pytest.mark.slow,
    pytest.mark.timeout(600),
]


def test_the_makefile_opens_this_page():
    command = f"JUPYTER_PATH=tools $(PY) -m voila {NOTEBOOK} --Voila.config_file_paths=tools/voila"
    assert command in (ROOT / "Makefile").read_text()


def brightness(colour):
    """0 to 255, of a colour as "rgb(r, g, b)"; without transparency."""
    numbers = [float(number) for number in re.findall(r"[\d.]+", colour)]
    assert len(numbers) == 3, colour
    return sum(numbers) / 3


def contrast_of_arrow(page):
    """Contrast (WCAG 2) of the arrow of the list of models with its ground."""
    png = page.locator(".ap-controls select").screenshot()
    end = np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))[4:-4, -20:-4] / 255
    linear = np.where(end <= 0.04045, end / 12.92, ((end + 0.055) / 1.055) ** 2.4)
    luminance = linear @ (0.2126, 0.7152, 0.0722)
    ground = np.median(luminance)
    others = luminance.max(), luminance.min()
    return max((max(one, ground) + 0.05) / (min(one, ground) + 0.05) for one in others)


def test_a_visitor_draws_and_fills(browser, demo):
    page = browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
    page.set_default_timeout(PATIENCE_MS)
    foreign, complaints = [], []
    page.on("console", lambda message: complaints.append(message.text))

    def note(route):
        foreign.append(route.request.url)
        route.abort()

    page.route(lambda url: not url.startswith((demo, "data:", "blob:")), note)
    page.goto(demo, wait_until="commit")
    canvas = page.locator(".ap canvas")
    page.locator(".ap-foot", has_text="no hole yet").wait_for()
    assert "import" not in page.inner_text("body")  # no code
    grounds = "['body', '.ap', '.ap-controls select'].map((name) =>"
    grounds += " getComputedStyle(document.querySelector(name)).backgroundColor)"
    light = [brightness(colour) for colour in page.evaluate(grounds)]
    page.emulate_media(color_scheme="dark")
    dark = [brightness(colour) for colour in page.evaluate(grounds)]
    assert min(light) > 200 and max(dark) < 80
    assert contrast_of_arrow(page) > 3
    page.emulate_media(color_scheme="light")
    assert contrast_of_arrow(page) > 3
    for name in (".ap-bar", ".ap canvas", ".ap-foot", ".ap-controls"):
        box = page.locator(name).bounding_box()
        assert box["y"] + box["height"] <= 800  # seen without scrolling
    box = canvas.bounding_box()
    page.mouse.move(box["x"] + 0.45 * box["width"], box["y"] + 0.4 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.55 * box["width"], box["y"] + 0.5 * box["height"], steps=5)
    page.mouse.up()
    page.get_by_role("button", name="Fill", exact=True).click()
    page.locator(".ap-foot", has_text="Filled in").wait_for()
    page.context.close()
    assert not foreign
    refused = [text for text in complaints if "Content Security Policy" in text]
    assert not refused  # what the browser refuses it does not ask for
