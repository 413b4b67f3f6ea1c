"""Transformed weights, kept from call to call where nothing is trained."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

from aotgan.winograd import kernels
from aotgan.winograd.kernels import PANEL, POINTS
from aotgan.winograd.threads import Array, lines, panels
from aotgan.winograd.transforms import GAP

# Of all kept weights, and of a layer's: transformed ones are four times as large, and a network of
# full width is slow enough to transform them anew.
KEPT_BYTES, LARGEST_BYTES = 2**26, 2**22


class Layer(NamedTuple):
    """A convolution: weights (K, C, 3, 3) and bias (K,) or None; K and C multiples of 16."""

    weight: Tensor
    bias: Tensor | None


class _Kept(NamedTuple):
    """Transformed weights, and what the weights were."""

    state: tuple
    panels: Array


_kept = WeakTensorKeyDictionary()


def transformed(layers: Sequence[Layer], transpose: bool = False) -> Array:
    """Returns transformed weights of several layers side by side, or their transpose.

    They are valid until the next call on this thread.
    """
    if transpose or torch.is_grad_enabled() or 4 * _size(layers) > LARGEST_BYTES:
        return _transform(layers, transpose, panels(_size(layers)))
    state = tuple(_state(layer.weight) for layer in layers)
    kept = _kept.get(layers[0].weight)
    if kept is not None and kept.state == state:
        return kept.panels
    others = sum(one.panels.nbytes for one in _kept.values() if one is not kept)
    if others + 4 * _size(layers) > KEPT_BYTES:
        _kept.pop(layers[0].weight, None)
        return _transform(layers, transpose, panels(_size(layers)))
    made = _transform(layers, transpose, np.empty(_size(layers), np.float32))
    _kept[layers[0].weight] = _Kept(state, made)
    return made


def _state(weight: Tensor) -> tuple[int, int, float]:
    """What changes when weights do; the sum also where they are changed behind PyTorch's back."""
    version = 0 if weight.is_inference() else weight._version
    return weight.data_ptr(), version, float(weight.sum())


def _size(layers: Sequence[Layer]) -> int:
    outputs = sum(len(layer.weight) for layer in layers)
    return POINTS * (outputs * layers[0].weight.shape[1] + GAP)


def _transform(layers: Sequence[Layer], transpose: bool, into: Array) -> Array:
    width, channels = sum(len(layer.weight) for layer in layers), layers[0].weight.shape[1]
    plane = width * channels + GAP
    first = 0
    for layer in layers:
        flat, (step_k, step_c, step_tap) = dense(layer.weight)
        count = len(layer.weight)
        if transpose:
            sizes, base, depth = (count, channels), first * PANEL, width
            strides = step_c, step_k, step_tap
        else:
            sizes, base, depth = (channels, count), first * channels, channels
            strides = step_k, step_c, step_tap
        kernels.transform_weights(flat, strides, *sizes, into, plane, base, depth, lines())
        first += count
    return into


def dense(weight: Tensor) -> tuple[Array, tuple[int, int, int]]:
    """Returns (K, C, 3, 3) as it lies in memory, and the steps between outputs, inputs and taps."""
    channels = weight.shape[1]
    weight = weight.detach()
    if weight.is_contiguous():
        return weight.reshape(-1).numpy(), (9 * channels, 9, 1)
    last = weight.permute(0, 2, 3, 1).contiguous()  # a copy unless in channels last
    return last.reshape(-1).numpy(), (9 * channels, 1, channels)
