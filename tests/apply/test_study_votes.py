"""The study's design is fair and reproducible, and no vote is lost, doubled or mixed up."""

import multiprocessing
import os
import signal
import sqlite3
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from aotgan.apply.study_votes import PicturePair, Trial, Votes, clean_code, make_design, read_votes
from aotgan.errors import InputError

OTHERS = ("GatedConv", "PConv", "real")
SETS = {"faces": 12, "scenes": 6}
can_fork = pytest.mark.skipif(
    "fork" not in multiprocessing.get_all_start_methods(), reason="processes cannot be forked here"
)


def save(path, size=(4, 6), level=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((*size, 3), level, np.uint8)).save(path)


@pytest.fixture
def pictures(tmp_path):
    """pictures/DATA_SET/MODEL/NAME.png; faces have 12 pictures, scenes 6."""
    for dataset, count in SETS.items():
        for model in ("ours", *OTHERS):
            for number in range(count):
                save(tmp_path / "pictures" / dataset / model / f"{number:02}.png")
    return tmp_path / "pictures"


@pytest.fixture
def votes(pictures, tmp_path):
    return Votes(tmp_path / "new" / "votes.sqlite", make_design(pictures, "ours"))


def test_every_picture_is_paired_with_every_other_model(pictures):
    design = make_design(pictures, "ours")
    assert design.comparisons() == {(s, other): n for s, n in SETS.items() for other in OTHERS}
    assert design.trials == len(design.pairs) == len(set(design.pairs)) == 54
    assert {trial.pair for trial in design.order("a")} == set(design.pairs)


def test_the_files_shown_are_those_of_the_pair_on_the_right_sides(pictures):
    design = make_design(pictures, "ours")
    pair = PicturePair("scenes", "03", "PConv")
    ours, other = (pictures / "scenes" / model / "03.png" for model in ("ours", "PConv"))
    assert design.paths(Trial(pair, ours_left=True)) == (ours, other)
    assert design.paths(Trial(pair, ours_left=False)) == (other, ours)


def test_order_is_the_participants_own_and_always_the_same(pictures):
    first, again = make_design(pictures, "ours"), make_design(pictures, "ours")
    assert first.order("anna") == again.order("anna")
    assert first.order("anna") != first.order("bert")
    assert first.order("anna") != make_design(pictures, "ours", seed=1).order("anna")


@pytest.mark.parametrize("participant", ["a", "b", "c", "d"])
def test_nothing_repeats_before_it_must(pictures, participant):
    order = make_design(pictures, "ours").order(participant)
    assert len({trial.pair for trial in order}) == len(order) == 54
    for start in (0, 18, 36):  # a round: all 18 pictures once
        shown = [(t.pair.dataset, t.pair.picture) for t in order[start : start + 18]]
        assert len(set(shown)) == 18


@pytest.mark.parametrize("participant", ["a", "b", "c", "d"])
def test_a_short_session_has_its_share_of_each_comparison(pictures, participant):
    order = make_design(pictures, "ours", trials=9).order(participant)
    assert len(order) == 9
    counts = Counter((trial.pair.dataset, trial.pair.other) for trial in order)
    assert [counts["faces", other] for other in OTHERS] == [2, 2, 2]
    assert [counts["scenes", other] for other in OTHERS] == [1, 1, 1]


def test_comparisons_do_not_come_in_a_pattern(pictures):
    design = make_design(pictures, "ours")
    firsts = Counter(design.order(f"p{i}")[0].pair.other for i in range(60))
    assert len(firsts) == 3 and min(firsts.values()) >= 8
    repeats = sum(
        a.pair.other == b.pair.other
        for i in range(20)
        for a, b in zip(design.order(f"p{i}")[:18], design.order(f"p{i}")[1:18], strict=False)
    )
    assert repeats > 40  # of 340; taking turns would give none


def test_sides_are_fair_coins_for_every_comparison(pictures):
    design = make_design(pictures, "ours")
    left = Counter()
    for i in range(200):
        left.update(t.pair.other for t in design.order(f"p{i}") if t.ours_left)
    for other in OTHERS:  # 3600 coins each, standard deviation 30
        assert abs(left[other] - 1800) < 120


def test_pairs_are_judged_equally_often(pictures):
    design = make_design(pictures, "ours", trials=9)
    seen = Counter(trial.pair for i in range(300) for trial in design.order(f"p{i}"))
    assert len(seen) == 54  # 2700 trials, 50 each
    assert 20 < min(seen.values()) and max(seen.values()) < 85


