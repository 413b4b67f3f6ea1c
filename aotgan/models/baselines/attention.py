"""Contextual attention: patches of the hole are rebuilt of known patches that look alike.

The core that CA, GatedConv, HiFill and PEN-Net share, in the steps of the first (Yu et al., 2018,
section 4; released: inpaint_ops.py, `contextual_attention`):

    match       score of every position of a map with every key, a patch of the same map
    propagate   neighbours of a good pair are good pairs (CA, GatedConv, HiFill)
    weigh       softmax over the keys that show no hole
    paste       weighted sums of patches of a value map, overlapping, at their new places

Every position is a query, known ones included. Keys and queries lie on one grid of h x w cells,
K = h w of them row by row; value patches lie on the same grid, however fine their own map is. Each
image has its own valid keys. Everything is computed in float32 or better, under autocast too: a
bfloat16 score would be off by more than its neighbours differ.
"""

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from aotgan.errors import InputError
from aotgan.losses.checks import full_precision

SCALE = 10.0  # of the scores in the softmax
FLOOR = 1e-4  # of the norm of a key; HiFill has 1e-8
LIVE_SCORES = 2**24  # scores that `attend` holds at once, 64 MB


def valid_keys(holes: Tensor, kernel: int = 3) -> Tensor:
    """Tells the keys that show known cells alone.

    Args:
        holes: (B, 1, h, w), the mask at the size of the map that keys are taken from; above 0 in
            every cell that counts as hole. How a mask shrinks to it is the model's matter.
        kernel: side of a key in cells, odd. Outside of the map everything is known.

    Returns:
        (B, h w), 1 = valid, 0 = not, in float32 or better.
    """
    touched = F.max_pool2d(full_precision(holes), kernel, stride=1, padding=kernel // 2)
    return (touched == 0).to(touched.dtype).flatten(1)


def match(features: Tensor, kernel: int = 3, floor: float = FLOOR) -> Tensor:
    """Scores every patch of a map against every key: <query, key> / max(|key|, floor).

    Keys are normalised, queries are not, as released: a strong query decides more sharply.

    Args:
        features: (B, C, h, w).
        kernel: side of the patches in cells, odd; zeros outside of the map.
        floor: of the norm of a key.

    Returns:
        (B, K, K), queries in rows and keys in columns.
    """
    with torch.autocast(features.device.type, enabled=False):
        queries = _patches(full_precision(features), kernel, 1)  # (B, K, C kernel^2)
        return queries @ _keys(queries, floor)


def propagate(scores: Tensor, size: tuple[int, int]) -> Tensor:
    """Adds the scores of pairs shifted together by one cell, along rows, then along columns.

    As released, positions are shifted in their order of reading, so that the end of a line is
    followed by the start of the next one.

    Args:
        scores: (B, K, K) of `match`.
        size: h and w of the grid, h w = K.

    Returns:
        (B, K, K).
    """
    height, width = size
    by_rows = _diagonal_sum(scores)
    by_columns = _diagonal_sum(_swap(by_rows, height, width))
    return _swap(by_columns, width, height)


def weigh(
    scores: Tensor, valid: Tensor, scale: float = SCALE, lowest: float | None = None
) -> Tensor:
    """Softmax over the keys, then without the keys that are not valid.

    Those enter the softmax with a score of 0 and leave with their share, so that weights need not
    sum to 1. An image without any valid key has zeros.

    Args:
        scores: (B, Q, K) in float32 or better, any number of queries.
        valid: (B, K) of `valid_keys`.
        scale: of the scores.
        lowest: the weights are raised to it, those of invalid keys too; PEN-Net has 1e-8.

    Returns:
        (B, Q, K).

    Raises:
        InputError: `valid` is not one row of K keys for each image.
    """
    if valid.shape != (scores.shape[0], scores.shape[2]):
        raise InputError(
            f"valid keys {tuple(valid.shape)} for scores {tuple(scores.shape)}: expected (B, K) "
            "and (B, Q, K) of the same B and K; shrink the mask to the size of the keys' map."
        )
    valid = valid[:, None]  # (B, 1, K)
    weights = torch.softmax(scale * scores * valid, dim=2) * valid
    return weights if lowest is None else weights.clamp(min=lowest)


def paste(weights: Tensor, values: Tensor, side: int, stride: int, divisor: float = 1.0) -> Tensor:
    """Puts the weighted sum of the value patches at every position; where they overlap, adds them.

    A transposed convolution of the weights whose kernels are the value patches, with "same"
    padding: of the side - stride rows beyond the map, the odd one lies at its end.

    Args:
        weights: (B, K, K) of `weigh`; one map of weights serves value maps of any resolution.
        values: (B, C, H, W) with H / stride x W / stride = K.
        side: of a value patch in cells of the value map, at least the stride.
        stride: cells of the value map between neighbouring patches.
        divisor: of the result; 4 for patches of 4 at a stride of 2 (CA, PEN-Net), 1 for HiFill.

    Returns:
        (B, C, H, W) in float32 or better.

    Raises:
        InputError: the value map does not have K patches, or they leave gaps.
    """
    keys = weights.shape[2]
    with torch.autocast(values.device.type, enabled=False):
        patches = _value_patches(values, keys, side, stride)
        return _fold(weights @ patches, values.shape, side, stride) / divisor


def attend(
    features: Tensor,
    values: Tensor,
    valid: Tensor,
    *,
    kernel: int = 3,
    side: int = 4,
    stride: int = 2,
    divisor: float = 4.0,
    floor: float = FLOOR,
    scale: float = SCALE,
    lowest: float | None = None,
    live: int = LIVE_SCORES,
) -> Tensor:
    """`match`, `weigh` and `paste` without ever holding all scores, in training neither.

    The queries are taken in chunks. Those of several chunks are scored a second time in the
    backward pass.

    Args:
        features: (B, C', h, w) that queries and keys are taken from.
        values: (B, C, H, W) of `paste`.
        valid: (B, h w) of `valid_keys`.
        kernel: of `match`.
        side: of `paste`.
        stride: of `paste`.
        divisor: of `paste`.
        floor: of `match`.
        scale: of `weigh`.
        lowest: of `weigh`.
        live: largest number of scores of a chunk.

    Returns:
        (B, C, H, W) in float32 or better.

    Raises:
        InputError: as `weigh` and `paste`.
    """

    def chunk_of(queries: Tensor, keys: Tensor, patches: Tensor) -> Tensor:
        return weigh(queries @ keys, valid, scale, lowest) @ patches  # (B, q, C side^2)

    with torch.autocast(features.device.type, enabled=False):
        queries = _patches(full_precision(features), kernel, 1)  # (B, K, C' kernel^2)
        keys = _keys(queries, floor)
        patches = _value_patches(values, keys.shape[2], side, stride)
        chunks = queries.split(max(1, live // (keys.shape[0] * keys.shape[2])), dim=1)
        if len(chunks) == 1:
            results = [chunk_of(queries, keys, patches)]
        else:
            results = [
                checkpoint(
                    chunk_of, chunk, keys, patches, use_reentrant=False, preserve_rng_state=False
                )
                for chunk in chunks
            ]
        return _fold(torch.cat(results, dim=1), values.shape, side, stride) / divisor


def _patches(x: Tensor, side: int, stride: int) -> Tensor:
    """Patches around the cells of a grid, zeros outside: (B, C, H, W) to (B, K, C side^2)."""
    before, after = _padding(side, stride)
    return F.unfold(F.pad(x, (before, after, before, after)), side, stride=stride).transpose(1, 2)


def _fold(patches: Tensor, shape: torch.Size, side: int, stride: int) -> Tensor:
    """Adds up patches at the places where `_patches` takes them: (B, K, C side^2) to `shape`."""
    before, after = _padding(side, stride)
    height, width = shape[2:]
    padded = (height + before + after, width + before + after)
    summed = F.fold(patches.transpose(1, 2), padded, side, stride=stride)
    return summed[:, :, before : before + height, before : before + width]


def _padding(side: int, stride: int) -> tuple[int, int]:
    """Rows before and after a map with which patches lie on size / stride cells."""
    return (side - stride) // 2, (side - stride + 1) // 2


def _keys(queries: Tensor, floor: float) -> Tensor:
    """Normalised patches in columns: (B, K, D) to (B, D, K)."""
    return F.normalize(queries, dim=2, eps=floor).transpose(1, 2)


def _value_patches(values: Tensor, keys: int, side: int, stride: int) -> Tensor:
    height, width = values.shape[2:]
    whole = height % stride == 0 and width % stride == 0
    if side < stride or not whole or (height // stride) * (width // stride) != keys:
        raise InputError(
            f"a value map {tuple(values.shape)} in patches of {side} at a stride of {stride}: "
            f"expected {keys} patches, one for each key, that leave no gaps."
        )
    return _patches(full_precision(values), side, stride)  # (B, K, C side^2)


def _diagonal_sum(scores: Tensor) -> Tensor:
    """s(i, j) + s(i - 1, j - 1) + s(i + 1, j + 1), zeros outside."""
    earlier = F.pad(scores[:, :-1, :-1], (1, 0, 1, 0))
    later = F.pad(scores[:, 1:, 1:], (0, 1, 0, 1))
    return scores + earlier + later


def _swap(scores: Tensor, height: int, width: int) -> Tensor:
    """Reads the grids of queries and keys, height x width, column by column."""
    batch = scores.shape[0]
    grids = scores.reshape(batch, height, width, height, width)
    return grids.permute(0, 2, 1, 4, 3).reshape(scores.shape)
