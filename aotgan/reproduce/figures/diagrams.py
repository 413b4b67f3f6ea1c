"""Figs. 2 and 3 redrawn: every number in the drawings is read off the modules (section 3.1)."""

from collections.abc import Mapping

from matplotlib.figure import Figure
from torch import nn

from aotgan.models.blocks import (
    AOTBlock,
    ConcatResidual,
    GatedConvResidual,
    GatedResidual,
    ResidualBlock,
)
from aotgan.reproduce.figures.canvas import MUTED, Canvas, Colours

CONV: Colours = ("#FCE8C8", "#C98500")
GATE: Colours = ("#D9EAF6", "#0072B2")
LOSS: Colours = ("#DDF1E8", "#00805C")
EDGE, PITCH = 0.5, 0.96  # inches to the first branch, and from one branch to the next
RESIDUAL_WIDTH, HEIGHT = 2.0, 3.7
ROW_SPLIT, ROW_FUSED, ROW_GATE, ROW_SUM = 0.42, 2.38, 2.76, 3.16
SMALL = (0.5, 0.24)
SIDE_PX = 512  # of the paper's images


def draw_residual_block(block: ResidualBlock) -> Figure:
    """Draws Fig. 3a, the block that the paper compares with."""
    canvas = Canvas(RESIDUAL_WIDTH, HEIGHT)
    _residual_block(canvas, block)
    return canvas.figure


def draw_aot_block(block: AOTBlock) -> Figure:
    """Draws Fig. 3b for any rates and for each of the residual connections of Table 6."""
    canvas = Canvas(_width(block, len(block.branches)), HEIGHT)
    _aot_block(canvas, block, 0.0)
    return canvas.figure


def draw_blocks(residual: ResidualBlock, aot: AOTBlock) -> Figure:
    """Draws Fig. 3: the residual block (a) beside the AOT block (b)."""
    branches, left = len(aot.branches), RESIDUAL_WIDTH
    canvas = Canvas(left + _width(aot, branches), HEIGHT + 0.3)
    _residual_block(canvas, residual)
    _aot_block(canvas, aot, left)
    canvas.text(EDGE, HEIGHT + 0.15, "(a) residual block", size=9)
    canvas.text(left + EDGE + PITCH * (branches - 1) / 2, HEIGHT + 0.15, "(b) AOT block", size=9)
    return canvas.figure


def draw_merges(blocks: Mapping[str, AOTBlock]) -> Figure:
    """Draws how blocks merge x1 and x2 (Table 6), their branches folded into one box.

    Args:
        blocks: the blocks by the name to write below each.
    """
    canvas = Canvas(sum(_width(block, 1) for block in blocks.values()), HEIGHT + 0.3)
    left = 0.0
    for name, block in blocks.items():
        _x1(canvas, left + EDGE, left + _skip(block, 1))
        canvas.arrow((left + EDGE, ROW_SPLIT), (left + EDGE, ROW_FUSED - 0.54))
        text = f"r={rates_label(block)},\nfuse"
        canvas.box(left + EDGE, ROW_FUSED - 0.27, text, CONV, (0.86, 0.54))
        _merge(canvas, block, left + EDGE, left + _skip(block, 1))
        canvas.text(left + EDGE, HEIGHT + 0.15, name, size=9)
        left += _width(block, 1)
    return canvas.figure


def conv_label(conv: nn.Conv2d) -> str:
    """Fig. 3's label: input channels, filter size, dilation rate, output channels."""
    kernel, rate = conv.kernel_size[0], conv.dilation[0]
    return f"{conv.in_channels}, {kernel}×{kernel},\nr={rate}, {conv.out_channels}"


def rates_label(block: AOTBlock) -> str:
    """The dilation rates of the branches, such as "1, 2, 4, 8"."""
    return ", ".join(str(branch.dilation[0]) for branch in _branches(block))


def _branches(block: AOTBlock) -> list[nn.Conv2d]:
    return [branch for branch in block.branches if isinstance(branch, nn.Conv2d)]


def _residual_block(canvas: Canvas, block: ResidualBlock) -> None:
    x, skip = EDGE, EDGE + 0.7
    _x1(canvas, x, skip)
    _branch(canvas, x, block.dilated)
    canvas.arrow((x, 1.52), (x, 2.02))
    canvas.box(x, 2.2, conv_label(block.conv), CONV)
    _add(canvas, x, skip, ROW_SPLIT)
    _x3(canvas, x, block)


def _aot_block(canvas: Canvas, block: AOTBlock, left: float) -> None:
    columns = [left + EDGE + PITCH * i for i in range(len(block.branches))]
    x, skip = (columns[0] + columns[-1]) / 2, left + _skip(block, len(columns))
    _x1(canvas, x, skip, columns[0])
    for column, branch in zip(columns, _branches(block), strict=True):
        _branch(canvas, column, branch)
        # with one branch nothing is concatenated, and its line runs on to the fusion
        canvas.arrow((column, 1.52), (column, 1.66), head=len(columns) > 1)
    if len(columns) > 1:
        widths = " + ".join(str(branch.out_channels) for branch in _branches(block))
        size = (columns[-1] - columns[0] + 0.86, 0.22)
        canvas.box(x, 1.77, f"concatenate: {widths}", size=size)
    canvas.arrow((x, 1.66), (x, 2.02))
    canvas.box(x, 2.2, conv_label(block.fuse), CONV)
    _merge(canvas, block, x, skip)


