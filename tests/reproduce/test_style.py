"""Figures show the pixels they were given, and the same figure is the same file."""

import io
import struct
from types import SimpleNamespace

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from PIL import Image

from aotgan.errors import InputError
from aotgan.models.generator import Generator
from aotgan.reproduce.figures.style import (
    fill_bytes,
    fills,
    image_row,
    loss_curves,
    png_bytes,
    save_figure,
)

PHOTO = np.arange(8 * 8 * 3, dtype=np.uint8).reshape(8, 8, 3)
MASK = np.zeros((8, 8), bool)
MASK[2:5, 3:7] = True


def drawn(figure):
    """The pictures of a figure in reading order, as arrays, without the colour bar."""
    return [np.asarray(axes.images[0].get_array()) for axes in figure.axes if axes.images]


def rows(steps=(10, 20, 30), **losses):
    return [
        {"step": step, "seconds": 1.0, "images_per_s": 5.0}
        | {name: values[i] for name, values in losses.items()}
        for i, step in enumerate(steps)
    ]


def test_each_kind_of_picture_is_drawn_as_it_is():
    tensor = torch.linspace(-1, 1, 3 * 8 * 8).reshape(3, 8, 8)
    values = np.linspace(0, 5, 64).reshape(8, 8)
    photo, mask, from_tensor, map_ = drawn(image_row([PHOTO, MASK, tensor, values]))
    assert np.array_equal(photo, PHOTO)
    assert np.array_equal(mask, MASK)
    bytes_ = np.rint((tensor.numpy().transpose(1, 2, 0) + 1) * 127.5)
    assert np.abs(from_tensor - bytes_).max() <= 1
    assert np.array_equal(map_, values)


def test_a_hole_is_white_and_known_pixels_are_black():
    figure = image_row([~MASK & False])  # no hole at all must not be stretched to white
    assert figure.axes[0].images[0].get_clim() == (0, 1)
    assert figure.axes[0].images[0].get_cmap().name == "gray"


def test_maps_share_one_scale_and_have_a_colour_bar():
    low, high = np.zeros((4, 4)), torch.full((1, 4, 4), 3.0)
    figure = image_row([low, PHOTO, high])
    limits = [axes.images[0].get_clim() for axes in (figure.axes[0], figure.axes[2])]
    assert limits == [(0.0, 3.0), (0.0, 3.0)]
    assert len(figure.axes) == 4
    assert len(image_row([PHOTO]).axes) == 1


@pytest.mark.parametrize("values", [np.full((4, 4), 2.0), np.full((4, 4), np.nan)])
def test_a_constant_or_empty_map_can_be_drawn(values):
    assert png_bytes(image_row([values])).startswith(b"\x89PNG")


def test_pictures_wrap_into_rows_with_their_titles():
    figure = image_row([PHOTO] * 5, list("abcde"), columns=3)
    assert figure.axes[0].get_subplotspec().get_gridspec().get_geometry() == (2, 3)
    assert [axes.get_title() for axes in figure.axes[:5]] == list("abcde")
    many = image_row([PHOTO] * 7).axes[0].get_subplotspec().get_gridspec()
    assert many.get_geometry() == (2, 6)


def test_pictures_have_no_ticks():
    for axes in image_row([PHOTO, MASK]).axes:
        assert not len(axes.get_xticks())
        assert not len(axes.get_yticks())


@pytest.mark.parametrize(
    "picture",
    [
        PHOTO.astype(float),
        PHOTO.transpose(2, 0, 1),
        torch.full((3, 8, 8), 200.0),
        torch.zeros(1, 3, 8, 8),
        torch.zeros(3, 8, 8, dtype=torch.uint8),
    ],
    ids=["float HWC", "uint8 CHW", "range 0-255", "batch", "uint8 tensor"],
)
def test_other_pictures_are_refused(picture):
    with pytest.raises(InputError, match="expected uint8"):
        image_row([picture])


def test_no_pictures_or_another_number_of_titles_is_refused():
    with pytest.raises(InputError, match="0 images"):
        image_row([])
    with pytest.raises(InputError, match="2 images and 1 titles"):
        image_row([PHOTO, MASK], ["one"])


@pytest.fixture(scope="module")
def generator():
    torch.manual_seed(0)
    return Generator(width=4, blocks=1, rates=(1, 2))


def cases(count=2):
    rng = np.random.default_rng(0)
    for number in range(count):
        image = rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)
        mask = np.zeros((16, 16), bool)
        mask[4:9, 2 + number : 9] = True
        yield image, mask, SimpleNamespace(bin=f"{number}0-{number + 1}0%")