def test_cases_are_drawn_by_the_seed(pictures):
    drawn = make_design(pictures, "ours", cases=4)
    assert set(drawn.comparisons().values()) == {4}
    assert {p.picture for p in drawn.pairs if p.dataset == "faces"} == {
        p.picture for p in make_design(pictures, "ours", cases=4).pairs if p.dataset == "faces"
    }
    other_seeds = {make_design(pictures, "ours", cases=4, seed=seed).pairs for seed in range(5)}
    assert len(other_seeds) == 5
    assert make_design(pictures, "ours", cases=400).pairs == make_design(pictures, "ours").pairs


def test_names_may_be_any_and_sets_may_have_other_models(pictures):
    save(pictures / "my scenes é" / "ours" / "a b.jpg")
    save(pictures / "my scenes é" / "LaMa (2022)" / "a b.png")
    save(pictures / "my scenes é" / "LaMa (2022)" / "superfluous.png", size=(9, 9))
    comparisons = make_design(pictures, "ours").comparisons()
    assert comparisons["my scenes é", "LaMa (2022)"] == 1
    assert len(comparisons) == 7


def test_pictures_of_different_size_are_refused(pictures):
    save(pictures / "faces" / "real" / "07.png", size=(4, 7))
    with pytest.raises(InputError, match=r"different sizes.*real.07\.png 4 x 7 px"):
        make_design(pictures, "ours")


def test_a_missing_picture_is_named(pictures):
    (pictures / "scenes" / "PConv" / "05.png").unlink()
    with pytest.raises(InputError, match=r"PConv lacks 1 of the 6 pictures of ours, first '05'"):
        make_design(pictures, "ours")


def test_two_files_of_one_name_are_refused(pictures):
    save(pictures / "scenes" / "PConv" / "05.bmp")
    with pytest.raises(InputError, match=r"05\.bmp and 05\.png: which one"):
        make_design(pictures, "ours")


def test_a_model_that_is_not_there_is_refused_with_those_that_are(pictures):
    with pytest.raises(
        InputError, match="holds GatedConv, PConv, ours, real: expected a folder 'x"
    ):
        make_design(pictures, "x")


@pytest.mark.parametrize("option", ["cases", "trials"])
def test_less_than_one_is_refused(pictures, option):
    with pytest.raises(InputError, match=f"{option}=0"):
        make_design(pictures, "ours", **{option: 0})


def test_no_folder_and_an_empty_one_name_the_layout(tmp_path):
    with pytest.raises(InputError, match=r"gone: no such folder.*DATA_SET/MODEL/NAME"):
        make_design(tmp_path / "gone", "ours")
    with pytest.raises(InputError, match=r"no folder for a data set.*DATA_SET/MODEL/NAME"):
        make_design(tmp_path, "ours")


def test_votes_are_read_as_they_were_cast(votes):
    order = votes.design.order("anna")
    votes.cast("anna", order[0], "left", 1.25)
    votes.cast("anna", order[1], "right", 2)
    frame = read_votes(votes.database)
    assert frame["participant"].tolist() == ["anna", "anna"]
    for row, trial in zip(frame.to_dict("records"), order, strict=False):
        assert PicturePair(row["dataset"], row["picture"], row["other"]) == trial.pair
        assert row["ours_left"] == trial.ours_left
    assert frame["chose_left"].tolist() == [True, False]
    assert frame["won"].tolist() == [order[0].ours_left, not order[1].ours_left]
    assert frame["seconds"].tolist() == [1.25, 2.0]
    assert frame["cast_at"].str.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00").all()


def test_a_participant_goes_on_where_they_stopped(votes):
    order = votes.design.order("anna")
    for trial in order[:5]:
        votes.cast("anna", trial, "left", 1)
    assert Votes(votes.database, votes.design).waiting("anna") == order[5:]
    assert votes.waiting("bert") == votes.design.order("bert")


def test_the_first_of_two_votes_on_a_pair_stands(votes):
    trial = votes.design.order("anna")[0]
    votes.cast("anna", trial, "left", 1)
    votes.cast("anna", Trial(trial.pair, not trial.ours_left), "right", 9)
    votes.cast("bert", trial, "right", 2)
    frame = read_votes(votes.database)
    assert frame[["participant", "chose_left", "seconds"]].to_numpy().tolist() == [
        ["anna", True, 1.0],
        ["bert", False, 2.0],
    ]


