"""The generator on one window of an image, stage by stage, as if it saw the whole image.

Convolutions see no farther than their reach. Two things do: the standardised gate, whose mean and
deviation are those of the whole image, and bilinear upsampling with aligned corners, whose weights
depend on the position. Here a window gets the first from outside and the second by its place.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from aotgan.errors import InputError
from aotgan.models.blocks import AOTBlock, GatedResidual, normalised_gate
from aotgan.models.generator import Generator
from aotgan.models.inpainter import Inpainter

Tick = Callable[[], object]
Statistics = list[tuple[Tensor, Tensor]]  # of each block: deviation and mean, (1, C, 1, 1) each


@dataclass(frozen=True)
class WindowPlace:
    """Where a window lies in the whole image, in px or, in between, in features.

    Attributes:
        top: first row of the window.
        left: first column of the window.
        height: of the whole image.
        width: of the whole image.
    """

    top: int
    left: int
    height: int
    width: int

    def scaled(self, factor: float) -> "WindowPlace":
        """The same place counted in features `factor` times as fine."""
        return WindowPlace(
            *(int(n * factor) for n in (self.top, self.left, self.height, self.width))
        )


def stages(model: Inpainter) -> int:
    """How many times `predict` calls `step`, and `gate_statistics`."""
    return len(model.middle) + 2 if isinstance(model, Generator) else 1


def looks_everywhere(generator: Generator) -> bool:
    """Whether a prediction depends on the whole image, however far away: the standardised gate."""
    return any(_is_standardised(block.get_submodule("merge")) for block in generator.middle)


@torch.inference_mode()
def predict(
    model: Inpainter,
    masked_image: Tensor,
    mask: Tensor,
    step: Tick,
    place: WindowPlace,
    statistics: Statistics | None = None,
) -> Tensor:
    """Returns the prediction of a window, (1, 3, h, w), cut off at -1 and 1.

    Farther from the window's inner edges than the network's reach it is that of the whole image.

    Args:
        model: the network, or a classical filling, which the rest does not concern.
        masked_image: (1, 3, h, w) in [-1, 1], its hole already erased.
        mask: (1, 1, h, w) in {0, 1}, 1 = hole.
        step: called after each stage: encoder, blocks, decoder.
        place: of the window, at multiples of 4 px.
        statistics: of the gates, if not the window's own.

    Raises:
        InputError: a prediction with NaN or infinite values.
    """
    if not isinstance(model, Generator):
        step()
        return model(masked_image, mask).clamp(-1, 1)
    x = model.encode(masked_image, mask)
    step()
    for i, block in enumerate(model.middle):
        x = block(x) if statistics is None else _renewed(block, x, _logits(block, x), statistics[i])
        step()

    def double(features: Tensor) -> Tensor:
        # the window's place, counted in features as coarse as these
        return upsample_at(features, place.scaled(features.shape[2] / masked_image.shape[2]))

    prediction = model.decode(x, masked_image, double)
    step()
    if not torch.isfinite(prediction).all():
        raise InputError(
            "the network's prediction is not finite: nothing of it is written. Its weights are "
            'damaged, or too large for this precision: give precision="float64", or another model.'
        )
    return prediction.clamp(-1, 1)


@torch.inference_mode()
def gate_statistics(
    generator: Generator, masked_image: Tensor, mask: Tensor, step: Tick
) -> Statistics:
    """Returns the deviation and mean that each block's gate standardises by.

    Args:
        generator: one whose gates `looks_everywhere` says to be standardised.
        masked_image: (1, 3, h, w) in [-1, 1], the whole image, its hole already erased.
        mask: (1, 1, h, w) in {0, 1}, 1 = hole.
        step: called after each stage, as by `predict`.
    """
    x = generator.encode(masked_image, mask)
    step()
    statistics: Statistics = []
    for block in generator.middle:
        logits = _logits(block, x)
        std, mean = torch.std_mean(logits, dim=(0, 2, 3), keepdim=True)
        statistics.append((std, mean))
        x = _renewed(block, x, logits, statistics[-1])
        step()
    # in place of the decoder: as many stages as `predict` has
    step()
    return statistics


def upsample_at(features: Tensor, place: WindowPlace) -> Tensor:
    """The part of `F.interpolate(whole, scale_factor=2, mode="bilinear", align_corners=True)`.

    Args:
        features: (B, C, h, w), a window of the whole.
        place: of the window in the whole, in features.

    Returns:
        (B, C, 2h, 2w). At an inner edge of the window, where the neighbour that a row or column
        needs lies outside, the last one inside stands for it.
    """
    rows = _between(features, 2, place.top, place.height)
    return _between(rows, 3, place.left, place.width)


def _between(x: Tensor, axis: int, first: int, total: int) -> Tensor:
    """Doubles one axis of a window that begins at `first` of `total` positions."""
    length = x.shape[axis]
    # in double precision, which not every device has
    wanted = torch.arange(2 * first, 2 * (first + length), dtype=torch.float64, device="cpu")
    source = (wanted * ((total - 1) / (2 * total - 1)) - first).clamp(0, length - 1)
    below = source.floor().long()
    above = (below + 1).clamp(max=length - 1)
    shape = [-1 if i == axis else 1 for i in range(4)]
    share = (source - below).to(x).reshape(shape)
    below, above = below.to(x.device), above.to(x.device)
    return x.index_select(axis, below).lerp_(x.index_select(axis, above), share)


def _is_standardised(merge: nn.Module) -> bool:
    return isinstance(merge, GatedResidual) and merge.gate == "normalised"


def _logits(block: nn.Module, x1: Tensor) -> Tensor:
    """What the gate is computed from, in float32 or better as `normalised_gate` has it."""
    logits = cast(GatedResidual, block.get_submodule("merge")).conv(x1)
    return logits.float() if logits.dtype in (torch.float16, torch.bfloat16) else logits


def _renewed(
    block: nn.Module, x1: Tensor, logits: Tensor, statistics: tuple[Tensor, Tensor]
) -> Tensor:
    """The block's output, as `GatedResidual` has it but for the statistics."""
    x2 = cast(AOTBlock, block).residual(x1)
    gate = normalised_gate(logits, statistics).to(x2.dtype)
    return torch.lerp(x1.to(x2.dtype), x2, gate)
