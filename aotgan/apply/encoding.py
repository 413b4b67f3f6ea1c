"""Pictures with what is said of them, as PNG, JPEG, WebP, BMP and TIFF files.

Nothing is written that was not said; what a format has no place for is named.
"""

import io
import struct
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from PIL import Image

from aotgan.apply.metadata import Density, Metadata, counted, density_tags, exif_density
from aotgan.apply.reading import EXIF_HEAD, JFIF_UNITS, PHOTOSHOP_HEAD, XMP_HEAD, XMP_TEXT
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
OF_ANIMATION = ("loop", "background")  # in Pillow's words
PALETTE = b"\3"  # colour type of a PNG file, whose colours have 8 bits in each bit depth
MOST_SEGMENT = 65_533  # bytes of data in a segment of a JPEG file
MOST_DENSITY = 65_535


@dataclass
class Notes:
    """What of a file is not in the one made of it.

    Attributes:
        no_place: what the format has no place for.
        remarks: what else is to be said, in sentences.
    """

    no_place: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def miss(self, metadata: Metadata, *kept: str) -> None:
        """Names what is there and was not kept, by the attributes of `Metadata`."""
        self.no_place += [
            name
            for attribute, name in NAMES.items()
            if attribute not in kept and getattr(metadata, attribute)
        ]
        for name, data in metadata.chunks if "chunks" not in kept else ():
            key = png.text_of(name, data)[0].decode("latin-1") if name in png.TEXTS else ""
            self.no_place.append(f"the text {key!r}" if key else name.decode())
        for marker, _ in metadata.segments if "segments" not in kept else ():
            self.no_place.append(f"the segment APP{marker - 0xE0}")
        if metadata.pages and "pages" not in kept:
            self.no_place.append(counted(len(metadata.pages), "further page"))


def encode(
    picture: Image.Image, file: BinaryIO, file_format: str, options: Options, metadata: Metadata
) -> Notes:
    """Writes a picture into a file.

    Args:
        picture: of a mode that the format holds, with no `info` but transparency.
        file: to be written to.
        file_format: one of `aotgan.apply.saving.FORMATS`.
        options: how Pillow writes it.
        metadata: what goes with it.
    """
    notes = Notes()
    frames = _frames(file_format, metadata, notes)
    WRITERS[file_format](picture, file, {**options, **frames}, metadata, notes)
    return notes


def _frames(file_format: str, metadata: Metadata, notes: Notes) -> dict[str, Any]:
    """How Pillow writes the further frames of an animation."""
    count = metadata.frames
    if count == 1:
        return {}
    with open_image(metadata.source) as animation:
        # frames go on in the format that they came in alone
        if animation.format != file_format.upper():
            notes.no_place.append(counted(count - 1, "further frame"))
            return {}
        # more than a large picture's worth is not decoded; turned frames would not fit
        small = count * animation.width * animation.height <= MAX_PIXELS
        if not small or orientation(animation) != 1 or animation.info.get("default_image"):
            notes.remarks.append(f"Left out: {counted(count - 1, 'further frame')}.")
            return {}
        pictures, durations = [], []
        for number in range(count):
            animation.seek(number)
            pictures.append(animation.copy())
            durations.append(animation.info.get("duration", 0))
        named = {key: value for key, value in animation.info.items() if key in OF_ANIMATION}
    notes.remarks.append(f"The first of {count} frames is filled, the others stay as they were.")
    return {"save_all": True, "append_images": pictures[1:], "duration": durations, **named}


def _write_png(
    picture: Image.Image, file: BinaryIO, options: Options, metadata: Metadata, notes: Notes
) -> None:
    buffer = io.BytesIO()
    picture.save(buffer, "png", **options)
    data = buffer.getvalue()
    # some chunks mean something in one bit depth and colour type alone
    same_kind = metadata.kind == data[24:26] or metadata.kind[1:] == data[25:26] == PALETTE
    early, late = list[tuple[bytes, bytes]](), list[tuple[bytes, bytes]]()
    for name, content in metadata.chunks:
        if name in png.OF_KIND and not same_kind:
            notes.remarks.append(f"Left out: {name.decode()}, which is of the old bit depth.")
        else:
            (early if name in png.COLOUR else late).append((name, content))
    if metadata.profile:
        early.append((b"iCCP", b"ICC Profile\0\0" + zlib.compress(metadata.profile)))
    if metadata.density:
        pixels, unit = metadata.density.per("m"), bool(metadata.density.unit)
        late.append((b"pHYs", struct.pack(">IIB", *pixels, unit)))
    if metadata.exif:
        late.append((b"eXIf", metadata.exif))
    if metadata.xmp:
        late.append((b"iTXt", XMP_TEXT + bytes(5) + metadata.xmp))
    late += [_comment(text) for text in metadata.comments]
    # colours come before the palette, all else before the samples
    pixels_first = (b"IHDR", b"PLTE", b"tRNS")
    start = next(item.start for item in png.chunks(buffer) if item.name not in pixels_first) - 8
    header = len(png.SIGNATURE) + 25  # IHDR: length, name, 13 bytes, checksum
    file.write(data[:header] + b"".join(png.chunk(*item) for item in early))
    file.write(data[header:start] + b"".join(png.chunk(*item) for item in late))
    file.write(data[start:])
    notes.miss(metadata, *NAMES.keys() - {"photoshop"}, "chunks")


