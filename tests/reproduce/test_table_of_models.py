"""Tables 1 and 2 from synthetic runs: numbers, ranks, the paper's columns, files."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from aotgan.reproduce.model_report import (
    model_report,
    models_as_csv,
    readable_costs,
    readable_models,
    write_models,
)
from aotgan.reproduce.model_tables import (
    OURS,
    bins_of,
    cost_table,
    departures,
    frechet_improvement,
    load_models,
    model_comparisons,
    model_table,
    model_titles,
)
from model_runs import BINS, classical_run, run_of
from synthetic_runs import synthetic_run
from tolerances import ROUNDED, TWO_PERCENT

from aotgan.errors import InputError
from aotgan.reproduce.tables import caption
from aotgan.reproduce.tables.published import Published
from aotgan.reproduce.tables.significance import seed_spread


@pytest.fixture
def runs():
    return {name: [run_of(name, seed) for seed in (0, 1)] for name in ("ca", "hifill", "aotgan")}


@pytest.fixture
def with_classical(runs):
    return runs | {"telea": [classical_run()]}


def test_each_model_has_a_row_in_each_bin_in_the_papers_order(runs):
    frame = model_table("1", runs)
    assert bins_of(runs) == (*BINS, "all")
    assert len(frame) == 10 * 7
    assert frame["row"][:10].tolist() == [
        "CA", "PEN-Net", "PConv", "EdgeConnect", "GatedConv", "HiFill", OURS,
        "Telea", "Navier-Stokes", "Smooth surface",
    ]  # fmt: skip
    hifill = frame[(frame["row"] == "HiFill")].set_index("bin")["PSNR (dB)"]
    expected = np.mean(
        [r.per_image.query("weights == 'ema'")["psnr"].mean() for r in runs["hifill"]]
    )
    assert hifill["all"] == pytest.approx(expected, abs=ROUNDED)
    assert (hifill["1-10%"] - hifill["50-60%"]) == pytest.approx(5.0, abs=ROUNDED)
    assert frame[frame["row"] == "PConv"]["PSNR (dB)"].isna().all()


def test_intervals_pool_the_seeds_of_all_models_in_the_bin(runs):
    frame = model_table("1", runs)
    metric = next(c.metric for _, c in model_comparisons("1", runs) if c.metric.key == "psnr")
    for at in ("10-20%", "all"):
        rows = frame[(frame["bin"] == at) & frame["PSNR (dB)"].notna()]
        half = seed_spread(runs.values(), metric, at=at).half_width(2)
        assert (rows["PSNR (dB) high"] - rows["PSNR (dB)"]).tolist() == pytest.approx([half] * 3)


def test_ranks_are_within_a_bin_and_the_papers_numbers_of_that_bin(runs):
    frame = model_table("1", runs)
    there = frame[frame["bin"] == "40-50%"].set_index("row")
    assert there.loc[["CA", "HiFill", OURS], "PSNR (dB) rank"].tolist() == [3, 2, 1]
    assert there.loc["CA", "paper L1_1e-2"] == Published("7.07")
    assert there.loc[OURS, "paper L1_1e-2"] == Published("4.51")
    assert set(frame.loc[frame["bin"] == "all", "paper FID"]) == {Published("-")}


def test_aot_gan_is_compared_with_each_other_model_that_was_run(runs):
    found = list(model_comparisons("1", runs))
    assert [row for row, _ in found[::4]] == ["CA", "HiFill"]
    psnr = [c for _, c in found if c.metric.key == "psnr"]
    assert [c.difference for c in psnr] == pytest.approx([2, 1], abs=TWO_PERCENT)
    assert {c.verdict for c in psnr} == {"better"}


def test_the_improvement_is_over_the_best_other_model(runs):
    other, ours, paper = frechet_improvement("1", runs, "50-60%")
    assert other == "HiFill" and ours == pytest.approx(1 - 1.5 / 2)
    assert f"{paper:.2%}" == "38.60%"
    assert frechet_improvement("1", {"ca": runs["ca"]}, "50-60%") is None
    assert frechet_improvement("1", {"aotgan": runs["aotgan"]}, "50-60%") is None


def test_costs_are_those_of_the_records(runs):
    assert cost_table("1", runs)["parameters (M)"].tolist() == [2.0] * 3
    shown = readable_costs("1", runs)
    assert shown.loc[0].tolist() == ["CA", "2.00", "1.50", "0.250", "12.0", "12.0"]
    runs["ca"][0].record.cost.clear()
    assert readable_costs("1", runs).loc[0].tolist() == ["CA", *["-"] * 4, "12.0"]


def test_a_bin_for_reading(runs):
    shown = readable_models("1", runs, "1-10%").set_index("model")
    assert shown.loc["PEN-Net"].tolist()[:3] == ["0", "-", Published("0.69")]
    assert shown.loc[OURS, "PSNR (dB)"].endswith("(1)")


def test_a_row_is_called_what_was_run(runs):
    record = runs["aotgan"][0].record
    model = {"model": "mnps", "width": 2, "iterations": 3, "features": "random"}
    config = record.config | {"generator": model | {"feature_width": 4}}
    runs = {"mnps": [replace(runs["aotgan"][0], record=replace(record, config=config))]}
    assert model_titles("2", runs)["MNPS"] == "MNPS, texture term on random features"
    assert "3 iterations a scale instead of 100." in departures("2", runs)["MNPS"]
    assert model_titles("2", {})["MNPS"] == "MNPS"


@pytest.mark.parametrize(
    ("masks", "told"), [("centre", "centre squares"), ("free-form", "free-form masks")]
)
def test_the_caption_says_which_holes(runs, masks, told):
    record = runs["aotgan"][0].record
    record = replace(record, config=record.config | {"data": {"masks": masks}})
    assert f"and {told}, the same for every run." in caption([record])


def test_files_say_what_is_missing_and_do_not_mix_sources(runs, tmp_path):
    text = model_report("1", "laptop", runs)
    missing = "PEN-Net, PConv, EdgeConnect, GatedConv, Telea, Navier-Stokes, Smooth surface"
    assert f"Not run at this scale yet: {missing}." in text
    assert "- Every model was trained here" in text and "not trained" not in text
    assert "over HiFill; the paper's FIDs give +38.60%" in text
    assert [f"Holes of {label}:" in text for label in BINS] == [True] * 6
    paths = write_models("1", "laptop", runs, tmp_path)
    assert [path.name for path in paths] == ["table1.md", "table1.csv", "table1.tex"]
    assert paths[0].read_text("utf-8") == text
    assert models_as_csv("1", runs).count("\n") == 1 + 2 * 70


def test_classical_fillings_are_rows_with_ranks_and_without_seeds(runs, with_classical):
    before, frame = model_table("1", runs), model_table("1", with_classical)
    telea = frame[frame["row"] == "Telea"].set_index("bin")
    assert telea.loc["all", "PSNR (dB) rank"] == 1 and telea["PSNR (dB) high"].isna().all()
    assert set(telea["paper FID"]) == {Published("-")}
    own = before[before["row"] == OURS].set_index("bin")
    ours = frame[frame["row"] == OURS].set_index("bin")
    for column in ("PSNR (dB)", "PSNR (dB) low", "PSNR (dB) high"):
        assert ours[column].equals(own[column]), "its spread is not theirs"
    assert (ours["PSNR (dB) rank"] == own["PSNR (dB) rank"] + 1).all()
    shown = readable_models("1", with_classical, "all").set_index("model")
    assert shown.loc["Telea", "seeds"] == "-" and "±" not in shown.loc["Telea", "PSNR (dB)"]
    assert shown.loc["Telea", "paper: PSNR (dB)"] == Published("-")
    assert readable_costs("1", with_classical).iloc[-1].tolist() == [
        "Telea", "0.00", "-", "0.0100", "-", "-",
    ]  # fmt: skip
    for weights in ("raw", "ema"):
        table = model_table("1", with_classical, weights)
        assert table[table["row"] == "Telea"]["PSNR (dB)"].tolist() == telea["PSNR (dB)"].tolist()


def test_files_say_what_is_not_trained(runs, with_classical, tmp_path):
    text = model_report("1", "laptop", with_classical)
    assert "- telea: not trained, the same for every seed." in text
    assert "- Telea: not in the paper and not trained, so that one run stands" in text
    assert "- Every other model was trained here" in text
    assert "over HiFill; the paper's FIDs give +38.60%" in text, "as the abstract computes it"
    (line,) = (line for line in text.splitlines() if line.startswith("| Telea | PSNR (dB) |"))
    assert line.split(" | ")[2].startswith("-1.0") and line.endswith("| worse |")
    others = [
        line for line in model_report("1", "laptop", runs).splitlines() if "| CA | L1" in line
    ]
    assert others and all(line in text for line in others)
    alone = model_report("1", "laptop", {"telea": with_classical["telea"]})
    assert "| Telea | - |" in alone and "What AOT-GAN changes" not in alone
    assert models_as_csv("1", with_classical).count("\nema,Telea,") == 7
    write_models("1", "laptop", with_classical, tmp_path)


def test_what_is_not_trained_belongs_to_every_seed(runs, write_runs):
    folder = write_runs(*runs["aotgan"], classical_run())
    found = load_models("1", folder, [1])
    assert {name: len(group) for name, group in found.items()} == {"aotgan": 1, "telea": 1}


def test_rows_of_unequal_training_are_refused_but_none_at_all_is_not(with_classical):
    run = with_classical["ca"][0]
    longer = replace(run, record=replace(run.record, steps=9))
    with pytest.raises(InputError, match="differ in steps"):
        model_table("1", with_classical | {"ca": [longer]})


@pytest.mark.parametrize("table", ["1", "2"])
def test_committed_tables_are_what_their_records_give(table, tmp_path):
    figures = Path(__file__).parents[2] / "figures"
    for path in write_models(table, "laptop", load_models(table, figures / "laptop"), tmp_path):
        assert path.read_bytes() == (figures / "laptop" / path.name).read_bytes()


def test_runs_are_read_for_one_table_alone(runs, write_runs):
    folder = write_runs(
        *(run for group in runs.values() for run in group), synthetic_run("rates-1")
    )
    found = load_models("1", folder)
    assert list(found) == ["aotgan", "ca", "hifill"]
    assert model_report("1", "laptop", found).startswith("# Table 1")
