"""What the votes of a user study say, and how many it takes to say it (section 4.6, Table 3).

Percentages as in Table 3, and what the paper leaves out: intervals, tests, whether raters agree,
whether a side was preferred. Votes are the data frame of `aotgan.apply.study_votes.read_votes`.
Nothing here makes up a vote: without any, every result is empty.
"""

import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from aotgan.errors import InputError
from aotgan.files import write_atomically

LEVEL = 0.95
Opponent = tuple[str, str]  # (data set, other model)


def wilson_interval(won: float, cast: float, level: float = LEVEL) -> tuple[float, float]:
    """Wilson's interval of a share: all p with |won / cast - p| <= z sqrt(p (1 - p) / cast).

    Args:
        won: votes for one side; fractions occur where votes are weighted.
        cast: votes in all.
        level: of confidence.

    Returns:
        (low, high) in [0, 1], NaN without votes.
    """
    if not cast:
        return math.nan, math.nan
    z = float(stats.norm.ppf((1 + level) / 2))
    share, spread = won / cast, z * z / cast
    centre = (share + spread / 2) / (1 + spread)
    half = z / (1 + spread) * math.sqrt(share * (1 - share) / cast + spread / (4 * cast))
    return max(0.0, centre - half), min(1.0, centre + half)


def binomial_test(won: int, cast: int) -> float:
    """P value of the exact two-sided binomial test of a share of 1/2; NaN without votes."""
    return float(stats.binomtest(won, cast, 0.5).pvalue) if cast else math.nan


def design_effect(won: ArrayLike, participants: Sequence[object]) -> float:
    """How many times the variance of the share exceeds that of independent votes.

    Votes of one participant are more alike than votes of different ones. The variance of the share
    p over k participants, with n_i votes and w_i won each, is k / (k - 1) sum (w_i - p n_i)^2 / n^2
    (ratio estimator), that of independent votes p (1 - p) / n.

    Returns:
        At least 1; 1 where the votes are unanimous, NaN with fewer than two participants.
    """
    votes = pd.DataFrame({"won": np.asarray(won, float), "who": list(participants)})
    each = votes.groupby("who")["won"].agg(["sum", "count"])
    cast, share = len(votes), votes["won"].mean()
    if len(each) < 2:
        return math.nan
    if share in (0, 1):
        return 1.0
    residuals = each["sum"] - share * each["count"]
    variance = len(each) / (len(each) - 1) * float((residuals**2).sum()) / cast**2
    return max(1.0, variance / (share * (1 - share) / cast))


def results(
    votes: pd.DataFrame,
    comparisons: Iterable[Opponent],
    paper: Mapping[Opponent, object] | None = None,
) -> pd.DataFrame:
    """Returns a row for each comparison, with votes or without.

    Args:
        votes: of `read_votes`.
        comparisons: (data set, other model), in the order of the rows; a design's `comparisons()`.
        paper: printed percentages to put beside ours, taken over as text.

    Returns:
        dataset, other; cast, won (votes), participants; percentage of cases in which ours was
        preferred, low, high (95 % interval of Wilson, each vote on its own); low_clustered,
        high_clustered (the same with n divided by the `design_effect`); p (exact two-sided binomial
        test of 50 %), p_holm (corrected for the number of rows by Holm's method); with `paper` a
        column "paper" of text, empty where it has no number.
    """
    rows = [_row(dataset, other, votes) for dataset, other in comparisons]
    frame = pd.DataFrame(rows)
    frame["p_holm"] = holm(frame["p"])
    if paper is not None:
        keys = zip(frame["dataset"], frame["other"], strict=True)
        frame["paper"] = [str(paper.get(key, "")) for key in keys]
    return frame


def _row(dataset: str, other: str, votes: pd.DataFrame) -> dict[str, object]:
    own = votes[(votes["dataset"] == dataset) & (votes["other"] == other)]
    cast, won = len(own), int(own["won"].sum())
    effect = design_effect(own["won"], own["participant"].tolist()) if cast else math.nan
    known = math.isfinite(effect)
    clustered = wilson_interval(won / effect, cast / effect) if known else (math.nan, math.nan)
    intervals = [100 * end for end in (*wilson_interval(won, cast), *clustered)]
    return {
        "dataset": dataset,
        "other": other,
        "cast": cast,
        "won": won,
        "participants": own["participant"].nunique(),
        "percentage": 100 * won / cast if cast else math.nan,
        **dict(zip(("low", "high", "low_clustered", "high_clustered"), intervals, strict=True)),
        "p": binomial_test(won, cast),
    }


