"""Calculations with the paper's numbers, against hand calculations and brute force."""

import csv
import math
from decimal import ROUND_HALF_DOWN, ROUND_HALF_UP, Decimal
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from tolerances import DOUBLE_NET

from aotgan.errors import InputError
from aotgan.reproduce.claims import arithmetic
from aotgan.reproduce.claims.arithmetic import FID, L1, METRICS, OURS, PSNR, SSIM

FILE = Path(arithmetic.__file__).parents[1] / "tables/published.csv"
PRINTED = {
    (r["table"], r["metric"], r["setting"], r["row"]): float(r["value"])
    for r in csv.DictReader(FILE.open())
}
RATIOS = ("1-10%", "10-20%", "20-30%", "30-40%", "40-50%", "50-60%")
MODELS = ("CA", "PEN-Net", "PConv", "EdgeConnect", "GatedConv", "HiFill", "AOT-GAN")


def line(metric, ratio):
    return {model: PRINTED["1", metric, ratio, model] for model in MODELS}


def best_first(values, metric):
    return sorted(values, key=lambda m: -values[m] if metric in (PSNR, SSIM) else values[m])


def test_the_headline_is_38_60_percent_at_the_largest_holes():
    found = arithmetic.fid_improvement()
    assert found.by_ratio["50-60%"] == pytest.approx(12.70 / 32.90)
    assert round(100 * 12.70 / 32.90, 2) == 38.60
    gated, ours = (
        [0.21, 0.85, 2.40, 5.33, 10.66, 32.90],
        [0.20, 0.61, 1.57, 3.38, 6.89, 20.20],
    )
    shares = [1 - a / b for a, b in zip(ours, gated, strict=True)]
    assert found.by_ratio.tolist() == pytest.approx(shares)
    assert found.mean_of_shares == pytest.approx(sum(shares) / 6)
    assert found.share_of_means == pytest.approx(1 - 32.85 / 52.35)
    assert max(shares) == shares[-1]


def test_the_range_of_a_share_holds_all_that_rounds_to_the_printed_numbers():
    low, high = arithmetic.share_range(20.20, 32.90)
    grid = [
        1 - a / b
        for a, b in product(np.linspace(20.195, 20.205, 11), np.linspace(32.895, 32.905, 11))
    ]
    assert (low, high) == pytest.approx((min(grid), max(grid)))


@pytest.mark.parametrize("metric", METRICS)
def test_places_and_leads_of_table_1(metric):
    places, leads = arithmetic.places(metric), arithmetic.margins()[metric]
    for ratio in RATIOS:
        values = line(metric, ratio)
        sign = 1 if metric in (PSNR, SSIM) else -1
        ahead = {m: sum(sign * v > sign * values[m] for v in values.values()) for m in values}
        assert places.loc[ratio].to_dict() == {m: n + 1 for m, n in ahead.items()}
        rival = values[best_first({m: v for m, v in values.items() if m != OURS}, metric)[0]]
        assert leads[ratio] == pytest.approx(sign * (values[OURS] - rival) / rival)


def test_who_is_second_by_the_mean():
    for metric, name in ((L1, "PConv"), (PSNR, "PConv"), (SSIM, "PConv"), (FID, "GatedConv")):
        means = {m: sum(PRINTED["1", metric, r, m] for r in RATIOS) for m in MODELS}
        assert arithmetic.order_of_means(metric) == best_first(means, metric)
        assert best_first(means, metric)[1] == name


def test_mean_places_share_ties():
    ranks = []
    for metric, ratio in product(METRICS, RATIOS):
        values = np.array(list(line(metric, ratio).values()))
        ranks.append(stats.rankdata(-values if metric in (PSNR, SSIM) else values))
    expected = dict(zip(MODELS, np.mean(ranks, axis=0), strict=True))
    assert arithmetic.mean_places().to_dict() == pytest.approx(expected)


