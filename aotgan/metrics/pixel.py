"""Per-image errors on 8-bit images: L1 in its three readings, PSNR, SSIM (section 4.3).

Every function takes the original and the composite as uint8, (H, W, 3) for one image, which gives a
float, or (N, H, W, 3) for a stack, which gives N values. Masks are bool, (H, W) or (N, H, W), with
True = hole. All sums are exact integers, so that a value depends on nothing but the bytes.

Whole-image errors mostly measure pixels that no model touches: read the hole-only ones beside them.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aotgan.errors import InputError
from aotgan.metrics.metric import Metric

Bytes = NDArray[np.uint8]
Mask = NDArray[np.bool_]
Values = float | NDArray[np.float64]

WINDOW = 7  # side of the SSIM window, px
_PEAK = 255
_SSIM_ROWS = 32  # rows at a time: the intermediate sums of a 512 px image stay in the cache
_PIXELS = WINDOW * WINDOW
_C1 = np.float32((0.01 * _PEAK) ** 2 * _PIXELS**2)  # constants scaled as the integer sums are
_C2 = np.float32((0.03 * _PEAK) ** 2 * _PIXELS * (_PIXELS - 1))


def l1(original: Bytes, composite: Bytes) -> Values:
    """Mean absolute error in [0, 1]: what section 4.3 calls L1; tables print it times 100."""
    return _per_image(lambda x, z: _mean(_difference(x, z)), original, composite)


def l1_hole(original: Bytes, composite: Bytes, mask: Mask) -> Values:
    """Mean absolute error over the hole alone, in [0, 1]."""
    return _per_image(lambda x, z, m: _mean(_difference(x, z)[m]), original, composite, mask)


def l1_released(original: Bytes, composite: Bytes) -> Values:
    """The released code's "MAE": sum |x - z| / sum (x + z), larger on darker images.

    The L1 of Table 1 is most likely this ratio. Two black images, where it is 0/0, count as 0.
    """
    return _per_image(lambda x, z: _ratio(_difference(x, z), x, z), original, composite)


def psnr(original: Bytes, composite: Bytes) -> Values:
    """Peak signal-to-noise ratio over the image, dB; inf where nothing differs."""
    return _per_image(lambda x, z: _decibels(_difference(x, z)), original, composite)


def psnr_hole(original: Bytes, composite: Bytes, mask: Mask) -> Values:
    """Peak signal-to-noise ratio over the hole alone, dB; inf where nothing differs."""
    return _per_image(lambda x, z, m: _decibels(_difference(x, z)[m]), original, composite, mask)


def ssim(original: Bytes, composite: Bytes) -> Values:
    """Structural similarity, 7x7 uniform window: the value of scikit-image's defaults on RGB.

    Raises:
        InputError: a side is shorter than the window, besides what every function here refuses.
    """
    return _per_image(_similarity, original, composite)


def measure(original: Bytes, composite: Bytes, mask: Mask) -> dict[str, float]:
    """All of `METRICS` for one image, sharing the differences.

    Args:
        original: uint8, (H, W, 3).
        composite: uint8, (H, W, 3), the filled image.
        mask: bool, (H, W), True = hole, with at least one hole pixel.

    Raises:
        InputError: wrong type or shape, sides shorter than 7 px, or a mask without a hole.
    """
    original, composite, mask = np.asarray(original), np.asarray(composite), np.asarray(mask)
    if original.ndim != 3:
        raise InputError(f"measure takes one (H, W, 3) image, not shape {original.shape}.")
    _check(original, composite, mask)
    difference = _difference(original, composite)
    return {m.key: m.compute(original, composite, difference, mask) for m in METRICS if m.compute}


def _per_image(metric: Callable[..., float], *arrays: NDArray[Any]) -> Values:
    """Applies a metric to an image, or to each image of a stack."""
    stacks = [np.asarray(array) for array in arrays]
    _check(*stacks)
    if stacks[0].ndim == 3:
        return metric(*stacks)
    return np.array([metric(*items) for items in zip(*stacks, strict=True)], dtype=np.float64)


def _check(original: Bytes, composite: Bytes, mask: Mask | None = None) -> None:
    for name, image in (("original", original), ("composite", composite)):
        if image.dtype != np.uint8:
            raise InputError(f"the {name} image is {image.dtype}: metrics are computed on uint8.")
        if image.ndim not in (3, 4) or image.shape[-1] != 3 or image.size == 0:
            raise InputError(
                f"the {name} image has shape {image.shape}: expected (H, W, 3) or (N, H, W, 3)."
            )
    if original.shape != composite.shape:
        raise InputError(
            f"the original has shape {original.shape} and the composite {composite.shape}: "
            "compare images of one size."
        )
    if mask is not None:
        _check_mask(mask, original.shape[:-1])


def _check_mask(mask: Mask, shape: tuple[int, ...]) -> None:
    if mask.dtype != np.bool_ or mask.shape != shape:
        raise InputError(
            f"the mask is {mask.dtype} of shape {mask.shape}: "
            f"expected bool of shape {shape}, True = hole."
        )
    if not mask.any(axis=(-2, -1)).all():
        raise InputError("a mask has no hole pixel: hole-only errors need at least one.")


def _difference(x: Bytes, z: Bytes) -> Bytes:
    return np.maximum(x, z) - np.minimum(x, z)


def _mean(difference: Bytes) -> float:
    return int(difference.sum(dtype=np.int64)) / (difference.size * _PEAK)


def _ratio(difference: Bytes, x: Bytes, z: Bytes) -> float:
    brightness = int(x.sum(dtype=np.int64)) + int(z.sum(dtype=np.int64))
    return int(difference.sum(dtype=np.int64)) / brightness if brightness else 0.0


def _decibels(difference: Bytes) -> float:
    squares = int(np.square(difference, dtype=np.uint16).sum(dtype=np.int64))  # 255^2 < 2^16
    return 10 * math.log10(_PEAK**2 * difference.size / squares) if squares else math.inf


def _similarity(x: Bytes, z: Bytes) -> float:
    height, width, channels = x.shape
    if min(height, width) < WINDOW:
        raise InputError(f"SSIM needs sides of at least {WINDOW} px, not {height} x {width}.")
    rows = range(0, height - WINDOW + 1, _SSIM_ROWS)
    total = sum(_window_sum(x, z, slice(row, row + _SSIM_ROWS + WINDOW - 1)) for row in rows)
    return total / ((height - WINDOW + 1) * (width - WINDOW + 1) * channels)


def _window_sum(x: Bytes, z: Bytes, rows: slice) -> float:
    """Sum of the SSIM of all windows within some rows.

    SSIM = (2 ux uz + c1) (2 vxz + c2) / ((ux^2 + uz^2 + c1) (vx + vz + c2)). With n = 49 pixels,
    means times n and covariances times n (n - 1) are integers below 2^31, so only the quotient is
    rounded: float32 loses nothing that the mean over an image could show.
    """
    a, b = x[rows].astype(np.int32), z[rows].astype(np.int32)
    sum_a, sum_b = _box_sums(a), _box_sums(b)  # n ux, n uz, (h - 6, W - 6, 3)
    sum_ab, sum_squares = _box_sums(a * b), _box_sums(a * a + b * b)
    means = sum_a * sum_b  # n^2 ux uz
    mean_squares = sum_a * sum_a + sum_b * sum_b  # n^2 (ux^2 + uz^2)
    covariance = _PIXELS * sum_ab - means  # n (n - 1) vxz
    variance = _PIXELS * sum_squares - mean_squares  # n (n - 1) (vx + vz)
    above = ((2 * means).astype(np.float32) + _C1) * ((2 * covariance).astype(np.float32) + _C2)
    below = (mean_squares.astype(np.float32) + _C1) * (variance.astype(np.float32) + _C2)
    return float((above / below).sum(dtype=np.float64))


def _box_sums(values: NDArray[np.int32]) -> NDArray[np.int32]:
    """Sums over all 7x7 windows that lie inside, (h, w, C) -> (h - 6, w - 6, C)."""
    for _ in range(2):
        values = _seven(values).swapaxes(0, 1)  # the second round brings the axes back in order
    return values


def _seven(values: NDArray[np.int32]) -> NDArray[np.int32]:
    """Sums of 7 neighbours along the first axis, by 2 + 2, 4 + 2 and 6 + 1."""
    two = values[:-1] + values[1:]
    four = two[:-2] + two[2:]
    return four[:-3] + two[4:-1] + values[6:]


METRICS = (
    Metric(
        "l1",
        "L1 (1e-2)",
        "mean |x - z| over the image, intensities in [0, 1] (the paper prints it times 100)",
        lambda x, z, difference, mask: _mean(difference),
        factor=100,
        paper="L1_1e-2",
    ),
    Metric(
        "l1_hole",
        "L1 in the hole (1e-2)",
        "mean |x - z| over the pixels of the hole, intensities in [0, 1]",
        lambda x, z, difference, mask: _mean(difference[mask]),
        factor=100,
    ),
    Metric(
        "l1_released",
        formula="sum |x - z| / sum (x + z), a relative error (released code, metric.py:19-22)",
        compute=lambda x, z, difference, mask: _ratio(difference, x, z),
    ),
    Metric(
        "psnr",
        "PSNR (dB)",
        "10 log10(255^2 / mean (x - z)^2) over the image, dB; inf for identical images",
        lambda x, z, difference, mask: _decibels(difference),
        higher=True,
        paper="PSNR_dB",
    ),
    Metric(
        "psnr_hole",
        formula="the same over the pixels of the hole",
        compute=lambda x, z, difference, mask: _decibels(difference[mask]),
        higher=True,
    ),
    Metric(
        "ssim",
        "SSIM",
        "mean structural similarity of the RGB channels, 7x7 uniform window without padding, "
        "sample covariance, K1 = 0.01, K2 = 0.03, range 255 (scikit-image's default)",
        lambda x, z, difference, mask: _similarity(x, z),
        digits=3,
        higher=True,
        paper="SSIM",
    ),
)
PIXEL_METRICS = tuple(metric.key for metric in METRICS)