def holm(p_values: ArrayLike) -> NDArray[np.float64]:
    """Holm's correction of P values for their number; NaN are left out and stay."""
    p = np.asarray(p_values, float)
    corrected = np.full(p.shape, math.nan)
    order = [i for i in np.argsort(p) if not math.isnan(p[i])]
    largest = 0.0
    for rank, i in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - rank) * p[i]))
        corrected[i] = largest
    return corrected


def like_table3(frame: pd.DataFrame, ours: str) -> pd.DataFrame:
    """Sets `results` as Table 3 does: a row for each other model, a column for each data set.

    Where there is a paper's number it stands in a column of its own, whose name begins with
    "paper".
    """
    columns: dict[str, dict[str, str]] = {}
    for row in frame.to_dict("records"):
        name = f"{ours} > {row['other']}"
        columns.setdefault(str(row["dataset"]), {})[name] = _cell(row)
        if "paper" in row:
            printed = f"{row['paper']}%" if row["paper"] else ""
            columns.setdefault(f"paper: {row['dataset']}", {})[name] = printed
    return pd.DataFrame(columns).fillna("").rename_axis("Percentage").reset_index()


def _cell(row: Mapping[Hashable, Any]) -> str:
    if not row["cast"]:
        return "no votes"
    interval = f"{row['low']:.0f} to {row['high']:.0f}%"
    return f"{row['percentage']:.2f}% ({interval}), {row['won']} of {row['cast']}"


def agreement(votes: pd.DataFrame) -> pd.DataFrame:
    """Says how far raters of the same pair agree, by data set, other model, and over all.

    Krippendorff's alpha is used, since pairs have different numbers of raters; Fleiss' kappa needs
    the same number for all, and equals it then up to a factor (1 - 1 / votes). Alpha compares with
    raters who choose blindly *in the observed proportions*: where nearly everybody prefers ours,
    nearly all agreement is expected so, and alpha is low although raters agree. Read it beside the
    plain share of agreeing rater pairs.

    Returns:
        dataset, other ("all" in the last row); pairs (judged by two or more), votes (on these),
        agreeing (share of rater pairs), alpha; NaN where nothing can be said.
    """
    groups: list[tuple[Any, pd.DataFrame]] = [*votes.groupby(["dataset", "other"])]
    rows = []
    for (dataset, other), group in [*groups, (("all", "all"), votes)]:
        won = group.groupby(["dataset", "picture", "other"])["won"].agg(["sum", "count"])
        won = won[won["count"] >= 2]
        counts = np.stack([won["sum"], won["count"] - won["sum"]], axis=1)
        rows.append(
            {
                "dataset": dataset,
                "other": other,
                "pairs": len(won),
                "votes": int(counts.sum()),
                "agreeing": agreeing_share(counts),
                "alpha": krippendorff_alpha(counts),
            }
        )
    return pd.DataFrame(rows)


def agreeing_share(counts: ArrayLike) -> float:
    """Share of rater pairs that agree, each unit weighted by its raters.

    Args:
        counts: (units, categories), how many raters chose what. Units with one rater are left out.
    """
    n = _pairable(counts)
    raters = n.sum(axis=1)
    if not raters.sum():
        return math.nan
    agreeing = (n * (n - 1)).sum(axis=1) / (raters - 1)  # of n - 1 others of each rater
    return float(agreeing.sum() / raters.sum())


def krippendorff_alpha(counts: ArrayLike) -> float:
    """Krippendorff's alpha for nominal data: 1 - observed / expected disagreement.

    Args:
        counts: (units, categories), how many raters chose what; units may have different numbers
            of raters, those with one are left out.

    Returns:
        At most 1; 0 is what chance gives. NaN without two raters of a unit, or if all votes agree.
    """
    n = _pairable(counts)
    total = n.sum()
    by_category = n.sum(axis=0)
    expected = 1 - (by_category * (by_category - 1)).sum() / (total * (total - 1)) if total else 0
    return float(1 - (1 - agreeing_share(n)) / expected) if expected else math.nan


