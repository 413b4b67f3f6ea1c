"""What the numbers printed in the paper say when one calculates with them.

Every function reads `published.csv` alone and says which table it calculates with. Differences are
taken of the printed decimals, so that 23.25 - 23.29 is -0.04 and nothing else.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Any, TypeVar

import pandas as pd

from aotgan.data.masks import RATIO_BINS
from aotgan.errors import InputError
from aotgan.metrics import METRICS as DECLARED
from aotgan.reproduce.tables.published import load_published
from aotgan.reproduce.tables.rows import OURS

NAMES = {m.paper: m.paper_title.split(" (")[0] for m in DECLARED if m.paper}
L1, PSNR, SSIM, FID = METRICS = tuple(NAMES)
HIGHER = tuple(m.paper for m in DECLARED if m.paper and m.higher)  # is better
LARGEST_RATIO = {f"{low:.0%}"[:-1] + f"-{high:.0%}": high for low, high in RATIO_BINS}
CENTRE_HOLE = 224**2 / 512**2  # the share of the image that Table 2 cuts out
VOTES = 951  # section 4.6
Decibels = TypeVar("Decibels", float, pd.DataFrame)

# Rows that must agree, since "each set of ablation studies are conducted based on previous
# component" (section 4.7).
SHARED_ROWS = (
    (("4", "rates 1,2,4,8"), ("5", "AOT block"), ("6", "identity")),
    (("5", "AOT block + gated residual"), ("6", "gated (ours)"), ("7", "PatchGAN")),
    (("5", "AOT block + gated residual + SM-PatchGAN"), ("7", "SM-PatchGAN")),
)


@cache
def _decimals() -> dict[tuple[Any, ...], Decimal]:
    frame = load_published()
    keys = zip(*(frame[name] for name in ("table", "metric", "setting", "row")), strict=True)
    return {key: Decimal(value.printed) for key, value in zip(keys, frame["value"], strict=True)}


def printed(table: str, metric: str) -> pd.DataFrame:
    """Returns one metric of a table as numbers, settings down and rows of the paper across.

    Raises:
        InputError: the table has no such metric.
    """
    cells = {(s, r): v for (t, m, s, r), v in _decimals().items() if (t, m) == (table, metric)}
    if not cells:
        raise InputError(f"Table {table} prints no {metric!r}: see published.csv.")
    settings, rows = (list(dict.fromkeys(key[i] for key in cells)) for i in (0, 1))
    return pd.DataFrame(
        [[float(cells[setting, row]) for row in rows] for setting in settings], settings, rows
    )


def gains(table: str, better: str, worse: str) -> dict[str, Decimal]:
    """Returns by how much one row of a table beats another, by metric, in printed units.

    Positive is better, whichever way the metric points; tables with one setting (2, 4 to 7).
    """
    return {metric: gain for metric in METRICS for gain in _gains(table, metric, better, worse)}


def _gains(table: str, metric: str, better: str, worse: str) -> Iterator[Decimal]:
    """Gain of each setting, in the table's order."""
    cells = {k: v for k, v in _decimals().items() if k[:2] == (table, metric)}
    for setting in dict.fromkeys(key[2] for key in cells):
        key = (table, metric, setting)
        if (*key, better) not in cells or (*key, worse) not in cells:
            raise InputError(f"Table {table} has no rows {better!r} and {worse!r}.")
        change = cells[*key, better] - cells[*key, worse]
        yield change if metric in HIGHER else -change


@dataclass(frozen=True)
class Improvement:
    """How much lower one model's FID is than another's, as a share of the latter."""

    by_ratio: pd.Series
    mean_of_shares: float  # the mean of the six shares
    share_of_means: float  # of the two means over the six mask ratios


def fid_improvement(over: str = "GatedConv") -> Improvement:
    """Calculates the relative improvement of AOT-GAN's FID in Table 1 in three ways."""
    fid = printed("1", FID)
    shares = 1 - fid[OURS] / fid[over]
    return Improvement(shares, float(shares.mean()), float(1 - fid[OURS].sum() / fid[over].sum()))


