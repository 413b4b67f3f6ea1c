"""The study's page in a real browser: keys, clicks, and two participants at once through Voila."""

import base64
import json

import numpy as np
import pytest
from PIL import Image

from aotgan.apply.study_votes import read_votes

pytest.importorskip("anywidget", reason="anywidget is in the extra 'notebooks'")
from aotgan.apply import study  # noqa: E402  (needs anywidget)

pytestmark = pytest.mark.slow
SITE = "http://study.invalid/"
# A widget's model for its view, with Python at the other end but without a kernel between them.
PAGE = """<!doctype html><html lang="en"><title>study</title><link rel="icon" href="data:,">
<button id="outside">outside</button><div id="host"></div><script type="module">
import study from "./study.js";
const handlers = [];
const model = {
  on: (name, handler) => handlers.push(handler),
  off: (name, handler) => handlers.splice(handlers.indexOf(handler), 1),
  send: async (message) => {
    if (window.silent) return;
    const [content, pictures] = JSON.parse(await window.toPython(JSON.stringify(message)));
    const bytes = pictures.map((t) => new DataView(
      Uint8Array.from(atob(t), (c) => c.charCodeAt(0)).buffer));
    for (const handler of [...handlers]) handler(content, bytes);
  },
};
window.unmount = study.render({ model, el: document.getElementById("host") });
</script></html>"""
READY = ".pair:not(.busy)"
LEVELS = {"ours": 60, "PConv": 120, "real": 180}


@pytest.fixture
def pictures(tmp_path):
    for model, level in LEVELS.items():
        folder = tmp_path / "pictures" / "scenes" / model
        folder.mkdir(parents=True)
        for number in range(3):
            grey = np.full((96, 128, 3), level + number, np.uint8)
            Image.fromarray(grey).save(folder / f"{number}.png")
    return tmp_path / "pictures"


@pytest.fixture
def opened(browser, pictures, tmp_path, monkeypatch):
    """The page in a tab, its file of votes, and what the browser asked for over the network."""
    answers = []
    monkeypatch.setattr(
        study.StudyPage,
        "send",
        lambda page, content, buffers: answers.append(
            [content, [base64.b64encode(b).decode() for b in buffers]]
        ),
    )
    database = tmp_path / "votes.sqlite"
    widget = study.open_study(pictures, database, "ours")

    def to_python(message):
        widget._handle_custom_msg(json.loads(message), [])
        return json.dumps(answers[-1])

    requests = []
    tab = browser.new_page(viewport={"width": 900, "height": 600})
    tab.set_default_timeout(60_000)
    tab.on("request", lambda request: requests.append(request.url))
    tab.expose_function("toPython", to_python)
    source = str(study.StudyPage._esm)
    tab.route(SITE, lambda route: route.fulfill(body=PAGE, content_type="text/html"))
    tab.route(
        SITE + "study.js", lambda route: route.fulfill(body=source, content_type="text/javascript")
    )
    tab.goto(SITE)
    yield tab, database, requests
    tab.close()


def begin(tab, code="anna"):
    tab.fill("input", code)
    tab.keyboard.press("Enter")
    tab.wait_for_selector(READY)


def count(tab):
    return tab.inner_text("[role=status]")


def wait_for(tab, text):
    tab.get_by_text(text, exact=True).wait_for()
    if text.startswith("Pair"):
        tab.wait_for_selector(READY)


def test_keys_and_clicks_choose_what_they_point_at(opened):
    tab, database, requests = opened
    begin(tab)
    assert count(tab) == "Pair 1 of 6"
    tab.keyboard.press("ArrowLeft")
    wait_for(tab, "Pair 2 of 6")
    tab.keyboard.press("ArrowRight")
    wait_for(tab, "Pair 3 of 6")
    tab.click("[data-side=left] img")
    wait_for(tab, "Pair 4 of 6")
    tab.click("[data-side=right]")
    wait_for(tab, "Pair 5 of 6")
    tab.focus("[data-side=right]")
    tab.keyboard.press("Enter")  # as a screen reader does
    wait_for(tab, "Pair 6 of 6")
    tab.keyboard.press("ArrowLeft")
    wait_for(tab, "You have judged all 6 pairs. You may close this page.")
    votes = read_votes(database)
    assert votes["chose_left"].tolist() == [True, False, True, False, False, True]
    assert votes["seconds"].between(0, 60).all()
    assert all(url.startswith((SITE, "blob:")) for url in requests)