def test_one_line_of_table_1_is_shared_and_none_is_lost():
    assert arithmetic.undecided_lines() == [(L1, "1-10%")]
    assert line(L1, "1-10%")[OURS] == line(L1, "1-10%")["EdgeConnect"] == 0.55


def test_errors_in_the_place_of_psnr_and_ssim():
    leads = arithmetic.error_margins()
    assert leads[PSNR]["1-10%"] == pytest.approx(1 - 10 ** ((34.04 - 34.79) / 20))
    assert leads[SSIM]["1-10%"] == pytest.approx(1 - 0.024 / 0.026)
    assert leads[FID]["50-60%"] == arithmetic.margins()[FID]["50-60%"]
    assert (leads.idxmax(axis=1) == FID).tolist() == [False] + [True] * 5


def test_larger_holes_are_harder_and_a_table_where_not_is_noticed(monkeypatch):
    assert all(arithmetic.hardest_last(metric) for metric in METRICS)
    table = arithmetic.printed("1", L1)
    table.loc["50-60%", "CA"] = 7.0
    monkeypatch.setattr(arithmetic, "printed", lambda *_: table)
    assert not arithmetic.hardest_last(L1)


def test_the_rmse_of_a_psnr():
    errors = np.random.default_rng(0).normal(0, 0.1, 1000)
    psnr = -10 * math.log10((errors**2).mean())
    assert arithmetic.implied_rmse(psnr) == pytest.approx(math.sqrt((errors**2).mean()))
    assert arithmetic.l1_per_rmse().loc["50-60%", OURS] == pytest.approx(0.0707 / 10**-0.9505)
    two = arithmetic.l1_per_rmse("2").loc["centre 224 of 512"]
    assert two["MNPS"] == pytest.approx(0.0337 / 10**-1.068)
    assert arithmetic.shape_in_hole(two["MNPS"], 224**2 / 512**2) == pytest.approx(
        two["MNPS"] * 512 / 224
    )


def test_no_errors_beat_the_least_hole_error():
    """Errors drawn in holes of 1 to 10 %: none has a lower hole error than its PSNR demands."""
    rng = np.random.default_rng(1)
    for _ in range(200):
        ratios = rng.uniform(0.01, 0.1, 20)  # of 20 images
        sizes = [rng.uniform(0, 1, 50) ** rng.uniform(0.2, 6) for _ in ratios]
        mse = np.array([r * (e**2).mean() for r, e in zip(ratios, sizes, strict=True)])
        psnr = (-10 * np.log10(mse)).mean()
        least = (10 ** (-(psnr + 0.005) / 10) - 255**-2) / 0.1
        assert np.mean([e.mean() for e in sizes]) >= least
    least = arithmetic.least_hole_l1()
    assert least.loc["1-10%", "HiFill"] == pytest.approx(
        100 * (10**-3.0975 - 255**-2) / 0.1, rel=DOUBLE_NET
    )
    beaten = [
        (ratio, model)
        for ratio, model in product(RATIOS, MODELS)
        if least.loc[ratio, model] > PRINTED["1", L1, ratio, model] + 0.005
    ]
    assert beaten == [("1-10%", "HiFill")]


@pytest.mark.parametrize("percentage", ["95.65", "97.67", "86.62", "95.08", "22.47", "17.39"])
def test_vote_counts_are_all_that_print_a_percentage(percentage):
    expected = {}
    for cast in range(1, 301):
        for won in range(cast + 1):
            share = Decimal(100 * won) / cast
            rounded = {
                str(share.quantize(Decimal("0.01"), mode))
                for mode in (ROUND_HALF_UP, ROUND_HALF_DOWN)
            }
            if percentage in rounded:
                expected[cast] = won
    assert arithmetic.consistent_votes(percentage, 300) == expected


def test_an_exact_tie_may_round_both_ways():
    """One of 800 is 0.125 %."""
    assert arithmetic.consistent_votes("0.12", 800)[800] == 1
    assert arithmetic.consistent_votes("0.13", 800)[800] == 1
    assert 801 not in arithmetic.consistent_votes("0.13", 801)  # 0.12484 %


