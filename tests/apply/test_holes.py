"""Masks of every encoding mean the same hole; what cannot be meant is named."""

import numpy as np
import pytest
import torch
from PIL import Image

from aotgan.apply.holes import feather_mask, grow_mask, read_mask
from aotgan.errors import InputError

SIZE = (9, 14)


@pytest.fixture
def hole():
    mask = np.zeros(SIZE, bool)
    mask[2:5, 3:9] = True
    return mask


def encodings(hole):
    white = Image.fromarray((hole * 255).astype(np.uint8))
    cut_out = Image.new("RGB", SIZE[::-1], (200, 30, 90))
    cut_out.putalpha(Image.fromarray((~hole * 255).astype(np.uint8)))
    soft = (hole * 255).astype(np.uint8)
    soft[5, 3:9], soft[1, 3:9] = 120, 10  # an anti-aliased edge below half
    return {
        "bool": hole,
        "0/1": hole.astype(np.uint8),
        "0/255": (hole * 255).astype(np.uint8),
        "16 bit": (hole * 65535).astype(np.uint16),
        "float": hole.astype(np.float32),
        "channels": np.dstack([hole * 255] * 3).astype(np.uint8),
        "L": white,
        "1": white.convert("1"),
        "P": white.convert("P"),
        "RGB": white.convert("RGB"),
        "alpha": cut_out,
        "soft": soft,
        "tensor": torch.from_numpy(hole),
        "tensor (1, H, W)": torch.from_numpy(hole)[None].float(),
        "tensor (1, 1, H, W)": torch.from_numpy(hole)[None, None].half(),
        "box": [(3, 2, 9, 5)],
        "boxes": [(3, 2, 6.5, 5), [6, 2, 9.0, 5]],
    }


@pytest.mark.parametrize("kind", encodings(np.zeros(SIZE, bool)))
def test_every_encoding_is_the_same_hole(hole, kind):
    got = read_mask(encodings(hole)[kind], SIZE)
    assert got.dtype == bool and np.array_equal(got, hole)


@pytest.mark.parametrize("kind", ["L", "1", "P", "RGB", "alpha"])
def test_files_too(hole, tmp_path, kind):
    encodings(hole)[kind].save(tmp_path / "m.png")
    assert np.array_equal(read_mask(str(tmp_path / "m.png"), SIZE), hole)


def test_a_mask_file_is_turned_upright(hole, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(hole.T[::-1]).save(tmp_path / "m.png", exif=exif)
    stored = np.array(Image.open(tmp_path / "m.png"))
    assert np.array_equal(read_mask(tmp_path / "m.png", SIZE), stored[::-1].T)
    assert read_mask(tmp_path / "m.png", SIZE).shape == SIZE


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (np.ones(SIZE, bool), "all hole.*invert the mask"),
        (np.zeros((14, 9)), r"14 x 9 px \(height x width\), its image 9 x 14. It fits turned"),
        (np.zeros((9, 15)), r"9 x 15 px .*, its image 9 x 14\. Give a mask of the image's size"),
        (np.tile(np.arange(14, dtype=np.uint8) * 18, (9, 1)), "% of its pixels are neither black"),
        (np.full(SIZE, 7), "values reach 7, which is neither 0/1 nor 0/255"),
        (np.full(SIZE, -1.0), "negative"),
        (np.dstack([np.eye(9, 14), np.zeros(SIZE), np.zeros(SIZE)]), "coloured"),
        (torch.zeros(2, 1, *SIZE), "expected .H, W., .1, H, W. or .B, 1, H, W."),
        ([(3, 2, 9)], "expected a list of boxes"),
        ([(500, 10, 600, 50)], r"box \(500, 10, 600, 50\): it lies outside of the image of 14 x 9"),
        ((3, 2, 9, 5), "expected a list of boxes"),
        ([(9, 2, 3, 5)], "left < right and top < bottom; the last two are no width and height"),
        ([(20, 20, 30, 30)], "it lies outside of the image of 14 x 9 px"),
        (None, "a mask of type NoneType was given; expected a PIL image"),
        ("absent.png", "no such image file"),
    ],
)
def test_what_is_no_mask_is_named(mask, message):
    with pytest.raises(InputError, match=message):
        read_mask(mask, SIZE)


def test_an_empty_mask_is_allowed_and_an_inverted_one_is_suspected(hole):
    assert not read_mask(np.zeros(SIZE, np.uint8), SIZE).any()
    assert not read_mask([], SIZE).any()
    with pytest.warns(UserWarning, match=r"86% of the image is hole.*invert the mask"):
        assert np.array_equal(read_mask(~hole, SIZE), ~hole)


@pytest.mark.parametrize("px", [0, 1, 1.5, 3, 100])
def test_growing_is_dilation_by_a_disc(px):
    rng = np.random.default_rng(1)
    mask = rng.random((23, 31)) > 0.995
    mask[4, 5] = True
    y, x = np.mgrid[:23, :31]
    expected = np.zeros_like(mask)
    for row, column in np.argwhere(mask):
        expected |= (y - row) ** 2 + (x - column) ** 2 <= px**2
    if px == 100:
        with pytest.raises(InputError, match="grow=100: the hole would cover the whole image"):
            grow_mask(mask, px)
    else:
        assert np.array_equal(grow_mask(mask, px), expected)


def test_the_fill_fades_over_the_band_and_nowhere_else(hole):
    weight = feather_mask(hole, 3)
    assert (weight[hole] == 1).all()
    assert weight[3, 9:14].tolist() == [0.75, 0.5, 0.25, 0, 0]
    outside = ~grow_mask(hole, 3)
    assert (weight[outside] == 0).all() and (weight[~outside] > 0).all()
    assert np.array_equal(feather_mask(hole, 0), hole)
    assert not feather_mask(np.zeros(SIZE, bool), 3).any()


@pytest.mark.parametrize("px", [-1, float("nan"), float("inf"), "2", True, None])
@pytest.mark.parametrize(("name", "change"), [("grow", grow_mask), ("feather", feather_mask)])
def test_impossible_widths_are_refused(hole, name, change, px):
    with pytest.raises(InputError, match=f"{name}=.*: expected a number of pixels, 0 or more"):
        change(hole, px)
