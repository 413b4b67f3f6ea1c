"""Masks that are read: every encoding means the same hole, named errors for the rest."""

import numpy as np
import pytest
import torch
from PIL import Image

from aotgan.data.mask_files import fit_mask, masks_from_folder, read_mask
from aotgan.errors import InputError

SIZE = (9, 14)


@pytest.fixture
def hole():
    """(24, 32) bool, a third is hole, nothing symmetric."""
    mask = np.zeros((24, 32), bool)
    mask[2:15, 5:25] = True
    return mask


def encodings(hole):
    white = hole.astype(np.uint8)
    yield "bool", hole
    yield "0/1", white
    yield "int64 0/1", white.astype(np.int64)
    yield "0/255", white * 255
    yield "16 bit", white.astype(np.uint16) * 65535
    yield "float", white.astype(np.float32)
    yield "float 0/255", white * 255.0
    yield "one channel", white[..., None]
    yield "three channels", np.repeat(white[..., None] * 255, 3, axis=2)
    yield "opaque alpha", np.dstack([white * 255] * 3 + [np.full_like(white, 255)])
    photo = np.random.default_rng(0).integers(0, 256, (*hole.shape, 3), dtype=np.uint8)
    yield "erased photo", np.dstack([photo, 255 - white * 255])
    yield "soft edges", np.where(hole, 200, 90).astype(np.uint8)


def test_every_encoding_of_a_mask_reads_alike(hole):
    for name, array in encodings(hole):
        assert np.array_equal(read_mask(array), hole), name


def test_every_file_of_a_mask_reads_alike(hole, tmp_path):
    white = Image.fromarray(hole.astype(np.uint8) * 255)
    palette = Image.fromarray(hole.astype(np.uint8), mode="P")
    palette.putpalette([0, 0, 0, 255, 255, 255])
    kinds = {
        "bit.png": Image.fromarray(hole),
        "grey.png": white,
        "grey.bmp": white,
        "lossy.jpg": white,
        "sixteen.png": Image.fromarray(hole.astype(np.uint16) * 65535),
        "palette.png": palette,
        "rgb.webp": white.convert("RGB"),
        "zero_one.png": Image.fromarray(hole.astype(np.uint8)),
    }
    for name, image in kinds.items():
        image.save(tmp_path / name, **({"lossless": True} if name.endswith("webp") else {}))
        assert np.array_equal(read_mask(tmp_path / name, size=hole.shape), hole), name


def test_a_layer_is_read_where_one_reading_alone_is_left(hole):
    photo = np.random.default_rng(0).integers(0, 256, (*hole.shape, 3), dtype=np.uint8)
    erased = np.dstack([photo, (~hole * 255).astype(np.uint8)])

    def shown(rows, columns):
        return photo[rows, columns].astype(float)

    assert np.array_equal(read_mask(erased, strict=False, shown=shown), hole)
    with pytest.raises(InputError, match="read in two ways"):
        read_mask(erased, strict=False, shown=lambda *at: 255 - shown(*at))
    veiled = np.dstack([photo, np.where(hole, 0, 250).astype(np.uint8)])
    with pytest.raises(InputError, match="read in two ways"):
        read_mask(veiled, strict=False, shown=shown)
    brush = np.dstack([hole * np.uint8(40)] * 3 + [hole * np.uint8(187)])
    assert np.array_equal(read_mask(brush, strict=False, shown=shown), hole)
    faint = np.dstack([np.zeros_like(photo), np.where(hole, 187, 40).astype(np.uint8)])
    assert np.array_equal(read_mask(faint, hole="painted"), hole), "half of the strongest paint"
    plain = np.dstack([np.zeros_like(photo), (~hole * 255).astype(np.uint8)])
    for polarity in ("white", "black"):
        with pytest.raises(InputError, match="--hole painted.*--hole transparent"):
            read_mask(plain, hole=polarity)
    assert np.array_equal(read_mask(plain, hole="transparent"), hole)
    assert np.array_equal(read_mask(plain, hole="painted"), ~hole)
    with pytest.raises(InputError, match="has no transparency"):
        read_mask(hole, hole="painted")


def test_polarity_can_be_turned(hole):
    assert np.array_equal(read_mask((~hole).astype(np.uint8) * 255, hole="black"), hole)
    with pytest.raises(InputError, match="white"):
        read_mask(hole, hole="grey")


def test_reading_leaves_the_array_alone(hole):
    result = read_mask(hole)
    result[:] = False
    assert hole.any()


