"""The drawings of Fig. 3 say what the modules are: each label is compared with literal numbers."""

import io
from collections import Counter

import numpy as np
import pytest
from matplotlib.text import Text
from PIL import Image

from aotgan.models.blocks import AOTBlock, ResidualBlock
from aotgan.reproduce.figures.diagrams import (
    draw_aot_block,
    draw_blocks,
    draw_merges,
    draw_residual_block,
)
from aotgan.reproduce.figures.style import png_bytes


def labels(figure):
    """Counts the texts of a figure, each on one line."""
    texts = (text.get_text() for text in figure.findobj(Text))
    return Counter(text.replace("\n", " ") for text in texts if text)


def convolutions(figure):
    return Counter({text: n for text, n in labels(figure).items() if "×" in text and "r=" in text})


def test_residual_block_has_the_numbers_of_figure_3a():
    figure = draw_residual_block(ResidualBlock(256, rate=2))
    assert convolutions(figure) == Counter({"256, 3×3, r=2, 256": 1, "256, 3×3, r=1, 256": 1})
    assert labels(figure)["1,180,160 parameters"] == 1


def test_aot_block_has_the_numbers_of_figure_3b():
    figure = draw_aot_block(AOTBlock(256))
    branches = {f"256, 3×3, r={rate}, 64": 1 for rate in (1, 2, 4, 8)}
    assert convolutions(figure) == Counter(branches | {"256, 3×3, r=1, 256": 2})  # fuse and gate
    assert labels(figure)["concatenate: 64 + 64 + 64 + 64"] == 1
    assert labels(figure)["1,770,240 parameters"] == 1


def test_three_branches_show_their_unequal_widths():
    figure = draw_aot_block(AOTBlock(256, (1, 2, 8), residual="identity"))
    widths = {"256, 3×3, r=1, 86": 1, "256, 3×3, r=2, 85": 1, "256, 3×3, r=8, 85": 1}
    assert convolutions(figure) == Counter(widths | {"256, 3×3, r=1, 256": 1})
    assert labels(figure)["concatenate: 86 + 85 + 85"] == 1


def test_one_branch_has_nothing_to_concatenate():
    texts = labels(draw_aot_block(AOTBlock(8, (2,), residual="identity")))
    assert not any("concatenate" in text for text in texts)


@pytest.mark.parametrize(
    ("residual", "gate", "signs"),
    [
        ("identity", "sigmoid", {"+": 1}),
        ("gatedconv", "sigmoid", {"+": 1, "×": 1, "σ": 1, "$s$": 1}),
        ("concat1x1", "sigmoid", {"16, 1×1, r=1, 8": 1}),
        ("gated", "sigmoid", {"+": 1, "×": 2, "σ": 1, "$g$": 1, "$1-g$": 1}),
        ("gated", "normalised", {"+": 1, "×": 2, "σ": 0, "z = (u − μ) / s σ(5 (2z − 1))": 1}),
    ],
)
def test_each_merge_is_drawn_as_it_computes(residual, gate, signs):
    texts = labels(draw_aot_block(AOTBlock(8, residual=residual, gate=gate)))
    assert {sign: texts[sign] for sign in signs} == signs


def position(figure, text):
    (found,) = (t for t in figure.findobj(Text) if t.get_text() == text)
    return found.get_position()[0]


def test_the_two_gates_weigh_x1_and_x2_in_opposite_directions():
    paper = draw_aot_block(AOTBlock(8, gate="sigmoid"))
    released = draw_aot_block(AOTBlock(8, gate="normalised"))
    assert position(paper, "$1-g$") < position(paper, "$g$")  # x2 is on the left
    assert position(released, "$g$") < position(released, "$1-g$")


def test_figure_3_holds_both_blocks():
    residual, aot = ResidualBlock(16), AOTBlock(16)
    both = labels(draw_blocks(residual, aot))
    assert both["(a) residual block"] == both["(b) AOT block"] == 1
    alone = labels(draw_residual_block(residual)) + labels(draw_aot_block(aot))
    assert not alone - both


def test_merges_are_named_and_folded():
    blocks = {name: AOTBlock(8, residual=name) for name in ("identity", "gated", "concat1x1")}
    texts = labels(draw_merges(blocks))
    assert all(texts[name] == 1 for name in blocks)
    assert texts["r=1, 2, 4, 8, fuse"] == 3


@pytest.mark.parametrize("rates", [(1,), (2, 8), (1, 2, 8), (1, 2, 4, 8), (1, 2, 3, 4, 5, 6)])
@pytest.mark.parametrize("residual", ["identity", "gated", "gatedconv", "concat1x1"])
def test_nothing_runs_over_the_edge(rates, residual):
    figure = draw_aot_block(AOTBlock(256, rates, residual))
    figure.draw_without_rendering()
    paper = figure.bbox
    for text in figure.findobj(Text):
        if text.get_text():
            box = text.get_window_extent()
            assert box.x0 >= paper.x0 and box.x1 <= paper.x1, text.get_text()
            assert box.y0 >= paper.y0 and box.y1 <= paper.y1, text.get_text()


def test_the_same_block_gives_the_same_bytes():
    first, second = (png_bytes(draw_aot_block(AOTBlock(8))) for _ in range(2))
    assert first == second
    assert np.asarray(Image.open(io.BytesIO(first)).convert("L")).std() > 10  # something is drawn
