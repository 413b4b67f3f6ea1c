"""Pictures to files: nothing lost that was not asked to be (section 4.8)."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import ExifTags, Image

from aotgan.data.images import open_image
from aotgan.errors import InputError, check_choice
from aotgan.files import write_atomically


@dataclass(frozen=True)
class Format:
    """What a file format is called and holds.

    Attributes:
        endings: of its files; the first is used for new ones.
        modes: kinds of pictures that come back from it as they were.
        options: how Pillow writes it.
        quality: whether it has one.
    """

    endings: tuple[str, ...]
    modes: tuple[str, ...]
    options: Mapping[str, Any]
    quality: bool = False


GREY = ("1", "L", "LA", "P")
FORMATS = {
    "png": Format((".png",), (*GREY, "RGB", "RGBA", "I;16"), {}),
    "tiff": Format(
        (".tif", ".tiff"),
        (*GREY, "RGB", "RGBA", "CMYK", "I;16", "I;16B"),
        {"compression": "tiff_deflate"},
    ),
    "bmp": Format((".bmp",), ("1", "L", "RGB"), {}),
    "webp": Format((".webp",), ("L", "RGB", "RGBA"), {"lossless": True, "exact": True}, True),
    "jpeg": Format(
        (".jpg", ".jpeg"), ("L", "RGB", "CMYK"), {"quality": 95, "subsampling": 0}, True
    ),
}
# Where a TIFF file says how its samples lie; a new file has its own.
LAYOUT_TAGS = {*range(254, 267), 273, *range(277, 281), 284, 292, 293, 297, 317, 320, 338, 339}
LAYOUT_TAGS |= {*range(322, 326), 347, 512, 513, 514, *range(529, 533), 34675}


def format_of(path: Path) -> str | None:
    """The name of the format that a file's ending stands for, None if there is none."""
    ending = path.suffix.lower()
    return next((name for name, kind in FORMATS.items() if ending in kind.endings), None)


def check_quality(file_format: str, quality: int | None) -> None:
    """Refuses an unknown format, and a quality where the format has none.

    Raises:
        InputError: one of these, or a quality that is not from 1 to 100.
    """
    check_choice("format", file_format, tuple(FORMATS))
    if quality is None:
        return
    if not 1 <= quality <= 100:
        raise InputError(f"quality={quality}: expected 1 to 100.")
    if not FORMATS[file_format].quality:
        lossy = ", ".join(name for name, kind in FORMATS.items() if kind.quality)
        raise InputError(
            f"quality={quality} for {file_format}, which loses nothing: leave it out, or choose a "
            f"format with a quality: {lossy}."
        )


def read_exif(path: Path) -> Image.Exif:
    """What a photograph's EXIF data say, but for orientation and, in TIFF files, layout."""
    with open_image(path) as image:
        exif = image.getexif()
        for part in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo):
            exif.get_ifd(part)  # read now, from the open file
        for tag in LAYOUT_TAGS | {int(ExifTags.Base.Orientation)}:
            exif.pop(tag, None)
    return exif


def save_picture(
    picture: Image.Image,
    path: Path,
    file_format: str,
    quality: int | None = None,
    exif: Image.Exif | None = None,
) -> Path:
    """Writes a picture, with its ICC profile, resolution and EXIF data where the format has them.

    Args:
        picture: of any mode that the format holds.
        path: destination; the file is whole or absent.
        file_format: one of `FORMATS`.
        quality: 1 to 100; None: 95 for "jpeg", nothing lost for "webp".
        exif: data to be written.

    Raises:
        InputError: the format does not hold pictures of this mode, or as `check_quality` and
            `write_atomically`.
    """
    check_quality(file_format, quality)
    kind = FORMATS[file_format]
    if picture.mode not in kind.modes:
        fitting = [name for name, other in FORMATS.items() if picture.mode in other.modes]
        raise InputError(
            f"{file_format} files hold no pictures of mode {picture.mode}; choose another format: "
            f"{', '.join(fitting) or 'none of them does, convert the picture first'}."
        )
    options = dict(kind.options)
    if quality is not None:
        options |= {"quality": quality, "lossless": False}
    options |= {key: picture.info[key] for key in ("icc_profile", "dpi") if key in picture.info}
    if exif:
        options["exif"] = exif.tobytes()
        options.pop("compression", None)  # compressed TIFF files with EXIF data fail in Pillow
    return write_atomically(path, lambda file: picture.save(file, file_format, **options))
