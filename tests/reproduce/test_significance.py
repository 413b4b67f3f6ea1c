"""Differences between rows: their size, the two kinds of chance, and the words for both."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from synthetic_runs import resampled
from tolerances import DOUBLE, SINGLE_NET, SINGLE_SUM

from aotgan.errors import InputError
from aotgan.metrics import METRICS
from aotgan.reproduce.tables.runs import Run
from aotgan.reproduce.tables.significance import (
    MEANING,
    UNRESOLVED,
    Comparison,
    compare,
    holm,
    over_seeds,
)

L1, PSNR, SSIM, FD = (
    next(m for m in METRICS if m.key == key) for key in ("l1", "psnr", "ssim", "fd")
)


def rows(make_run, name, offsets):
    return [make_run(name, seed, offset) for seed, offset in enumerate(offsets)]


def photographs(run, weights="ema"):
    """Mean PSNR of each photograph."""
    shown = run.per_image[run.per_image["weights"] == weights]
    return shown.groupby("image")["psnr"].mean().to_numpy()


@pytest.mark.parametrize("count", [3, 4, 9])
def test_ends_over_three_seeds_or_more_are_students_interval(count):
    values = np.random.default_rng(count).normal(20, 3, count)
    mean, low, high = over_seeds(values)
    expected = stats.t.interval(0.95, count - 1, values.mean(), stats.sem(values))
    assert (mean, low, high) == pytest.approx((values.mean(), *expected), rel=DOUBLE)


def test_ends_over_two_seeds_are_their_range_and_of_one_unknown():
    assert over_seeds(np.array([3.0, 1.0])) == (2.0, 1.0, 3.0)
    mean, *ends = over_seeds(np.array([3.0]))
    assert mean == 3.0 and np.isnan(ends).all()


def test_over_seeds_it_is_the_paired_t_test(make_run):
    first = rows(make_run, "rates-1", (0.0, 2.0, 1.0))
    second = rows(make_run, "rates-2", (0.4, 2.5, 1.35))
    change = compare(first, second, PSNR)
    values = [[run.value(PSNR) for run in row] for row in (first, second)]
    reference = stats.ttest_rel(values[1], values[0]).confidence_interval()
    assert (change.low, change.high) == pytest.approx(tuple(reference), rel=DOUBLE)
    assert change.difference == pytest.approx(np.subtract(*values[::-1]).mean(), rel=DOUBLE)
    unpaired = stats.ttest_ind(values[1], values[0]).confidence_interval()
    assert change.high - change.low < 0.5 * (unpaired.high - unpaired.low)
    assert change.seeds == 3 and change.verdict == "better"
    assert compare(second, first, PSNR).verdict == "worse"


def test_over_photographs_it_is_the_t_test_of_their_means_over_seeds(make_run):
    first = rows(make_run, "rates-1", (0.0, 1.0))
    second = rows(make_run, "rates-2", (0.004, 1.001))
    change = compare(first, second, PSNR)
    differences = [photographs(b) - photographs(a) for a, b in zip(first, second, strict=True)]
    means = np.mean(differences, axis=0)
    reference = stats.ttest_1samp(means, means.mean() - change.difference)  # of a record's digits
    assert 0.01 < change.p < 0.5 and change.p == pytest.approx(reference.pvalue, rel=SINGLE_SUM)
    assert change.image_high - change.image_low == pytest.approx(
        np.ptp(reference.confidence_interval()), rel=DOUBLE
    )
    assert change.difference == pytest.approx(np.mean(differences), abs=SINGLE_NET)


def test_two_seeds_meet_one_in_the_common_one(make_run):
    first = rows(make_run, "rates-1", (0.0, 5.0))
    second = [make_run("rates-2", 1, 5.5)]
    for one, other, sign in ((first, second, 1), (second, first, -1)):
        change = compare(one, other, PSNR)
        assert change.seeds == 1 and math.isnan(change.low)
        assert change.difference == sign * (second[0].value(PSNR) - first[1].value(PSNR))


def test_rows_without_a_common_seed_and_runs_of_other_pairs_are_refused(make_run):
    first = [make_run("rates-1")]
    for second in ([], [make_run("rates-2", 1)]):
        with pytest.raises(InputError, match="no seed in common. Train both with one at least"):
            compare(first, second, PSNR)
    other = make_run("rates-2", evaluation={"manifest_sha256": "cc"})
    with pytest.raises(InputError, match="measured on different pairs"):
        compare(first, [other], PSNR)


def untrained(make_run, offset=0.0):
    """A run of a filling that is the same for every seed, with one measurement of each pair."""
    run = make_run("telea", 0, offset, steps=0)
    del run.record.metrics["ema"]
    return Run(run.record, run.per_image[run.per_image["weights"] == "raw"])


@pytest.mark.parametrize("weights", ["raw", "ema", None])
def test_what_is_not_trained_meets_every_seed(make_run, weights):
    classical = untrained(make_run, 5.0)
    seeds = [make_run("rates-1", seed, offset) for seed, offset in ((3, 0.0), (7, 0.4), (8, 0.1))]
    change = compare([classical], seeds, PSNR, weights)
    values = [run.value(PSNR, weights) - classical.value(PSNR) for run in seeds]
    reference = stats.ttest_1samp(values, 0).confidence_interval()
    assert (change.low, change.high) == pytest.approx(tuple(reference), rel=DOUBLE)
    assert change.verdict == "worse" and change.seeds == 3
    back = compare(seeds, [classical], PSNR, weights)
    assert back.difference == -change.difference
    assert (back.low, back.p) == pytest.approx((-change.high, change.p), rel=DOUBLE)


def test_lower_is_better_for_errors(make_run):
    first, second = (
        rows(make_run, name, (at, at, at)) for name, at in (("rates-1", 0.0), ("rates-2", 1.0))
    )
    assert compare(first, second, L1).difference < 0
    assert {compare(first, second, metric).verdict for metric in (L1, PSNR, SSIM)} == {"better"}


def test_final_weights_are_compared_when_asked_for(make_run):
    first, second = [make_run("rates-1")], [make_run("rates-2", offset=0.5)]
    raw = compare(first, second, PSNR, "raw")
    assert raw.difference != compare(first, second, PSNR).difference
    assert raw.difference == second[0].value(PSNR, "raw") - first[0].value(PSNR, "raw")
    means = photographs(second[0], "raw") - photographs(first[0], "raw")
    ends = stats.ttest_1samp(means, 0).confidence_interval()
    assert raw.image_high - raw.image_low == pytest.approx(np.ptp(ends), rel=DOUBLE)


def distances(seed, own=0.02, at=5.0):
    """A distance in 200 resamples, most of whose chance is the photographs'."""
    shared = np.random.default_rng(0).normal(0, 1, 200)
    return np.append(at, at + shared + np.random.default_rng(seed + 1).normal(0, own, 200))


