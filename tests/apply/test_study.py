"""The page asks for a code, shows each pair once, stores choices, and gives nothing away."""

import io
import json
import logging

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from aotgan.apply.study_votes import read_votes
from aotgan.errors import InputError

pytest.importorskip("anywidget", reason="anywidget is in the extra 'notebooks'")
from aotgan.apply import study  # noqa: E402  (needs anywidget)

LEVEL = {"secret-ours": 50, "secret-PConv": 100, "secret-real": 150}


@pytest.fixture
def pictures(tmp_path):
    """Each model's pictures are of its own grey; files tell their model in their metadata."""
    for model, level in LEVEL.items():
        folder = tmp_path / "pictures" / "secret-set" / model
        folder.mkdir(parents=True)
        told = PngImagePlugin.PngInfo()
        told.add_text("model", model)
        for number in range(3):
            grey = np.full((4, 6, 3), level + number, np.uint8)
            Image.fromarray(grey).save(folder / f"secret-{number}.png", pnginfo=told)
    return tmp_path / "pictures"


@pytest.fixture
def browser(pictures, tmp_path, monkeypatch):
    """A page whose messages go to a list."""
    return Browser(pictures, tmp_path / "votes.sqlite", monkeypatch)


class Browser:
    """Stands in for the participant's browser."""

    def __init__(self, pictures, database, monkeypatch):
        self.database, self.received = database, []
        monkeypatch.setattr(
            study.StudyPage,
            "send",
            lambda page, content, buffers=None: self.received.append((content, buffers)),
        )
        self.page = study.open_study(pictures, database, "secret-ours")

    def send(self, **message):
        self.page._handle_custom_msg(message, [])
        return self.received[-1][0]

    def greys(self):
        """Levels (left, right) of the pictures that are shown."""
        return [int(np.array(Image.open(io.BytesIO(b)))[0, 0, 0]) for b in self.received[-1][1]]

    def choose_ours(self, state):
        left, right = self.greys()
        return self.send(
            kind="vote", done=state["done"], side="left" if left < right else "right", seconds=0.5
        )


def test_it_begins_with_a_code_and_no_picture(browser):
    state = browser.send(kind="ready")
    assert state["screen"] == "welcome" and state["total"] == 6 and state["note"] == ""
    assert browser.received[-1][1] == []


def test_a_whole_session_stores_what_was_chosen(browser):
    state = browser.send(kind="start", participant="Anna")
    shown = []
    while state["screen"] == "trial":
        assert state["done"] == len(shown)
        shown.append(browser.greys())
        state = browser.choose_ours(state)
    assert state["screen"] == "end" and state["done"] == state["total"] == 6
    votes = read_votes(browser.database)
    assert votes["won"].all() and (votes["participant"] == "anna").all()
    for row, (left, right) in zip(votes.to_dict("records"), shown, strict=True):
        number = int(row["picture"][-1])
        pair = [50 + number, LEVEL[row["other"]] + number]
        assert [left, right] == (pair if row["ours_left"] else pair[::-1])
    assert len({tuple(sorted(pair)) for pair in shown}) == 6


def test_nothing_that_the_browser_gets_tells_a_model(browser):
    state = browser.send(kind="start", participant="anna")
    while state["screen"] == "trial":
        state = browser.choose_ours(state)
    sent = [json.dumps(content) for content, _ in browser.received]
    assert not any("secret" in text or "left" in text for text in sent)
    images = [bytes(b) for _, buffers in browser.received for b in buffers]
    assert len(images) == 12
    assert not any(b"secret" in image or b"tEXt" in image for image in images)
    assert "secret" not in json.dumps(browser.page.get_state(), default=str)
    assert "secret" not in repr(browser.page)


def test_the_same_code_goes_on_in_another_process(browser, pictures, monkeypatch):
    state = browser.send(kind="start", participant="anna")
    for _ in range(2):
        state = browser.choose_ours(state)
    expected = browser.greys()
    later = Browser(pictures, browser.database, monkeypatch)
    state = later.send(kind="start", participant=" ANNA")
    assert state["done"] == 2 and later.greys() == expected


def test_a_second_view_sees_the_same_pair(browser):
    browser.send(kind="start", participant="anna")
    before = browser.received[-1]
    browser.send(kind="ready")
    assert browser.received[-1] == before


