"""The page on which participants of a user study choose (section 4.6).

    open_study("pictures", "votes.sqlite", ours="AOT-GAN")       # in a notebook
    write_page("page/study.ipynb", "pictures", "votes.sqlite", ours="AOT-GAN")
    voila page/study.ipynb                                       # in a terminal: a page for all

Each participant's browser has a Python process of its own; they share the file of votes alone. To
the browser go pixels, encoded afresh: no file name, no metadata, no word of which side is whose.
"""

import io
import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import anywidget
from PIL import Image

from aotgan.apply.study_votes import Design, Trial, Votes, clean_code, make_design
from aotgan.data.images import read_image
from aotgan.errors import InputError
from aotgan.files import write_atomically

# "they are asked to select images with better structures and more realistic textures"
QUESTION = "Which picture has the better structures and the more realistic textures?"


class StudyPage(anywidget.AnyWidget):
    """One participant's page: asks for a code, shows pair after pair, stores each choice.

    The page and this object talk in messages, so that no picture stays in a saved notebook.

    Args:
        design: what is compared.
        votes: where choices go.
        question: stands above each pair.
        participant: code that the page proposes.
    """

    _esm = Path(__file__).with_suffix(".js")

    def __init__(
        self, design: Design, votes: Votes, question: str = QUESTION, participant: str = ""
    ):
        super().__init__()
        self._design, self._votes, self._question = design, votes, question
        self._proposed = participant
        self._code = ""  # of the participant, once there is one
        self._waiting: list[Trial] = []
        self.on_msg(self._receive)

    def __repr__(self) -> str:
        return f"page of a user study, {self._design.trials} pairs for each participant"

    def _receive(self, _: object, message: Mapping[str, Any], __: object) -> None:
        """Answers the browser; what cannot be used is said on the page, and the page stays."""
        note = ""
        try:
            if message.get("kind") == "start":
                self._start(str(message.get("participant", "")))
            elif message.get("kind") == "vote":
                self._vote(message)
        except InputError as error:
            self.log.error(error)  # to the terminal; the participant's browser shows no paths
            note = str(error) if not self._code else "That was not stored. Please choose again."
        self._show(note)

    def _start(self, text: str) -> None:
        code = clean_code(text)
        # the code counts once the file of votes has answered: else the page asks for it again
        self._waiting = self._votes.waiting(code)
        self._code = code

    def _vote(self, message: Mapping[str, Any]) -> None:
        seconds = message.get("seconds")
        if not self._waiting or message.get("done") != self._done:
            return  # of a pair that is no longer shown: a second click, another window
        if not isinstance(seconds, int | float) or not math.isfinite(seconds) or seconds < 0:
            raise InputError(f"a vote after {seconds!r} s: expected a number, 0 or more.")
        self._votes.cast(self._code, self._waiting[0], str(message.get("side")), seconds)
        self._waiting = self._votes.waiting(self._code)

    @property
    def _done(self) -> int:
        return self._design.trials - len(self._waiting)

    def _show(self, note: str) -> None:
        """Sends the screen that is due, with the bytes of its pictures."""
        state = {"total": self._design.trials, "done": self._done, "question": self._question}
        pictures: list[bytes] = []
        if not self._code:
            state |= {"screen": "welcome", "participant": self._proposed}
        elif self._waiting:
            state["screen"] = "trial"
            pictures = [_png(path) for path in self._design.paths(self._waiting[0])]
        else:
            state["screen"] = "end"
        self.send({**state, "note": note}, pictures)


def open_study(
    pictures: str | Path,
    database: str | Path,
    ours: str,
    cases: int | None = None,
    trials: int | None = None,
    seed: int = 0,
    question: str = QUESTION,
) -> StudyPage:
    """Opens the page of a study.

    A code in the page's address (`...?participant=anna`) is proposed to the participant.

    Args:
        pictures: folder pictures/DATA_SET/MODEL/NAME.png, see `make_design`.
        database: SQLite file of the votes, made if absent; reopening it goes on.
        ours: the model that is compared with each of the others.
        cases: pictures drawn from each data set; all by default.
        trials: pairs that each participant judges; all by default.
        seed: of everything that is drawn.
        question: stands above each pair.

    Raises:
        InputError: as `make_design` and `Votes`.
    """
    design = make_design(pictures, ours, cases, trials, seed)
    query = parse_qs(os.environ.get("QUERY_STRING", ""))  # Voila hands the address over
    proposed = query.get("participant", [""])[0]
    return StudyPage(design, Votes(database, design), question, proposed)


def write_page(
    page: str | Path, pictures: str | Path, database: str | Path, ours: str, **options: Any
) -> Path:
    """Writes the notebook that `voila` serves to participants: the page and nothing else.

    Args:
        page: the notebook, in a folder of its own: Voila hands out pictures that lie beside or
            below a notebook to whoever asks for them by name.
        pictures: as `open_study`.
        database: as `open_study`.
        ours: as `open_study`.
        **options: cases, trials, seed, question of `open_study`.

    Raises:
        InputError: the page's folder holds the pictures or the votes; else as `open_study`.
    """
    folder = Path(page).resolve().parent
    for other in (Path(pictures).resolve(), Path(database).resolve()):
        if other.is_relative_to(folder):
            raise InputError(
                f"{page} lies beside or above {other.name}, which participants could then load. "
                "Give the page a folder of its own."
            )
    places = {"pictures": pictures, "database": database}
    given: dict[str, Any] = {name: str(Path(place).resolve()) for name, place in places.items()}
    given |= {"ours": ours, **options}
    open_study(**given).close()  # finds mistakes now, not before the first participant's eyes
    call = ",\n".join(f"    {name}={value!r}" for name, value in given.items())
    source = f"from aotgan.apply.study import open_study\n\nopen_study(\n{call},\n)"
    return write_atomically(page, json.dumps(_notebook(source), indent=1))


def _notebook(source: str) -> dict[str, Any]:
    cell: dict[str, Any] = {
        "cell_type": "code",
        "id": "study",
        "metadata": {},
        "source": source,
        "execution_count": None,
        "outputs": [],
    }
    kernel = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
    return {
        "cells": [cell],
        "metadata": {"kernelspec": kernel},
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def _png(path: Path) -> bytes:
    """The file's pixels alone."""
    buffer = io.BytesIO()
    Image.fromarray(read_image(path)).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()