def coloured(hole):
    return np.dstack([hole * np.uint8(255), hole * np.uint8(0), hole * np.uint8(0)])


def two_masks(hole):
    other = np.roll(hole, 9, axis=1).astype(np.uint8) * 255
    return np.dstack([other] * 3 + [hole.astype(np.uint8) * 255])


def white_strokes_on_nothing(hole):
    white = hole.astype(np.uint8) * 255
    return np.dstack([white] * 4)  # as drawing programs save a layer


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (white_strokes_on_nothing, "can be read in two ways. Save it in black and white without"),
        (lambda hole: hole & False, "no hole"),
        (lambda hole: hole | True, "all hole"),
        (lambda hole: hole * np.uint8(40), "neither 0/1 nor 0/255"),
        (lambda hole: hole * 2, "neither"),
        (lambda hole: hole * 3.7, "neither"),
        (lambda hole: hole * -1, "negative"),
        (lambda hole: np.where(hole, np.nan, 0), "non-finite"),
        (coloured, "coloured"),
        (two_masks, "read in two ways"),
        (lambda hole: np.zeros((3, 24, 32)), r"expected \(H, W\)"),
        (lambda hole: np.zeros((0, 0)), "empty"),
    ],
)
def test_ambiguous_masks_are_named(hole, spoil, message):
    with pytest.raises(InputError, match=message):
        read_mask(spoil(hole))


def test_inverted_masks_get_the_advice_for_their_polarity(hole):
    nearly_all = np.ones((24, 32), bool)
    nearly_all[0, 0] = False
    with pytest.raises(InputError, match='give hole="black" .--hole black.'):
        read_mask(nearly_all)
    with pytest.raises(InputError, match='hole="white"'):
        read_mask(~nearly_all, hole="black")


def test_a_mask_of_another_size_is_refused(hole):
    with pytest.raises(InputError, match=r"24 x 32.*32 x 24"):
        read_mask(hole, size=(32, 24))


def test_a_folder_of_masks_is_listed_whole_or_not_at_all(hole, tmp_path):
    for name in ("b.png", "a.png"):
        Image.fromarray(hole).save(tmp_path / name)
    assert [file.name for file in masks_from_folder(tmp_path)] == ["a.png", "b.png"]
    (tmp_path / "c.png").write_text("broken")
    with pytest.raises(InputError, match=r"c\.png"):
        masks_from_folder(tmp_path)


def test_a_mask_file_cut_short_is_named(hole, tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(np.kron(hole, np.ones((9, 9), bool))).save(path)
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(InputError, match=r"a\.png: the mask cannot be decoded"):
        read_mask(path)


def test_fitting_a_mask_keeps_it_binary(hole):
    assert fit_mask(hole, 24, 32) is hole
    half = fit_mask(np.kron(hole, np.ones((2, 2), bool)), 24, 32)
    assert half.dtype == bool and np.array_equal(half, hole)


def test_stand_in_masks_read_with_their_documented_fraction(stand_in_data):
    files = masks_from_folder(stand_in_data / "masks")[::40]
    fractions = [read_mask(file).mean() for file in files]
    assert 0.25 < min(fractions) and max(fractions) < 0.61


@pytest.fixture
def small():
    """A hole of SIZE."""
    mask = np.zeros(SIZE, bool)
    mask[2:5, 3:9] = True
    return mask


def ways_to_bring(hole):
    white = Image.fromarray((hole * 255).astype(np.uint8))
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
        "soft": soft,
        "tensor": torch.from_numpy(hole),
        "tensor (1, H, W)": torch.from_numpy(hole)[None].float(),
        "tensor (1, 1, H, W)": torch.from_numpy(hole)[None, None].half(),
        "box": [(3, 2, 9, 5)],
        "boxes": [(3, 2, 6.5, 5), [6, 2, 9.0, 5]],
    }


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize("kind", ways_to_bring(np.zeros(SIZE, bool)))
def test_every_way_to_bring_a_hole_is_read(small, kind, strict):
    got = read_mask(ways_to_bring(small)[kind], SIZE, strict=strict)
    assert got.dtype == bool and np.array_equal(got, small)


@pytest.mark.parametrize("kind", ["L", "1", "P", "RGB"])
def test_files_too(small, tmp_path, kind):
    ways_to_bring(small)[kind].save(tmp_path / "m.png")
    assert np.array_equal(read_mask(str(tmp_path / "m.png"), SIZE, strict=False), small)


