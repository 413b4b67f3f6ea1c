"""Pictures with what is said of them, as PNG, JPEG, WebP, BMP and TIFF files.

Nothing is written that was not said; what a format has no place for is named.
"""

import io
import struct
import zlib
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO

from PIL import Image

from aotgan.apply.metadata import Metadata, density_tags
from aotgan.apply.reading import EXIF_HEAD, PHOTOSHOP_HEAD, XMP_HEAD, XMP_TEXT
from aotgan.apply.tiff import write_tiff
from aotgan.data import png
from aotgan.data.images import MAX_PIXELS, open_image
from aotgan.data.orientation import orientation
from aotgan.data.tags import exif_of

Options = Mapping[str, Any]
# attributes of `Metadata` -> what users call them
NAMES = {
    "profile": "the colour profile",
    "exif": "the EXIF data",
    "xmp": "the XMP data",
    "photoshop": "the IPTC data",
    "comments": "the comment",
    "density": "the resolution",
}
MOST_SEGMENT = 65_533  # bytes of data in a segment of a JPEG file
MOST_DENSITY = 65_535
NO_PLACE = " (no place in this format)"


def encode(
    picture: Image.Image, file: BinaryIO, file_format: str, options: Options, metadata: Metadata
) -> list[str]:
    """Writes a picture into a file.

    Args:
        picture: of a mode that the format holds, with no `info` but transparency.
        file: to be written to.
        file_format: one of `aotgan.apply.saving.FORMATS`.
        options: how Pillow writes it.
        metadata: what goes with it.

    Returns:
        What is not as in the file that the metadata are of.
    """
    frames, notes = _frames(picture, file_format, metadata)
    notes += WRITERS[file_format](picture, file, {**options, **frames}, metadata)
    if metadata.pages and file_format != "tiff":
        notes.append(f"{len(metadata.pages)} further pages left out")
    return notes


def _frames(
    picture: Image.Image, file_format: str, metadata: Metadata
) -> tuple[dict[str, Any], list[str]]:
    """How Pillow writes the further frames of an animation, and what is to be said of them."""
    count = metadata.frames
    if count == 1:
        return {}, []
    with open_image(metadata.source) as animation:
        fits = animation.format == file_format.upper() and orientation(animation) == 1
        small = count * animation.width * animation.height <= MAX_PIXELS
        if not fits or not small or animation.info.get("default_image"):
            return {}, [f"{count - 1} further frames left out"]
        pictures, durations = [], []
        for number in range(count):
            animation.seek(number)
            pictures.append(animation.copy())
            durations.append(animation.info.get("duration", 0))
        options = {"save_all": True, "append_images": pictures[1:], "duration": durations}
        return options | {"loop": animation.info.get("loop", 0)}, [
            f"the first of {count} frames is filled, the others stay as they were"
        ]


def _left_out(metadata: Metadata, *kept: str) -> list[str]:
    """Names what is there and has no place."""
    return [
        f"{name}{NO_PLACE}"
        for attribute, name in NAMES.items()
        if attribute not in kept and getattr(metadata, attribute)
    ]


def _own_left_out(metadata: Metadata, kept: str = "") -> list[str]:
    """Names what PNG or JPEG files alone have."""
    names = []
    for name, data in metadata.chunks if kept != "chunks" else ():
        text = png.text_of(name, data)[0].decode("latin-1") if name in png.TEXTS else ""
        names.append(f"the text {text!r}{NO_PLACE}" if text else f"{name.decode()}{NO_PLACE}")
    for marker, _ in metadata.segments if kept != "segments" else ():
        names.append(f"segment APP{marker - 0xE0}{NO_PLACE}")
    return names


