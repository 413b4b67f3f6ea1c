"""Intervals of means over images, several of which may show one photograph."""

import math
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

CONFIDENCE = 0.95


def interval(values: NDArray[Any], clusters: NDArray[Any]) -> tuple[float, float, float]:
    """Mean of the finite values and the ends of its 95 % t interval, clustered.

    With one value a cluster this is the textbook interval of the mean. Ends are NaN for a single
    cluster, everything is NaN without a finite value.

    Args:
        values: (N,).
        clusters: (N,) labels; values of one label may be correlated.
    """
    mean, error, degrees = clustered_mean(values, clusters)
    half = student(degrees) * error if degrees else math.nan
    return mean, mean - half, mean + half


def clustered_mean(values: NDArray[Any], clusters: NDArray[Any]) -> tuple[float, float, int]:
    """Mean of the finite values, its standard error, and the degrees of freedom of that.

    The error is NaN and the degrees are 0 for less than two clusters.

    Args:
        values: (N,).
        clusters: (N,) labels; values of one label may be correlated.
    """
    finite = np.isfinite(values)
    if not finite.any():
        return math.nan, math.nan, 0
    values, clusters = values[finite].astype(np.float64), clusters[finite]
    mean = float(values.mean())
    sums = pd.Series(values - mean).groupby(clusters).sum().to_numpy()  # one a cluster
    if len(sums) < 2:
        return mean, math.nan, 0
    error = math.sqrt(len(sums) / (len(sums) - 1) * float(sums @ sums)) / len(values)
    return mean, error, len(sums) - 1


def student(degrees: int) -> float:
    """Half width of a 95 % interval in standard errors: the quantile of Student's t."""
    from scipy.special import stdtrit  # scikit-image brings scipy

    return float(stdtrit(degrees, (1 + CONFIDENCE) / 2))
