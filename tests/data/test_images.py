"""Reading photographs: every usual mode, upright, and a named error for everything else."""

import io
import struct
import zlib

import numpy as np
import pytest
import torch
from PIL import Image
from tolerances import SINGLE_FEW

from aotgan.data import images
from aotgan.data.images import (
    MAX_PIXELS,
    centre_square,
    image_size,
    load_square,
    read_image,
    resize,
    scan_images,
    shrink_to_short_side,
    to_tensor,
    to_uint8,
)
from aotgan.data.tags import TagFile
from aotgan.errors import InputError

H, W = 7, 11


@pytest.fixture
def photo():
    """(H, W, 3) uint8, smooth in both directions."""
    y, x = np.mgrid[:H, :W]
    return np.stack([20 * y, 20 * x, 10 * (x + y)], axis=-1).astype(np.uint8)


def saved(image, path, **options):
    image.save(path, **options)
    return path


@pytest.mark.parametrize("ending", ["png", "bmp", "tif", "webp"])
def test_lossless_formats_keep_every_byte(photo, tmp_path, ending):
    options = {"lossless": True} if ending == "webp" else {}
    path = saved(Image.fromarray(photo), tmp_path / f"a.{ending}", **options)
    assert np.array_equal(read_image(path), photo)


@pytest.mark.parametrize("mode", ["L", "1", "P"])
def test_grey_one_bit_and_palette_become_rgb(photo, tmp_path, mode):
    image = Image.fromarray(photo).convert(mode)
    got = read_image(saved(image, tmp_path / "a.png"))
    assert got.shape == (H, W, 3) and got.dtype == np.uint8
    assert np.array_equal(got, np.array(image.convert("RGB")))


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparency_is_composited_over_white(photo, tmp_path, mode):
    image = Image.fromarray(photo).convert(mode)
    alpha = np.zeros((H, W), np.uint8)
    alpha[:, :5] = 255
    image.putalpha(Image.fromarray(alpha))
    got = read_image(saved(image, tmp_path / "a.png"))
    assert (got[:, 5:] == 255).all()
    assert np.array_equal(got[:, :5], np.array(image.convert("RGB"))[:, :5])


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_colours_that_are_multiplied_by_the_transparency_are_read(tmp_path, mode):
    image = Image.new(mode, (4, 4), (50,) * (len(mode) - 1) + (100,))
    path = saved(image, tmp_path / "a.tif")
    path.write_bytes(TagFile(path.read_bytes()).with_number(338, 1))
    got = read_image(path)
    assert np.abs(got.astype(int) - (50 + 155)).max() <= 1


def test_transparent_palette_is_composited_over_white(tmp_path):
    image = Image.new("P", (4, 4), 1)
    image.putpalette([0, 0, 0, 10, 20, 30])
    got = read_image(saved(image, tmp_path / "a.png", transparency=1))
    assert (got == 255).all()


@pytest.mark.parametrize("ending", ["png", "tif"])
def test_sixteen_bit_grey_is_scaled(tmp_path, ending):
    values = np.array([[0, 257, 32768, 65280, 65535]], np.uint16)
    got = read_image(saved(Image.fromarray(values), tmp_path / f"a.{ending}"))
    assert got[0, :, 0].tolist() == [0, 1, 128, 254, 255]
    assert (got == got[..., :1]).all()


def test_sixteen_bit_grey_whose_zero_is_white_is_no_negative(tmp_path):
    values = Image.fromarray(np.array([[0, 257, 65535]], np.uint16))
    got = read_image(saved(values, tmp_path / "a.tif", tiffinfo={262: 0}))
    assert got[0, :, 0].tolist() == [255, 254, 0]


def test_cmyk_jpeg_has_the_colours_that_were_saved(tmp_path):
    image = Image.new("RGB", (16, 16), (200, 40, 90)).convert("CMYK")
    got = read_image(saved(image, tmp_path / "a.jpg", quality=95))
    assert np.abs(got.astype(int) - (200, 40, 90)).max() <= 4


@pytest.mark.parametrize("mode", ["F", "I"])
def test_samples_of_unknown_range_are_refused(tmp_path, mode):
    path = saved(Image.new(mode, (4, 4), -3), tmp_path / "a.tif")
    with pytest.raises(InputError, match=r"a\.tif.*range is unknown"):
        read_image(path)


@pytest.mark.parametrize("bits", [8, 16])
def test_samples_with_a_sign_are_refused(tmp_path, bits):
    grey = Image.new("L" if bits == 8 else "I;16", (4, 4), 200)
    path = saved(grey, tmp_path / "a.tif", tiffinfo={339: 2})
    with pytest.raises(InputError, match=r"a\.tif.*samples have a sign"):
        read_image(path)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(photo, tmp_path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = saved(Image.fromarray(photo), tmp_path / "a.png", exif=exif)
    undo = {
        1: photo,
        2: photo[:, ::-1],
        3: photo[::-1, ::-1],
        4: photo[::-1],
        5: photo.transpose(1, 0, 2),
        6: photo[::-1].transpose(1, 0, 2),
        7: photo[::-1, ::-1].transpose(1, 0, 2),
        8: photo[:, ::-1].transpose(1, 0, 2),
    }
    got = read_image(path)
    assert np.array_equal(got, undo[orientation])
    assert image_size(path) == got.shape[:2]


def test_large_jpegs_decode_small_but_not_too_small(tmp_path):
    path = saved(Image.new("RGB", (640, 480), (9, 99, 199)), tmp_path / "a.jpg")
    assert read_image(path, short_side=100).shape == (120, 160, 3)
    assert read_image(path, short_side=300).shape == (480, 640, 3)


def test_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"gone\.png: no such image file"):
        read_image(tmp_path / "gone.png")


