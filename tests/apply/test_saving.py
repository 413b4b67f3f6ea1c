"""What a format cannot hold is refused, and what it can is kept."""

import warnings

import numpy as np
import pytest
from PIL import ExifTags, Image
from tolerances import PERCENT

from aotgan.apply.reading import read_metadata
from aotgan.apply.saving import FORMATS, check_quality, format_of, save_picture
from aotgan.data.orientation import upright
from aotgan.errors import InputError

NOISE = np.random.default_rng(0).integers(0, 256, (20, 30, 4), dtype=np.uint8)


def of_mode(mode):
    if mode.startswith("I"):
        kind = ">u2" if mode == "I;16B" else "<u2"
        return Image.frombytes(
            mode, (30, 20), NOISE[..., :2].copy().view("<u2").astype(kind).tobytes()
        )
    image = Image.fromarray(NOISE)
    return image.convert(mode) if mode in ("RGBA", "LA") else image.convert("RGB").convert(mode)


@pytest.mark.parametrize(
    ("file_format", "mode"),
    [(name, mode) for name, kind in FORMATS.items() if name != "jpeg" for mode in kind.modes],
)
def test_formats_without_loss_keep_every_sample(tmp_path, file_format, mode):
    image = of_mode(mode)
    path = tmp_path / f"a{FORMATS[file_format].endings[0]}"
    with Image.open(save_picture(image, path, file_format)) as again:
        again.load()
        kept = again.convert(mode) if (file_format, mode) == ("webp", "L") else again
        if mode.startswith("I;16"):  # of either order of bytes
            assert kept.mode.startswith("I;16")
            assert np.array_equal(np.array(kept), np.array(image))
        else:
            assert kept.mode == mode
            assert np.array_equal(np.array(kept.convert("RGBA")), np.array(image.convert("RGBA")))


def test_quality_changes_the_size_and_jpeg_is_good_without(tmp_path):
    smooth = Image.fromarray(NOISE[:5, :5]).convert("RGB").resize((200, 200))
    sizes = {}
    for name, quality in [("jpeg", None), ("jpeg", 30), ("webp", None), ("webp", 30)]:
        path = save_picture(smooth, tmp_path / "a", name, quality)
        sizes[name, quality] = path.stat().st_size
        if (name, quality) == ("jpeg", None):
            error = np.abs(np.array(Image.open(path)).astype(int) - np.array(smooth)).mean()
            assert error < 1.5
    assert sizes["jpeg", 30] < sizes["jpeg", None] and sizes["webp", 30] < sizes["webp", None]


@pytest.mark.parametrize("name", ["png", "tiff", "webp", "jpeg"])
def test_profile_resolution_and_camera_data_stay(tmp_path, name):
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "Maker"
    exif[ExifTags.Base.Orientation] = 6
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.ISOSpeedRatings] = 200
    profile = b"profile" * 40
    source = tmp_path / "source.jpg"
    Image.fromarray(NOISE).convert("RGB").save(
        source, exif=exif, dpi=(300, 300), icc_profile=profile
    )
    for step in ("first", "again"):  # again: out of a file of this very format
        with Image.open(source) as image:
            source = save_picture(
                upright(image), tmp_path / step, name, metadata=read_metadata(source)
            )
    with Image.open(source) as got:
        found = got.getexif()
        assert found[ExifTags.Base.Make] == "Maker"
        assert found.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.ISOSpeedRatings] == 200
        assert found.get(ExifTags.Base.Orientation, 1) == 1
        assert got.info["icc_profile"] == profile and got.size == (20, 30)
        if name != "webp":  # there it is among the EXIF data
            assert got.info["dpi"] == pytest.approx((300, 300), abs=PERCENT)


@pytest.mark.parametrize(
    ("among", "notes"), [(None, 0), ({}, 1), ({282: 72.0, 283: 72.0}, 1), ({282: 300, 283: 300}, 0)]
)
def test_a_resolution_beside_the_camera_data_is_in_a_webp_file_or_told(tmp_path, among, notes):
    tags = Image.Exif()
    tags.update({} if among is None else {ExifTags.Base.Make: "Maker", **among})
    source = tmp_path / "source.jpg"
    Image.fromarray(NOISE).convert("RGB").save(source, exif=tags.tobytes(), dpi=(300, 300))
    with warnings.catch_warnings(record=True) as told:
        metadata = read_metadata(source)
        path = save_picture(Image.open(source), tmp_path / "a", "webp", metadata=metadata)
    assert ["the resolution" in str(note.message) for note in told] == [True] * notes
    kept = Image.open(path).getexif().get(ExifTags.Base.XResolution)
    assert kept == (among or {}).get(282, 300 if among is None else None)


@pytest.mark.parametrize(
    ("name", "mode", "message"),
    [
        ("jpeg", "RGBA", "jpeg files hold no pictures of mode RGBA; .*: png, tiff, webp"),
        ("png", "CMYK", "png files hold no pictures of mode CMYK; .*: tiff, jpeg"),
        ("bmp", "I;16", "mode I;16; .*: png, tiff"),
        ("gif", "L", "format='gif': choose one of png, tiff"),
    ],
)
def test_what_a_format_does_not_hold_is_refused(tmp_path, name, mode, message):
    with pytest.raises(InputError, match=message):
        save_picture(of_mode(mode), tmp_path / "a", name)
    assert not list(tmp_path.iterdir())


def test_a_quality_that_means_nothing_is_refused():
    with pytest.raises(InputError, match="quality=90 for png, which loses nothing"):
        check_quality("png", 90)
    with pytest.raises(InputError, match="quality=0: expected 1 to 100"):
        check_quality("jpeg", 0)


def test_endings_stand_for_formats(tmp_path):
    names = ("a.PNG", "a.jpeg", "a.tif", "a.webp", "a.gif", "a")
    assert [format_of(tmp_path / n) for n in names] == ["png", "jpeg", "tiff", "webp", None, None]
