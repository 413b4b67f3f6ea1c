"""Tables 4 to 7: the paper's rows, our numbers, and the same bytes each time."""

import io
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from aotgan.reproduce.ablation_report import report, write_ablations
from aotgan.reproduce.ablations import (
    TITLES,
    ablation_table,
    comparisons,
    load_runs,
    metrics_of_runs,
    orders,
    pairs_of_table,
    paper_difference,
    published_column,
    rows_of_table,
)
from scipy import stats
from tolerances import TWO_PERCENT

from aotgan.errors import InputError
from aotgan.reproduce.runs.experiments import EXPERIMENTS, READINGS
from aotgan.reproduce.runs.outputs import COMPARISONS, file_stem, tables_of
from aotgan.reproduce.tables.published import Published, load_published

RESULTS = Path(__file__).parents[2] / "figures"
CLASSICAL = ["Telea", "Navier-Stokes", "Smooth surface"]
ROWS = {"1": 10, "2": 5, "4": 6, "5": 3, "6": 4, "7": 3, READINGS: 10}
T4 = list(rows_of_table("4").values())


@pytest.fixture
def table4(make_run):
    """Table 4 with two seeds, the later rows better; but for SSIM, the paper's order."""
    return {
        name: [make_run(name, seed, 0.3 * at + 0.05 * seed, fd=9 - at) for seed in (0, 1)]
        for at, name in enumerate(T4)
    }


def test_the_tables_have_the_papers_rows():
    published = load_published()
    for table, count in ROWS.items():
        rows = rows_of_table(table)
        assert len(rows) == count
        if table != READINGS:
            printed = list(published[published["table"] == table]["row"].unique())
            assert list(rows)[: len(printed)] == printed
            assert list(rows)[len(printed) :] == (CLASSICAL if table in COMPARISONS else [])


def test_eleven_trainings_feed_tables_4_to_7():
    ours = {n for n, e in EXPERIMENTS.items() if e.group == "ablations"}
    assert len(ours) == 11
    assert ours == {name for table in "4567" for name in rows_of_table(table).values()}


def test_shared_rows_are_shared_and_have_equal_numbers_in_the_paper():
    where: dict[str, list[tuple[str, int]]] = {}
    for table in "4567":
        for at, name in enumerate(rows_of_table(table).values()):
            where.setdefault(name, []).append((table, at))
    shared = {name: places for name, places in where.items() if len(places) > 1}
    assert shared.keys() == {"rates-1-2-4-8", "residual-gated", "sm-patchgan"}
    for places in shared.values():
        for metric in ("L1_1e-2", "PSNR_dB", "SSIM", "FID"):
            assert len({published_column(table, metric)[at] for table, at in places}) == 1


def test_a_row_has_the_mean_over_seeds_and_the_pooled_interval(table4):
    frame = ablation_table("4", table4)
    psnr = next(metric for metric in metrics_of_runs(table4) if metric.key == "psnr")
    values = np.array([[run.value(psnr) for run in table4[name]] for name in T4])
    assert frame["PSNR (dB)"].tolist() == pytest.approx(values.mean(axis=1))
    pooled = math.sqrt(values.var(axis=1, ddof=1).mean())
    half = stats.t.ppf(0.975, 6) * pooled / math.sqrt(2)
    assert (frame["PSNR (dB) high"] - frame["PSNR (dB)"]).tolist() == pytest.approx([half] * 6)
    assert frame["PSNR (dB) rank"].tolist() == [6, 5, 4, 3, 2, 1]
    assert frame["L1 (1e-2) rank"].tolist() == [6, 5, 4, 3, 2, 1]
    assert frame["paper PSNR_dB"].iloc[-1] == Published("24.06")


def test_raw_weights_are_a_table_of_their_own(table4):
    averaged, raw = (ablation_table("4", table4, weights)["PSNR (dB)"] for weights in (None, "raw"))
    assert (averaged - raw).tolist() == pytest.approx([1.0] * 6, abs=TWO_PERCENT)


def test_one_seed_has_the_interval_over_photographs(make_run):
    run = make_run("rates-1")
    frame = ablation_table("4", {"rates-1": [run]})
    row = run.record.metrics["ema"][-1]
    assert frame["PSNR (dB) low"][0] == pytest.approx(row["psnr_low"])
    assert frame["PSNR (dB)"].notna().tolist() == [True] + [False] * 5


def test_tau_is_one_where_the_order_is_the_papers(table4):
    found = orders("4", table4).set_index("metric")
    assert found.loc["SSIM", "tau"] == pytest.approx(1.0)
    assert found.loc["PSNR (dB)", "tau"] == pytest.approx(13 / 15)  # rates 2 before 1,2 there
    assert found.loc["SSIM", "order"][0] == "rates 1,2,4,8"
    assert set(found["rows"]) == {6}


