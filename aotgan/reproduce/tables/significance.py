"""Is one row better than another, and how sure is that? The words of every verdict are here.

Chance enters twice. Another seed gives other weights; another set of photographs gives other
measurements. Both are asked of differences within a pair: of the same seed, and of the same
photograph with the same hole. A claim about a method needs the seeds; the photographs alone speak
of these very weights. What is not trained is the same for every seed, and each seed of another row
is compared with its one run.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from aotgan.errors import InputError
from aotgan.metrics import distances
from aotgan.metrics.intervals import CONFIDENCE, clustered_mean, interval, student
from aotgan.metrics.metric import Metric
from aotgan.metrics.report import ALL
from aotgan.reproduce.tables.runs import Run

UNRESOLVED = "not resolved"
HOW_SURE = {1: "for these weights", 2: "in both seeds"}  # after better or worse; else nothing
MEANING = (
    "Better or worse: another seed's training would say so too, by the 95 % interval over three "
    "seeds or more; in both seeds: two trainings, each paired with the other row's of its seed, "
    "agree; for these weights: one training, and another could turn it round. In each case the "
    "photographs have to say so as well (p < 0.05 after Holm's correction for all comparisons of "
    "the table; for a distance without kept resamples three seeds alone decide); else it is not "
    "resolved."
)


@dataclass(frozen=True)
class Comparison:
    """What a second row changes: second minus first over their common seeds, in the table's unit.

    Attributes:
        metric: what is compared.
        difference: mean over the common seeds.
        low, high: over seeds: Student's 95 % interval of three or more, the range of two, NaN of
            one.
        image_low, image_high: its 95 % interval over photographs, for these weights; of distances
            by their resamples, NaN where none were kept.
        p: two-sided, over photographs.
        corrected: the same after `holm` for the whole table.
        seeds: how many both rows have.
    """

    metric: Metric
    difference: float
    low: float
    high: float
    image_low: float
    image_high: float
    p: float
    corrected: float
    seeds: int

    @property
    def verdict(self) -> str:
        """Says "better" or "worse" with how sure that is, or `UNRESOLVED`; see `MEANING`."""
        if not self.resolved:
            return UNRESOLVED
        return f"{'better' if self.favours else 'worse'} {HOW_SURE.get(self.seeds, '')}".strip()

    @property
    def favours(self) -> bool:
        """Whether the difference is for the better, resolved or not."""
        return (self.difference > 0) == self.metric.higher

    @property
    def resolved(self) -> bool:
        """Whether seeds and photographs leave out zero; see `MEANING`."""
        agree = self.low > 0 or self.high < 0
        if math.isnan(self.corrected):
            # a distance without resamples: the photographs cannot be asked
            return agree and self.seeds > 2
        # one seed has no ends that could agree
        return self.corrected < 1 - CONFIDENCE and (agree or self.seeds == 1)


def compare(
    first: Sequence[Run],
    second: Sequence[Run],
    metric: Metric,
    weights: str | None = None,
    at: str = ALL,
) -> Comparison:
    """Compares two rows, each a sequence of runs that differ in their seed.

    Args:
        first: runs of one experiment.
        second: runs of the other, measured on the same pairs.
        metric: what to compare.
        weights: "raw" or "ema"; those that tables show by default.
        at: the bin.

    Raises:
        InputError: no runs, no common seed, or runs measured on other pairs.
    """
    pairs = common_seeds(first, second)
    if not pairs:
        raise InputError(
            "nothing to compare: the rows have no seed in common. Train both with one at least."
        )
    hashes = {run.record.evaluation["manifest_sha256"] for pair in pairs for run in pair}
    if len(hashes) > 1:
        raise InputError("the runs were measured on different pairs and cannot be compared.")
    changes = [b.value(metric, weights, at) - a.value(metric, weights, at) for a, b in pairs]
    mean, low, high = over_seeds(np.array(changes))
    error, degrees = _error_over_photographs(pairs, metric, weights, at)
    half = student(degrees) * error if degrees else math.nan
    p = _p_value(mean, error, degrees)
    return Comparison(metric, mean, low, high, mean - half, mean + half, p, p, len(pairs))


def common_seeds(first: Sequence[Run], second: Sequence[Run]) -> list[tuple[Run, Run]]:
    """Returns the runs of two rows that have the same seed, in the order of the seeds.

    The one run of what is not trained belongs to every seed of the other. Without any in common,
    nothing.
    """
    ours, theirs = _by_seed(first, second), _by_seed(second, first)
    return [(ours[seed], theirs[seed]) for seed in sorted(ours.keys() & theirs.keys())]


def over_seeds(values: NDArray[np.float64]) -> tuple[float, float, float]:
    """Returns the mean over seeds and its ends: of one NaN, of two their range, else Student's."""
    if len(values) < 3:
        ends = (values.min(), values.max()) if len(values) == 2 else (math.nan, math.nan)
        return float(values.mean()), float(ends[0]), float(ends[1])
    return interval(values, np.arange(len(values)))