def test_filled_photographs_keep_every_known_byte(generator):
    for image, mask, _ in cases():
        filled = fill_bytes(generator, image, mask)
        assert np.array_equal(filled[~mask], image[~mask])
        x = torch.from_numpy(image / 127.5 - 1).permute(2, 0, 1)[None].float()
        m = torch.from_numpy(mask)[None, None].float()
        with torch.no_grad():
            prediction = generator(x * (1 - m), m)[0].permute(1, 2, 0).numpy()
        expected = np.rint((prediction + 1) * 127.5)
        assert np.abs(filled[mask].astype(float) - expected[mask]).max() <= 1


def test_fills_draws_masked_filled_and_original(generator):
    generator.train()
    (first, mask, _), (second, _, _) = cases()
    figure = fills(generator, cases(), "note")
    pictures = drawn(figure)
    assert len(pictures) == 6
    assert (pictures[0][mask] == 255).all()
    assert np.array_equal(pictures[2], fill_bytes(generator, first, mask))
    assert np.array_equal(pictures[4], first)
    assert np.array_equal(pictures[5], second)
    assert [axes.get_title() for axes in figure.axes[:2]] == ["hole 00-10%", "hole 10-20%"]
    assert figure.axes[2].get_ylabel() == "filled\nnote"
    assert generator.training


def test_fills_draws_a_row_for_each_network(generator):
    other = Generator(width=4, blocks=1, rates=(1, 2))
    figure = fills({"one": generator, "two": other}, cases())
    assert len(drawn(figure)) == 8
    assert [figure.axes[i].get_ylabel() for i in (0, 2, 4, 6)] == [
        "masked",
        "one",
        "two",
        "original",
    ]
    with pytest.raises(InputError, match="no cases"):
        fills(generator, [])


def test_each_loss_has_a_panel_and_wide_ranges_are_logarithmic():
    figure = loss_curves(rows(reconstruction=[5.0, 1.0, 0.1], style=[3.0, 2.0, 1.0]))
    first, second = figure.axes
    assert (first.get_title(), second.get_title()) == ("reconstruction (log)", "style")
    assert (first.get_yscale(), second.get_yscale()) == ("log", "linear")
    assert first.lines[0].get_xydata().tolist() == [[10, 5.0], [20, 1.0], [30, 0.1]]
    assert second.get_ylim()[0] == 0


def test_several_runs_share_the_panels():
    one, two = rows(style=[3.0, 2.0, 1.0]), rows(style=[2.0, 2.0, 2.0])
    figure = loss_curves({"seed 0": one, "seed 1": two})
    assert len(figure.axes[0].lines) == 2
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["seed 0", "seed 1"]


@pytest.mark.parametrize("nothing", [[], {}, {"a": []}, [{"step": 1, "seconds": 2.0}]])
def test_curves_of_nothing_are_refused(nothing):
    with pytest.raises(InputError, match="no rows"):
        loss_curves(nothing)


def test_the_same_figure_is_the_same_file_whatever_the_users_settings(tmp_path):
    first = save_figure(image_row([PHOTO, MASK], ["a", "b"]), tmp_path / "first.png")
    before = dict(matplotlib.rcParams)
    with matplotlib.rc_context({"axes.titleweight": "bold", "savefig.facecolor": "red"}):
        second = save_figure(image_row([PHOTO, MASK], ["a", "b"]), tmp_path / "second.png")
    assert first.read_bytes() == second.read_bytes()
    assert dict(matplotlib.rcParams) == before


def test_a_file_names_no_software_and_no_date(tmp_path):
    content = save_figure(image_row([PHOTO]), tmp_path / "a.png").read_bytes()
    kinds, at = set(), 8
    while at < len(content):
        (length,) = struct.unpack(">I", content[at : at + 4])
        kinds.add(content[at + 4 : at + 8])
        at += 12 + length
    assert kinds == {b"IHDR", b"pHYs", b"IDAT", b"IEND"}


def test_only_png_is_written(tmp_path):
    with pytest.raises(InputError, match=r"ends in \.png"):
        save_figure(image_row([PHOTO]), tmp_path / "a.pdf")
    assert list(tmp_path.iterdir()) == []


def test_a_notebook_shows_the_figure_once_and_photographs_small():
    photograph, curves = image_row([PHOTO]), loss_curves(rows(style=[3.0, 2.0, 1.0]))
    for figure, kind in ((photograph, "JPEG"), (curves, "PNG")):
        figure.described("what it shows")
        ((content, metadata),) = filter(None, (figure._repr_png_(), figure._repr_jpeg_()))
        assert metadata == {"alt": "what it shows"}
        picture = Image.open(io.BytesIO(content))
        assert picture.format == kind
        assert picture.size[0] > 100
    assert plt.get_fignums() == []
