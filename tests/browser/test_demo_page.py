"""What `make demo` opens: the painter as a page without code that loads nothing from elsewhere."""

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
def address(serve_voila):
    """A Voila server with the settings of `make demo`."""
    return serve_voila(NOTEBOOK, "--Voila.config_file_paths=tools", cwd=ROOT)


def test_the_makefile_opens_this_page():
    assert f"-m voila {NOTEBOOK} --Voila.config_file_paths=tools" in (ROOT / "Makefile").read_text()


def test_a_visitor_draws_and_fills(browser, address):
    page = browser.new_context(viewport={"width": 1200, "height": 1000}).new_page()
    page.set_default_timeout(PATIENCE_MS)
    foreign = []

    def note(route):
        foreign.append(route.request.url)
        route.abort()

    page.route(lambda url: not url.startswith((address, "data:", "blob:")), note)
    page.goto(address, wait_until="commit")
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
