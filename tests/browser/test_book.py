"""The book as a reader has it: built once, opened from disk, every page at two widths."""

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("sphinx", reason="sphinx is in the extra 'docs'")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

ROOT = Path(__file__).parents[2]
LOOK = """() => {
  const wide = document.documentElement.scrollWidth - document.documentElement.clientWidth;
  const images = [...document.images].filter((image) => image.offsetParent !== null);
  const without = images.filter((image) => !image.alt?.trim()).map((image) => image.src);
  const broken = images.filter((i) => i.complete && !i.naturalWidth).map((image) => image.src);
  const equations = document.querySelectorAll(".math").length;
  const drawn = document.querySelectorAll(".math mjx-container svg").length;
  const wrong = document.querySelectorAll("mjx-merror, [data-mjx-error]").length;
  return { wide, without, broken, equations, drawn, wrong };
}"""


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    """The folder of the built book."""
    folder = tmp_path_factory.mktemp("book")
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-j", "2", "-c", "docs"]
    done = subprocess.run(
        [*command, "-d", str(folder / "doctrees"), ".", str(folder / "html")],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return folder / "html"


def pages(book):
    """The files of the pages, without those of the theme and the one that leads to the first."""
    files = book.rglob("*.html")
    return sorted(f for f in files if "_static" not in f.parts and f.name != "index.html")


@pytest.mark.parametrize("width", [1200, 400])
def test_every_page_is_whole(book, browser, width):
    faults = {}
    context = browser.new_context(viewport={"width": width, "height": 900})
    for file in pages(book):
        page, said = context.new_page(), []
        page.on("console", lambda m, to=said: m.type == "error" and to.append(m.text))
        page.on("pageerror", lambda error, to=said: to.append(str(error)))
        page.on("requestfailed", lambda request, to=said: to.append(f"failed: {request.url}"))
        page.on(
            "request",
            lambda request, to=said: (
                request.url.startswith(("file:", "data:", "blob:")) or to.append(request.url)
            ),
        )
        page.goto(file.as_uri(), wait_until="load")
        page.evaluate("() => window.MathJax?.startup?.promise")
        seen = page.evaluate(LOOK)
        said += [f"{key}: {seen[key]}" for key in ("without", "broken", "wrong") if seen[key]]
        said += [f"{seen['wide']} px too wide"] if seen["wide"] > 0 else []
        said += ["equations not drawn"] if seen["drawn"] < seen["equations"] else []
        if said:
            faults[file.relative_to(book).as_posix()] = said
        page.close()
    context.close()
    assert faults == {}


def test_each_notebook_has_a_page_and_the_pages_follow_one_another(book, browser):
    notebooks = sorted(path.stem for path in (ROOT / "notebooks").glob("*.ipynb"))
    assert notebooks == sorted(path.stem for path in (book / "notebooks").glob("*.html"))
    page = browser.new_page()
    page.goto((book / "notebooks" / f"{notebooks[0]}.html").as_uri())
    for name in notebooks[1:]:
        page.locator("a.right-next").click()
        page.wait_for_url(f"**/{name}.html")
    page.close()


def test_the_address_of_the_folder_leads_to_the_first_page(book, browser):
    page = browser.new_page()
    page.goto((book / "index.html").as_uri())
    page.wait_for_url("**/README.html")
    page.close()


def test_a_search_finds_what_a_reader_looks_for(book, browser):
    page = browser.new_page()
    page.goto((book / "search.html").as_uri() + "?q=dilation")
    page.locator("#search-results a").first.wait_for()
    page.close()


def test_nothing_of_this_machine_is_in_it(book):
    places = {str(ROOT), str(Path.home()), str(book)}
    for file in (*book.rglob("*.html"), *book.rglob("*.js")):
        text = file.read_text("utf-8", errors="replace")
        assert not [place for place in places if place in text], file
