"""Which pixels an output of the generator can depend on, by arithmetic (section 3.1).

Intervals of positions along one axis are followed backwards through the layers. That of an output
pixel depends on where in a cell of 4 x 4 pixels it lies.
"""

from collections.abc import Iterable

from torch import nn

from aotgan.errors import check_choice
from aotgan.models.generator import STRIDE, Generator, Upsample

PLACES = ("features", "output")
Interval = tuple[int, int]  # first and last position, both included


def theoretical_field(generator: Generator, at: str = "output") -> int:
    """Returns the side in px of the square outside of which nothing can matter.

    600 px for the paper's generator. That of convolutions alone: the "normalised" gate takes its
    statistics over the whole image, which no field bounds.

    Args:
        generator: the network; its rates and number of blocks decide.
        at: "output", a pixel of the prediction, or "features", what the last block gives at one
            position.
    """
    check_choice("at", at, PLACES)
    if at == "features":
        first, last = _behind_features(generator, (0, 0))
        return last - first + 1
    return max(last - first + 1 for _, (first, last) in _fields(generator))


def reach(generator: Generator) -> int:
    """Returns how many px beyond a pixel its prediction depends on, on the longer side.

    301 px for the paper's generator. As `theoretical_field`, that of convolutions alone.
    """
    return max(max(pixel - first, last - pixel) for pixel, (first, last) in _fields(generator))


def _fields(generator: Generator) -> list[tuple[int, Interval]]:
    """The pixels of one cell, each with the pixels that its prediction depends on."""
    return [
        (pixel, _behind_features(generator, _behind(reversed(generator.decoder), (pixel, pixel))))
        for pixel in range(STRIDE)
    ]


def _behind_features(generator: Generator, features: Interval) -> Interval:
    # In a block the widest branch, then the fusion; a gate reaches no further.
    margin = len(generator.middle) * (max(generator.config["rates"]) + 1)
    return _behind(reversed(generator.encoder), (features[0] - margin, features[1] + margin))


def _behind(layers: Iterable[nn.Module], needed: Interval) -> Interval:
    """Follows an interval of the last layer's output back to the first one's input."""
    for layer in layers:
        needed = _behind_layer(layer, *needed)
    return needed


def _behind_layer(layer: nn.Module, first: int, last: int) -> Interval:
    if isinstance(layer, Upsample):  # a pixel comes from two positions, then 3x3
        return (first - 2) // 2, last // 2 + 1
    if isinstance(layer, nn.Conv2d):
        kernel, stride, padding = _shape(layer)
        return first * stride - padding, last * stride - padding + kernel - 1
    if isinstance(layer, nn.ConvTranspose2d):
        kernel, stride, padding = _shape(layer)
        return -((kernel - 1 - padding - first) // stride), (last + padding) // stride
    return first, last


def _shape(layer: nn.Conv2d | nn.ConvTranspose2d) -> tuple[int, int, int]:
    return layer.kernel_size[0], layer.stride[0], int(layer.padding[0])
