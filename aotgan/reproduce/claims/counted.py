"""What the paper says of its networks and labels, counted on the networks and labels themselves.

Nothing here depends on weights, except `gate_contrast`, which looks into a trained generator.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import combinations

import torch
from torch import Tensor, nn

from aotgan.data.catalogue import load as load_images
from aotgan.data.images import to_tensor
from aotgan.data.manifest import make_manifest
from aotgan.losses.labels import hard_mask, patch_mask, soft_mask
from aotgan.models.blocks import AOTBlock, ResidualBlock
from aotgan.models.discriminator import KERNEL, Discriminator, receptive_field
from aotgan.models.generator import Generator
from aotgan.reproduce.figures.inspection import gate_maps, hole_means

CHANNELS = 256  # of the AOT blocks
SPLIT = {"residual": "identity"}  # the three steps of section 3.1, without the gate of Eq. 1
RATES = (1, 2, 4, 8)


def parameters(network: nn.Module) -> int:
    """Counts weights and biases."""
    return sum(p.numel() for p in network.parameters())


@torch.no_grad()
def multiply_adds(network: nn.Module, *inputs: Tensor) -> int:
    """Counts the multiply-adds of the convolutions of one forward pass."""
    counted: list[int] = []

    def count(conv: nn.Conv2d, _: object, output: Tensor) -> None:
        # of the weight what one output channel has: input channels of its group times the kernel
        counted.append(output.numel() * conv.weight[0].numel())

    convs = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d)]
    # counted as they run, so that sizes and strides are the network's own
    hooks = [conv.register_forward_hook(count) for conv in convs]
    try:
        network(*inputs)
    finally:
        for hook in hooks:
            hook.remove()
    return sum(counted)


def block_costs(side: int = 32) -> dict[str, tuple[int, int]]:
    """Returns parameters and multiply-adds a position of the three blocks of section 3.1.

    Args:
        side: of the feature map on which they are counted; the result does not depend on it.
    """
    blocks = {
        "residual block (Fig. 3a)": ResidualBlock(CHANNELS),
        "split, transform, aggregate": AOTBlock(CHANNELS, RATES, **SPLIT),
        "with the gate of Eq. 1": AOTBlock(CHANNELS, RATES),
    }
    features = torch.zeros(1, CHANNELS, side, side)
    return {
        name: (parameters(block), multiply_adds(block, features) // side**2)
        for name, block in blocks.items()
    }


def branch_fields(rates: Sequence[int] = RATES) -> list[int]:
    """Sides, in feature positions, of what each branch of a block sees."""
    return [receptive_field([(3, 1, rate)]) for rate in rates]


def backbone_field(rates: Sequence[int], blocks: int = 8) -> int:
    """Side in pixels of what one position of the features sees after the AOT blocks."""
    # the branch of the largest rate sees what the others see, and the fusion is a 3x3 after it
    encoder, block = [(7, 1, 1), (4, 2, 1), (4, 2, 1)], [(3, 1, max(rates)), (3, 1, 1)]
    return receptive_field([*encoder, *block * blocks])


def pathways(branches: int, blocks: int = 8) -> int:
    """Ways through a stack of blocks, each of which passes a branch or the connection around."""
    return (branches + 1) ** blocks


def discriminator_fields(with_stride: int = 4, extra: int = 1) -> dict[tuple[int, ...], int]:
    """Returns the field of every order of so many stride-2 and `extra` stride-1 4x4 layers."""
    layers = with_stride + extra
    fields = {}
    for ones in combinations(range(layers), extra):
        strides = tuple(1 if i in ones else 2 for i in range(layers))
        fields[strides] = receptive_field([(KERNEL, stride) for stride in strides])
    return fields


def measured_field(size: int = 192, cell: int = 8) -> int:
    """Side in pixels of the patch on which one score of a random discriminator depends."""
    # any weights do: a leaky ReLU lets some gradient through everywhere
    torch.manual_seed(0)
    image = torch.rand(1, 3, size, size, requires_grad=True)
    score = Discriminator(width=4).eval()(image)[0, 0, cell, cell]
    (gradient,) = torch.autograd.grad(score, image)
    # patches are square: columns tell the side
    columns = gradient.abs().sum(dim=(0, 1, 2)).nonzero()
    return int(columns.max() - columns.min()) + 1


def label_counts(mask: Tensor) -> dict[str, int]:
    """Counts the cells of D's map by what they see and how they are labelled (Fig. 4).

    Args:
        mask: (1, 1, H, W) in {0, 1}, 1 = hole.

    Returns:
        cells, those whose 70 x 70 pixels hold no hole ("known"), only hole ("hole") or both
        ("mixed"); and, of the mixed, those with a label strictly between 0 and 1 under the hard
        and under the soft mask; and unmixed cells whose soft label is no 0 or 1.
    """
    size = (mask.shape[2] // 8 - 2, mask.shape[3] // 8 - 2)
    # weights add up to 1 up to rounding, hence the bounds of 1e-9
    share = soft_mask(mask.double(), size, sigma=1e6)  # flat weights: the share of hole in view
    soft, hard = soft_mask(1 - mask.double(), size), 1 - hard_mask(mask, size)
    known, hole = share < 1e-9, share > 1 - 1e-9
    mixed = ~(known | hole)
    between = (soft > 1e-9) & (soft < 1 - 1e-9)
    return {
        "cells": share.numel(),
        "known": int(known.sum()),
        "hole": int(hole.sum()),
        "mixed": int(mixed.sum()),
        "mixed, hard label between": int((mixed & (hard > 0) & (hard < 1)).sum()),
        "mixed, soft label between": int((mixed & between).sum()),
        "unmixed, soft label between": int((~mixed & between).sum()),
    }


def pull_on_known_cells(loss: Callable[[Tensor, Tensor], Tensor], mask: Tensor) -> float:
    """Returns the share of the generator's adversarial gradient that comes from known cells.

    Args:
        loss: of scores (B, 1, h, w) and mask (B, 1, H, W).
        mask: (1, 1, H, W) in {0, 1}, 1 = hole.
    """
    size = (mask.shape[2] // 8 - 2, mask.shape[3] // 8 - 2)
    # equal scores: what differs between cells is the loss alone
    scores = torch.zeros(1, 1, *size, requires_grad=True)
    (gradient,) = torch.autograd.grad(loss(scores, mask), scores)
    pull = gradient.abs()
    return float((pull * (patch_mask(mask, size) == 0)).sum() / pull.sum())


def covered(rates: Sequence[int]) -> tuple[int, int]:
    """Positions along one axis that a chain of dilated 3-tap layers uses, and its field's side."""
    offsets = {0}
    for rate in rates:
        offsets = {offset + step for offset in offsets for step in (-rate, 0, rate)}
    return len(offsets), receptive_field([(3, 1, rate) for rate in rates])


