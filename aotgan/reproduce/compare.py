"""Is one experiment better than another, and how sure is that?

Chance enters twice. Another seed gives other weights: that spread is estimated from the experiments
that were run with several seeds, pooled, for they are networks of one kind and two or three seeds
of one alone say little. Another set of photographs gives other measurements: that is estimated from
the differences pair by pair, clustered by photograph. A claim about a method needs the first; the
second alone speaks of these very weights. What is not trained is the same for every seed: it has no
spread between seeds, and each seed of another experiment is compared with its one run.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from aotgan.errors import InputError
from aotgan.metrics.intervals import clustered_mean, student
from aotgan.metrics.report import ALL
from aotgan.reproduce.records import Record, load_record
from aotgan.reproduce.tables import Metric

RESOLVED = ("better", "worse")


@dataclass(frozen=True)
class Run:
    """A finished run: its record and the measurements of each pair ("weights", "image", ...)."""

    record: Record
    per_image: pd.DataFrame

    def value(self, metric: Metric, weights: str | None = None, at: str = ALL) -> float:
        """Mean over the pairs of a bin in the table's unit, of the tables' weights by default."""
        rows = self.record.rows(weights)
        value = next(row for row in rows if row["bin"] == at).get(metric.key)
        return math.nan if value is None else float(value) * metric.factor


@dataclass(frozen=True)
class Spread:
    """Standard deviation between seeds, pooled; NaN where no experiment has two."""

    deviation: float
    degrees: int

    def half_width(self, *seeds: int) -> float:
        """Half of the 95 % interval of a mean over so many seeds, or of a difference of two."""
        if not self.degrees:
            return math.nan
        return student(self.degrees) * self.deviation * math.sqrt(sum(1 / n for n in seeds))


@dataclass(frozen=True)
class Comparison:
    """What a second experiment changes: second minus first, in the table's unit.

    Attributes:
        metric: what is compared.
        difference: of the means over seeds.
        low, high: its 95 % interval over seeds; NaN where their spread is unknown.
        image_difference: mean difference pair by pair over the seeds that both have.
        image_low, image_high: its 95 % interval over photographs, for these weights.
        p_images: two-sided p of that difference, Student's t.
        seeds: runs of the first and of the second.
    """

    metric: Metric
    difference: float
    low: float
    high: float
    image_difference: float
    image_low: float
    image_high: float
    p_images: float
    seeds: tuple[int, int]

    @property
    def verdict(self) -> str:
        """Whether the second is "better" or "worse" than the first, or that is "not resolved"."""
        if not (self.low > 0 or self.high < 0):
            return "not resolved"
        return RESOLVED[0] if (self.difference > 0) == self.metric.higher else RESOLVED[1]


def read_run(record: str | Path, pairs: str | Path) -> Run:
    """Reads a record and the measurements beside it.

    Raises:
        InputError: one of them is missing or no such file.
    """
    loaded = load_record(record)
    try:
        return Run(loaded, pd.read_csv(pairs))
    except (OSError, ValueError) as error:
        raise InputError(
            f"{pairs} has no measurements by pair ({error}). Move {record} away and run "
            f"{loaded.experiment}, seed {loaded.seed}, again."
        ) from error


def seed_spread(
    groups: Iterable[Sequence[Run]],
    metric: Metric,
    weights: str | None = None,
    at: str = ALL,
) -> Spread:
    """Pools the standard deviation between seeds over experiments, one group each; `at` a bin."""
    squares, degrees = 0.0, 0
    for group in groups:
        values = np.array([run.value(metric, weights, at) for run in group])
        squares += float(((values - values.mean()) ** 2).sum())
        degrees += len(values) - 1
    return Spread(math.sqrt(squares / degrees) if degrees else math.nan, degrees)


def compare(
    first: Sequence[Run],
    second: Sequence[Run],
    metric: Metric,
    spread: Spread,
    weights: str | None = None,
) -> Comparison:
    """Compares two experiments, each a sequence of runs that differ in their seed.

    Args:
        first: runs of one experiment.
        second: runs of the other, measured on the same pairs.
        metric: what to compare.
        spread: between seeds, from `seed_spread` over all experiments of the scale.
        weights: "raw" or "ema"; those that tables show by default.

    Raises:
        InputError: no runs, or runs measured on other pairs.
    """
    if not first or not second:
        raise InputError("nothing to compare: give at least one run of each experiment.")
    hashes = {run.record.evaluation["manifest_sha256"] for run in (*first, *second)}
    if len(hashes) > 1:
        raise InputError("the runs were measured on different pairs and cannot be compared.")
    means = [np.mean([run.value(metric, weights) for run in runs]) for runs in (first, second)]
    difference = float(means[1] - means[0])
    half = spread.half_width(*(len(runs) for runs in (first, second) if runs[0].record.trained))
    mean, error, degrees = _by_photograph(first, second, metric, weights)
    half_images = student(degrees) * error if degrees else math.nan
    return Comparison(
        metric,
        difference,
        low=difference - half,
        high=difference + half,
        image_difference=mean,
        image_low=mean - half_images,
        image_high=mean + half_images,
        p_images=_p_value(mean, error, degrees),
        seeds=(len(first), len(second)),
    )


def _by_photograph(
    first: Sequence[Run], second: Sequence[Run], metric: Metric, weights: str | None
) -> tuple[float, float, int]:
    """Mean difference pair by pair over the common seeds, its standard error and freedom."""
    ours, theirs = _by_seed(first, second), _by_seed(second, first)
    common = sorted(ours.keys() & theirs.keys())
    if not common or metric.key not in ours[common[0]].per_image:
        return math.nan, math.nan, 0  # the Frechet distance is no mean over images
    tables = [(_shown(ours[seed], weights), _shown(theirs[seed], weights)) for seed in common]
    differences = [b[metric.key].to_numpy() - a[metric.key].to_numpy() for a, b in tables]
    values = metric.factor * np.mean(differences, axis=0)
    return clustered_mean(values, tables[0][0]["image"].to_numpy())


def _by_seed(runs: Sequence[Run], others: Sequence[Run]) -> dict[int, Run]:
    """The runs by their seed; the one run of what is not trained for every seed of the others."""
    if not runs[0].record.trained:
        return {run.record.seed: runs[0] for run in others}
    return {run.record.seed: run for run in runs}


def _shown(run: Run, weights: str | None) -> pd.DataFrame:
    """The measurements of some weights, by default those that tables show."""
    return run.per_image[run.per_image["weights"] == run.record.weights_for(weights)]


def _p_value(mean: float, error: float, degrees: int) -> float:
    from scipy.special import stdtr  # scikit-image brings scipy

    return 2 * float(stdtr(degrees, -abs(mean / error))) if degrees and error > 0 else math.nan
