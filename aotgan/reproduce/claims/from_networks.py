"""Checks of claims about networks, labels and losses: built, counted and run, never trained here.

Those that compare with the released code repeat its arithmetic (`objective="released"`,
`normalised_gate`, `l1_released`), whose lines the column `how` of claims.csv names.
"""

from collections.abc import Callable, Mapping
from functools import cache

import numpy as np
import torch
from torch import Tensor

from aotgan.data.masks import centre_mask
from aotgan.losses.adversarial import label_map, make_objective
from aotgan.metrics.pixel import l1, l1_released
from aotgan.models.blocks import GatedResidual, branch_widths, normalised_gate
from aotgan.models.discriminator import KERNEL, STRIDES, TEXT_STRIDES, receptive_field
from aotgan.models.generator import Generator
from aotgan.models.inpainter import composite
from aotgan.models.weights import load_generator
from aotgan.reproduce.claims import counted
from aotgan.reproduce.claims.verdicts import OPEN, Finding, exactly

SIZE, HOLE = 512, 224  # of the images and of the hole of Table 2


def branch_widths_of_256(_: str) -> Finding:
    """256 channels in four."""
    widths = branch_widths(256, 4)
    return exactly(widths == [64] * 4, f"{' + '.join(map(str, widths))} = 256.")


def no_extra(quantity: str) -> Finding:
    """Parameters or multiply-adds of the split against a residual block."""
    index = ("parameters", "multiply-adds").index(quantity)
    plain, split, gated = (cost[index] for cost in counted.block_costs().values())
    where = " a position" if index else ""
    return exactly(
        plain == split,
        f"{split:,} {quantity}{where} in both blocks. The sentence is about these three steps; the "
        f"gate of Eq. 1, a fourth, brings the block to {gated:,}, {gated / plain - 1:.0%} more.",
    )


def fields_grow(_: str) -> Finding:
    """What each branch sees."""
    fields = counted.branch_fields()
    listed = ", ".join(map(str, fields))
    return exactly(
        fields == sorted(set(fields)),
        f"Rates 1, 2, 4, 8 see {listed} positions, {fields[-1] * 4} px of the image at the "
        "largest; a residual block of rate 2 sees one area of 5 before its second convolution.",
    )


def reaches_far(_: str) -> Finding:
    """Reach of the backbone against the hole of Table 2."""
    ours, plain = (counted.backbone_field(rates) for rates in (counted.RATES, (2,)))
    return exactly(
        ours // 2 > HOLE // 2 and ours > SIZE,
        f"A feature sees {ours} px with rates 1, 2, 4, 8 and {plain} px with rate 2. From the "
        f"centre of a {HOLE} px hole the next known pixel is {HOLE // 2} px away: "
        f"{ours // 2} px reach it, {plain // 2} px do not.",
    )


def more_pathways(_: str) -> Finding:
    """Ways through eight blocks."""
    aot, plain = counted.pathways(4), counted.pathways(1)
    return exactly(aot > plain, f"5^8 = {aot:,} ways with four branches, 2^8 = {plain} with one.")


def gridding(_: str) -> Finding:
    """Positions that eight blocks of Fig. 3a draw on."""
    used, side = counted.covered((2, 1) * 8)
    alone, wide = counted.covered((2,) * 8)
    return Finding(
        OPEN,
        f"Not by their reach: eight blocks of Fig. 3a, whose second convolution has rate 1, draw "
        f"on all {used} of {side} positions along a line; without it, {alone} of {wide}. Whether "
        "features come out gridded is a matter of training.",
    )


def gate_is_convex(_: str) -> Finding:
    """Eq. 1 lies between its two arguments."""
    torch.manual_seed(0)
    gate = GatedResidual(8).double()
    x1, x2 = torch.randn(2, 1, 8, 16, 16, dtype=torch.float64)
    with torch.no_grad():
        x3, g = gate(x1, x2), gate.gate_map(x1)
    # rounding may step over either end by a last digit
    inside = (x3 >= torch.minimum(x1, x2) - 1e-12) & (x3 <= torch.maximum(x1, x2) + 1e-12)
    holds = bool(inside.all()) and bool(((g > 0) & (g < 1)).all())
    holds &= torch.allclose(x3, x1 * g + x2 * (1 - g), atol=1e-12)
    return exactly(holds, "x1 g + x2 (1 - g), to 1e-12, and between x1 and x2 everywhere.")