def test_pictures_are_shown_alike_and_say_nothing(opened):
    tab, _, _ = opened
    begin(tab)
    left, right = (tab.locator(f"[data-side={side}] img") for side in ("left", "right"))
    boxes = [picture.bounding_box() for picture in (left, right)]
    assert (boxes[0]["width"], boxes[0]["height"]) == (128, 96)
    assert {name: boxes[1][name] for name in ("width", "height", "y")} == {
        name: boxes[0][name] for name in ("width", "height", "y")
    }
    content = tab.content()
    assert not any(word in content for word in ("ours", "PConv", "real<", "scenes", ".png"))
    tab.set_viewport_size({"width": 230, "height": 600})  # a phone's: side by side, smaller
    narrow = [picture.bounding_box() for picture in (left, right)]
    assert narrow[0]["width"] == narrow[1]["width"] < 120
    assert narrow[0]["y"] == narrow[1]["y"]


def test_a_key_held_down_and_quick_keys_are_one_vote(opened):
    tab, database, _ = opened
    begin(tab)
    for _ in range(5):
        tab.keyboard.down("ArrowLeft")  # repeats without a keyup between
    wait_for(tab, "Pair 2 of 6")
    tab.keyboard.up("ArrowLeft")
    tab.evaluate("""() => ["left", "right", "left"].forEach(
        (side) => document.querySelector(`[data-side=${side}]`).click())""")
    wait_for(tab, "Pair 3 of 6")
    assert read_votes(database)["chose_left"].tolist() == [True, True]


def test_keys_for_something_else_are_no_votes(opened):
    tab, database, _ = opened
    tab.wait_for_selector("input")
    tab.focus("input")
    tab.keyboard.press("ArrowLeft")
    begin(tab)
    tab.focus("#outside")
    tab.keyboard.press("ArrowLeft")
    tab.evaluate("window.unmount()")
    tab.evaluate("document.activeElement.blur()")
    tab.keyboard.press("ArrowLeft")
    assert len(read_votes(database)) == 0


def test_a_study_that_does_not_answer_says_what_to_do(opened):
    tab, _, _ = opened
    begin(tab)
    tab.evaluate("window.silent = true")
    tab.keyboard.press("ArrowLeft")
    tab.get_by_text("Reload this page and enter your code again").wait_for()


def test_an_unusable_code_is_answered(opened):
    tab, _, _ = opened
    tab.wait_for_selector("input")
    tab.evaluate("document.querySelector('input').required = false")
    tab.click("form button")
    tab.get_by_text("Please give a code of 1 to 40 letters or digits.").wait_for()
    begin(tab)


@pytest.fixture
def address(serve_voila, pictures, tmp_path):
    """Address of the study as a page: each visitor has a process of their own."""
    page = study.write_page(
        tmp_path / "page" / "study.ipynb", pictures, tmp_path / "votes.sqlite", "ours", trials=4
    )
    return serve_voila(page)


@pytest.mark.timeout(600)
def test_two_participants_at_once_through_voila(browser, address, tmp_path):
    tabs = [browser.new_context().new_page() for _ in range(2)]
    for tab, code in zip(tabs, ("anna", "bert"), strict=True):
        tab.set_default_timeout(240_000)
        tab.goto(f"{address}?participant={code}", wait_until="commit")
    for tab, code in zip(tabs, ("anna", "bert"), strict=True):
        tab.wait_for_selector("input")
        assert tab.input_value("input") == code
        tab.keyboard.press("Enter")
    for number in range(1, 5):
        for tab, key in zip(tabs, ("ArrowLeft", "ArrowRight"), strict=True):
            wait_for(tab, f"Pair {number} of 4")
            tab.keyboard.press(key)
    for tab in tabs:
        wait_for(tab, "You have judged all 4 pairs. You may close this page.")
        tab.context.close()
    votes = read_votes(tmp_path / "votes.sqlite")
    assert votes.groupby("participant")["chose_left"].agg(["sum", "count"]).to_dict("index") == {
        "anna": {"sum": 4, "count": 4},
        "bert": {"sum": 0, "count": 4},
    }
