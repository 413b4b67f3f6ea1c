"""Distances between real and filled images in the features of a network (section 4.3).

Both have 95 % intervals by a bootstrap over photographs: the pairs of one are drawn together, for
they are not independent. An interval is the value with the resamples' standard error on both sides;
their quantiles would be off, since repeated images increase a Fréchet distance.
"""

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from aotgan.metrics.intervals import student
from aotgan.metrics.metric import Metric

RESAMPLES, SEED = 200, 0
LEAST_PHOTOGRAPHS = 10  # of fewer a bootstrap says nothing
BLOCK = 1024  # rows of the kernel matrices at a time

FRECHET = "|mu_1 - mu_2|^2 + tr(S_1 + S_2 - 2 (S_1 S_2)^(1/2)), covariances over n - 1"
KERNEL = (
    "squared maximum mean discrepancy with the kernel (x.y / d + 1)^3, over pairs of different "
    "photographs: unbiased"
)
INTERVAL = (
    f"95% interval by the standard error of {RESAMPLES} resamples of the photographs (none of "
    f"fewer than {LEAST_PHOTOGRAPHS})"
)
METRICS = (
    Metric("fd", "Fréchet distance", FRECHET, digits=2, paper="FID", described="frechet"),
    Metric("kd", "kernel distance", KERNEL, digits=3, described="kernel"),
)
DISTANCES = tuple(metric.key for metric in METRICS)


def unknown() -> dict[str, float]:
    """Returns what `measure` does, all NaN."""
    return {f"{name}{end}": math.nan for name in DISTANCES for end in ("", "_low", "_high")}


def measure(real: Tensor, fake: Tensor, photographs: Sequence[str]) -> dict[str, float]:
    """Returns both distances between originals and fills, with their intervals.

    Args:
        real: features of the originals, float64 (n, d).
        fake: of the fills, in the same order.
        photographs: what each pair's photograph is called.

    Returns:
        As `summary`.
    """
    return summary(resampled(real, fake, photographs), len(set(photographs)))


def resampled(real: Tensor, fake: Tensor, photographs: Sequence[str]) -> pd.DataFrame:
    """Returns the distances, and those of each resample of the photographs.

    The resamples of equal lists of photographs are the same ones, so that the rows of two models
    on one manifest can be subtracted. Arguments as `measure`.

    Returns:
        1 + `RESAMPLES` rows, the first of the pairs as they are. "fd", the Fréchet distance, NaN
        unless n > d, as fewer images have singular covariances; "kd", the kernel distance, NaN for
        one photograph.
    """
    names, index = np.unique(np.asarray(photographs, dtype=str), return_inverse=True)
    of_pair = torch.from_numpy(index).to(real.device)
    counts = draws(len(names)).to(real.device)  # (P, 1 + R)
    frechet = torch.full_like(counts[0], math.nan)
    if len(real) > real.shape[1]:
        each = [frechet_distance(real, fake, weights) for weights in counts[of_pair].T]
        frechet = torch.stack(each)
    kernel = kernel_distances(real, fake, of_pair, counts)
    return pd.DataFrame({"fd": frechet.cpu().numpy(), "kd": kernel.cpu().numpy()})


def summary(resamples: pd.DataFrame, photographs: int) -> dict[str, float]:
    """Returns values and intervals of rows of `resampled`, or of the difference of two models'.

    Args:
        resamples: the first row is the value.
        photographs: how many there are.

    Returns:
        "fd" and "kd"; "fd_low" and so on, the ends of their intervals, NaN for few photographs.
    """
    distances: dict[str, float] = {}
    for name in DISTANCES:
        value, *others = resamples[name].tolist()
        enough = photographs >= LEAST_PHOTOGRAPHS
        half = student(photographs - 1) * float(np.std(others)) if enough else math.nan
        distances |= {name: value, f"{name}_low": value - half, f"{name}_high": value + half}
    return distances


def draws(photographs: int) -> Tensor:
    """How often each photograph counts, (P, 1 + R): once, then as often as each resample has it."""
    rng = np.random.default_rng(SEED)
    drawn = rng.multinomial(photographs, np.full(photographs, 1 / photographs), RESAMPLES)
    return torch.from_numpy(np.vstack([np.ones(photographs), drawn]).T.copy())


def frechet_distance(real: Tensor, fake: Tensor, weights: Tensor) -> Tensor:
    """Fréchet distance of two normal distributions (Heusel et al. 2017), which is FID's.

    It is biased upwards by a term that shrinks with the number of images: compare only values of
    equal counts.

    Args:
        real: features, float64 (n, d).
        fake: the same of other images.
        weights: how often each image counts, (n,).

    Returns:
        Scalar.
    """
    (mean_1, root_1), (mean_2, root_2) = (_moments(x, weights) for x in (real, fake))
    # for S_1 = R^T R the eigenvalues of S_1 S_2 are those of the symmetric R S_2 R^T
    r = torch.linalg.qr(root_1, mode="r").R
    eigenvalues = torch.linalg.eigvalsh(r @ (root_2.T @ root_2) @ r.T)
    cross = eigenvalues.clamp_min(0).sqrt().sum()  # rounding leaves -1e-17 for 0
    traces = root_1.square().sum() + root_2.square().sum()
    return ((mean_1 - mean_2).square().sum() + traces - 2 * cross).clamp_min(0)


def _moments(features: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Mean (d,) of features (n, d) and A (n, d) such that A^T A is their covariance."""
    count = weights.sum()
    mean = weights @ features / count
    return mean, (features - mean) * (weights / (count - 1)).sqrt()[:, None]


def kernel_distances(real: Tensor, fake: Tensor, photographs: Tensor, counts: Tensor) -> Tensor:
    """Kernel distances of KID (Binkowski et al. 2018, arXiv 1801.01401), one a column of counts.

    A fill is no sample of its own: it shows the known pixels of its original. So the mean is over
    pairs (i, j) of different photographs in all four terms (Gretton et al. 2012, Eq. 4, which is
    unbiased where x_i and y_i depend on each other),

        k(x_i, x_j) + k(y_i, y_j) - k(x_i, y_j) - k(y_i, x_j).

    Args:
        real: features x, float64 (n, d).
        fake: features y, in the same order.
        photographs: the number of each pair's photograph, int64 (n,), below P.
        counts: how often each photograph counts, (P, R).

    Returns:
        (R,), NaN where a single photograph counts.
    """
    from torchmetrics.image.kid import poly_kernel  # takes seconds

    weights = counts[photographs]  # (n, R)
    sums = torch.zeros_like(counts[0])
    for rows in torch.arange(len(real), device=real.device).split(BLOCK):
        x, y = real[rows], fake[rows]
        term = poly_kernel(x, real) + poly_kernel(y, fake)
        term -= poly_kernel(x, fake) + poly_kernel(y, real)  # (rows, n)
        term[photographs[rows, None] == photographs] = 0
        sums += (weights[rows] * (term @ weights)).sum(0)
    sizes = torch.bincount(photographs).to(counts)  # pairs of each photograph
    pairs = (sizes @ counts).square() - sizes.square() @ counts.square()
    return sums / pairs
