"""500 ordinary files go through: filled, written back in their own format, nothing lost."""

import numpy as np
import pytest
from PIL import Image, ImageSequence

from aotgan.data.orientation import SIDEWAYS, orientation, upright
from field.cases import HOLE, fill
from field.corpus import COUNT, ordinary_files

PARTS = 5


def numbers(image):
    """What anybody sees of a picture, or its 16-bit grey."""
    frames = getattr(image, "n_frames", 1)
    image = upright(image)
    return seen(image) if frames > 1 else samples(image)


def samples(image):
    return np.array(image if image.mode.startswith("I") else image.convert("RGBA"))


def seen(image):
    """The samples but for what nobody sees, which Pillow blackens in animations."""
    values = samples(image)
    if values.ndim == 3:
        values[values[..., 3] == 0] = 0
    return values


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
def test_ordinary_files_are_filled_and_written_back(tmp_path, weights, part):
    files = [*ordinary_files()][part::PARTS]
    assert len(files) == COUNT // PARTS
    problems = {}
    for name, data, options in files:
        (tmp_path / name).write_bytes(data)
        result = fill(tmp_path, name, f"out-{name}", weights=weights)
        if odd := result.refusal or wrong(tmp_path / name, result, options):
            problems[name] = odd, options
    assert not problems, "\n".join(f"{name}: {what}" for name, what in problems.items())


def wrong(path, result, options):
    """Says what of a result is not right; "" where all is."""
    before, after = Image.open(path), result.image
    if before.format != after.format:
        return f"it became {after.format}"
    if after.mode != before.mode and not after.mode.startswith("I;16"):
        return f"{before.mode} became {after.mode}"
    if after.format != "JPEG" and not np.array_equal(numbers(after)[~HOLE], numbers(before)[~HOLE]):
        return "known pixels changed"
    if options.get("icc_profile") and after.info.get("icc_profile") != options["icc_profile"]:
        return "the colour profile is gone"
    had, has = before.info.get("dpi"), after.info.get("dpi")
    had = had[::-1] if had and orientation(before) in SIDEWAYS else had
    told = "dpi" in options and after.format != "WEBP"
    if told and had != has:
        return f"dpi {had} became {has}"
    if before.getexif().get_ifd(0x8769) != after.getexif().get_ifd(0x8769):
        return "the EXIF data are gone"
    if options.get("compression") not in (None, "jpeg", "tiff_deflate"):
        if after.info["compression"] != options["compression"]:
            return f"{options['compression']} became {after.info['compression']}"
    if getattr(before, "n_frames", 1) != getattr(after, "n_frames", 1):
        return "frames are gone"
    for number, (one, other) in enumerate(
        zip(ImageSequence.Iterator(before), ImageSequence.Iterator(after), strict=True)
    ):
        if number and not np.array_equal(seen(one), seen(other)):
            return f"page {number} changed"
    return ""