def test_a_vote_for_a_pair_that_is_gone_is_not_counted(browser):
    state = browser.send(kind="start", participant="anna")
    browser.choose_ours(state)
    state = browser.send(kind="vote", done=0, side="left", seconds=0.1)  # a second click
    assert state["done"] == 1
    assert len(read_votes(browser.database)) == 1


def test_two_windows_of_one_participant_judge_each_pair_once(browser, pictures, monkeypatch):
    state = browser.send(kind="start", participant="anna")
    other = Browser(pictures, browser.database, monkeypatch)
    states = other.send(kind="start", participant="anna")
    browser.received = other.received  # both send to the patched list
    while states["screen"] == "trial":
        states = other.choose_ours(states)
    assert browser.send(kind="vote", done=0, side="left", seconds=1)["screen"] == "end"
    assert state["total"] == len(read_votes(browser.database)) == 6


def test_no_vote_before_there_is_a_code(browser):
    state = browser.send(kind="vote", done=0, side="left", seconds=1)
    assert state["screen"] == "welcome"
    assert len(read_votes(browser.database)) == 0


def test_an_unusable_code_is_said_on_the_page(browser):
    state = browser.send(kind="start", participant="  ")
    assert state["screen"] == "welcome" and "1 to 40 letters" in state["note"]
    assert browser.send(kind="start", participant="anna")["screen"] == "trial"


@pytest.mark.parametrize(
    "wrong", [{"side": "top"}, {"seconds": None}, {"seconds": -1}, {"seconds": float("nan")}]
)
def test_a_vote_that_makes_no_sense_is_not_stored(browser, wrong):
    state = browser.send(kind="start", participant="anna")
    vote = {"kind": "vote", "done": state["done"], "side": "left", "seconds": 1} | wrong
    state = browser.send(**vote)
    assert state["done"] == 0 and state["note"].startswith("That was not stored")
    assert len(read_votes(browser.database)) == 0


def test_a_vote_that_cannot_be_stored_is_asked_for_again(browser, caplog):
    state = browser.send(kind="start", participant="anna")
    browser.database.write_text("not a database" * 100)
    with caplog.at_level(logging.ERROR):
        state = browser.choose_ours(state)
    assert state["screen"] == "trial" and state["done"] == 0
    assert state["note"] == "That was not stored. Please choose again."
    browser.database.unlink()


def test_a_code_in_the_address_is_proposed(pictures, tmp_path, monkeypatch):
    monkeypatch.setenv("QUERY_STRING", "participant=team%20b&x=1")
    browser = Browser(pictures, tmp_path / "votes.sqlite", monkeypatch)
    state = browser.send(kind="ready")
    assert (state["screen"], state["participant"]) == ("welcome", "team b")


def test_the_page_for_voila_opens_the_study(pictures, tmp_path):
    path = study.write_page(
        tmp_path / "page" / "study.ipynb",
        pictures,
        tmp_path / "votes.sqlite",
        "secret-ours",
        trials=4,
        question="Which?",
    )
    (cell,) = json.loads(path.read_text())["cells"]
    assert cell["outputs"] == [] and cell["cell_type"] == "code"
    scope = {}
    exec(cell["source"].replace("\nopen_study(", "\npage = open_study("), scope)  # noqa: S102
    assert isinstance(scope["page"], study.StudyPage)
    assert scope["page"]._design.trials == 4 and scope["page"]._question == "Which?"


@pytest.mark.parametrize("inside", ["pictures", "database"])
def test_a_page_beside_what_is_secret_is_refused(pictures, tmp_path, inside):
    page = tmp_path / "study.ipynb" if inside == "pictures" else tmp_path / "page" / "study.ipynb"
    database = tmp_path / "page" / "votes.sqlite"
    with pytest.raises(InputError, match="a folder of its own"):
        study.write_page(page, pictures, database, "secret-ours")
    assert not page.exists()


def test_mistakes_show_when_the_page_is_written(pictures, tmp_path):
    page, database = tmp_path / "page" / "study.ipynb", tmp_path / "votes.sqlite"
    with pytest.raises(InputError, match="expected a folder 'nobody'"):
        study.write_page(page, pictures, database, "nobody")
    with pytest.raises(TypeError, match="trails"):
        study.write_page(page, pictures, database, "secret-ours", trails=4)
    assert not page.exists()