def share_range(ours: float, theirs: float, digits: int = 2) -> tuple[float, float]:
    """Least and largest 1 - ours / theirs that the rounding of both to `digits` allows."""
    half = 0.5 * 10**-digits
    return 1 - (ours + half) / (theirs - half), 1 - (ours - half) / (theirs + half)


def places(metric: str) -> pd.DataFrame:
    """Returns each model's place in Table 1 by mask ratio, 1 the best; ties share the better."""
    ranks = printed("1", metric).rank(axis=1, ascending=metric not in HIGHER, method="min")
    return ranks.astype(int)


def order_of_means(metric: str) -> list[str]:
    """Returns Table 1's models by the mean of a metric over the six mask ratios, best first."""
    means = printed("1", metric).mean().sort_values(ascending=metric not in HIGHER)
    return [str(name) for name in means.index]


def mean_places() -> pd.Series:
    """Returns each model's mean place over the 24 lines of Table 1; ties share the mean place."""
    ranks = [
        printed("1", metric).rank(axis=1, ascending=metric not in HIGHER) for metric in METRICS
    ]
    return pd.concat(ranks).mean().sort_values()


def margins() -> pd.DataFrame:
    """Returns the lead of AOT-GAN over the best other model, as a share of that model's number.

    Mask ratios down, metrics across; negative where it does not lead.
    """
    leads = {}
    for metric in METRICS:
        values = printed("1", metric)
        others = values.drop(columns=OURS)
        # the best other model may be another one in each line
        best = others.max(axis=1) if metric in HIGHER else others.min(axis=1)
        lead = values[OURS] / best - 1
        leads[metric] = lead if metric in HIGHER else -lead
    return pd.DataFrame(leads)


def error_margins() -> pd.DataFrame:
    """As `margins`, with PSNR and SSIM turned into errors: RMSE and 1 - SSIM, lower is better."""
    leads = margins()
    errors = {PSNR: implied_rmse(printed("1", PSNR)), SSIM: 1 - printed("1", SSIM)}
    for metric, values in errors.items():
        leads[metric] = 1 - values[OURS] / values.drop(columns=OURS).min(axis=1)
    return leads


def undecided_lines() -> list[tuple[str, str]]:
    """Returns the (metric, mask ratio) lines of Table 1 in which AOT-GAN is not alone in front."""
    lead = margins()
    return [(m, str(ratio)) for m in METRICS for ratio in lead.index if lead[m][ratio] <= 0]


def hardest_last(metric: str) -> bool:
    """Whether every model of Table 1 does worse at each larger mask ratio."""
    steps = printed("1", metric).diff().iloc[1:]
    return bool((steps < 0).all(axis=None) if metric in HIGHER else (steps > 0).all(axis=None))


def implied_rmse(psnr: Decibels) -> Decibels:
    """Root mean square error in [0, 1] of an image with this PSNR in dB.

    Of a mean PSNR it is the geometric mean over the images, which the arithmetic exceeds.
    """
    return 10.0 ** (-psnr / 20)


def l1_per_rmse(table: str = "1") -> pd.DataFrame:
    """Returns printed L1 / RMSE implied by the printed PSNR, settings down, rows across."""
    # L1 is printed in hundredths
    return printed(table, L1) / 100 / implied_rmse(printed(table, PSNR))


def least_hole_l1() -> pd.DataFrame:
    """Returns the least mean absolute error over the hole alone that Table 1's PSNR allows, x 100.

    Rounding of the PSNR, and of known pixels to bytes, is allowed for.
    """
    # errors e lie in [0, 1], so that e >= e^2: within the hole, mean e >= mean e^2 = MSE / ratio,
    # and the mean MSE over images is at least that of the mean PSNR
    # 0.005 dB: the PSNR is rounded; 255^-2: writing bytes moves known pixels by a level at most
    mse = implied_rmse(printed("1", PSNR) + 0.005) ** 2 - 255.0**-2
    return 100 * mse.div(pd.Series(LARGEST_RATIO), axis=0)


