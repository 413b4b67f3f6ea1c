"""Numbers, ranks, orders and comparisons of a table: the paper's rows, and rows of our own."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from model_runs import BINS, classical_run, runs_of_table4
from scipy import stats
from synthetic_runs import synthetic_run
from tolerances import DOUBLE, ROUNDED, TWO_PERCENT

from aotgan.errors import InputError
from aotgan.reproduce.runs.experiments import EXPERIMENTS
from aotgan.reproduce.tables.published import Published
from aotgan.reproduce.tables.rows import OURS, TITLES, pairs_of_table, paper_rows, rows_of_table
from aotgan.reproduce.tables.significance import UNRESOLVED, holm
from aotgan.reproduce.tables.table import Table

T4 = list(rows_of_table("4").items())
METRICS = ["l1", "l1_hole", "psnr", "ssim", "fd"]


@pytest.mark.parametrize("seeds", [1, 2, 3, 4])
def test_a_row_has_the_mean_and_the_ends_of_its_own_seeds(seeds):
    table = Table("4", runs_of_table4(seeds))
    frame, psnr = table.frame(), table.metric("psnr")
    values = np.array([[run.value(psnr) for run in table.runs_of(label)] for label, _ in T4])
    mean, low, high = (frame[f"PSNR (dB){end}"].to_numpy() for end in ("", " low", " high"))
    np.testing.assert_allclose(mean, values.mean(axis=1), rtol=DOUBLE)
    expected = {
        1: (np.full(len(T4), math.nan),) * 2,
        2: (values.min(axis=1), values.max(axis=1)),
    }.get(seeds)
    if expected is None:
        half = stats.t.ppf(0.975, seeds - 1) * stats.sem(values, axis=1)
        expected = (mean - half, mean + half)
    np.testing.assert_allclose((low, high), expected, rtol=DOUBLE)
    assert set(frame["seeds"]) == {seeds}


def test_ranks_go_the_way_of_the_metric_and_the_papers_numbers_stand_apart(table4):
    frame = table4.frame()
    descending = list(range(len(T4), 0, -1))
    for metric in table4.metrics:
        assert frame[f"{metric.title} rank"].tolist() == descending
    assert [metric.key for metric in table4.metrics] == METRICS
    own = frame.set_index("row").loc["rates 1,2,4,8"]
    assert own["paper PSNR_dB"] == Published("24.06")
    columns = [name for name in frame if name.startswith("paper ")]
    assert columns == ["paper L1_1e-2", "paper PSNR_dB", "paper SSIM", "paper FID"]
    assert frame["bin"].unique().tolist() == list(table4.bins) == ["40-50%"]


def test_both_kinds_of_weights_have_a_frame(table4):
    assert table4.weights == ["ema", "raw"]
    averaged, raw = (table4.frame(kind)["PSNR (dB)"] for kind in (None, "raw"))
    assert (averaged - raw).tolist() == pytest.approx([1.0] * len(T4), abs=TWO_PERCENT)
    assert table4.frame() is table4.frame("ema"), "computed once"
    assert table4.comparisons() is table4.comparisons("ema")


def test_a_row_that_was_not_run_is_empty():
    table = Table("4", {"rates-1": [synthetic_run("rates-1")]})
    frame = table.frame()
    assert frame["PSNR (dB)"].notna().tolist() == [True] + [False] * (len(T4) - 1)
    assert table.have == ["rates 1"] and table.missing == [label for label, _ in T4[1:]]
    assert table.comparisons() == [] and frame["seeds"].tolist()[1:] == [0] * (len(T4) - 1)
    assert table.runs_of("rates 2") == ()


def test_tau_is_one_where_the_order_is_the_papers(table4):
    orders = table4.orders().set_index("metric")
    assert orders.loc["SSIM", "tau"] == pytest.approx(1.0)
    assert orders.loc["PSNR (dB)", "tau"] == pytest.approx(13 / 15)  # rates 2 before 1,2 there
    assert orders.loc["SSIM", "order"][0] == "rates 1,2,4,8"
    assert set(orders["rows"]) == {len(paper_rows("4"))}
    assert "L1 in the hole (1e-2)" not in orders.index, "the paper has none"


def test_comparisons_are_one_family_over_pairs_and_metrics(table4):
    changes = table4.comparisons()
    pairs = pairs_of_table("4")
    assert [pair for *pair, _ in changes] == [list(pair) for pair in pairs for _ in METRICS]
    family = holm([replace(c, corrected=c.p) for *_, c in changes])
    given, expected = ([c.corrected for c in of] for of in ([c for *_, c in changes], family))
    np.testing.assert_array_equal(given, expected)
    assert {c.verdict for *_, c in changes} <= {"better in both seeds", UNRESOLVED}
    psnr = table4.metric("psnr")
    assert table4.paper_change("rates 2", "rates 1,2,4,8", psnr) == Published("+0.77")
    assert table4.paper_change("rates 2", "rates 1,2,4,8", table4.metric("l1_hole")) is None


def test_a_comparison_by_itself_is_corrected_for_the_metrics_asked_for(table4):
    metrics = [table4.metric(key) for key in ("psnr", "ssim")]
    changes = table4.compare("rates 1", "rates 2", metrics)
    assert [c.metric for c in changes] == metrics
    assert [c.corrected for c in changes] == [c.corrected for c in holm(changes)]
    (alone,) = table4.compare("rates 1", "rates 2", metrics[:1])
    assert alone.corrected == alone.p


def test_runs_that_do_not_belong_together_are_refused(models):
    runs = runs_of_table4()
    runs["rates-1"] = [synthetic_run("rates-1", steps=10)]
    with pytest.raises(InputError, match="differ in steps"):
        Table("4", runs)
    runs["rates-1"] = [synthetic_run("rates-1", evaluation={"manifest_sha256": "cc"})]
    with pytest.raises(InputError, match="differ in evaluation pairs"):
        Table("4", runs)
    with pytest.raises(InputError, match="no runs of this table"):
        Table("4", {})
    run = models["ca"][0]
    longer = replace(run, record=replace(run.record, steps=9))
    with pytest.raises(InputError, match="differ in steps"):
        Table("1", models | {"telea": [classical_run()], "ca": [longer]})


def numbers_of(change):
    """All of a comparison but the correction, which more comparisons make stricter."""
    ends = (change.low, change.high, change.image_low, change.image_high)
    return (change.difference, *ends, change.p, change.seeds)


@pytest.mark.parametrize("name", ["4", "5", "6", "7"])
def test_a_row_that_a_user_declares_leaves_the_numbers_of_the_others(name, monkeypatch):
    runs = {
        experiment: [synthetic_run(experiment, seed, 0.3 * at) for seed in (0, 1)]
        for at, experiment in enumerate(rows_of_table(name).values())
    }
    before = Table(name, runs)
    compared = before.comparisons()
    own = replace(EXPERIMENTS["rates-1"], name="own", rows=((name, "my own"),))
    monkeypatch.setitem(EXPERIMENTS, "own", own)
    after = Table(name, runs | {"own": [synthetic_run("own", seed, 5.0) for seed in (0, 1)]})
    last = after.frame().iloc[-1]
    assert last["row"] == "my own" and last["PSNR (dB) rank"] == 1
    assert {last[c] for c in after.frame() if c.startswith("paper ")} == {Published("-")}
    numbers = [column for column in before.frame() if not column.endswith(" rank")]
    pd.testing.assert_frame_equal(after.frame()[numbers][:-1], before.frame()[numbers])
    for column in ("metric", "rows", "tau"):
        pd.testing.assert_series_equal(after.orders()[column], before.orders()[column])
    changes = {(a, b, c.metric.key): numbers_of(c) for a, b, c in after.comparisons()}
    for a, b, change in compared:
        assert changes[a, b, change.metric.key] == pytest.approx(numbers_of(change), nan_ok=True)
    assert after.not_in_paper == [*before.not_in_paper, "my own"]
    assert after.titles["my own"] == "my own †"


def test_each_model_has_a_row_in_each_bin(models):
    table = Table("1", models)
    frame = table.frame()
    assert table.bins == (*BINS, "all") and table.whole == "all"
    assert frame["row"].tolist() == list(rows_of_table("1")) * len(table.bins)
    hifill = frame[frame["row"] == "HiFill"].set_index("bin")["PSNR (dB)"]
    expected = np.mean(
        [run.per_image.query("weights == 'ema'")["psnr"].mean() for run in models["hifill"]]
    )
    assert hifill["all"] == pytest.approx(expected, abs=ROUNDED)
    assert (hifill["1-10%"] - hifill["50-60%"]) == pytest.approx(5.0, abs=ROUNDED)
    assert frame[frame["row"] == "PConv"]["PSNR (dB)"].isna().all()


def test_ranks_are_within_a_bin_and_the_papers_numbers_of_that_bin(models):
    frame = Table("1", models).frame()
    there = frame[frame["bin"] == "40-50%"].set_index("row")
    assert there.loc[["CA", "HiFill", OURS], "PSNR (dB) rank"].tolist() == [3, 2, 1]
    assert there.loc["CA", "paper L1_1e-2"] == Published("7.07")
    assert there.loc[OURS, "paper L1_1e-2"] == Published("4.51")
    assert set(frame.loc[frame["bin"] == "all", "paper FID"]) == {Published("-")}


def test_aot_gan_is_compared_with_each_other_model_that_was_run(models):
    table = Table("1", models)
    changes = [c for *_, c in table.comparisons() if c.metric.key == "psnr"]
    assert [a for a, _, _ in table.comparisons()[:: len(table.metrics)]] == ["CA", "HiFill"]
    assert [c.difference for c in changes] == pytest.approx([2, 1], abs=TWO_PERCENT)
    assert {c.verdict for c in changes} == {"better in both seeds"}


def test_the_improvement_is_over_the_best_other_model_of_the_paper(models):
    other, ours, paper = Table("1", models).frechet_improvement("50-60%")
    assert other == "HiFill" and ours == pytest.approx(1 - 1.5 / 2)
    assert f"{paper:.2%}" == "38.60%"
    classical = Table("1", models | {"telea": [classical_run()]})
    assert classical.frechet_improvement("50-60%")[0] == "HiFill", "as the abstract computes it"
    for name in ("ca", "aotgan"):
        assert Table("1", {name: models[name]}).frechet_improvement("50-60%") is None


def test_classical_fillings_are_rows_with_ranks_and_without_seeds(models):
    before, table = Table("1", models), Table("1", models | {"telea": [classical_run()]})
    frame = table.frame()
    telea = frame[frame["row"] == "Telea"].set_index("bin")
    assert telea.loc["all", "PSNR (dB) rank"] == 1 and telea["PSNR (dB) high"].isna().all()
    assert set(telea["paper FID"]) == {Published("-")}
    own, ours = (f[f["row"] == OURS].set_index("bin") for f in (before.frame(), frame))
    for column in ("PSNR (dB)", "PSNR (dB) low", "PSNR (dB) high"):
        assert ours[column].equals(own[column]), "its spread is not theirs"
    assert (ours["PSNR (dB) rank"] == own["PSNR (dB) rank"] + 1).all()
    assert table.untrained == ["Telea"]
    for kind in table.weights:
        shown = table.frame(kind)
        assert shown[shown["row"] == "Telea"]["PSNR (dB)"].tolist() == telea["PSNR (dB)"].tolist()


def test_costs_are_those_of_the_records(models):
    costs = Table("1", models).costs()
    assert costs["parameters (M)"].tolist() == [2.0] * 3
    assert costs.loc[0].tolist() == ["CA", 2.0, 1.5, 0.25, 12.0, 12.0]


def test_a_row_is_called_what_was_run(models):
    record = models["aotgan"][0].record
    generator = {"model": "mnps", "width": 2, "iterations": 3, "features": "random"}
    config = record.config | {"generator": generator | {"feature_width": 4}}
    run = replace(models["aotgan"][0], record=replace(record, config=config))
    table = Table("2", {"mnps": [run]})
    assert table.titles["MNPS"] == "MNPS, texture term on random features"
    assert "3 iterations a scale instead of 100." in table.departures()["MNPS"]
    assert Table("1", models).titles["CA"] == "CA"


@pytest.mark.parametrize("name", TITLES)
def test_only_rows_that_the_paper_lacks_are_marked(name):
    label, experiment = next(iter(rows_of_table(name).items()))
    table = Table(name, {experiment: [synthetic_run(experiment)]})
    marked = {label for label, title in table.titles.items() if title.endswith(" †")}
    assert marked == ({*rows_of_table(name)} - {*paper_rows(name)} if table.has_paper else set())
    assert label not in marked


def test_a_row_is_read_of_a_folder_or_there_is_no_table(write_runs, tmp_path):
    assert Table.load("7", tmp_path) is None
    folder = write_runs(*(run for group in runs_of_table4().values() for run in group))
    table = Table.load("4", folder, [1])
    assert table.have == [label for label, _ in T4]
    assert {record.seed for record in table.records} == {1}