@cache
def gate_contrasts() -> tuple[float, ...]:
    """Contrast of the shipped model's gates, for each bundled test photograph."""
    return tuple(counted.gate_contrast(load_generator(), per_bin=4))


def gate_follows_hole(_: str) -> Finding:
    """The shipped model's gates inside and outside holes."""
    contrasts = gate_contrasts()
    listed = ", ".join(f"{contrast:+.3f}" for contrast in contrasts)
    right = sum(contrast > 0 for contrast in contrasts)
    return Finding(
        OPEN,
        f"Weight of the new features, inside minus outside the hole: {listed}; in the claimed "
        f"direction for {right} of {len(contrasts)} photographs. One network of one seed decides "
        "nothing.",
    )


@torch.no_grad()
def encoder_and_decoder(_: str) -> Finding:
    """Sizes through the generator."""
    # sizes and the number of layers are the same at any width
    network = Generator(width=4).eval()
    features = network.encoder(torch.zeros(1, 4, 64, 64))
    image = network.decoder(features)
    layers = [layer for layer in network.decoder if isinstance(layer, torch.nn.ConvTranspose2d)]
    return exactly(
        features.shape[2] * 4 == 64 == image.shape[2] and len(layers) == 3,
        "64 px to 16 positions and back to 64 px. Only two of the three transposed convolutions "
        "can double the size; three would end at twice the image.",
    )


def four_strides(_: str) -> Finding:
    """No four stride-2 layers with an output layer see 70 pixels."""
    # the text can be read with and without an output layer after its four
    alone = counted.discriminator_fields(4, 0)[(2, 2, 2, 2)]
    fields = counted.discriminator_fields(4, 1)
    ours = receptive_field([(KERNEL, stride) for stride in STRIDES])
    return exactly(
        alone == 70 or fields[TEXT_STRIDES] == 70,
        f"Four such layers see {alone} px, with the output layer after them "
        f"{fields[TEXT_STRIDES]} px. 70 px come from strides {', '.join(map(str, STRIDES))} "
        f"({ours}), which the released code has: three layers halve, two do not. Five layers can "
        f"have both only as {_both(fields)}, with an output layer that halves as well.",
    )


def _both(fields: Mapping[tuple[int, ...], int]) -> str:
    """Orders of the strides that see 70 px."""
    return " or ".join(", ".join(map(str, order)) for order, side in fields.items() if side == 70)


def patch_of_a_score(_: str) -> Finding:
    """Pixels that one score depends on."""
    side = counted.measured_field()
    return exactly(side == 70, f"With the released strides a score depends on {side} x {side} px.")


def gaussian_fits(_: str) -> Finding:
    """A 70-tap Gaussian is centred at the cells of D."""
    field = receptive_field([(KERNEL, stride) for stride in STRIDES])
    return exactly(
        field == 70,
        f"The field has {field} px, and cells are centred between two pixels (8 j + 11.5), where "
        "an even kernel is symmetric. No width is given; at pixels no even kernel is centred, and "
        "the released code takes 71.",
    )


def released_gate(_: str) -> Finding:
    """The released gate standardises its input."""
    torch.manual_seed(0)
    logits = torch.randn(1, 2, 16, 16, dtype=torch.float64)
    # what is standardised has no shift and no scale left
    change = (normalised_gate(7 * logits + 3) - normalised_gate(logits)).abs().max().item()
    return exactly(
        change > 1e-6,
        "Its gate is the same for x and for 7 x + 3, up to rounding: each channel of each image is "
        "standardised over space before the sigmoid, which is a normalisation.",
    )


def composite_keeps(_: str) -> Finding:
    """Eq. 2 keeps known pixels bit by bit."""
    torch.manual_seed(0)
    image, prediction = torch.rand(2, 1, 3, 16, 16)
    mask = (torch.rand(1, 1, 16, 16) > 0.5).float()
    known = (mask == 0).expand_as(image)
    kept = torch.equal(composite(image, prediction, mask)[known], image[known])
    return exactly(kept, "Known pixels are equal bit by bit.")