def test_an_unknown_side_is_refused(votes):
    with pytest.raises(InputError, match="side='middle'"):
        votes.cast("anna", votes.design.order("anna")[0], "middle", 1)


@pytest.mark.parametrize("change", ["pictures", "models", "seed"])
def test_votes_on_another_study_are_not_mixed_in(votes, pictures, change):
    if change == "pictures":
        noise = np.random.default_rng(0).integers(0, 255, (4, 6, 3), np.uint8)
        Image.fromarray(noise).save(pictures / "faces" / "PConv" / "00.png")
    if change == "models":
        for number in range(12):
            save(pictures / "faces" / "LaMa" / f"{number:02}.png")
    other = make_design(pictures, "ours", seed=int(change == "seed"))
    with pytest.raises(InputError, match="holds votes on another study"):
        Votes(votes.database, other)


def test_sessions_may_become_longer(votes, pictures):
    Votes(votes.database, make_design(pictures, "ours", trials=3))


def test_without_a_file_there_are_no_votes_and_no_file(tmp_path):
    frame = read_votes(tmp_path / "votes.sqlite")
    assert len(frame) == 0 and "won" in frame and frame["won"].dtype == bool
    assert list(tmp_path.iterdir()) == []


def test_a_file_of_another_kind_is_named_and_kept(votes, tmp_path):
    path = tmp_path / "votes.txt"
    path.write_text("no database" * 100)
    for use in (lambda: Votes(path, votes.design), lambda: read_votes(path)):
        with pytest.raises(InputError, match=r"votes\.txt cannot be used.*not a database"):
            use()
    assert path.read_text() == "no database" * 100


@pytest.mark.parametrize(
    ("text", "code"), [(" Anna ", "anna"), ("A  b\t7", "a b 7"), ("Straße", "strasse")]
)
def test_codes_have_one_form(text, code):
    assert clean_code(text) == code


@pytest.mark.parametrize("text", ["", "  ", "x" * 41, "a\x00b"])
def test_unusable_codes_are_refused(text):
    with pytest.raises(InputError, match="1 to 40 letters"):
        clean_code(text)


def everybody_votes(database, design, number, barrier):
    """What one process does: two participants of its own, one in all processes at once."""
    barrier.wait()
    votes = Votes(database, design)
    for participant in (f"own {number}", "everywhere", f"other {number}"):
        for trial in votes.waiting(participant):
            votes.cast(participant, trial, "left" if number % 2 else "right", number)


@can_fork
def test_processes_at_once_lose_and_double_nothing(pictures, tmp_path):
    design = make_design(pictures, "ours", trials=12)
    context, database = multiprocessing.get_context("fork"), tmp_path / "votes.sqlite"
    barrier = context.Barrier(4)
    workers = [
        context.Process(target=everybody_votes, args=(database, design, number, barrier))
        for number in range(4)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)
    assert [worker.exitcode for worker in workers] == [0] * 4
    frame = read_votes(database)
    expected = {f"{kind} {number}": 12 for kind in ("own", "other") for number in range(4)}
    assert frame["participant"].value_counts().to_dict() == {**expected, "everywhere": 12}
    assert not frame.duplicated(["participant", "dataset", "picture", "other"]).any()
    for number in range(4):  # nobody's vote under somebody else's name
        own = frame[frame["participant"] == f"own {number}"]
        assert (own["seconds"] == number).all() and (own["chose_left"] == bool(number % 2)).all()


def votes_until_killed(votes, pipe):
    for number, trial in enumerate(votes.waiting("anna"), 1):
        votes.cast("anna", trial, "left", 1)
        pipe.send(number)


@can_fork
def test_a_killed_process_leaves_every_vote_that_it_acknowledged(votes):
    context = multiprocessing.get_context("fork")
    reader, writer = context.Pipe(duplex=False)
    worker = context.Process(target=votes_until_killed, args=(votes, writer))
    worker.start()
    acknowledged = 0
    while acknowledged < 7:
        assert reader.poll(60)
        acknowledged = reader.recv()
    os.kill(worker.pid, signal.SIGKILL)
    worker.join(60)
    while reader.poll():
        acknowledged = reader.recv()
    assert acknowledged <= len(read_votes(votes.database)) <= acknowledged + 1
    with sqlite3.connect(votes.database) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert len(votes.waiting("anna")) == 54 - len(read_votes(votes.database))