def test_distances_are_compared_within_common_resamples(make_run):
    values = {
        "rates-1": [distances(seed, at=5.0) for seed in (0, 1)],
        "rates-2": [distances(seed, at=4.99) for seed in (2, 3)],
    }
    first, second = (
        [resampled(make_run(name, seed, fd=v[0]), v) for seed, v in enumerate(of_row)]
        for name, of_row in values.items()
    )
    change = compare(first, second, FD)
    changes = np.mean([b - a for a, b in zip(*values.values(), strict=True)], axis=0)
    t = changes[0] / np.std(changes[1:])
    assert change.difference == pytest.approx(changes[0])
    assert change.p == pytest.approx(2 * stats.t.sf(abs(t), 9), rel=SINGLE_SUM)
    half = stats.t.ppf(0.975, 9) * np.std(changes[1:])
    assert change.image_high - change.difference == pytest.approx(half)
    alone = np.std(values["rates-1"][0][1:])
    assert half < 0.1 * alone, "what the photographs do to both cancels"


def test_distances_without_resamples_or_of_few_photographs_have_no_test(make_run):
    first = [make_run("rates-1", fd=2.0)]
    second = [resampled(make_run("rates-2", fd=1.5), distances(0))]
    few = [resampled(make_run(name), distances(0)) for name in ("rates-1", "rates-2")]
    few = [replace(run, per_image=run.per_image[run.per_image["image"] != "p0"]) for run in few]
    for one, other in ((first, second), (second, first), (few[:1], few[1:])):
        change = compare(one, other, FD)
        assert np.isnan([change.p, change.image_low, change.image_high]).all()
        assert change.verdict == UNRESOLVED


def comparison(p=0.01, low=math.nan, high=math.nan, seeds=1, difference=1.0, metric=PSNR):
    return Comparison(metric, difference, low, high, math.nan, math.nan, p, p, seeds)