def test_the_fewest_votes_by_hand():
    fewest = {p: min(arithmetic.consistent_votes(p)) for p in arithmetic.user_study().values()}
    assert fewest == {"95.65": 23, "97.67": 43, "86.62": 142, "95.08": 61, "22.47": 89, "17.39": 23}
    assert [round(100 * k / n, 2) for k, n in ((22, 23), (42, 43), (123, 142), (58, 61))] == [
        95.65,
        97.67,
        86.62,
        95.08,
    ]


def test_splits_of_the_votes_are_complete():
    percentages = list(arithmetic.user_study().values())
    ways = {0: 1}
    for percentage in percentages:  # counts ways by total, without listing them
        choices = arithmetic.consistent_votes(percentage)
        longer: dict[int, int] = {}
        for total, count in ways.items():
            for cast in choices:
                longer[total + cast] = longer.get(total + cast, 0) + count
        ways = longer
    splits = arithmetic.vote_splits(percentages)
    assert len(splits) == len(set(splits)) == ways[951] == 539
    for split in splits:
        assert sum(split) == 951
        for cast, percentage in zip(split, percentages, strict=True):
            won = arithmetic.consistent_votes(percentage)[cast]
            assert abs(100 * won / cast - float(percentage)) <= 0.005
    evenest = arithmetic.evenest(splits)
    assert all(min(evenest) / max(evenest) >= min(s) / max(s) for s in splits)
    assert max(evenest) > min(evenest)


@pytest.mark.parametrize(("won", "cast"), [(22, 23), (20, 89), (0, 5), (5, 5)])
def test_the_interval_of_votes_is_that_of_scipy(won, cast):
    expected = stats.binomtest(won, cast).proportion_ci(method="exact")
    assert arithmetic.vote_interval(won, cast) == pytest.approx((expected.low, expected.high))


def test_differences_are_exact_decimals_and_positive_is_better():
    assert arithmetic.gains("4", "rates 1,2", "rates 2") == {
        L1: Decimal("0.01"),
        PSNR: Decimal("-0.04"),
        SSIM: Decimal("0.002"),
        FID: Decimal("0.74"),
    }
    with pytest.raises(InputError, match="Table 4 has no rows"):
        arithmetic.gains("4", "rates 3", "rates 2")
    with pytest.raises(InputError, match="prints no 'LPIPS'"):
        arithmetic.printed("1", "LPIPS")


def test_the_full_model_is_best_in_table_5_but_not_in_table_7():
    full = "AOT block + gated residual + SM-PatchGAN"
    assert set(map(tuple, arithmetic.best_rows("5").values())) == {(full,)}
    assert arithmetic.best_rows("7") == {
        L1: ["SM-PatchGAN"],
        PSNR: ["SM-PatchGAN"],
        SSIM: ["HM-PatchGAN"],
        FID: ["SM-PatchGAN"],
    }
    assert PRINTED["7", SSIM, "40-50%", "HM-PatchGAN"] == 0.853
    assert PRINTED["7", SSIM, "40-50%", "SM-PatchGAN"] == 0.852


def test_shared_rows_agree_and_other_rows_do_not():
    assert all(arithmetic.rows_agree(rows) for rows in arithmetic.SHARED_ROWS)
    assert sum(len(rows) for rows in arithmetic.SHARED_ROWS) == 8
    assert not arithmetic.rows_agree((("6", "1x1 conv"), ("6", "gated (ours)")))


def test_leads_as_shares():
    widest, shares = arithmetic.widest_margin("7", "SM-PatchGAN", "PatchGAN")
    assert widest == FID
    assert shares == pytest.approx(
        {L1: 0.08 / 3.06, PSNR: 0.18 / 24.47, SSIM: 0.003 / 0.849, FID: 0.65 / 8.02}
    )
