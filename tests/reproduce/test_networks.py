"""The figures of section 4.7 show what the networks make of the very same pixels."""

import numpy as np
import pytest
import torch
from tolerances import SINGLE_FEW

from aotgan.data.catalogue import load
from aotgan.data.images import read_image, resize
from aotgan.errors import InputError
from aotgan.losses.adversarial import OBJECTIVES, label_map
from aotgan.models.discriminator import Discriminator
from aotgan.models.generator import Generator
from aotgan.reproduce.figures.inspection import discriminator_map, gate_maps
from aotgan.reproduce.figures.networks import (
    FACES,
    OBJECTIVE_TITLES,
    comparison,
    discriminator_figure,
    face_cases,
    gate_figure,
    receptive_field_figure,
    widest_hole,
)
from aotgan.reproduce.figures.style import fill_bytes, png_bytes

SIZE = 64


@pytest.fixture(scope="module")
def cases():
    return face_cases(SIZE)


def network(residual="gated", seed=0):
    torch.manual_seed(seed)
    return Generator(width=2, blocks=2, rates=(1, 2), residual=residual).eval()


def tensors(image, mask):
    x = torch.from_numpy(image).permute(2, 0, 1)[None].float() / 127.5 - 1
    return x, torch.from_numpy(mask)[None, None].float()


def pictures(figure):
    """The panels that hold a picture, in the order in which they were made."""
    return [axes for axes in figure.axes if axes.images]


def drawn(axes):
    return np.asarray(axes.images[0].get_array())


def test_cases_are_the_faces_of_held_out_photographs(cases):
    files = {file.name: file for file in load("bundled", "test").files}
    assert [pair.image for _, _, pair in cases] == ["astronaut.png", "chelsea.png"] == list(FACES)
    for image, mask, pair in cases:
        left, top, right, bottom = FACES[pair.image]
        assert right - left == bottom - top  # nothing is stretched
        square = read_image(files[pair.image])[top:bottom, left:right]
        assert np.abs(image.astype(int) - resize(square, (SIZE, SIZE)).astype(int)).mean() < 1
        assert mask.shape == (SIZE, SIZE) and 0.4 <= mask.mean() <= 0.5
        assert pair.bin == "40-50%"


def test_cases_are_the_same_each_time_and_other_seeds_change_the_holes(cases):
    again = face_cases(SIZE, seeds=(0, 1))
    assert len(again) == 4
    for (image, mask, pair), (same, same_mask, same_pair) in zip(cases, again[:2], strict=True):
        assert np.array_equal(image, same) and np.array_equal(mask, same_mask)
        assert pair == same_pair
    assert np.array_equal(again[2][0], cases[0][0])
    assert not np.array_equal(again[2][1], cases[0][1])


def test_a_comparison_has_the_papers_columns_and_equal_details(cases):
    networks = {"identity": network("identity"), "gated (ours)": network(seed=1)}
    boxes = [(4, 8, 20, 24), (30, 30, 50, 50)]
    panels = np.array(pictures(comparison(networks, cases, boxes))).reshape(4, 4)
    titles = [axes.get_title() for axes in panels[0]]
    assert titles == ["original", "masked", "identity", "gated (ours)"]
    for at, ((image, mask, _), box) in enumerate(zip(cases, boxes, strict=True)):
        left, top, right, bottom = box
        expected = [image, np.where(mask[..., None], 255, image)]
        expected += [fill_bytes(generator, image, mask) for generator in networks.values()]
        for whole, detail, picture in zip(*panels[2 * at : 2 * at + 2], expected, strict=True):
            assert np.array_equal(drawn(whole), picture)
            assert np.array_equal(drawn(detail), picture[top:bottom, left:right])
            (square,) = whole.patches
            assert square.get_bbox().extents.tolist() == [edge - 0.5 for edge in box]


def test_the_detail_is_the_square_with_the_most_hole():
    rng = np.random.default_rng(0)
    mask = rng.random((20, 26)) < 0.4
    left, top, right, bottom = widest_hole(mask, share=0.3)
    assert right - left == bottom - top == 6
    holes = [mask[y : y + 6, x : x + 6].sum() for y in range(15) for x in range(21)]
    assert mask[top:bottom, left:right].sum() == max(holes)


def test_of_equal_squares_the_most_central_is_taken():
    assert widest_hole(np.ones((20, 30), bool), share=0.5) == (10, 5, 20, 15)


@pytest.mark.parametrize(
    ("zooms", "message"),
    [([(0, 0, 9, 9)], "1 squares for 2"), ([(0, 0, 9, 9), (60, 0, 65, 5)], "must lie inside")],
)
def test_squares_that_fit_no_picture_are_refused(cases, zooms, message):
    with pytest.raises(InputError, match=message):
        comparison({"a": network()}, cases, zooms)


def test_comparisons_of_nothing_are_refused(cases):
    for networks, chosen in (({}, cases), ({"a": network()}, [])):
        with pytest.raises(InputError, match="nothing to compare"):
            comparison(networks, chosen)