def test_a_mask_file_is_turned_upright(small, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(small.T[::-1]).save(tmp_path / "m.png", exif=exif)
    stored = np.array(Image.open(tmp_path / "m.png"))
    assert np.array_equal(read_mask(tmp_path / "m.png", SIZE, strict=False), stored[::-1].T)
    assert read_mask(tmp_path / "m.png", SIZE, strict=False).shape == SIZE


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (np.ones(SIZE, bool), "all hole: no pixel is left.*Leave what is to be kept out of it"),
        (np.zeros((14, 9)), r"14 x 9 px \(height x width\), its image 9 x 14. It fits turned"),
        (np.zeros((9, 15)), r"9 x 15 px .*, its image 9 x 14\. Give a mask of the image's size"),
        (np.tile(np.arange(14, dtype=np.uint8) * 18, (9, 1)), "% of its pixels are neither black"),
        (np.full(SIZE, 65536), "values reach 65536, which is neither 0/1 nor 0/255"),
        (np.full(SIZE, 7), "values reach 7, which is neither 0/1 nor 0/255"),
        (np.full(SIZE, -1.0), "negative"),
        (np.dstack([np.eye(9, 14), np.zeros(SIZE), np.zeros(SIZE)]), "coloured"),
        (torch.zeros(2, 1, *SIZE), "expected .H, W., .1, H, W. or .B, 1, H, W."),
        ([(3, 2, 9)], "expected a list of boxes"),
        ([(500, 10, 600, 50)], r"box \(500, 10, 600, 50\): it lies outside of the image of 14 x 9"),
        ((3, 2, 9, 5), "expected a list of boxes"),
        (
            [np.zeros(SIZE)] * 2,
            r"a list of masks \(ndarray\) was given; expected one mask or",
        ),
        (["m.png"], r"a list of masks \(str\) was given"),
        ([Image.new("1", (14, 9))], r"a list of masks \(Image\) was given"),
        ([(3, float("nan"), 9, 5)], "expected a list of boxes"),
        ([(3, 2, 3, 5)], "left < right and top < bottom"),
        ([(3, 5, 9, 5)], "left < right and top < bottom"),
        ([(9, 2, 3, 5)], "left < right and top < bottom; the last two are no width and height"),
        ([(20, 20, 30, 30)], "it lies outside of the image of 14 x 9 px"),
        (None, "a mask of type NoneType was given; expected a PIL image"),
        ("absent.png", "no such image file"),
    ],
)
def test_what_is_no_mask_is_named(mask, message):
    with pytest.raises(InputError, match=message):
        read_mask(mask, SIZE, strict=False)


def test_an_empty_mask_is_allowed_and_an_inverted_one_is_suspected(small):
    assert not read_mask(np.zeros(SIZE, np.uint8), SIZE, strict=False).any()
    assert not read_mask([], SIZE, strict=False).any()
    with pytest.warns(UserWarning, match=r"86% of the image is hole.*give hole=.black"):
        assert np.array_equal(read_mask(~small, SIZE, strict=False), ~small)


@pytest.mark.parametrize("strict", [True, False])
def test_a_photograph_is_no_mask_whatever_its_contrast(strict):
    noise = np.random.default_rng(0).integers(100, 200, SIZE, dtype=np.uint8)
    with pytest.raises(InputError, match="neither black nor white, as in a photograph"):
        read_mask(noise, strict=strict)


def test_masks_of_a_set_are_turned_upright_as_its_photographs_are(small, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(small.T[::-1]).save(tmp_path / "m.png", exif=exif)
    assert np.array_equal(read_mask(tmp_path / "m.png", SIZE), small)


def test_boxes_need_the_size_of_their_image():
    with pytest.raises(InputError, match=r"give size=\(height, width\)"):
        read_mask([(3, 2, 9, 5)])


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_a_colour_that_stands_for_transparency_is_transparent(mode):
    hole = np.zeros((24, 32), bool)
    hole[5:9, 3:20] = True
    picture = np.random.default_rng(0).integers(10, 255, (24, 32, 3), dtype=np.uint8)
    key = {"RGB": (1, 2, 3), "L": 4}[mode]
    mask = Image.fromarray(picture).convert(mode)
    mask.paste(key, (3, 5, 20, 9))
    mask.info["transparency"] = key
    assert np.array_equal(read_mask(mask, hole="transparent", strict=False), hole)
    assert np.array_equal(read_mask(mask, hole="painted", strict=False), ~hole)