def _pairable(counts: ArrayLike) -> NDArray[np.float64]:
    n = np.asarray(counts, float)
    if n.ndim != 2 or (n < 0).any():
        raise InputError(f"counts of shape {n.shape}: expected (units, categories), none negative.")
    return n[n.sum(axis=1) >= 2]


def side_effect(votes: pd.DataFrame) -> dict[str, float]:
    """Says whether a side was preferred, whatever it showed.

    Sides are fair coins, so without a preference for a side each vote is left with probability
    1/2, however good the models are, and the binomial test is exact.

    Returns:
        cast, left (votes); percentage, low, high of left (95 % interval of Wilson); p (exact
        two-sided binomial test); won_left, won_right (percentage for ours when on that side).
    """
    cast, left = len(votes), int(votes["chose_left"].sum())
    low, high = wilson_interval(left, cast)
    by_side = [100 * votes.loc[votes["ours_left"] == side, "won"].mean() for side in (True, False)]
    return {
        "cast": cast,
        "left": left,
        "percentage": 100 * left / cast if cast else math.nan,
        "low": 100 * low,
        "high": 100 * high,
        "p": binomial_test(left, cast),
        "won_left": float(by_side[0]),
        "won_right": float(by_side[1]),
    }


def interval_width(cast: int, share: float = 0.5) -> float:
    """Width of Wilson's 95 % interval, in percentage points, if this share of the votes is won."""
    low, high = wilson_interval(share * cast, cast)
    return 100 * (high - low)


def votes_for_width(width: float, share: float = 0.5) -> int:
    """Fewest votes on a comparison whose interval is at most so wide, in percentage points.

    Raises:
        InputError: a width that is not positive, or a share outside [0, 1].
    """
    if not (width > 0 and 0 <= share <= 1):
        raise InputError(f"width={width}, share={share}: expected a width above 0, 0 <= share <= 1")
    enough = 1
    while interval_width(enough, share) > width:
        enough *= 2
    low = enough // 2  # too few; width falls with every vote
    while enough - low > 1:
        middle = (low + enough) // 2
        low, enough = (low, middle) if interval_width(middle, share) <= width else (middle, enough)
    return enough


def power(cast: int, preference: float, alpha: float = 1 - LEVEL) -> float:
    """Probability that the exact test tells a preference from 50 %, exactly.

    Args:
        cast: votes, each on its own.
        preference: true share of votes for ours.
        alpha: P value below which, or at which, the test rejects.
    """
    # The two-sided test of 1/2 is symmetric: it rejects up to `critical` votes on either side.
    critical = int(stats.binom.ppf(alpha / 2, cast, 0.5))
    # the quantile is the first number that reaches alpha / 2, and mostly exceeds it
    if stats.binom.cdf(critical, cast, 0.5) > alpha / 2:
        critical -= 1
    outer = (
        stats.binom.cdf(critical, cast, preference),
        stats.binom.cdf(critical, cast, 1 - preference),
    )
    return float(sum(outer))


def votes_for_power(preference: float, wanted: float = 0.8, most: int = 100_000) -> int:
    """Fewest votes from which on the exact 5 % test has the wanted power.

    The power of an exact test falls a little whenever a vote is added that does not move its
    critical value; "from which on" is up to twice the number found.

    Raises:
        InputError: a preference of 50 % or outside [0, 1], or more than `most` votes needed.
    """
    if not (0 <= preference <= 1 and preference != 0.5 and 0 < wanted < 1):
        raise InputError(
            f"preference={preference}, wanted={wanted}: expected a preference in [0, 1] other than "
            "0.5, and a power between 0 and 1."
        )
    enough = 1
    while power(enough, preference) < wanted:
        enough *= 2
        if enough > most:
            raise InputError(f"telling {preference:.1%} from 50 % takes over {most:,} votes.")
    lacking = [n for n in range(1, 2 * enough) if power(n, preference) < wanted]
    return lacking[-1] + 1


def export_csv(frame: pd.DataFrame, path: str | Path) -> Path:
    """Writes a table as CSV, atomically; numbers with six significant digits."""
    return write_atomically(path, frame.to_csv(index=False, float_format="%.6g"))
