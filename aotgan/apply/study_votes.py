"""The user study's design, and the file that keeps its votes (section 4.6).

A trial shows two pictures that differ in who filled them: one is ours, the other another model's or
the photograph itself. Which pairs a participant sees, in which order and on which side is drawn
from the study's seed and the participant's code, so that a study can be left and taken up again.

Votes go into one SQLite file. Every access is one statement on a connection of its own; SQLite's
lock then makes participants in several processes wait for each other, and a vote is whole or absent
whatever happens to its process.
"""

import hashlib
import json
import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from aotgan.data.images import image_size, list_images
from aotgan.errors import InputError

PAPER_CASES = 400  # "We randomly sample 400 cases [...] on Places2 and CELEBA-HQ, respectively"
WAIT_S = 30.0  # for another process to finish writing
MAX_CODE = 40  # characters of a participant's code
COLUMNS = (
    *("participant", "dataset", "picture", "other"),
    *("ours_left", "chose_left", "seconds", "cast_at"),
)
SCHEMA = (
    "CREATE TABLE IF NOT EXISTS study (only INTEGER PRIMARY KEY CHECK (only = 1), design TEXT)",
    """CREATE TABLE IF NOT EXISTS votes (
        participant TEXT NOT NULL,
        dataset TEXT NOT NULL,
        picture TEXT NOT NULL,
        other TEXT NOT NULL,
        ours_left INTEGER NOT NULL CHECK (ours_left IN (0, 1)),
        chose_left INTEGER NOT NULL CHECK (chose_left IN (0, 1)),
        seconds REAL NOT NULL,
        cast_at TEXT NOT NULL,
        UNIQUE (participant, dataset, picture, other))""",
)


@dataclass(frozen=True, order=True)
class PicturePair:
    """Two pictures to choose from: ours and `other`'s of one picture of one data set."""

    dataset: str
    picture: str  # name of the files without ending
    other: str


@dataclass(frozen=True)
class Trial:
    """A pair as one participant sees it."""

    pair: PicturePair
    ours_left: bool


