"""Deep holes are filled from coarse to fine, at any size as on a whole image."""

import warnings

import numpy as np
import pytest
import torch
from tolerances import DOUBLE_NET

import aotgan
from aotgan.apply import coarse, inpaint
from aotgan.apply.coarse import DEEP_PX, DeepHole, Guess, depth_of, levels_of
from aotgan.apply.painter import Painter
from aotgan.data.masks import thick_mask
from aotgan.errors import InputError
from aotgan.models.coarse import complete_from_coarse
from aotgan.models.generator import Generator

HOLES = {"inside": [(140, 100, 180, 164)], "at the border": [(0, 200, 70, 256), (300, 8, 320, 30)]}


def network(**options):
    torch.manual_seed(1)
    options = {"fill": "surface", "correction": True} | options
    generator = Generator(width=4, blocks=1, rates=(1, 2), **options).eval().double()
    for value in generator.parameters():  # the initial ones are so small that little is seen
        torch.nn.init.normal_(value, 0, 0.25)
    return generator


def case(boxes, height=256, width=384):
    image = torch.rand(3, height, width, dtype=torch.float64) * 2 - 1
    mask = torch.zeros(1, 1, height, width, dtype=torch.float64)
    for left, top, right, bottom in boxes:
        mask[..., top:bottom, left:right] = 1
    return image, mask


@torch.no_grad()
@pytest.mark.parametrize("place", HOLES)
@pytest.mark.parametrize("levels", [1, 2, 3])
@pytest.mark.parametrize("upsampling", ["transposed", "bilinear"])
def test_it_is_the_coarse_to_fine_fill_of_the_whole_image(place, levels, upsampling, monkeypatch):
    monkeypatch.setattr(coarse, "STRIP", 64)
    generator = network(upsampling=upsampling)
    image, mask = case(HOLES[place])
    whole = complete_from_coarse(generator, image[None], mask, levels)[0]
    filled = aotgan.inpaint(image, HOLES[place], generator, levels=levels)
    assert (filled - whole).abs().max() < DOUBLE_NET
    other = aotgan.inpaint(image, HOLES[place], generator, levels=levels - 1)
    assert (filled - other).abs().max() > 1e-3


def test_depth_decides_and_a_shallow_hole_is_filled_in_one_pass(monkeypatch):
    def disk(radius):
        y, x = np.mgrid[-150:151, -150:151]
        return np.hypot(y, x) <= radius

    expected = {10: 0, DEEP_PX - 2: 0, DEEP_PX + 2: 1, 2 * DEEP_PX - 2: 1, 4 * DEEP_PX - 2: 2}
    assert {radius: levels_of(depth_of(disk(radius))) for radius in expected} == expected
    assert depth_of(np.zeros((9, 9), bool)) == depth_of(np.ones((999, 999), bool)) == 0
    assert levels_of(0) == 0
    half = np.zeros((200, 90), bool)
    half[:, 40:] = True
    assert levels_of(depth_of(half)) == 1, "the image's border is not known"

    image, boxes = case([])[0], [(20, 20, 80, 60)]
    generator = network()
    deep = aotgan.inpaint(image, boxes, generator)
    assert torch.equal(deep, aotgan.inpaint(image, boxes, generator, levels=0))
    monkeypatch.setattr(coarse, "DEEP_PX", 12.0)
    assert torch.equal(
        aotgan.inpaint(image, boxes, generator), aotgan.inpaint(image, boxes, generator, levels=1)
    )
    seen = network(correction=False)  # a surface is all that it is shown of the hole
    assert torch.equal(
        aotgan.inpaint(image, boxes, seen), aotgan.inpaint(image, boxes, seen, levels=1)
    )
    plain = network(fill=0.0, correction=False)
    assert torch.equal(
        aotgan.inpaint(image, boxes, plain), aotgan.inpaint(image, boxes, plain, levels=0)
    )


@pytest.mark.parametrize("size", [(201, 163), (37, 450), (90, 90)])
def test_any_size_and_hole_is_filled_and_known_pixels_stay(size):
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
    hole = thick_mask(*size, (0.3, 0.5), rng)
    filled = [aotgan.inpaint(picture, hole, network(), levels=n) for n in range(4)]
    for result in filled:
        assert np.array_equal(result[~hole], picture[~hole])
    assert not np.array_equal(filled[0], filled[1]) and not np.array_equal(filled[1], filled[2])


def test_progress_counts_the_smaller_pictures_too():
    told = []
    image, boxes = case([])[0], HOLES["inside"]
    aotgan.inpaint(image, boxes, network(), levels=2, on_progress=lambda *step: told.append(step))
    total = told[0][1]
    assert told == [(done, total) for done in range(1, total + 1)]
    assert total == 3 * inpaint.stages(network())


@pytest.mark.parametrize("levels", [-1, 1.5, True, 9])
def test_levels_that_cannot_be_are_refused(levels):
    with pytest.raises(InputError, match="levels=.*: expected a whole number up to 8, or None"):
        aotgan.inpaint(*case([])[:1], HOLES["inside"], network(), levels=levels)


def test_a_network_that_knows_no_surface_has_no_coarse_fill():
    with pytest.raises(InputError, match="levels=1: this model takes no coarse fill"):
        image = case([])[0]
        aotgan.inpaint(image, HOLES["inside"], network(fill=0.0, correction=False), levels=1)


@pytest.mark.parametrize("fill", ["surface", 0.0])
def test_a_hole_deeper_than_the_training_is_told_with_the_numbers(fill):
    generator = network(fill=fill, correction=fill == "surface")
    picture = np.zeros((140, 140, 3), np.uint8)
    with pytest.warns(DeepHole) as told:
        aotgan.inpaint(picture, [(20, 20, 120, 120)], generator)
    [warning] = told
    told = f"The hole is 50 px deep, and networks have learnt to fill {DEEP_PX:.0f} px"
    assert told in str(warning.message) and warning.filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        aotgan.inpaint(picture, [(20, 20, 80, 80)], generator)
        aotgan.inpaint(picture, [(20, 20, 120, 120)], "smooth")


@pytest.mark.parametrize("network_given", [True, False])
def test_the_painter_tells_it_before_a_network_fills(network_given):
    painter = Painter(np.zeros((90, 120, 3), np.uint8), network() if network_given else "smooth")
    notices = []
    painter.canvas.observe(lambda change: notices.append(change["new"]), "notice")
    painter.mask = np.pad(np.ones((70, 100), bool), 10)
    painter.fill()
    painter.wait()
    assert notices[0].startswith("Filling ...") and "Filled in" in notices[-1]
    assert ("The hole is 35 px deep, and networks have learnt" in notices[0]) == network_given


def test_a_guess_goes_on_as_its_border_outside():
    values = torch.arange(12.0).reshape(1, 1, 3, 4)
    around = Guess(10, 20, values).at(np.arange(9, 14), np.arange(19, 25))
    expected = np.pad(values[0, 0].numpy(), 1, mode="edge")
    assert np.array_equal(around[0, 0].numpy(), expected)
