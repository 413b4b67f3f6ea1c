"""Pictures to files: nothing lost that was not asked to be (section 4.8)."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from aotgan.apply.encoding import Notes, encode
from aotgan.apply.metadata import Metadata, listed
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
        most_px: of a side.
    """

    endings: tuple[str, ...]
    modes: tuple[str, ...]
    options: Mapping[str, Any]
    quality: bool = False
    most_px: int = 2**31 - 1


GREY = ("1", "L", "LA", "P")
FORMATS = {
    "png": Format((".png",), (*GREY, "RGB", "RGBA", "I;16"), {}),
    "tiff": Format(
        (".tif", ".tiff"),
        (*GREY, "RGB", "RGBA", "CMYK", "I;16"),
        {},
    ),
    "bmp": Format((".bmp",), ("1", "L", "P", "RGB"), {}),
    "webp": Format(
        (".webp",), ("L", "RGB", "RGBA"), {"lossless": True, "exact": True}, True, 16_383
    ),
    "jpeg": Format(
        (".jpg", ".jpeg"), ("L", "RGB", "CMYK"), {"quality": 95, "subsampling": 0}, True, 65_500
    ),
}


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


def save_picture(
    picture: Image.Image,
    path: Path,
    file_format: str,
    quality: int | None = None,
    metadata: Metadata | None = None,
) -> Path:
    """Writes a picture with what was said of it, where the format has a place for that.

    Args:
        picture: of any mode that the format holds; 16-bit grey of any order of bytes.
        path: destination; the file is whole or absent.
        file_format: one of `FORMATS`.
        quality: 1 to 100; None: 95 for "jpeg", nothing lost for "webp".
        metadata: as `aotgan.apply.reading.read_metadata` reads them; None: the samples alone.

    Raises:
        InputError: the format does not hold pictures of this mode or size, or as `check_quality`
            and `write_atomically`.

    Warns:
        UserWarning: what of the metadata is not in the file.
    """
    check_quality(file_format, quality)
    kind = FORMATS[file_format]
    picture = plain(picture, file_format)
    # a mode that the format lacks would be converted in silence
    if picture.mode not in kind.modes:
        fitting = [name for name, other in FORMATS.items() if picture.mode in other.modes]
        raise InputError(
            f"{file_format} files hold no pictures of mode {picture.mode}; choose another format: "
            f"{', '.join(fitting) or 'none of them does, convert the picture first'}."
        )
    if max(picture.size) > kind.most_px:
        fitting = [name for name, other in FORMATS.items() if max(picture.size) <= other.most_px]
        raise InputError(
            f"{file_format} files have at most {kind.most_px} px a side, and this picture "
            f"{picture.width} x {picture.height}; choose another format: {', '.join(fitting)}."
        )
    # whoever names a quality wants the smaller file, and knows that it loses
    options = dict(kind.options)
    if quality is not None:
        options |= {"quality": quality, "lossless": False}
    metadata = metadata or Metadata(path)
    notes = list[Notes]()
    # what the encoder could not place is known only when it has written
    write_atomically(
        path, lambda file: notes.append(encode(picture, file, file_format, options, metadata))
    )
    tell(metadata.lost, notes[0], file_format)
    return path


def tell(lost: list[str], notes: Notes, file_format: str) -> None:
    """Warns of what is not in the file.

    Args:
        lost: what can be kept nowhere.
        notes: what this file lacks.
        file_format: one of `FORMATS`.
    """
    if lost:
        warnings.warn(f"Left out: {listed(lost)}.", stacklevel=3)
    if notes.no_place:
        reason = f"as {file_format} files have no place for it"
        warnings.warn(f"Left out, {reason}: {listed(notes.no_place)}.", stacklevel=3)
    for remark in notes.remarks:
        warnings.warn(remark, stacklevel=3)


def plain(picture: Image.Image, file_format: str) -> Image.Image:
    """Returns the samples alone, in the mode that stands for those of their kind.

    Args:
        picture: of any mode that the format holds.
        file_format: one of `FORMATS`.
    """
    transparency = picture.info.get("transparency")
    if picture.mode.startswith("I;16"):
        plain = Image.fromarray(np.asarray(picture).astype("<u2"))
    elif transparency is not None and file_format != "png":
        plain = picture.convert("RGBA")  # only PNG files have a transparent colour
    else:
        plain = picture.copy()
    plain.info = {}
    if transparency is not None and plain.mode == picture.mode:
        # of one bit Pillow reads white as 255, and writes the number as it is
        plain.info["transparency"] = min(transparency, 1) if plain.mode == "1" else transparency
    return plain