@dataclass(frozen=True)
class Design:
    """What is compared.

    Attributes:
        ours: the model that every pair shows.
        pairs: all of them, in a fixed order.
        trials: pairs that a participant is asked to judge.
        seed: of everything that is drawn.
        files: picture file by (data set, model, picture).
    """

    ours: str
    pairs: tuple[PicturePair, ...]
    trials: int
    seed: int
    files: Mapping[tuple[str, str, str], Path] = field(repr=False)

    def comparisons(self) -> dict[tuple[str, str], int]:
        """Returns the number of pairs by (data set, other model)."""
        return dict(Counter((pair.dataset, pair.other) for pair in self.pairs))

    def paths(self, trial: Trial) -> tuple[Path, Path]:
        """Returns the files shown (left, right)."""
        pair = trial.pair
        ours, other = (
            self.files[pair.dataset, model, pair.picture] for model in (self.ours, pair.other)
        )
        return (ours, other) if trial.ours_left else (other, ours)

    def order(self, participant: str) -> list[Trial]:
        """Returns what a participant sees, in order; always the same for the same code.

        The pairs come in rounds. In a round each picture is shown once, so that nobody compares
        two fills of one picture before all pictures had their turn, and the comparisons take
        turns, so that each gets its share of the votes. Sides are fair coins.
        """
        digest = hashlib.sha256(participant.encode()).digest()
        rng = np.random.default_rng([self.seed, *digest])
        trials: list[Trial] = []
        for pairs in self._rounds(rng):
            pairs = pairs[: self.trials - len(trials)]
            shuffled = (pairs[i] for i in rng.permutation(len(pairs)))
            trials += [Trial(pair, bool(rng.integers(2))) for pair in shuffled]
        return trials

    def _rounds(self, rng: np.random.Generator) -> Iterator[list[PicturePair]]:
        """Each round so ordered that its beginning is a fair sample of it."""
        queues = [self._queue(name, rng) for name in sorted({p.dataset for p in self.pairs})]
        for number in range(max(len(pairs) for queue in queues for pairs in queue)):
            placed = []
            for queue in queues:
                due = [pairs[number] for pairs in queue if number < len(pairs)]
                offset = rng.random()
                placed += [((i + offset) / len(due), pair) for i, pair in enumerate(due)]
            yield [pair for _, pair in sorted(placed)]

    def _queue(self, dataset: str, rng: np.random.Generator) -> list[list[PicturePair]]:
        """A data set's pictures in random order, the pairs of each beginning with another model."""
        by_picture: dict[str, list[PicturePair]] = {}
        for pair in self.pairs:
            if pair.dataset == dataset:
                by_picture.setdefault(pair.picture, []).append(pair)
        pictures = list(by_picture.values())
        start = int(rng.integers(len(pictures[0])))
        queue = []
        for turn, i in enumerate(rng.permutation(len(pictures)), start):
            cut = turn % len(pictures[i])
            queue.append(pictures[i][cut:] + pictures[i][:cut])
        return queue

    def fingerprint(self) -> str:
        """Returns a text that differs between studies whose votes may not be mixed."""
        sizes = [[*key, file.stat().st_size] for key, file in sorted(self.files.items())]
        facts = [self.ours, self.seed, [[p.dataset, p.picture, p.other] for p in self.pairs], sizes]
        return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def make_design(
    pictures: str | Path,
    ours: str,
    cases: int | None = None,
    trials: int | None = None,
    seed: int = 0,
) -> Design:
    """Reads which pictures there are and pairs ours with those of every other model.

    Args:
        pictures: a folder that holds a folder for each data set, which holds a folder for each
            model and one for the photographs themselves: `pictures/Places2/PConv/0001.png`. Files
            that belong together have the same name up to the ending. The names of the folders are
            those of the results; participants see none of them.
        ours: name of the folder of the model that is compared with all others.
        cases: pictures drawn from each data set; all by default. The paper has 400.
        trials: pairs that each participant judges; all by default.
        seed: of everything that is drawn.

    Raises:
        InputError: folders or pictures that are missing, of different sizes, or twice there.
    """
    root = Path(pictures)
    for name, value in (("cases", cases), ("trials", trials)):
        if value is not None and value < 1:
            raise InputError(f"{name}={value} was given; expected at least 1, or None for all.")
    files: dict[tuple[str, str, str], Path] = {}
    pairs: list[PicturePair] = []
    for folder in _subfolders(root, "data set"):
        models = {model.name: _by_stem(model) for model in _subfolders(folder, "model")}
        stems = _complete(folder, models, ours)
        # a data set that is added later leaves the draw of the others as it is
        rng = np.random.default_rng([seed, *folder.name.encode()])
        drawn = sorted(stems[i] for i in rng.permutation(len(stems))[:cases])
        for stem in drawn:
            _check_sizes({model: by_stem[stem] for model, by_stem in models.items()})
            files |= {(folder.name, model, stem): models[model][stem] for model in models}
        pairs += [
            PicturePair(folder.name, s, model) for s in drawn for model in models if model != ours
        ]
    return Design(ours, tuple(sorted(pairs)), min(trials or len(pairs), len(pairs)), seed, files)


def _subfolders(folder: Path, kind: str) -> list[Path]:
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder. Expected pictures/DATA_SET/MODEL/NAME.png.")
    folders = sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
    if not folders:
        raise InputError(
            f"{folder} holds no folder for a {kind}. Expected pictures/DATA_SET/MODEL/NAME.png."
        )
    return folders


def _by_stem(folder: Path) -> dict[str, Path]:
    files: dict[str, Path] = {}
    for path in list_images(folder, recursive=False):
        if path.stem in files:
            raise InputError(
                f"{folder} holds {files[path.stem].name} and {path.name}: which one is meant? "
                "Keep one file of each name."
            )
        files[path.stem] = path
    return files


def _complete(folder: Path, models: Mapping[str, Mapping[str, Path]], ours: str) -> list[str]:
    """The names of our pictures, which all others must have, too."""
    if ours not in models or len(models) < 2 or not models[ours]:
        raise InputError(
            f"{folder} holds {', '.join(models)}: expected a folder {ours!r} with pictures, and "
            "one or more of other models."
        )
    for model, by_stem in models.items():
        if missing := sorted(models[ours].keys() - by_stem.keys()):
            raise InputError(
                f"{folder / model} lacks {len(missing)} of the {len(models[ours])} pictures of "
                f"{ours}, first {missing[0]!r}. Add them, or take them away from {ours}."
            )
    return sorted(models[ours])


