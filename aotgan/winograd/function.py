"""The kernels as one differentiable operation, on as many threads as PyTorch has.

No sum depends on the number of threads: a forward pass is cut at tiles, a backward pass into
stretches of images, as many as the size asks for, whose gradients are added in their order.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from aotgan.winograd import kernels
from aotgan.winograd.kernels import POINTS
from aotgan.winograd.threads import Array, call, lines, run_jobs
from aotgan.winograd.transforms import GAP, TILES
from aotgan.winograd.weights import Layer, dense, transformed

MOST_PARTS, PART = 8, 4096  # stretches of images, and positions that are worth one


class Bank(NamedTuple):
    """Layers of one dilation, which share the transformed input.

    Attributes:
        rate: dilation.
        n: outputs of the layer that writes into the first result; 0 without one.
        n2: of the layer that writes into the second result.
    """

    rate: int
    n: int
    n2: int = 0


class Place(NamedTuple):
    """A bank, its layers, and the channel of either result where it begins."""

    bank: Bank
    layers: list[Layer]
    at: int
    at2: int


class Convolutions(torch.autograd.Function):
    """Dilated 3x3 convolutions of one input, concatenated into two results.

    Takes x (B, H, W, C), banks, whether padding is by reflection (else zeros), whether a ReLU
    follows in the first result, and of each layer in the banks' order weight and bias. Returns
    (B, H, W, sum of n) and (B, H, W, sum of n2).
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        banks: tuple[Bank, ...],
        reflect: bool,
        relu: bool,
        *parameters: Tensor | None,
    ) -> tuple[Tensor, Tensor]:
        """Convolves; see the class."""
        batch, height, width, channels = x.shape
        y = x.new_empty(batch, height, width, sum(bank.n for bank in banks))
        y2 = x.new_empty(batch, height, width, sum(bank.n2 for bank in banks))
        flat, flat_y, flat_y2 = _flat(x), _flat(y), _flat(y2)
        # layers of one dilation share the transformed input: a pass a bank
        for bank, layers, at, at2 in _places(banks, parameters):
            to = flat_y, y.shape[-1], at, bank.n, relu
            to2 = flat_y2, y2.shape[-1], at2, bank.n2, False
            given = flat, transformed(layers), _biases(layers), to, to2
            shape = height, width, channels, bank.rate, reflect
            run_jobs(
                partial(call, kernels.forward, (*given, *tiles, shape), channels, bank.n + bank.n2)
                for tiles in _shares(batch * _tiles(height, width, bank.rate))
            )
        # ReLU's mask is read off its result, so nothing more is kept for it
        ctx.save_for_backward(x, y if relu else None, *parameters)
        ctx.settings = banks, reflect, relu
        return y, y2

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, g: Tensor, g2: Tensor) -> tuple[Any, ...]:
        """Returns the gradients of x, weights and biases."""
        x, y, *parameters = ctx.saved_tensors
        banks, reflect, relu = ctx.settings
        back, learn = ctx.needs_input_grad[0], any(ctx.needs_input_grad[4:])
        batch, height, width, channels = x.shape
        dx = torch.zeros_like(x) if back else x.new_empty(0)
        # cut by size and never by threads: the order of sums, and so each bit, stays the same
        parts = max(1, min(batch, MOST_PARTS, batch * height * width // PART))
        flat, flat_dx = _flat(x), _flat(dx)
        flat_g, flat_g2 = _flat(g.contiguous()), _flat(g2.contiguous())
        activations = flat_g if y is None else _flat(y)
        grads: list[Tensor | None] = []
        # banks add into one dx in turn; the parts within a bank hold images of their own
        for bank, layers, at, at2 in _places(banks, parameters):
            outputs, each = bank.n + bank.n2, _tiles(height, width, bank.rate)
            sums = torch.empty(parts, _gradient_size(channels, outputs) if learn else 0)
            weights = transformed(layers, transpose=True) if back else flat[:0]
            source = flat_g, activations, g.shape[-1], at, bank.n, relu
            source2 = flat_g2, flat_g2, g2.shape[-1], at2, bank.n2, False
            shape = height, width, channels, bank.rate, reflect
            jobs = []
            for part in range(parts):
                # whole images, for overlapping tiles of one image would add into the same dx
                tiles = part * batch // parts * each, (part + 1) * batch // parts * each
                results = flat_dx, back, sums[part].numpy(), learn
                given = flat, weights, *results, source, source2, *tiles, shape
                jobs.append(partial(call, kernels.backward, given, channels, outputs))
            run_jobs(jobs)
            grads += _gradients(layers, sums) if learn else [None] * (2 * len(layers))
        return dx if back else None, None, None, None, *grads


def _places(banks: Sequence[Bank], parameters: Sequence[Tensor | None]) -> Iterator[Place]:
    """Finds each bank's layers, and where its results go."""
    layers = [
        Layer(weight, bias)  # type: ignore[arg-type]  # every layer has weights
        for weight, bias in zip(parameters[::2], parameters[1::2], strict=True)
    ]
    at = at2 = 0
    for bank in banks:
        count = (bank.n > 0) + (bank.n2 > 0)
        yield Place(bank, layers[:count], at, at2)
        layers, at, at2 = layers[count:], at + bank.n, at2 + bank.n2


def _biases(layers: Sequence[Layer]) -> Array:
    parts = [
        layer.weight.new_zeros(len(layer.weight)) if layer.bias is None else layer.bias.detach()
        for layer in layers
    ]
    return torch.cat(parts).numpy()


def _gradient_size(channels: int, outputs: int) -> int:
    """Floats of the gradients of transformed weights and, behind them, biases."""
    return POINTS * (channels * outputs + GAP) + outputs


def _gradients(layers: Sequence[Layer], sums: Tensor) -> Iterator[Tensor | None]:
    """Gradients of weight and bias of each layer, from those of the transformed weights by part."""
    outputs = sum(len(layer.weight) for layer in layers)
    biases = sums[:, -outputs:].sum(dim=0)
    first = 0
    for layer in layers:
        count, channels = layer.weight.shape[:2]
        grad = torch.empty_like(layer.weight)
        flat, strides = dense(grad)
        given = (_flat(sums), *sums.shape, outputs, first, channels, count, flat, strides, lines())
        kernels.gather_weights(*given)
        yield grad
        yield None if layer.bias is None else biases[first : first + count]
        first += count


def _flat(x: Tensor) -> Array:
    return x.detach().view(-1).numpy()


def _tiles(height: int, width: int, rate: int) -> int:
    """Tiles of an image."""
    grids = (-(side // -rate) for side in (height, width))  # rows and columns of one phase
    down, across = (-(length // -4) for length in grids)
    return rate * rate * down * across


def _shares(tiles: int) -> Iterator[tuple[int, int]]:
    """Stretches of tiles for the threads."""
    threads = torch.get_num_threads()
    each = -(-tiles // (TILES * threads)) * TILES
    for first in range(0, tiles, each):
        yield first, min(first + each, tiles)