def _skip(block: AOTBlock, columns: int) -> float:
    """Where the line from x1 to the merge runs, in inches from the block's left."""
    gated = isinstance(block.merge, GatedResidual | GatedConvResidual)
    return EDGE + PITCH * (columns - 1) + (1.8 if gated else 0.7)


def _width(block: AOTBlock, columns: int) -> float:
    return max(RESIDUAL_WIDTH, _skip(block, columns) + 0.45)


def _x1(canvas: Canvas, x: float, skip: float, first: float | None = None) -> None:
    """Draws the input, which enters at `x` and is led to all columns up to `skip`."""
    canvas.text(x, 0.14, "$x_1$", size=10)
    canvas.arrow((x, 0.26), (x, ROW_SPLIT), head=False)
    canvas.arrow((x if first is None else first, ROW_SPLIT), (skip, ROW_SPLIT), head=False)


def _branch(canvas: Canvas, x: float, conv: nn.Conv2d) -> None:
    canvas.arrow((x, ROW_SPLIT), (x, 0.72))
    canvas.box(x, 0.9, conv_label(conv), CONV)
    canvas.arrow((x, 1.08), (x, 1.28))
    canvas.box(x, 1.4, "ReLU", size=SMALL)


def _merge(canvas: Canvas, block: AOTBlock, x: float, skip: float) -> None:
    """Draws how x1, which comes down at `skip`, and x2, at `x`, become x3."""
    merge = block.merge
    if isinstance(merge, GatedResidual | GatedConvResidual):
        _gate(canvas, merge, x, skip)
    elif isinstance(merge, ConcatResidual):
        canvas.text(x - 0.17, 2.62, "$x_2$", size=10)
        canvas.arrow((x, ROW_FUSED), (x, ROW_SUM - 0.18))
        canvas.arrow((skip, ROW_SPLIT), (skip, ROW_SUM), (x + 0.43, ROW_SUM))
        canvas.box(x, ROW_SUM, conv_label(merge.conv), CONV)
    else:
        _add(canvas, x, skip, ROW_SPLIT)
    _x3(canvas, x, block)


def _gate(canvas: Canvas, merge: GatedResidual | GatedConvResidual, x: float, skip: float) -> None:
    gate, (formula, size, on_x1, on_x2) = skip - 0.75, _gate_text(merge)
    canvas.arrow((gate, ROW_SPLIT), (gate, 0.72))
    canvas.box(gate, 0.9, conv_label(merge.conv), GATE)
    canvas.arrow((gate, 1.08), (gate, 1.28))
    canvas.arrow((gate, 1.4), (gate, ROW_GATE), (x + 0.11, ROW_GATE))
    canvas.box(gate, 1.28 + size[1] / 2, formula, GATE, size)
    canvas.text((x + gate) / 2, ROW_GATE - 0.1, on_x2)
    if on_x1:
        canvas.text((gate + skip) / 2, ROW_GATE - 0.1, on_x1)
        canvas.arrow((gate, ROW_GATE), (skip - 0.11, ROW_GATE))
        canvas.arrow((skip, ROW_SPLIT), (skip, ROW_GATE - 0.11))
        canvas.operator(skip, ROW_GATE, "×")
    _add(canvas, x, skip, ROW_GATE + 0.11 if on_x1 else ROW_SPLIT)
    canvas.operator(x, ROW_GATE, "×")
    canvas.arrow((x, ROW_GATE - 0.2), (x, ROW_GATE - 0.11))


def _gate_text(
    merge: GatedResidual | GatedConvResidual,
) -> tuple[str, tuple[float, float], str, str]:
    """The gate's formula, its box, and what multiplies x1 (empty if nothing does) and x2."""
    if isinstance(merge, GatedConvResidual):
        return "σ", SMALL, "", "$s$"
    if merge.gate == "normalised":
        return "z = (u − μ) / s\nσ(5 (2z − 1))", (0.92, 0.36), "$1-g$", "$g$"
    return "σ", SMALL, "$g$", "$1-g$"


def _add(canvas: Canvas, x: float, skip: float, skip_from: float) -> None:
    """Draws x2 coming down and the sum with what comes along the line at `skip`."""
    canvas.text(x - 0.17, 2.51, "$x_2$", size=10)
    canvas.arrow((x, ROW_FUSED), (x, ROW_SUM - 0.11))
    canvas.arrow((skip, skip_from), (skip, ROW_SUM), (x + 0.11, ROW_SUM))
    canvas.operator(x, ROW_SUM, "+")


def _x3(canvas: Canvas, x: float, block: nn.Module) -> None:
    # the convolution's box reaches lower than the circle of a sum
    lowest = 0.18 if isinstance(getattr(block, "merge", None), ConcatResidual) else 0.11
    canvas.arrow((x, ROW_SUM + lowest), (x, HEIGHT - 0.04))
    canvas.text(x - 0.17, HEIGHT - 0.14, "$x_3$", size=10)
    parameters = f"{sum(p.numel() for p in block.parameters()):,} parameters"
    canvas.text(x + 0.1, HEIGHT - 0.14, parameters, color=MUTED, ha="left")