def gate_contrast(generator: Generator, size: int = 128, per_bin: int = 12) -> list[float]:
    """Returns how much more a trained generator renews its features inside holes than outside.

    Args:
        generator: with the gated residual of Eq. 1.
        size: side of the bundled test photographs.
        per_bin: pairs of photograph and mask, with 20 to 50 % of hole.

    Returns:
        For each photograph, the mean weight of x2 (1 - g) inside the hole minus that outside,
        averaged over its masks and the eight blocks.
    """
    by_photograph: dict[str, list[float]] = {}
    # the holes of one photograph are no independent draws: a mean for each photograph
    for name, image, mask in _cases(size, per_bin):
        inside, outside = hole_means(gate_maps(generator, image, mask), mask).mean(0).tolist()
        by_photograph.setdefault(name, []).append(inside - outside)
    return [math.fsum(values) / len(values) for values in by_photograph.values()]


def _cases(size: int, per_bin: int) -> Iterator[tuple[str, Tensor, Tensor]]:
    files = load_images("bundled", "test").files
    bins = ((0.2, 0.3), (0.3, 0.4), (0.4, 0.5))
    for image, mask, pair in make_manifest(files, size, bins=bins, per_bin=per_bin, seed=0):
        yield pair.image, to_tensor(image)[None], torch.from_numpy(mask)[None, None].float()