def _check_sizes(files: Mapping[str, Path]) -> None:
    """A picture of another size than its partner would tell who made it."""
    sizes = {model: image_size(path) for model, path in files.items()}
    if len(set(sizes.values())) > 1:
        listed = ", ".join(f"{files[model]} {h} x {w} px" for model, (h, w) in sizes.items())
        raise InputError(
            f"pictures of one name have different sizes (height x width): {listed}. Make them "
            "equal."
        )


class Votes:
    """The votes of one study in an SQLite file that any number of processes may use at once.

    Args:
        database: the file, made if absent. Keep it on a disk of the machine that runs the study:
            locks of network folders cannot be relied upon.
        design: what the votes are about.

    Raises:
        InputError: the file cannot be used, or holds votes on other pictures.
    """

    def __init__(self, database: str | Path, design: Design):
        self.database = Path(database)
        self.design = design
        try:
            self.database.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"cannot make the folder of {database}: {error.strerror}.") from error
        for statement in SCHEMA:
            self._run(statement)
        own = design.fingerprint()
        # a study goes on in its file, and votes of another one are never mixed in
        self._run("INSERT OR IGNORE INTO study VALUES (1, ?)", own)
        ((held,),) = self._run("SELECT design FROM study")
        if held != own:
            raise InputError(
                f"{database} holds votes on another study: other pictures, models or seed. Give "
                "another file, or put back what was changed."
            )

    def waiting(self, participant: str) -> list[Trial]:
        """Returns the trials that a participant has yet to judge, in order."""
        rows = self._run(
            "SELECT dataset, picture, other FROM votes WHERE participant = ?", participant
        )
        done = {PicturePair(*row) for row in rows}
        return [trial for trial in self.design.order(participant) if trial.pair not in done]

    def cast(self, participant: str, trial: Trial, side: str, seconds: float) -> None:
        """Stores a vote; of two on the same pair, as from two windows, the first one stands.

        Args:
            participant: a code that `clean_code` returned.
            trial: what was shown.
            side: "left" or "right", the picture that was chosen.
            seconds: from showing to choosing.
        """
        if side not in ("left", "right"):
            raise InputError(f"side={side!r} was given; expected 'left' or 'right'.")
        pair, now = trial.pair, datetime.now(UTC).isoformat(timespec="seconds")
        who = (participant, pair.dataset, pair.picture, pair.other)
        choice = (int(trial.ours_left), int(side == "left"), float(seconds), now)
        self._run("INSERT OR IGNORE INTO votes VALUES (?, ?, ?, ?, ?, ?, ?, ?)", *who, *choice)

    def _run(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        return _run(self.database, statement, *values)


def read_votes(database: str | Path) -> pd.DataFrame:
    """Returns all votes, in the order in which they were cast.

    Returns:
        Columns participant, dataset, picture, other (str), ours_left, chose_left (bool), seconds
        (float), cast_at (str, UTC) and won (bool): ours was chosen. No rows if the file does not
        exist or holds no vote.

    Raises:
        InputError: the file is no such database.
    """
    exists = Path(database).is_file()
    rows = _run(Path(database), "SELECT * FROM votes ORDER BY rowid") if exists else []
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    frame = frame.astype({"ours_left": bool, "chose_left": bool, "seconds": float})
    frame["won"] = frame["ours_left"] == frame["chose_left"]
    return frame


def clean_code(text: str) -> str:
    """Returns a participant's code in the one form in which it is stored.

    Raises:
        InputError: it is empty, too long or holds characters that are not printable.
    """
    code = " ".join(text.split()).casefold()
    if not code or len(code) > MAX_CODE or not code.isprintable():
        raise InputError(f"Please give a code of 1 to {MAX_CODE} letters or digits.")
    return code


def _run(database: Path, statement: str, *values: object) -> list[tuple[Any, ...]]:
    try:
        with closing(sqlite3.connect(database, timeout=WAIT_S, isolation_level=None)) as connection:
            return connection.execute(statement, values).fetchall()
    except sqlite3.Error as error:
        raise InputError(
            f"{database} cannot be used as the file of votes ({error}). Give a file that can be "
            "written, on a disk of this machine."
        ) from error