def test_gates_are_drawn_on_one_scale_over_the_picture(cases):
    generator, (image, mask, pair) = network(), cases[0]
    figure = gate_figure(generator, (image, mask, pair))
    masked, filled, *blocks = pictures(figure)
    maps = gate_maps(generator, *tensors(image, mask)).numpy()
    assert np.array_equal(drawn(masked), np.where(mask[..., None], 255, image))
    assert np.array_equal(drawn(filled), fill_bytes(generator, image, mask))
    for axes, values in zip(blocks, maps, strict=True):
        assert np.allclose(drawn(axes), values)
        assert axes.images[0].get_clim() == pytest.approx((maps.min(), maps.max()))
        assert list(axes.images[0].get_extent()) == [-0.5, 63.5, 63.5, -0.5]
    hole = np.kron(maps[0], np.ones((4, 4)))[mask].mean()
    assert blocks[0].get_title().startswith(f"block 1\nhole {hole:.2f}, known")
    assert "$x_2$" in figure.axes[-1].get_ylabel()


def test_the_outline_is_the_edge_of_the_hole_up_to_the_border():
    mask = np.zeros((SIZE, SIZE), bool)
    mask[10:20, 40:] = True
    image = np.zeros((SIZE, SIZE, 3), np.uint8)
    axes = pictures(gate_figure(network(), (image, mask, None)))[2]
    (outline,) = axes.collections
    (line,) = outline.get_paths()
    assert line.get_extents().extents.tolist() == [39.5, 9.5, 63.5, 19.5]


def test_a_generator_without_gates_has_no_gate_figure(cases):
    with pytest.raises(InputError, match="has no gate"):
        gate_figure(network("concat1x1"), cases[0])


def test_every_objective_has_a_title():
    assert set(OBJECTIVE_TITLES) == set(OBJECTIVES)


def test_scores_lie_above_the_labels_of_their_objective(cases):
    image, mask, _ = cases[0]
    fill = fill_bytes(network(), image, mask)
    judges = {name: Discriminator(2).eval() for name in ("patchgan", "paper", "released")}
    panels = np.array(pictures(discriminator_figure(judges, cases[0], fill))).reshape(2, 4)
    z, m = tensors(fill, mask)
    assert np.array_equal(drawn(panels[1, 0]), fill)
    for (name, judge), (above, below) in zip(judges.items(), panels[:, 1:].T, strict=True):
        assert np.allclose(drawn(above), discriminator_map(judge, z)[0], atol=SINGLE_FEW)
        assert np.allclose(drawn(below), label_map(name, m, (6, 6))[0, 0])
        assert above.images[0].get_clim() == below.images[0].get_clim() == (0, 1)
        assert list(above.images[0].get_extent()) == [7.5, 55.5, 55.5, 7.5]  # cells of 8 x 8 px
    assert list(panels[1, 3].images[0].get_extent()) == [-0.5, 63.5, 63.5, -0.5]
    reals = [axes.get_title().split()[-1] for axes in panels[0, 1:]]
    assert reals == ["1)", "1)", "0)"]


def test_judges_that_cannot_be_drawn_are_refused(cases):
    image, judge = cases[0][0], Discriminator(2)
    for judges, fill, message in (
        ({}, image, "0 discriminators"),
        ({"paper": judge}, image[:32], r"shape \(32, 64, 3\)"),
        ({"sm-patchgan": judge}, image, "objective='sm-patchgan'"),
    ):
        with pytest.raises(InputError, match=message):
            discriminator_figure(judges, cases[0], fill)


def test_fields_share_a_logarithmic_scale_and_show_their_radii():
    point, flat = np.zeros((9, 9)), np.full((9, 9), 1 / 81)
    point[4, 4] = 1
    figure = receptive_field_figure({"rates 1": point, "rates 2": flat}, {"rates 1": 12})
    first, second = pictures(figure)
    assert first.get_title() == "rates 1, at most 6 px\n50% within 0 px, 95% within 0 px"
    assert second.get_title() == "rates 2\n50% within 3 px, 95% within 4 px"
    assert [patch.get_width() for patch in second.patches] == [7, 9]
    assert second.patches[0].get_xy() == (0.5, 0.5)
    for axes in (first, second):
        assert axes.images[0].norm.vmax == 1 and axes.images[0].norm.vmin == pytest.approx(1e-5)
        assert axes.images[0].norm(1e-3) > 0.3  # logarithmic
    assert not np.ma.is_masked(first.images[0].norm(drawn(first)))  # zeros have a colour too


@pytest.mark.parametrize("maps", [{}, {"a": np.ones((4, 4)), "b": np.ones((6, 6))}])
def test_fields_that_share_no_size_are_refused(maps):
    with pytest.raises(InputError, match="all of one size"):
        receptive_field_figure(maps)


def test_figures_are_the_same_bytes_each_time_and_a_screen_wide(cases):
    generator, judge = network(), Discriminator(2).eval()
    fill = fill_bytes(generator, *cases[0][:2])
    for draw in (
        lambda: comparison({"a": generator, "b": generator}, cases, note="seed 0"),
        lambda: gate_figure(generator, cases[0], note="seed 0"),
        lambda: discriminator_figure({"paper": judge}, cases[0], fill),
        lambda: receptive_field_figure({"a": np.ones((8, 8))}),
    ):
        first = png_bytes(draw())
        assert first == png_bytes(draw())
        assert int.from_bytes(first[16:20], "big") <= 920  # px


def test_drawing_leaves_the_mode_of_the_networks(cases):
    generator, judge = network().train(), Discriminator(2).train()
    comparison({"a": generator}, cases[:1])
    gate_figure(generator, cases[0])
    discriminator_figure({"paper": judge}, cases[0], cases[0][0])
    assert generator.training and judge.training