def _comment(comment: bytes) -> tuple[bytes, bytes]:
    """A JPEG file's comment as a chunk: Latin-1 in one kind of text, UTF-8 in the other."""
    # in a chunk of text a zero ends the keyword
    comment = comment.replace(b"\0", b"")
    try:
        comment.decode("utf-8")
    except UnicodeDecodeError:
        return b"tEXt", b"Comment\0" + comment
    if comment.isascii():
        return b"tEXt", b"Comment\0" + comment
    return b"iTXt", b"Comment" + bytes(5) + comment


def _segment(marker: int, data: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(data) + 2) + data


def _write_jpeg(
    picture: Image.Image, file: BinaryIO, options: Options, metadata: Metadata, notes: Notes
) -> None:
    parts = {EXIF_HEAD: metadata.exif, XMP_HEAD: metadata.xmp}
    segments = [(0xE1, head + data) for head, data in parts.items() if data]
    step = MOST_SEGMENT - len(PHOTOSHOP_HEAD)
    for start in range(0, len(metadata.photoshop), step):
        segments.append((0xED, PHOTOSHOP_HEAD + metadata.photoshop[start : start + step]))
    segments += [*metadata.segments, *((0xFE, comment) for comment in metadata.comments)]
    # the length of a segment has two bytes
    names = {0xE1: "long EXIF or XMP data", 0xFE: "a long comment"}
    notes.no_place += [names[marker] for marker, data in segments if len(data) > MOST_SEGMENT]
    fitting = [_segment(*item) for item in segments if len(item[1]) <= MOST_SEGMENT]
    buffer = io.BytesIO()
    profile = metadata.profile or None
    picture.save(buffer, "jpeg", icc_profile=profile, extra=b"".join(fitting), **options)
    data = buffer.getvalue()
    unit, *pixels = _jfif_density(metadata.density) if metadata.density else (0, 0, 0)
    if 0 < min(pixels) and max(pixels) <= MOST_DENSITY:
        said = struct.pack(">BHH", unit, *pixels)
        # Pillow's own, which CMYK files have not, is replaced
        own = 18 if data[2:4] == b"\xff\xe0" else 0
        file.write(data[:2] + _segment(0xE0, b"JFIF\0\1\1" + said + bytes(2)) + data[2 + own :])
    else:
        file.write(data)
        notes.no_place += [f"a resolution of {tuple(pixels)}"] if metadata.density else []
    notes.miss(metadata, *NAMES, "segments")


def _jfif_density(said: Density) -> tuple[int, int, int]:
    """Unit and numbers of a resolution, in a unit that they are whole in, if there is one."""
    whole = [unit for unit in (said.unit, "inch", "cm") if unit != "m" and said.is_whole(unit)]
    unit = (*whole, "inch")[0] if said.unit else ""
    return next(code for code, name in JFIF_UNITS.items() if name == unit), *said.per(unit)


def _write_webp(
    picture: Image.Image, file: BinaryIO, options: Options, metadata: Metadata, notes: Notes
) -> None:
    exif, density = metadata.exif, metadata.density
    # WebP files have no other place for it
    if density and not exif:
        exif = exif_of(density_tags(density))
    elif density:
        said = exif_density(exif)
        if said is None or said.per("inch") != density.per("inch"):
            where = "which webp files have among the EXIF data, and these say another or none"
            notes.remarks.append(f"Left out: the resolution, {where}.")
    parts = {"icc_profile": metadata.profile, "exif": exif, "xmp": metadata.xmp}
    picture.save(file, "webp", **parts, **options)
    notes.miss(metadata, "profile", "exif", "xmp", "density")


def _write_bmp(
    picture: Image.Image, file: BinaryIO, options: Options, metadata: Metadata, notes: Notes
) -> None:
    buffer = io.BytesIO()
    # without, Pillow writes 96 dpi, which nobody said
    picture.save(buffer, "bmp", dpi=(0, 0), **options)
    data, said = bytearray(buffer.getvalue()), metadata.density and metadata.density.unit
    if metadata.density and said:
        struct.pack_into("<ii", data, 38, *metadata.density.per("m"))
    file.write(data)
    notes.miss(metadata, *(["density"] if said else []))


def _write_tiff(
    picture: Image.Image, file: BinaryIO, options: Options, metadata: Metadata, notes: Notes
) -> None:
    notes.remarks += write_tiff(picture, file, metadata)
    if "transparency" in picture.info:
        notes.no_place.append("the transparent grey of 16 bits")
    notes.miss(metadata, *NAMES, "pages")


Writer = Callable[[Image.Image, BinaryIO, Options, Metadata, Notes], None]
WRITERS: dict[str, Writer] = {
    "png": _write_png,
    "jpeg": _write_jpeg,
    "webp": _write_webp,
    "bmp": _write_bmp,
    "tiff": _write_tiff,
}
