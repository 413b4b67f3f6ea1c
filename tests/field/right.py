"""What is right of a result: each raises AssertionError where it is not."""

import numpy as np
from PIL import Image

from aotgan.data import png
from aotgan.data.tags import TagFile
from field.cases import HOLE, SIDE, photo

HALF = 0.0127  # dpi: half a pixel in a metre, to which PNG and BMP files say it


def filled(result):
    """There is a result, and nothing is to be said of it."""
    assert result.image.size == (SIDE, SIDE) and result.notes == ""


def told(words):
    """There is a result, and a note has these words."""

    def right(result):
        assert result.image.size == (SIDE, SIDE) and words in result.notes, result.notes

    return right


def noted(text):
    """There is a result, and this note and no other."""

    def right(result):
        assert result.image.size == (SIDE, SIDE) and result.notes == text, result.notes

    return right


def refused(*words):
    """There is no result, and the reason has these words."""

    def right(result):
        assert not result.path.exists()
        for word in words:
            assert word in result.refusal, result.refusal

    return right


def says(key, value, notes=""):
    """The result's `info` has this."""

    def right(result):
        assert result.image.info.get(key) == value, result.image.info
        assert notes in result.notes and bool(notes) == bool(result.notes), result.notes

    return right


def holds(*parts):
    """The result's bytes have these in them, and nothing is to be said."""

    def right(result):
        filled(result)
        for part in parts:
            assert part in result.path.read_bytes(), part

    return right


def lacks(*parts, notes=""):
    """The result's bytes have these not in them."""

    def right(result):
        told(notes)(result)
        for part in parts:
            assert part not in result.path.read_bytes(), part

    return right


def changes(mask):
    """The pixels of a mask changed, and no others."""

    def right(result):
        before = np.array(photo())
        changed = (np.array(result.image) != before).any(-1)
        assert not changed[~mask].any() and changed[mask].mean() > 0.9

    return right


def keeps(array, notes=""):
    """The result has the samples of an array, (H, W) or (H, W, C), outside the hole."""

    def right(result):
        told(notes)(result)
        assert bool(notes) == bool(result.notes), result.notes
        samples = np.array(Image.open(result.path))
        assert samples.dtype == array.dtype and np.array_equal(samples[~HOLE], array[~HOLE])

    return right


def pages(*others):
    """The result has these further pages."""

    def right(result):
        image = result.image
        assert image.n_frames == 1 + len(others)
        for number, other in enumerate(others, 1):
            image.seek(number)
            assert image.mode == other.mode and np.array_equal(np.array(image), np.array(other))

    return right


def without_chunks(*names):
    """The result is a PNG file that has no such chunks."""

    def right(result):
        told("")(result)
        with result.path.open("rb") as file:
            assert not {item.name for item in png.chunks(file)} & set(names)

    return right


def without_tags(*numbers):
    """The result is a TIFF file that has no such tags."""

    def right(result):
        assert not set(result.image.tag_v2) & set(numbers)

    return right


def says_tags(said, notes=""):
    """The result is a TIFF file that has these numbers in its tags; None for no tag."""

    def right(result):
        told(notes)(result)
        assert bool(notes) == bool(result.notes), result.notes
        file = TagFile(result.path.read_bytes())
        tags = file.read(file.first)
        assert {tag: tags[tag].numbers if tag in tags else None for tag in said} == said

    return right


def says_bytes(place, data):
    """The result has these bytes there."""

    def right(result):
        told("")(result)
        assert result.path.read_bytes()[place : place + len(data)] == data

    return right


def says_density(*dpi):
    """The result has this resolution, to the numbers of its format."""

    def right(result):
        assert np.allclose(np.array(result.image.info["dpi"], float), dpi, rtol=0, atol=HALF)

    return right


def without_density(key, value):
    """The result says the shape of its pixels in its own way, and no resolution."""

    def right(result):
        assert result.image.info.get(key) == value and "dpi" not in result.image.info

    return right


def says_exif(tags):
    """The result's EXIF data, or its own tags, have these."""

    def right(result):
        exif = result.image.getexif()
        said = {**exif, **exif.get_ifd(0x8769)}
        assert {tag: said.get(tag) for tag in tags} == tags

    return right


def says_xmp(xmp):
    """The result has these XMP data."""

    def right(result):
        assert result.image.info["xmp"] == xmp

    return right
