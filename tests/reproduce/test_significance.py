"""Differences between experiments, with the two kinds of chance kept apart."""

import math

import numpy as np
import pytest
from scipy import stats
from tolerances import PERCENT, SINGLE_NET, SINGLE_SUM, TWO_PERCENT

from aotgan.errors import InputError
from aotgan.reproduce.tables import PIXEL, Metric
from aotgan.reproduce.tables.significance import (
    Comparison,
    Run,
    Spread,
    compare,
    read_run,
    seed_spread,
)

L1, _, PSNR, SSIM = PIXEL
FD = Metric("fd", "Frechet distance")
UNKNOWN = Spread(math.nan, 0)


def test_the_spread_between_seeds_is_pooled_over_experiments(make_run):
    offsets = {"rates-1": (0.0, 0.4, 0.2), "rates-2": (1.0, 1.6), "sm-patchgan": (5.0,)}
    groups = [
        [make_run(name, seed, offset) for seed, offset in enumerate(values)]
        for name, values in offsets.items()
    ]
    spread = seed_spread(groups, PSNR)
    values = [np.array([run.value(PSNR) for run in group]) for group in groups]
    squares = sum(v.var(ddof=1) * (len(v) - 1) for v in values[:2])
    assert spread.degrees == 3
    assert spread.deviation == pytest.approx(math.sqrt(squares / 3))


def test_a_difference_has_the_interval_of_a_pooled_t_test(make_run):
    first = [make_run("rates-1", seed, offset) for seed, offset in enumerate((0.0, 0.4, 0.2))]
    second = [make_run("rates-2", seed, offset) for seed, offset in enumerate((1.0, 1.6, 1.1))]
    found = compare(first, second, PSNR, seed_spread([first, second], PSNR))
    reference = stats.ttest_ind(*[[run.value(PSNR) for run in g] for g in (second, first)])
    low, high = reference.confidence_interval()
    assert (found.low, found.high) == pytest.approx((low, high))
    assert found.verdict == "better" and found.seeds == (3, 3)
    assert compare(second, first, PSNR, seed_spread([first, second], PSNR)).verdict == "worse"


def test_lower_is_better_for_errors(make_run):
    first, second = [make_run("rates-1")], [make_run("rates-2", offset=1.0)]
    tight = Spread(1e-6, 5)
    assert compare(first, second, L1, tight).difference < 0
    for metric in (L1, PSNR, SSIM):
        assert compare(first, second, metric, tight).verdict == "better"


def untrained(make_run, offset=0.0):
    """A run of a filling that is the same for every seed, with one measurement of each pair."""
    run = make_run("telea", 0, offset, steps=0)
    del run.record.metrics["ema"]
    frame = run.per_image[run.per_image["weights"] == "raw"]
    return Run(run.record, frame)


@pytest.mark.parametrize("weights", ["raw", "ema", None])
def test_what_is_not_trained_has_no_spread_and_meets_every_seed(make_run, weights):
    classical = untrained(make_run, 5.0)
    seeds = [make_run("rates-1", seed, offset) for seed, offset in ((3, 0.0), (7, 0.4))]
    spread = seed_spread([[classical], seeds], PSNR, weights)
    assert spread.degrees == 1, "of the trained seeds alone"
    found = compare([classical], seeds, PSNR, spread, weights)
    shown = [run.per_image[run.per_image["weights"] == (weights or "ema")] for run in seeds]
    own = classical.per_image["psnr"].to_numpy()
    differences = np.mean([frame["psnr"].to_numpy() - own for frame in shown], axis=0)
    assert found.image_difference == pytest.approx(differences.mean())
    assert found.difference == pytest.approx(
        differences.mean(), abs=SINGLE_NET
    )  # six digits a record
    assert found.high - found.difference == pytest.approx(spread.half_width(2))
    assert found.verdict == "worse" and found.seeds == (1, 2)
    back = compare(seeds, [classical], PSNR, spread, weights)
    assert back.difference == pytest.approx(-found.difference)
    assert back.high - back.difference == pytest.approx(found.high - found.difference)


def test_photographs_alone_resolve_nothing(make_run):
    first, second = [make_run("rates-1")], [make_run("rates-2", offset=3.0)]
    found = compare(first, second, PSNR, UNKNOWN)
    assert math.isnan(found.low) and found.verdict == "not resolved"
    assert found.image_low > 2.9 and found.p_images < 1e-6


def test_the_test_over_photographs_is_the_paired_t_test_of_their_means(make_run):
    first, second = make_run("rates-1"), make_run("rates-2", offset=0.004)
    found = compare([first], [second], PSNR, UNKNOWN)
    shown = [run.per_image[run.per_image["weights"] == "ema"] for run in (first, second)]
    means = [frame.groupby("image")["psnr"].mean() for frame in shown]
    reference = stats.ttest_rel(means[1], means[0])
    assert found.image_difference == pytest.approx(float((means[1] - means[0]).mean()))
    assert found.p_images == pytest.approx(reference.pvalue)
    low, high = reference.confidence_interval()
    assert (found.image_low, found.image_high) == pytest.approx((low, high))


def test_pairs_are_compared_within_a_seed(make_run):
    first = [make_run("rates-1", 0), make_run("rates-1", 1, 5.0)]
    second = [make_run("rates-2", 1, 5.5)]
    found = compare(first, second, PSNR, UNKNOWN)
    assert found.image_difference == pytest.approx(0.5, abs=PERCENT)
    assert found.difference == pytest.approx(3.0, abs=PERCENT)


def test_the_frechet_distance_has_no_test_over_photographs(make_run):
    found = compare([make_run("rates-1", fd=2.0)], [make_run("rates-2", fd=1.5)], FD, UNKNOWN)
    assert found.difference == -0.5 and math.isnan(found.p_images)


def test_runs_of_other_pairs_are_refused(make_run):
    other = make_run("rates-2", evaluation={"manifest_sha256": "cc"})
    with pytest.raises(InputError, match="measured on different pairs"):
        compare([make_run("rates-1")], [other], PSNR, UNKNOWN)
    with pytest.raises(InputError, match="at least one run of each"):
        compare([], [other], PSNR, UNKNOWN)


def test_a_difference_of_zero_is_not_resolved():
    nothing = Comparison(PSNR, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, (2, 2))
    assert nothing.verdict == "not resolved"


def test_measurements_that_are_missing_are_named(make_run, write_runs):
    folder = write_runs(make_run("rates-1")) / "records"
    run = read_run(folder / "rates-1-seed0.json", folder / "rates-1-seed0-pairs.csv")
    assert run.value(PSNR) == pytest.approx(make_run("rates-1").value(PSNR), rel=SINGLE_SUM)
    assert run.value(PSNR, "raw") == pytest.approx(run.value(PSNR) - 1, abs=TWO_PERCENT)
    with pytest.raises(InputError, match="no measurements by pair"):
        read_run(folder / "rates-1-seed0.json", folder / "nothing.csv")


def test_final_weights_are_compared_when_asked_for(make_run):
    first, second = [make_run("rates-1")], [make_run("rates-2", offset=0.5)]
    averaged = compare(first, second, PSNR, UNKNOWN)
    raw = compare(first, second, PSNR, UNKNOWN, "raw")
    assert raw.difference != averaged.difference
    assert raw.difference == second[0].value(PSNR, "raw") - first[0].value(PSNR, "raw")
    assert raw.image_difference == pytest.approx(raw.difference, abs=SINGLE_NET)