def test_neighbours_are_compared_and_so_are_the_ends(table4):
    assert pairs_of_table("4")[-2:] == [("rates 2", "rates 1,2,4,8"), ("rates 1", "rates 1,2,4,8")]
    assert pairs_of_table(READINGS)[0] == ("as the text has it", "objective: released")
    found = list(comparisons("4", table4))
    assert len(found) == 7 * 4
    assert {comparison.verdict for _, _, comparison in found} <= {"better", "not resolved"}
    psnr = next(c.metric for _, _, c in found if c.metric.key == "psnr")
    assert paper_difference("4", "rates 2", "rates 1,2,4,8", psnr) == Published("+0.77")


def test_records_of_another_length_are_refused(table4, make_run):
    table4["rates-1"] = [make_run("rates-1", steps=10)]
    with pytest.raises(InputError, match="differ in steps"):
        metrics_of_runs(table4)


def test_runs_are_read_back_in_order(make_run, write_runs):
    folder = write_runs(
        make_run("sm-patchgan", 10), make_run("sm-patchgan", 2), make_run("rates-1")
    )
    runs = load_runs(folder)
    assert list(runs) == ["rates-1", "sm-patchgan"]
    assert [run.record.seed for run in runs["sm-patchgan"]] == [2, 10]
    assert load_runs(folder / "nowhere") == {}


def test_reports_say_what_they_are(table4, tmp_path):
    files = write_ablations("laptop", table4, tmp_path)
    stems = {path.stem for path in files}
    assert stems == {"table4", "table5", "table6"}, "the shared row feeds two more"
    text = (tmp_path / "laptop" / "table4.md").read_text()
    for part in (
        "| rates 1,2,4,8 | 2 |",
        "paper: FID",
        "random features",
        "compared experiments with two seeds or more",
        "6 degrees of freedom",
        "measured on 20 pairs of 10 held-out photographs of faces",
        "only orders and signs can be compared",
    ):
        assert part in text
    assert "Not run at this scale yet: GatedConv" in report("6", "laptop", table4)
    latex = (tmp_path / "laptop" / "table4.tex").read_text()
    assert latex.count(r"\\") == 7 and r"\pm" in latex and "%" not in latex.replace(r"\%", "")
    csv = pd.read_csv(io.StringIO((tmp_path / "laptop" / "table4.csv").read_text()))
    assert list(csv["weights"]) == ["ema"] * 6 + ["raw"] * 6


def test_a_row_that_the_paper_does_not_have_reaches_its_table(table4, make_run, monkeypatch):
    """The example of CONTRIBUTING.md."""
    own = replace(EXPERIMENTS["rates-1"], name="rates-1-3-9", rows=(("4", "1, 3, 9"),))
    before = {
        "orders": orders("4", table4),
        "pairs": pairs_of_table("4"),
        "rows": ablation_table("4", table4),
    }
    monkeypatch.setitem(EXPERIMENTS, "rates-1-3-9", own)
    runs = table4 | {"rates-1-3-9": [make_run("rates-1-3-9", seed, 5.0) for seed in (0, 1)]}
    rows = ablation_table("4", runs)
    assert rows["row"].tolist() == [*before["rows"]["row"], "1, 3, 9"]
    last = rows.iloc[-1]
    assert last["PSNR (dB) rank"] == 1 and last["paper PSNR_dB"] == Published("-")
    assert orders("4", runs)["tau"].tolist() == before["orders"]["tau"].tolist()
    assert pairs_of_table("4") == [*before["pairs"], ("rates 1,2,4,8", "1, 3, 9")]
    text = report("4", "laptop", runs)
    assert "| 1, 3, 9 | 2 |" in text and "| rates 1,2,4,8 | 1, 3, 9 | PSNR (dB) | +3.4" in text


def test_readings_have_no_column_of_the_papers(make_run):
    runs = {"sm-patchgan": [make_run("sm-patchgan")], "fill-white": [make_run("fill-white")]}
    text = report(READINGS, "laptop", runs)
    assert "paper" not in text and "| mask fill: 1 | 1 |" in text


def test_a_smoke_table_is_called_a_pipeline_check(make_run):
    run = make_run("rates-1", scale="smoke")
    assert "pipeline check" in report("4", "smoke", {"rates-1": [run]}).splitlines()[0]


@pytest.mark.parametrize("scale", ["laptop", "gpu"])
def test_committed_tables_are_what_their_records_give(scale, tmp_path):
    runs = load_runs(RESULTS / scale)
    if not runs:
        pytest.skip(f"no committed runs of Tables 4 to 7 at scale {scale}")
    written = {path.name for path in write_ablations(scale, runs, tmp_path)}
    stems = {file_stem(table) for table in TITLES}
    committed = {p.name for p in (RESULTS / scale).iterdir() if p.stem in stems}
    assert written == committed
    for name in written:
        assert (tmp_path / scale / name).read_bytes() == (RESULTS / scale / name).read_bytes()


def test_every_declared_row_belongs_to_a_known_table():
    known = {*COMPARISONS, *TITLES}
    assert {table for e in EXPERIMENTS.values() for table, _ in e.rows} == known
    assert tables_of("sm-patchgan") == ["5", "7", READINGS] and tables_of("aotgan") == ["1"]