def holm(comparisons: Sequence[Comparison]) -> list[Comparison]:
    """Corrects the p of a family of comparisons (Holm 1979); NaN stays and does not count."""
    known = [c.p for c in comparisons if not math.isnan(c.p)]
    corrected: dict[float, float] = {}
    least = 0.0
    for at, p in enumerate(sorted(known)):
        # a larger p is never corrected to a smaller one
        least = max(least, min(1.0, (len(known) - at) * p))
        # of equal p the first has the largest factor, which holds for all of them
        corrected.setdefault(p, least)
    return [replace(c, corrected=corrected.get(c.p, math.nan)) for c in comparisons]


def _error_over_photographs(
    pairs: Sequence[tuple[Run, Run]], metric: Metric, weights: str | None, at: str
) -> tuple[float, int]:
    """Standard error of the mean difference over the seeds, and its degrees of freedom."""
    if metric.compute is None:
        # a distance is of all pairs together: no single one has a value
        return _error_of_resamples(pairs, metric, weights, at)
    frames = [(a.pairs(weights), b.pairs(weights)) for a, b in pairs]
    changes = [_finite(b[metric.key]) - _finite(a[metric.key]) for a, b in frames]
    measured = frames[0][0]
    inside = np.full(len(measured), True) if at == ALL else (measured["bin"] == at).to_numpy()
    # over the seeds first: what is asked is how sure their mean is
    values = metric.factor * np.mean(changes, axis=0)[inside]
    _, error, degrees = clustered_mean(values, measured["image"].to_numpy()[inside])
    return error, degrees


def _error_of_resamples(
    pairs: Sequence[tuple[Run, Run]], metric: Metric, weights: str | None, at: str
) -> tuple[float, int]:
    """The same of a distance, by resamples of the photographs that all runs have in common."""
    frames = [(a.distances(weights, at), b.distances(weights, at)) for a, b in pairs]
    photographs = pairs[0][0].pairs(weights)["image"].nunique()
    if any(frame.empty for pair in frames for frame in pair):
        return math.nan, 0
    changes = [b[metric.key].to_numpy() - a[metric.key].to_numpy() for a, b in frames]
    means = pd.Series(metric.factor * np.mean(changes, axis=0))
    if photographs < distances.LEAST_PHOTOGRAPHS or means.isna().any():
        return math.nan, 0
    # the first is of the photographs as they are, the others of draws from them
    return float(np.std(means[1:])), photographs - 1


def _finite(values: pd.Series) -> NDArray[np.float64]:
    """The values, NaN for the infinite PSNR of a composite equal to its original."""
    array = values.to_numpy(dtype=np.float64)
    return np.where(np.isfinite(array), array, math.nan)


def _by_seed(runs: Sequence[Run], others: Sequence[Run]) -> dict[int, Run]:
    """The runs by their seed; the one run of what is not trained for every seed of the others."""
    if runs and not runs[0].record.trained:
        return {run.record.seed: runs[0] for run in others}
    return {run.record.seed: run for run in runs}


def _p_value(mean: float, error: float, degrees: int) -> float:
    from scipy.special import stdtr  # scikit-image brings scipy

    return 2 * float(stdtr(degrees, -abs(mean / error))) if degrees and error > 0 else math.nan