AGREEING, CROSSING, UNKNOWN = (0.5, 1.5), (-0.5, 2.5), (math.nan, math.nan)
VERDICTS = [
    # seeds, ends over them, p after the correction, verdict
    (1, UNKNOWN, 0.01, "better for these weights"),
    (1, UNKNOWN, 0.06, UNRESOLVED),
    (1, UNKNOWN, math.nan, UNRESOLVED),
    (2, AGREEING, 0.01, "better in both seeds"),
    (2, AGREEING, 0.06, UNRESOLVED),
    (2, AGREEING, math.nan, UNRESOLVED),
    (2, CROSSING, 0.01, UNRESOLVED),
    (2, CROSSING, 0.06, UNRESOLVED),
    (2, CROSSING, math.nan, UNRESOLVED),
    (3, AGREEING, 0.01, "better"),
    (3, AGREEING, 0.06, UNRESOLVED),
    (3, AGREEING, math.nan, "better"),  # a distance without resamples: the seeds alone
    (3, CROSSING, 0.01, UNRESOLVED),
    (3, CROSSING, 0.06, UNRESOLVED),
    (3, CROSSING, math.nan, UNRESOLVED),
]


@pytest.mark.parametrize(("seeds", "ends", "p", "verdict"), VERDICTS)
def test_verdicts_take_both_seeds_and_photographs(seeds, ends, p, verdict):
    low, high = ends
    assert comparison(p, low, high, seeds).verdict == verdict
    mirrored = comparison(p, -high, -low, seeds, -1.0)
    assert mirrored.verdict == verdict.replace("better", "worse")
    assert replace(mirrored, metric=L1).verdict == verdict, "less of an error is better"
    assert verdict.removeprefix("better").strip() in MEANING


def test_a_difference_of_zero_is_not_resolved(make_run):
    assert comparison(1.0, 0.0, 0.0, 2, 0.0).verdict == UNRESOLVED
    run = make_run("rates-1")
    same = compare([run], [run], PSNR)
    assert same.difference == 0 and math.isnan(same.p) and same.verdict == UNRESOLVED


def test_composites_equal_to_the_original_are_left_out(make_run):
    first, second = make_run("rates-1"), make_run("rates-2", offset=0.5)
    for run, at in ((first, [0, 1]), (second, [1, 2])):
        run.per_image["psnr"] = run.per_image["psnr"].mask(run.per_image.index.isin(at), np.inf)
    frames = [run.per_image.query("weights == 'ema'") for run in (first, second)]
    keep = ~frames[0].index.isin([0, 1, 2])
    changes = (frames[1]["psnr"] - frames[0]["psnr"])[keep]
    change = compare([first], [second], PSNR)
    means = changes.groupby(frames[0]["image"][keep])
    sums = (changes - changes.mean()).groupby(frames[0]["image"][keep]).sum()
    error = math.sqrt(len(means) / (len(means) - 1) * (sums**2).sum()) / len(changes)
    half = stats.t.ppf(0.975, len(means) - 1) * error
    assert change.image_high - change.difference == pytest.approx(half)


def test_holms_correction_by_hand_with_ties_and_unknown_p():
    given = [0.01, math.nan, 0.04, 0.01, 0.03, 0.9]
    # sorted 0.01 0.01 0.03 0.04 0.9, times 5 4 3 2 1: 0.05 0.04 0.09 0.08 0.9, never falling
    expected = [0.05, math.nan, 0.09, 0.05, 0.09, 0.9]
    corrected = [c.corrected for c in holm([comparison(p) for p in given])]
    assert corrected == pytest.approx(expected, nan_ok=True, rel=DOUBLE)
    assert [c.p for c in holm([comparison(p) for p in given])] == pytest.approx(given, nan_ok=True)
    assert holm([]) == [] and holm([comparison(0.5)] * 3)[0].corrected == 1.0


def step_down(p):
    """Holm's procedure as a decision: the least level at which each hypothesis is rejected."""
    levels = np.full(len(p), np.nan)
    order = np.argsort(p, kind="stable")
    for rank, at in enumerate(order):
        levels[at] = max(min(1, (len(p) - k) * p[order[k]]) for k in range(rank + 1))
    return levels


def test_holms_correction_is_the_step_down_procedure():
    p = np.round(np.random.default_rng(0).uniform(0, 0.2, 40), 2)  # with ties
    corrected = [c.corrected for c in holm([comparison(value) for value in p])]
    np.testing.assert_allclose(corrected, step_down(p), rtol=DOUBLE)
