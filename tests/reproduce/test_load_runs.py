"""Runs are read for one table, each at the number of images that all of its rows have seen."""

import numpy as np
import pandas as pd
import pytest
from model_runs import classical_run, run_of
from synthetic_runs import resampled, write_point
from tolerances import SINGLE_NET, SINGLE_SUM, TWO_PERCENT

from aotgan.errors import InputError
from aotgan.metrics import METRICS
from aotgan.reproduce.runs.experiments import READINGS
from aotgan.reproduce.tables.report import as_markdown
from aotgan.reproduce.tables.rows import rows_of_table
from aotgan.reproduce.tables.runs import load_runs, read_run
from aotgan.reproduce.tables.table import Table

PSNR = next(metric for metric in METRICS if metric.key == "psnr")
LONG = {"steps": 3000, "images_seen": 24_000}


def test_a_run_comes_back_with_its_measurements(make_run, write_runs):
    made = resampled(make_run("rates-1"), np.linspace(1, 2, 201))
    folder = write_runs(made, make_run("rates-2")) / "records"
    run = read_run(folder / "rates-1-seed0.json")
    assert run.value(PSNR) == pytest.approx(made.value(PSNR), rel=SINGLE_SUM)
    assert run.value(PSNR, "raw") == pytest.approx(run.value(PSNR) - 1, abs=TWO_PERCENT)
    assert run.distances("ema", "all")["fd"].tolist() == pytest.approx(
        np.linspace(1, 2, 201), rel=SINGLE_NET
    )
    assert run.distances("raw").empty
    assert read_run(folder / "rates-2-seed0.json").distances().empty
    (folder / "rates-1-seed0-pairs.csv").unlink()
    with pytest.raises(InputError, match=r"no measurements by pair .* run rates-1, seed 0, again"):
        read_run(folder / "rates-1-seed0.json")


def test_runs_are_read_in_order_and_for_one_table_alone(make_run, write_runs):
    names = list(rows_of_table("7").values())
    folder = write_runs(
        make_run(names[2], 10), make_run(names[2], 2), make_run(names[0]), make_run("rates-1")
    )
    runs = load_runs(folder, "7")
    assert list(runs) == [names[0], names[2]]
    assert [run.record.seed for run in runs[names[2]]] == [2, 10]
    assert load_runs(folder / "nowhere", "7") == {} and load_runs(folder, "6", [5]) == {}
    assert list(load_runs(folder, READINGS)) == ["sm-patchgan"]


def test_what_is_not_trained_belongs_to_every_seed(write_runs):
    folder = write_runs(*(run_of("aotgan", seed) for seed in (0, 1)), classical_run())
    runs = load_runs(folder, "1", [1])
    assert {name: len(group) for name, group in runs.items()} == {"aotgan": 1, "telea": 1}


@pytest.fixture
def unequal(make_run, write_runs):
    """PatchGAN after 12,000 images; SM-PatchGAN after 24,000, 2 dB better than half-way."""
    folder = write_runs(make_run("residual-gated"))
    half_way = make_run("sm-patchgan", offset=1.0)
    whole = resampled(make_run("sm-patchgan", offset=3.0, **LONG), np.linspace(1, 2, 201))
    write_point(whole, half_way, 12_000, folder)
    return folder, half_way


def test_runs_of_another_length_meet_where_all_have_been(unequal):
    folder, half_way = unequal
    run = load_runs(folder, "7")["sm-patchgan"][0]
    assert (run.record.images_seen, run.record.steps) == (12_000, 1500)
    for kind in ("raw", "ema"):
        assert run.value(PSNR, kind) == pytest.approx(half_way.value(PSNR, kind), rel=SINGLE_SUM)
        pd.testing.assert_frame_equal(
            run.pairs(kind).reset_index(drop=True),
            half_way.pairs(kind).reset_index(drop=True),
            rtol=SINGLE_NET,
        )
    assert run.resamples.empty, "those of the whole training are of other weights"
    table = Table.load("7", folder)
    psnr = next(c for *_, c in table.comparisons() if c.metric.key == "psnr")
    assert psnr.difference == pytest.approx(1.0, abs=TWO_PERCENT)
    assert "sm-patchgan: 1,500 steps, 12,000 images" in as_markdown(table)


def test_alone_it_is_read_at_its_end(unequal):
    folder, half_way = unequal
    run = load_runs(folder, READINGS)["sm-patchgan"][0]
    assert run.record.images_seen == 24_000 and not run.resamples.empty
    assert run.value(PSNR) == pytest.approx(half_way.value(PSNR) + 2, abs=TWO_PERCENT)


def test_what_is_not_trained_is_no_common_point(write_runs):
    folder = write_runs(run_of("aotgan"), classical_run())
    assert load_runs(folder, "1")["aotgan"][0].record.images_seen == 12_000


def test_a_point_that_is_missing_is_said_with_those_that_are_there(unequal, make_run, write_runs):
    folder, _ = unequal
    write_runs(make_run("hm-patchgan", steps=500, images_seen=4000))
    with pytest.raises(
        InputError, match=r"residual-gated, seed 0, saw 12,000 .* not measured after 4,000.*nothing"
    ):
        load_runs(folder, "7")
    write_runs(make_run("hm-patchgan"), make_run("residual-gated"))
    write_runs(make_run("hm-patchgan", steps=2000, images_seen=16_000))
    with pytest.raises(InputError, match="hm-patchgan, seed 0, saw 16,000"):
        load_runs(folder, "7")
    (folder / "records/hm-patchgan-seed0.json").unlink()
    (folder / "records/sm-patchgan-seed0-curve-pairs.csv").unlink()
    with pytest.raises(InputError, match=r"sm-patchgan-seed0-curve-pairs.csv has no measurements "):
        load_runs(folder, "7")
