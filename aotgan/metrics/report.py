"""Evaluation of an inpainting function on fixed image-mask pairs, per mask-ratio bin (section 4.4).

What is measured is the 8-bit composite: the prediction rounded to bytes in the hole, the original
bytes elsewhere, so that no model is charged for pixels that it was given.
"""

from collections.abc import Callable, Iterable, Iterator, Sized
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from aotgan.data.images import to_tensor, to_uint8
from aotgan.errors import InputError
from aotgan.metrics import distances
from aotgan.metrics.embedding import Embedding
from aotgan.metrics.intervals import CONFIDENCE, interval
from aotgan.metrics.pixel import METRICS, PIXEL_METRICS, measure

ALL = "all"  # label of the row over every bin
KNOWN_TOLERANCE = 8.0  # mean grey levels by which a composite may miss the pixels it was given
THREADS = 4  # the pixel metrics of 4 images at once keep pace with a GPU

Fill = Callable[[Tensor, Tensor], Tensor]


class PairLike(Protocol):
    """What the report needs to know of a pair; see `aotgan.data.manifest.Pair`."""

    @property
    def bin(self) -> str:
        """Label of the mask-ratio bin."""

    @property
    def image(self) -> str:
        """Name of the photograph; pairs of one name count as correlated."""


Case = tuple[NDArray[np.uint8], NDArray[np.bool_], PairLike]
Keep = Callable[[Case, NDArray[np.uint8]], object]


@dataclass(frozen=True)
class Evaluation:
    """Measurements of one model on one manifest.

    Attributes:
        per_image: one row a pair, in manifest order: bin, image, mask_ratio and `PIXEL_METRICS`.
        per_bin: one row a bin and one for "all": bin, n (pairs), images (distinct photographs),
            identical (composites equal to the original), mask_ratio, for each metric its mean and
            the ends of its 95 % interval (`<metric>`, `<metric>_low`, `<metric>_high`), and the
            same of fd and kd, the Fréchet and the kernel distance (NaN where they were not asked
            for, and as `aotgan.metrics.distances.measure` says).
        protocol: what each number is, for the record; see `protocol`.
        resamples: the distances of each bin and resample of the photographs, see
            `aotgan.metrics.distances.resampled`: bin, fd, kd; empty where they were not asked for.
    """

    per_image: pd.DataFrame
    per_bin: pd.DataFrame
    protocol: dict[str, Any]
    resamples: pd.DataFrame


def evaluate(
    fill: Fill,
    manifest: Iterable[Case],
    batch_size: int = 8,
    embedding: Embedding | None = None,
    progress: bool = True,
    device: str | torch.device = "cpu",
    keep: Keep | None = None,
) -> Evaluation:
    """Fills every pair of a manifest and measures the composites.

    Args:
        fill: maps images, float (B, 3, H, W) in [-1, 1], and masks, float (B, 1, H, W) with
            1 = hole, to composites, float (B, 3, H, W) in [-1, 1].
        manifest: yields (image, mask, pair): uint8 (H, W, 3), bool (H, W) with True = hole, and an
            object with `.bin` and `.image`. One size for all.
        batch_size: pairs in a call of `fill`.
        embedding: the features that the distances are computed on; None for no distances.
        progress: show a progress bar if standard error is a terminal.
        device: where `fill` gets its tensors.
        keep: is given each case, in manifest order, and its composite, uint8 (H, W, 3).

    Raises:
        InputError: an empty manifest or mask, or a result of `fill` that is no composite.
    """
    if batch_size < 1:
        raise InputError(f"batch_size={batch_size}: give at least 1.")
    # threads measure a batch while the network fills the next one
    features: list[tuple[Tensor, Tensor]] = []
    rows: list[dict[str, Any]] = []
    pending: Iterator[dict[str, Any]] = iter(())
    total = len(manifest) if isinstance(manifest, Sized) else None
    with (
        ThreadPoolExecutor(THREADS) as pool,
        tqdm(total=total, unit="image", disable=None if progress else True) as bar,
    ):
        for cases in _batches(manifest, batch_size):
            originals, composites = _composites(fill, cases, device)
            if keep is not None:
                for case, filled in zip(cases, composites, strict=True):
                    keep(case, filled)
            rows += pending  # the previous batch was measured while this one was filled
            pending = pool.map(_row, cases, composites)
            if embedding is not None:
                features.append((_embed(embedding, originals), _embed(embedding, composites)))
            bar.update(len(cases))
        rows += pending
    if not rows:
        raise InputError("the manifest has no pairs: nothing to evaluate.")
    # distances are of all pairs of a bin together, and so are computed last
    per_image = pd.DataFrame(rows)
    real, fake = ([pair[i] for pair in features] for i in range(2))
    resamples = pd.DataFrame()
    if features:
        resamples = _resampled(per_image, torch.cat(real), torch.cat(fake))
    return Evaluation(per_image, summarise(per_image, resamples), protocol(embedding), resamples)