def _write_png(
    picture: Image.Image, file: BinaryIO, options: Options, metadata: Metadata
) -> list[str]:
    buffer = io.BytesIO()
    picture.save(buffer, "png", **options)
    data = buffer.getvalue()
    same_kind = metadata.kind == data[24:26]
    own = [
        (name, content) for name, content in metadata.chunks if same_kind or name not in png.OF_KIND
    ]
    early = [(name, content) for name, content in own if name in png.COLOUR]
    late = [(name, content) for name, content in own if name not in png.COLOUR]
    if metadata.profile:
        early.append((b"iCCP", b"ICC Profile\0\0" + zlib.compress(metadata.profile)))
    if metadata.density:
        unit = metadata.density.unit
        pixels = metadata.density.per("m")
        late.append((b"pHYs", struct.pack(">IIB", *pixels, bool(unit))))
    if metadata.exif:
        late.append((b"eXIf", metadata.exif))
    if metadata.xmp:
        late.append((b"iTXt", XMP_TEXT + bytes(5) + metadata.xmp))
    for comment in metadata.comments:
        late.append((b"tEXt", b"Comment\0" + comment.replace(b"\0", b"")))
    # colours come before the palette, all else before the samples
    start = next(
        item.start - 8
        for item in png.chunks(buffer)
        if item.name not in (b"IHDR", b"PLTE", b"tRNS")
    )
    header = len(png.SIGNATURE) + 25
    file.write(data[:header] + b"".join(png.chunk(*item) for item in early))
    file.write(data[header:start] + b"".join(png.chunk(*item) for item in late))
    file.write(data[start:])
    lost = [f"{name.decode()}{NO_PLACE}" for name, _ in metadata.chunks if (name, _) not in own]
    return (
        _left_out(metadata, *NAMES.keys() - {"photoshop"})
        + lost
        + _own_left_out(metadata, "chunks")
    )


def _segment(marker: int, data: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(data) + 2) + data


def _write_jpeg(
    picture: Image.Image, file: BinaryIO, options: Options, metadata: Metadata
) -> list[str]:
    notes, segments = _own_left_out(metadata, "segments"), list[tuple[int, bytes]]()
    for marker, name in ((0xE1, "exif"), (0xE1, "xmp")):
        head = EXIF_HEAD if name == "exif" else XMP_HEAD
        content = getattr(metadata, name)
        if len(head + content) > MOST_SEGMENT:
            notes.append(f"{NAMES[name]} (too long for this format)")
        elif content:
            segments.append((marker, head + content))
    step = MOST_SEGMENT - len(PHOTOSHOP_HEAD)
    for start in range(0, len(metadata.photoshop), step):
        segments.append((0xED, PHOTOSHOP_HEAD + metadata.photoshop[start : start + step]))
    segments += metadata.segments
    for comment in metadata.comments:
        if len(comment) > MOST_SEGMENT:
            notes.append("the comment (too long for this format)")
        else:
            segments.append((0xFE, comment))
    buffer = io.BytesIO()
    extra = b"".join(_segment(*segment) for segment in segments)
    picture.save(buffer, "jpeg", icc_profile=metadata.profile or None, extra=extra, **options)
    data = buffer.getvalue()
    start = 2
    if metadata.density:
        unit = metadata.density.unit and "inch"
        pixels = metadata.density.per("inch")
        if max(pixels) > MOST_DENSITY or min(pixels) < 1:
            notes.append("the resolution (out of range for this format)")
        else:
            said = struct.pack(">BHH", bool(unit), *pixels)
            file.write(data[:2] + _segment(0xE0, b"JFIF\0\1\1" + said + bytes(2)))
            # one of Pillow's own goes, CMYK has none
            start = 20 if data[2:4] == b"\xff\xe0" else 2
            file.write(data[start:])
            return notes
    file.write(data)
    return notes


def _write_webp(
    picture: Image.Image, file: BinaryIO, options: Options, metadata: Metadata
) -> list[str]:
    exif, kept = metadata.exif, {"profile", "exif", "xmp"}
    if metadata.density and not exif:
        exif = exif_of(density_tags(metadata.density))
    if exif:
        kept.add("density")
    picture.save(file, "webp", icc_profile=metadata.profile, exif=exif, xmp=metadata.xmp, **options)
    return _left_out(metadata, *kept) + _own_left_out(metadata)


def _write_bmp(
    picture: Image.Image, file: BinaryIO, options: Options, metadata: Metadata
) -> list[str]:
    buffer = io.BytesIO()
    picture.save(buffer, "bmp", dpi=(0, 0), **options)
    data = bytearray(buffer.getvalue())
    kept = set[str]()
    if metadata.density and metadata.density.unit:
        struct.pack_into("<ii", data, 38, *metadata.density.per("m"))
        kept.add("density")
    file.write(data)
    return _left_out(metadata, *kept) + _own_left_out(metadata)


def _write_tiff(
    picture: Image.Image, file: BinaryIO, options: Options, metadata: Metadata
) -> list[str]:
    return write_tiff(picture, file, metadata) + _own_left_out(metadata)


Writer = Callable[[Image.Image, BinaryIO, Options, Metadata], list[str]]
WRITERS: dict[str, Writer] = {
    "png": _write_png,
    "jpeg": _write_jpeg,
    "webp": _write_webp,
    "bmp": _write_bmp,
    "tiff": _write_tiff,
}
