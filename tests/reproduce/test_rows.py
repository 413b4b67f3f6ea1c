"""Which rows a table has and which of them are compared: the paper's, and what a user declares."""

from dataclasses import replace

import pytest

from aotgan.errors import InputError
from aotgan.reproduce.runs.experiments import EXPERIMENTS, READINGS
from aotgan.reproduce.runs.outputs import COMPARISONS, TABLES, tables_of
from aotgan.reproduce.tables.published import Published, load_published
from aotgan.reproduce.tables.rows import (
    OURS,
    TITLES,
    name_of,
    pairs_of_table,
    paper_rows,
    paper_table,
    printed,
    rows_of_table,
)

PAPER = load_published()
PRINTED = [table for table in TITLES if table != READINGS]


@pytest.mark.parametrize("table", PRINTED)
def test_the_papers_rows_come_first_in_its_order(table):
    labels = list(dict.fromkeys(PAPER[PAPER["table"] == table]["row"]))
    rows = rows_of_table(table)
    assert labels == paper_rows(table) == list(rows)[: len(labels)]
    assert {label for label, name in rows.items() if (table, label) in EXPERIMENTS[name].rows} == {
        *rows
    }


@pytest.mark.parametrize("table", COMPARISONS)
def test_classical_fillings_follow_the_models_of_the_paper(table):
    others = [
        name for label, name in rows_of_table(table).items() if label not in paper_rows(table)
    ]
    classical = [n for n, e in EXPERIMENTS.items() if not e.trained and table in tables_of(n)]
    assert [name for name in others if name in classical] == classical


def test_every_declared_row_belongs_to_a_known_table():
    assert {table for e in EXPERIMENTS.values() for table, _ in e.rows} == set(TITLES) == {*TABLES}
    assert tables_of("sm-patchgan") == ["5", "7", READINGS] and tables_of("aotgan") == ["1"]
    with pytest.raises(InputError, match="table='3': choose one of 1, 2, 4"):
        rows_of_table("3")
    assert (name_of("4"), name_of(READINGS)) == ("Table 4", "Readings")


def test_rows_of_several_tables_are_trained_once_and_have_equal_numbers_in_the_paper():
    where: dict[str, list[tuple[str, str]]] = {}
    for table in "4567":
        for label, name in rows_of_table(table).items():
            where.setdefault(name, []).append((table, label))
    shared = {name: places for name, places in where.items() if len(places) > 1}
    assert shared.keys() >= {"rates-1-2-4-8", "residual-gated", "sm-patchgan"}
    for places in shared.values():
        for metric in ("L1_1e-2", "PSNR_dB", "SSIM", "FID"):
            values = {
                next(cell for (row, _), cell in printed(table, metric).items() if row == label)
                for table, label in places
                if label in paper_rows(table)
            }
            assert len(values) <= 1


def test_of_models_ours_is_compared_with_each_other_row():
    for table in COMPARISONS:
        labels = [label for label in rows_of_table(table) if label != OURS]
        assert pairs_of_table(table) == [(label, OURS) for label in labels]


def test_of_readings_each_is_compared_with_the_texts():
    first, *others = rows_of_table(READINGS)
    assert first == "as the text has it"
    assert pairs_of_table(READINGS) == [(first, label) for label in others]


@pytest.mark.parametrize("table", "4567")
def test_of_ablations_neighbours_are_compared_and_the_ends(table):
    labels = paper_rows(table)
    expected = list(zip(labels[:-1], labels[1:], strict=True))
    expected += [("rates 2", "rates 1,2,4,8")] if table == "4" else []  # as in Fig. 6
    expected += [(labels[0], labels[-1])]
    assert pairs_of_table(table)[: len(expected)] == expected


@pytest.mark.parametrize("table", TITLES)
def test_a_row_that_is_declared_comes_last_and_leaves_the_others(table, monkeypatch):
    labels, pairs = list(rows_of_table(table)), pairs_of_table(table)
    own = replace(EXPERIMENTS["rates-1"], name="own", rows=((table, "my own"),))
    monkeypatch.setitem(EXPERIMENTS, "own", own)
    assert list(rows_of_table(table)) == [*labels, "my own"]
    assert rows_of_table(table)["my own"] == "own"
    (added,) = [pair for pair in pairs_of_table(table) if pair not in pairs]
    last = (paper_rows(table) or [""])[-1]
    readings, models = ("as the text has it", "my own"), ("my own", OURS)
    expected = {READINGS: readings} | dict.fromkeys(COMPARISONS, models)
    assert added == expected.get(table, (last, "my own"))
    assert [pair for pair in pairs_of_table(table) if pair != added] == pairs


def test_the_papers_table_is_shown_by_bin():
    frame = paper_table("1", "50-60%")
    assert list(frame.index) == paper_rows("1")
    assert list(frame.columns) == ["L1 (1e-2)", "PSNR (dB)", "SSIM", "FID"]
    assert frame.loc[OURS, "FID"] == Published("20.20")
    assert paper_table("4").loc["rates 1,2,4,8", "PSNR (dB)"] == Published("24.06")
    with pytest.raises(InputError, match="at='70%': choose one of 1-10%"):
        paper_table("1", "70%")
    with pytest.raises(InputError, match="choose one of 1-10%"):
        paper_table("1")