def summarise(per_image: pd.DataFrame, resamples: pd.DataFrame | None = None) -> pd.DataFrame:
    """Averages per-image measurements by bin; columns as in `Evaluation.per_bin`.

    The interval is Student's t on the mean, with the standard error clustered by photograph, for
    several crops of one photograph are not independent. Infinite PSNRs (nothing differs) are left
    out of the mean and counted as `identical`.

    Args:
        per_image: as in `Evaluation.per_image`.
        resamples: as in `Evaluation.resamples`.
    """
    rows = []
    for label, group in _bins(per_image).items():
        row = {
            "bin": label,
            "n": len(group),
            "images": group["image"].nunique(),
            "identical": int((group["l1"] == 0).sum()),
            "mask_ratio": group["mask_ratio"].mean(),
        }
        for metric in PIXEL_METRICS:
            mean, low, high = interval(group[metric].to_numpy(), group["image"].to_numpy())
            row |= {metric: mean, f"{metric}_low": low, f"{metric}_high": high}
        # distances are of many pairs together, and their error that of drawing these anew
        if resamples is None or resamples.empty:
            rows.append(row | distances.unknown())
        else:
            own = resamples[resamples["bin"] == label]
            rows.append(row | distances.summary(own, group["image"].nunique()))
    return pd.DataFrame(rows)


def _bins(per_image: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The rows of each bin and, last, of all; numbered from 0."""
    per_image = per_image.reset_index(drop=True)
    labels = per_image["bin"].unique()
    return {label: per_image[per_image["bin"] == label] for label in labels} | {ALL: per_image}


def protocol(embedding: Embedding | None = None) -> dict[str, Any]:
    """Describes every number of an `Evaluation`, in JSON types, for the record beside it."""
    return {
        "composite": "prediction in the hole, original bytes elsewhere; clamped to [-1, 1], "
        "rounded to 8 bits before measuring",
        "metrics": {metric.key: metric.formula for metric in METRICS},
        "mean": "over images; infinite PSNRs are left out and counted as identical",
        "interval": f"{CONFIDENCE:.0%} t interval of the mean, clustered by photograph",
        **({"frechet": None} if embedding is None else embedding.protocol),
    }


def _batches(manifest: Iterable[Case], size: int) -> Iterator[list[Case]]:
    cases = iter(manifest)
    while batch := list(islice(cases, size)):
        yield batch


@torch.no_grad()
def _composites(
    fill: Fill, cases: list[Case], device: str | torch.device
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Returns the originals and the 8-bit composites of a batch, both (B, H, W, 3)."""
    originals, masks, names = _stack(cases)
    images = to_tensor(originals).to(device)
    holes = torch.from_numpy(masks)[:, None].float().to(device)
    filled = fill(images, holes)
    if filled.shape != images.shape or not filled.is_floating_point():
        raise InputError(
            f"fill returned {filled.dtype} of shape {tuple(filled.shape)} for {names}: "
            f"expected float of shape {tuple(images.shape)}."
        )
    if not torch.isfinite(filled).all():
        raise InputError(f"fill returned NaN or infinite values for {names}: has it diverged?")
    composites = to_uint8(filled)
    _check_known(originals, composites, ~masks, names)
    return originals, np.where(masks[..., None], composites, originals)


def _stack(cases: list[Case]) -> tuple[NDArray[np.uint8], NDArray[np.bool_], str]:
    """Returns the images (B, H, W, 3), the masks (B, H, W) and the names of a batch."""
    names = ", ".join(str(pair.image) for _, _, pair in cases)
    sizes = {image.shape[:2] for image, _, _ in cases} | {mask.shape for _, mask, _ in cases}
    if len(sizes) > 1:
        raise InputError(f"images and masks of {names} differ in size: {sorted(sizes)}.")
    masks = np.stack([mask for _, mask, _ in cases])
    if masks.dtype != np.bool_ or not masks.any(axis=(1, 2)).all():
        raise InputError(f"masks of {names} must be bool with at least one hole pixel each.")
    return np.stack([image for image, _, _ in cases]), masks, names


def _check_known(
    originals: NDArray[np.uint8],
    composites: NDArray[np.uint8],
    known: NDArray[np.bool_],
    names: str,
) -> None:
    """Refuses a wrong range or mask polarity, which would only look like a bad model."""
    if not known.any():
        return
    error = np.abs(composites[known].astype(np.int16) - originals[known]).mean()
    if error > KNOWN_TOLERANCE:
        raise InputError(
            f"fill changed the known pixels of {names} by {error:.1f} grey levels on average. It "
            "must return composites in [-1, 1], x (1 - m) + G m with m = 1 in the hole (Eq. 2)."
        )


def _row(case: Case, composite: NDArray[np.uint8]) -> dict[str, Any]:
    original, mask, pair = case
    about = {"bin": pair.bin, "image": str(pair.image), "mask_ratio": float(mask.mean())}
    return about | measure(original, composite, mask)


def _embed(embedding: Embedding, images: NDArray[np.uint8]) -> Tensor:
    """Features (B, d) of images (B, H, W, 3)."""
    return embedding(torch.from_numpy(images).movedim(-1, 1))


def _resampled(per_image: pd.DataFrame, real: Tensor, fake: Tensor) -> pd.DataFrame:
    """The table `Evaluation.resamples` of features (N, d) in the order of the pairs."""
    frames = {}
    for label, group in _bins(per_image).items():
        rows = torch.from_numpy(group.index.to_numpy(copy=True)).to(real.device)
        frames[label] = distances.resampled(real[rows], fake[rows], list(group["image"]))
    return pd.concat(frames, names=["bin", None]).reset_index("bin")