def test_foreign_formats_are_not_opened(photo, tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(photo).save(path, format="GIF")
    with pytest.raises(InputError, match=r"a\.png: it is a GIF, which is not read. Save it as PNG"):
        read_image(path)


def test_pixel_limit_holds_before_decoding(tmp_path):
    def chunk(kind, body):
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    side = int(MAX_PIXELS**0.5) + 1  # the header promises pixels that the file does not have
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    path = tmp_path / "bomb.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") * 2)
    with pytest.raises(InputError, match=r"bomb\.png.*exceed the limit"):
        read_image(path)


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_pixel_limit_beyond_pillows_own(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 4)
    path = saved(Image.new("L", (8, 8)), tmp_path / "a.png")
    with pytest.raises(InputError, match=r"a\.png.*exceeds limit"):
        read_image(path)


@pytest.mark.parametrize("ending", ["png", "jpg", "webp", "bmp", "tif"])
def test_truncated_files_are_refused(tmp_path, ending):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    path = saved(Image.fromarray(noise), tmp_path / f"a.{ending}")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(InputError, match=rf"a\.{ending}"):
        read_image(path)


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("ending", ["png", "jpg", "webp", "bmp", "tif"])
def test_mutated_bytes_give_an_image_or_a_named_error(tmp_path, photo, ending):
    rng = np.random.default_rng(5)
    buffer = io.BytesIO()
    format_name = {"jpg": "JPEG", "tif": "TIFF"}.get(ending, ending.upper())
    Image.fromarray(photo).resize((24, 24)).save(buffer, format=format_name)
    intact = np.frombuffer(buffer.getvalue(), np.uint8)
    path, refused = tmp_path / f"a.{ending}", 0
    for _ in range(120):
        bytes_ = intact.copy()
        where = rng.integers(0, len(bytes_), rng.integers(1, 12))
        bytes_[where] = rng.integers(0, 256, len(where))
        path.write_bytes(bytes_[: rng.integers(1, len(bytes_) + 1)].tobytes())
        try:
            assert read_image(path).dtype == np.uint8
        except InputError as error:
            refused += str(path) in str(error)
    assert refused > 30


def test_scan_lists_in_order_and_says_what_it_skips(photo, tmp_path):
    for name in ("b.PNG", "a.jpg", "deep/c.webp", ".hidden.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.fromarray(photo).save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no image")
    (tmp_path / "bad.png").write_text("no image either")
    (tmp_path / "link").symlink_to(tmp_path / "deep")
    files, skipped = scan_images(tmp_path)
    assert [file.relative_to(tmp_path).as_posix() for file in files] == [
        "a.jpg",
        "b.PNG",
        "deep/c.webp",
    ]
    assert [item.path.name for item in skipped] == ["link", "bad.png"]
    assert "link: it is a link to a folder" in skipped[0].reason
    assert "bad.png" in skipped[1].reason
    assert len(scan_images(tmp_path, recursive=False)[0]) == 2


def test_scan_of_nothing_names_folder_and_extensions(tmp_path):
    with pytest.raises(InputError, match=rf"{tmp_path.name}: no readable image.*\.png"):
        scan_images(tmp_path)
    (tmp_path / "bad.png").write_text("x")
    with pytest.raises(InputError, match=r"1 were skipped, first: .*bad\.png"):
        scan_images(tmp_path)
    with pytest.raises(InputError, match="no such folder"):
        scan_images(tmp_path / "gone")


def test_every_byte_survives_the_tensor_and_back():
    levels = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1).repeat(3, axis=-1)
    tensor = to_tensor(levels)
    assert tensor.shape == (1, 3, 16, 16) and tensor.dtype == torch.float32
    assert tensor.min() == -1 and tensor.max() == 1
    assert np.array_equal(to_uint8(tensor), levels)
    assert np.array_equal(to_uint8(to_tensor(levels[0])), levels[0])


def test_channels_and_axes_are_not_mixed(photo):
    tensor = to_tensor(photo)
    assert tensor.shape == (3, H, W)
    reference = photo.astype(np.float64).transpose(2, 0, 1) / 127.5 - 1
    assert np.abs(tensor.double().numpy() - reference).max() < SINGLE_FEW


def test_to_uint8_rounds_and_clamps():
    values = torch.tensor([-2.0, 10.4 / 127.5 - 1, 10.6 / 127.5 - 1, 2.0]).view(1, 2, 2)
    assert to_uint8(values.repeat(3, 1, 1))[..., 0].tolist() == [[0, 10], [11, 255]]


def test_wrong_arrays_are_refused(photo):
    with pytest.raises(InputError, match="expected uint8"):
        to_tensor(photo.astype(np.float32))
    with pytest.raises(InputError, match="shape"):
        to_uint8(torch.zeros(H, W, 3))
    with pytest.raises(InputError, match="NaN"):
        to_uint8(torch.full((3, 2, 2), float("nan")))


def test_squares_are_central_and_resized(photo, tmp_path):
    assert centre_square(H, W) == (2, 0, 9, 7)
    path = saved(Image.fromarray(photo), tmp_path / "a.png")
    assert np.array_equal(load_square(path, H), photo[:, 2:9])
    assert load_square(path, 32).shape == (32, 32, 3)


def test_shrinking_keeps_the_aspect_and_never_enlarges():
    image = np.zeros((40, 80, 3), np.uint8)
    assert shrink_to_short_side(image, 20).shape == (20, 40, 3)
    assert shrink_to_short_side(image, 50) is image


def test_resize_is_antialiased():
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 255
    assert np.abs(resize(stripes, (16, 16)).astype(int) - 127).max() < 40
    assert images.resize(stripes, (64, 64)) is stripes
