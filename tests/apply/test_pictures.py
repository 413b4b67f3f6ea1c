"""A picture comes back as it was but for its hole: kind, mode, size, dtype, orientation, bytes."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps
from tolerances import PERCENT, ROUNDED, SINGLE_FEW

import aotgan
from aotgan.apply.pictures import MODES, read_pictures
from aotgan.data.orientation import TURNS
from aotgan.errors import InputError
from aotgan.models.generator import Generator

KINDS = (*MODES, "u1", "u1x3", "u1x4", "u2", "u2x3", "f4", "f8x3", "tensor", "tensor u1", "batch")


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(1)
    generator = Generator(width=2, blocks=1, rates=(1,)).eval()
    for value in generator.parameters():
        torch.nn.init.normal_(value, 0, 0.4)
    return generator


def picture(kind, height, width, rng):
    """A picture of a kind, of noise."""
    if kind in ("I", *[mode for mode in MODES if mode.startswith("I;16")]):
        values = rng.integers(0, 65536, (height, width))
        if kind == "I":
            return Image.fromarray(values.astype(np.int32))
        data = values.astype(">u2" if kind == "I;16B" else "<u2").tobytes()
        return Image.frombytes(kind, (width, height), data)
    if kind in MODES:
        four = Image.fromarray(rng.integers(0, 256, (height, width, 4), dtype=np.uint8))
        return four.convert(kind) if kind in ("RGBA", "LA") else four.convert("RGB").convert(kind)
    if "tensor" in kind or kind == "batch":
        shape = (2, 3, height, width) if kind == "batch" else (3, height, width)
        values = torch.from_numpy(rng.integers(0, 256, shape, dtype=np.uint8))
        return values if kind == "tensor u1" else values.float() / 127.5 - 1
    shape = (height, width, int(kind[3:])) if "x" in kind else (height, width)
    values = rng.random(shape)
    if kind[0] == "f":
        return values.astype(kind[:2])
    return (values * np.iinfo(kind[:2]).max).astype(kind[:2])


def samples(image):
    """Its numbers, with rows and columns first."""
    if isinstance(image, torch.Tensor):
        return np.moveaxis(image.reshape(-1, *image.shape[-2:]).numpy(), 0, -1)
    return np.array(image)


@settings(max_examples=240, deadline=None)
@given(
    kind=st.sampled_from(KINDS),
    size=st.one_of(
        st.tuples(st.just(1), st.integers(2, 1100)),
        st.tuples(st.integers(2, 1100), st.just(1)),
        st.tuples(st.integers(2, 67), st.integers(2, 67)),
        st.tuples(st.sampled_from([2, 3, 5]), st.sampled_from([251, 521, 1009, 1097])),
    ),
    seed=st.integers(0, 9),
)
def test_every_size_and_kind_comes_back_with_its_known_pixels(network, kind, size, seed):
    rng = np.random.default_rng(seed)
    image = picture(kind, *size, rng)
    top, left = rng.integers(size[0]), rng.integers(size[1])
    hole = np.zeros(size, bool)
    hole[top : top + 12, left : left + 12] = True
    if hole.all():
        hole[-1, -1] = False
    before = samples(image).copy()
    share = hole.mean()
    if share > 0.6:
        with pytest.warns(UserWarning, match="of the image is hole"):
            filled = aotgan.inpaint(image, hole, network)
    else:
        filled = aotgan.inpaint(image, hole, network)
    assert type(filled) is (Image.Image if isinstance(image, Image.Image) else type(image))
    if isinstance(image, Image.Image):
        assert (filled.mode, filled.size) == (image.mode, image.size)
    after = samples(filled)
    assert after.shape == before.shape and after.dtype == before.dtype
    assert np.array_equal(after[~hole], before[~hole])
    assert np.array_equal(samples(image), before), "the given image was changed"


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("1", "P", "CMYK")])
def test_every_kind_shows_the_network_the_same_picture(kind):
    """Half grey is half grey, whatever numbers stand for it, and comes back as such."""
    image = picture(kind, 4, 6, np.random.default_rng(0))
    low, high = (-1, 1) if kind in ("tensor", "batch") else (0, 65535 if "2" in kind else 255)
    high = 65535 if kind.startswith("I") else 1 if kind[0] == "f" else high
    middle = np.full_like(samples(image), low + (high - low) / 4)
    if kind in ("RGBA", "LA", "u1x4"):
        middle[..., -1] = high
    if isinstance(image, Image.Image):
        image.frombytes(middle.tobytes())
    elif isinstance(image, torch.Tensor):
        image = torch.full_like(image, low + (high - low) / 4)
    else:
        image = middle
    parts, restore = read_pictures(image)
    seen = parts[0].view(np.arange(4), np.arange(6))
    assert seen.shape == (1, 3, 4, 6) and (seen + 0.5).abs().max() < 0.008
    for part in parts:
        part.paste(0, 0, torch.full((3, 4, 6), -0.5), np.ones((4, 6), bool))
    assert np.abs(samples(restore([p.filled for p in parts])) - middle.astype(float)).max() <= (
        1 if low == 0 and high > 1 else SINGLE_FEW
    )


def test_colours_keep_their_places():
    image = Image.new("RGB", (3, 2), (255, 0, 51))
    for mode in ("RGB", "RGBA", "CMYK", "P"):
        (part,), restore = read_pictures(image.convert(mode))
        assert np.allclose(
            part.view(np.arange(2), np.arange(3))[0, :, 0, 0], [1, -1, -0.6], atol=PERCENT
        )
        part.paste(
            0, 0, torch.tensor([1.0, -1, -0.6])[:, None, None].expand(3, 2, 3), np.ones((2, 3))
        )
        assert restore([part.filled]).convert("RGB").getpixel((1, 1)) == pytest.approx(
            (255, 0, 51), abs=3
        )
    inks = Image.new("CMYK", (3, 2), (0, 255, 204, 51))  # black takes a fifth of the light
    (part,), _ = read_pictures(inks)
    light = part.view(np.arange(2), np.arange(3))[0, :, 0, 0]
    assert np.allclose(light, [0.6, -1, 2 * 0.2 * 0.8 - 1], atol=SINGLE_FEW)
    (part,), _ = read_pictures(Image.fromarray(np.eye(3, dtype=bool)))
    assert np.array_equal(part.view(np.arange(3), np.arange(3))[0, 1], 2 * np.eye(3) - 1)
    (tensor,), _ = read_pictures(torch.tensor([1.0, -1, -0.6])[:, None, None].expand(3, 2, 3))
    assert np.allclose(tensor.view(np.arange(2), np.arange(3))[0, :, 0, 0], [1, -1, -0.6])


def test_transparency_is_seen_over_white_and_ends_in_the_fill():
    array = np.zeros((4, 5, 4), np.uint8)
    array[..., 3] = 128
    (part,), _ = read_pictures(array)
    assert part.view(np.arange(4), np.arange(5)).unique().item() == pytest.approx(
        -0.004, abs=ROUNDED
    )
    weight = np.zeros((4, 5))
    weight[0, 0], weight[0, 1] = 1, 0.5
    part.paste(0, 0, torch.ones(3, 4, 5), weight)
    assert part.filled[0, 0].tolist() == [255, 255, 255, 255]
    assert part.filled[0, 1].tolist() == [191, 191, 191, 192]
    assert np.array_equal(part.filled[1:], array[1:])


@pytest.mark.parametrize("level", [0, 128, 255])
@pytest.mark.parametrize("mode", ["L", "RGB", "I", "I;16", "I;16B"])
def test_a_fill_of_the_transparent_colour_is_opaque(mode, level):
    value = level * 257 if mode[0] == "I" else level
    dtype = {"I": np.int32, "I;16": "<u2", "I;16B": ">u2"}.get(mode, np.uint8)
    shape = (8, 9, 3) if mode == "RGB" else (8, 9)
    image = Image.frombytes(mode, (9, 8), np.full(shape, value, dtype).tobytes())
    image.info["transparency"] = (value,) * 3 if mode == "RGB" else value
    (picture,), restore = read_pictures(image)
    picture.paste(2, 2, torch.full((3, 4, 5), level / 127.5 - 1), np.ones((4, 5), bool))
    before, after = (samples(one).astype(int) for one in (image, restore([picture.filled])))
    distance = np.abs(after - before).reshape(8, 9, -1).max(-1)
    inside = np.zeros((8, 9), int)
    inside[2:6, 2:7] = 1
    assert np.array_equal(distance, inside)


def test_a_hole_cut_out_of_an_image_is_its_own_mask(network):
    array = np.random.default_rng(0).integers(0, 256, (30, 40, 4), dtype=np.uint8)
    array[..., 3] = 255
    array[5:12, 6:20, 3] = 0
    image = Image.fromarray(array)
    filled = np.array(aotgan.inpaint(image, image, network))
    assert (filled[..., 3] == 255).all()
    assert np.array_equal(filled[array[..., 3] > 0], array[array[..., 3] > 0])


def test_a_palette_is_kept_and_filled_with_opaque_colours_of_the_picture(network):
    image = Image.new("P", (40, 30), 3)
    image.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0, 90, 90, 90, 200, 200, 200])
    image.paste(4, (0, 0, 20, 30))
    image.paste(1, (30, 0, 40, 30))
    image.info["transparency"] = 1
    (part,), _ = read_pictures(image)
    seen = part.view(np.arange(1), np.arange(1))
    assert (seen - (200 / 127.5 - 1)).abs().max() < SINGLE_FEW
    filled = aotgan.inpaint(image, [(10, 10, 30, 20)], network)
    assert filled.getpalette() == image.getpalette() and filled.info["transparency"] == 1
    assert set(np.unique(np.array(filled)[10:20, 10:30])) <= {3, 4}


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_mask_is_that_of_the_displayed_picture(network, tmp_path, orientation):
    stored = Image.fromarray(np.random.default_rng(0).integers(0, 256, (24, 41, 3), dtype=np.uint8))
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored.save(tmp_path / "a.png", exif=exif)
    image = Image.open(tmp_path / "a.png")
    shown = ImageOps.exif_transpose(image)
    hole = np.zeros((shown.height, shown.width), bool)
    hole[2:9, 5:11] = True
    expected = aotgan.inpaint(np.array(shown), hole, network)
    assert (expected != np.array(shown)).any()

    filled = aotgan.inpaint(image, hole, network)
    assert filled.size == stored.size
    assert filled.getexif().get(0x0112) == orientation
    assert np.array_equal(np.array(ImageOps.exif_transpose(filled)), expected)

    from_path = aotgan.inpaint(tmp_path / "a.png", hole, network)
    assert np.array_equal(np.array(from_path), expected)
    assert from_path.getexif().get(0x0112, 1) == 1

    # a mask that was drawn on the stored picture and says so itself
    back = {6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}
    turned = Image.fromarray(hole)
    if orientation > 1:
        turned = turned.transpose(back.get(orientation, TURNS[orientation]))
    turned.getexif()[0x0112] = orientation
    assert np.array_equal(np.array(aotgan.inpaint(image, turned, network)), np.array(filled))


def test_a_turned_tiff_is_turned_once(network, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (41, 24), (9, 99, 199)).save(tmp_path / "a.tif", exif=exif)
    assert aotgan.inpaint(tmp_path / "a.tif", [(2, 2, 9, 9)], network).size == (24, 41)
    assert aotgan.inpaint(Image.open(tmp_path / "a.tif"), [(2, 2, 9, 9)], network).size == (24, 41)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (3, "an image of type int was given; expected a PIL image"),
        ([[1, 2]], "an image of type list"),
        (np.zeros((4, 4, 5)), r"shape \(4, 4, 5\) and dtype float64 was given; expected"),
        (np.zeros((2, 4, 4, 3)), "expected .H, W. or .H, W, C."),
        (np.zeros((4, 4), np.int64), "dtype int64 was given"),
        (np.zeros((4, 4), bool), "dtype bool was given"),
        (np.zeros((0, 4)), "0 x 4 px has no pixels"),
        (np.full((4, 4), 2.0), r"reach from 2 to 2; expected \[0, 1\].*tensors in"),
        (np.full((4, 4), -0.5), "Scale it, or give uint8"),
        (np.linspace(-0.5, 1, 16).reshape(4, 4), "reach from -0.5 to 1"),
        (torch.full((3, 4, 4), 255.0), r"reach from 255 to 255; expected \[-1, 1\]"),
        (np.full((4, 4), np.nan), "NaN or infinite values outside the hole"),
        (torch.zeros(1, 4, 4), r"a tensor of shape \(1, 4, 4\).*expected \(3, H, W\)"),
        (torch.zeros(3, 4, 4, dtype=torch.int64), "torch.int64 was given"),
        (Image.new("HSV", (4, 4)), "an image of mode 'HSV' was given; expected one of 1, L"),
        (Image.new("F", (4, 4)), "an image of mode 'F'"),
        (Image.new("I", (4, 4), -1), "32-bit integers beyond 0 to 65535"),
        ("absent.jpg", "absent.jpg: no such image file"),
    ],
)
def test_what_is_no_picture_is_named(network, image, message):
    with pytest.raises(InputError, match=message):
        aotgan.inpaint(image, [(1, 1, 3, 3)], network)


def test_damaged_files_and_16_bit_colour_are_named(network, tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.png")
    data = (tmp_path / "a.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError, match=r"cut\.png: cannot be decoded"):
        aotgan.inpaint(tmp_path / "cut.png", [(1, 1, 3, 3)], network)
    deep = bytearray(data)
    deep[24] = 16  # bits a sample, in the header
    (tmp_path / "deep.png").write_bytes(_with_checksum(bytes(deep)))
    with pytest.raises(InputError, match=r"deep\.png: colour of 16 bits a channel"):
        aotgan.inpaint(tmp_path / "deep.png", [(1, 1, 3, 3)], network)


def _with_checksum(png):
    import zlib

    return png[:29] + zlib.crc32(png[12:29]).to_bytes(4, "big") + png[33:]