@cache
def counts() -> dict[str, int]:
    """Cells of D's map by what they see, for the hole of Table 2."""
    return counted.label_counts(_centre())


def patchgan_labels(_: str) -> Finding:
    """PatchGAN's labels of patches without any hole."""
    size = (SIZE // 8 - 2,) * 2
    zeros = not label_map("patchgan", _centre(), size).any()
    cells = counts()
    return exactly(
        zeros and cells["known"] > 0,
        f"Of {cells['cells']:,} cells, {cells['known']:,} see no pixel of the {HOLE} px hole; all "
        "are labelled fake.",
    )


def hard_labels(_: str) -> Finding:
    """Hard labels of mixed patches."""
    cells = counts()
    return exactly(
        cells["mixed"] > 0 and cells["mixed, hard label between"] == 0,
        f"{cells['mixed']} cells see known and missing pixels; each is labelled 0 or 1.",
    )


def soft_labels(_: str) -> Finding:
    """Soft labels lie between 0 and 1 where patches are mixed, and nowhere else."""
    cells = counts()
    return exactly(
        cells["mixed, soft label between"] == cells["mixed"]
        and cells["unmixed, soft label between"] == 0,
        f"All {cells['mixed']} mixed cells have a label between 0 and 1, none of the other "
        f"{cells['cells'] - cells['mixed']:,} has.",
    )


def masked_pull(_: str) -> Finding:
    """Eq. 4's gradient outside the hole."""
    share = counted.pull_on_known_cells(make_objective("paper").generator_loss, _centre())
    return exactly(share == 0, f"{share:.0%} of the gradient belongs to cells outside the hole.")


def released_pull(_: str) -> Finding:
    """The released loss's gradient outside the hole."""
    share = counted.pull_on_known_cells(make_objective("released").generator_loss, _centre())
    return exactly(
        share == 0,
        f"{share:.0%} of the gradient belongs to cells outside the {HOLE} px hole: the mask is "
        "multiplied after the mean was taken, and cancels.",
    )


def released_polarity(_: str) -> Finding:
    """The released generator's target against the released labels."""
    released = make_objective("released")
    size = (SIZE // 8 - 2,) * 2
    hole = label_map("released", _centre(), size)[0, 0, SIZE // 2, SIZE // 2].item()
    ones = torch.ones(1, 1, *size)
    # a squared loss is 0 at its target alone
    target = 1.0 if released.generator_loss(ones, _centre()).item() == 0 else float("nan")
    return exactly(
        target == released.real_label,
        f"There the discriminator's label is {released.real_label:g} for real images and {hole:g} "
        f"inside holes; the generator's target is {target:g}, that of holes.",
    )


def released_l1(_: str) -> Finding:
    """The released "MAE" of grey images that differ by ten levels."""
    ratios, equal = [], True
    for level in (40, 110, 200):
        # the same error at three brightnesses: a mean absolute error cannot tell them apart
        images = [np.full((8, 8, 3), value, np.uint8) for value in (level, level + 10)]
        ratio, plain = float(l1_released(*images)), float(l1(*images))
        equal &= abs(ratio - plain) < 1e-9
        ratios.append(f"{ratio:.3f} at grey {level}")
    return exactly(
        equal,
        f"It divides by the brightness, sum |x - z| / sum (x + z): {', '.join(ratios)}, where the "
        f"mean absolute error is {plain:.3f} each time.",
    )


def _centre() -> Tensor:
    """The hole of Table 2, (1, 1, 512, 512)."""
    return torch.from_numpy(centre_mask(SIZE, SIZE, HOLE))[None, None].float()


CHECKS: dict[str, Callable[[str], Finding]] = {
    check.__name__: check
    for check in (
        branch_widths_of_256,
        no_extra,
        fields_grow,
        reaches_far,
        more_pathways,
        gridding,
        gate_is_convex,
        gate_follows_hole,
        encoder_and_decoder,
        four_strides,
        patch_of_a_score,
        gaussian_fits,
        released_gate,
        composite_keeps,
        patchgan_labels,
        hard_labels,
        soft_labels,
        masked_pull,
        released_pull,
        released_polarity,
        released_l1,
    )
}