def consistent_votes(percentage: str, most: int = VOTES) -> dict[int, int]:
    """Returns which numbers of votes print as a percentage: cast -> won.

    Args:
        percentage: with the paper's two decimals, such as "95.65". An exact tie may round both
            ways.
        most: votes cast at the most.
    """
    hundredths = int(Decimal(percentage) * 100)
    won_of = {}
    for cast in range(1, most + 1):
        won = round(hundredths * cast / 10_000)
        # in whole numbers, for a tie in floats would be decided by their last digit
        if 2 * abs(10_000 * won - hundredths * cast) <= cast:
            won_of[cast] = won
    return won_of


def vote_splits(percentages: Sequence[str], total: int = VOTES) -> list[tuple[int, ...]]:
    """Returns every way to split the votes over the comparisons that prints these percentages."""
    choices = [sorted(consistent_votes(percentage, total)) for percentage in percentages]

    def splits(position: int, left: int) -> Iterator[tuple[int, ...]]:
        if position == len(choices):
            if left == 0:
                yield ()
            return
        # choices rise: where the later lines do not get their fewest votes, no further one can fit
        needed = sum(choice[0] for choice in choices[position + 1 :])
        for cast in choices[position]:
            if cast + needed > left:
                return
            for rest in splits(position + 1, left - cast):
                yield (cast, *rest)

    return list(splits(0, total))


def evenest(splits: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    """Returns the split whose fewest and most votes are closest in ratio."""
    return max(splits, key=lambda split: min(split) / max(split))


def vote_interval(won: int, cast: int) -> tuple[float, float]:
    """95 % interval of Clopper and Pearson for the share of votes won, each vote on its own."""
    from scipy.special import betaincinv  # scikit-image brings scipy

    # a Beta distribution takes no 0: without votes on a side the interval ends at that side
    low = betaincinv(won, cast - won + 1, 0.025) if won else 0.0
    high = betaincinv(won + 1, cast - won, 0.975) if won < cast else 1.0
    return float(low), float(high)


def user_study() -> dict[tuple[str, str], str]:
    """Returns Table 3: (AOT-GAN against, data set) -> percentage as printed."""
    return {(row, setting): str(v) for (t, _, setting, row), v in _decimals().items() if t == "3"}


def rows_agree(rows: Sequence[tuple[str, str]]) -> bool:
    """Whether (table, row) pairs print the same numbers in all four metrics."""
    columns = [_row(table, row) for table, row in rows]
    return all(column == columns[0] for column in columns)


def _row(table: str, row: str) -> Mapping[str, Decimal]:
    return {m: v for (t, m, _, r), v in _decimals().items() if (t, r) == (table, row)}


def best_rows(table: str) -> dict[str, list[str]]:
    """Returns the best row of a table for each metric; several where they tie."""
    winners = {}
    for metric in METRICS:
        values = printed(table, metric).iloc[0]
        best = values.max() if metric in HIGHER else values.min()
        winners[metric] = [str(row) for row in values.index[values == best]]
    return winners


def widest_margin(table: str, better: str, worse: str) -> tuple[str, dict[str, float]]:
    """Returns the metric in which a row leads most, and all leads as shares of the other row."""
    lead = gains(table, better, worse)
    shares = {m: float(g) / printed(table, m)[worse].iloc[0] for m, g in lead.items()}
    return max(shares, key=lambda metric: shares[metric]), shares


def shape_in_hole(l1_per_rms: float, ratio: float) -> float:
    """Mean over root mean square of the errors within a hole: 1 where all are equally large.

    Outside the hole nothing differs, so L1 / RMSE of the image is this times the root of the
    hole's share. Normal errors have 0.80, Laplacian 0.71.
    """
    return l1_per_rms / math.sqrt(ratio)
