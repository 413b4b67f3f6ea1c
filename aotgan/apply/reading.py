"""What image files say beside their samples, read without a library's guesses."""

import re
import struct
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO

from aotgan.apply.metadata import (
    CREDENTIALS,
    PREVIEW,
    UNNAMED,
    Metadata,
    damaged,
    density,
    exif_density,
)
from aotgan.apply.tiff import ELSEWHERE, PAGE_TAGS, read_tiff
from aotgan.data import png
from aotgan.data.images import open_image
from aotgan.data.orientation import SIDEWAYS, orientation, upright_exif, upright_xmp
from aotgan.data.tags import ORIENTATION, BrokenTags, TagFile, exif_of, turned

XMP_TEXT = b"XML:com.adobe.xmp"
EXIF_TEXTS = (b"Raw profile type exif", b"Raw profile type APP1")
# JPEG segments and what each begins with
EXIF_HEAD, XMP_HEAD = b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0"
ICC_HEAD, VIEWS_HEAD, PHOTOSHOP_HEAD = b"ICC_PROFILE\0", b"MPF\0", b"Photoshop 3.0\0"
SMALL_PICTURES = (0x0409, 0x040C)  # among Photoshop's resources
PADDING = b"\0\xff\r\n"  # behind a picture, says nothing
JFIF_UNITS = {0: "", 1: "inch", 2: "cm"}


def read_metadata(path: Path) -> Metadata:
    """Reads what a file says beside its samples.

    Raises:
        InputError: as `aotgan.data.images.open_image`.
    """
    with open_image(path) as image:
        kind, sideways = image.format, orientation(image) in SIDEWAYS
        metadata = Metadata(path)
        if kind != "TIFF":  # pages are counted where they are read
            metadata.frames = getattr(image, "n_frames", 1)
    with path.open("rb") as file:
        READERS[str(kind)](file, metadata)
    make_upright(metadata, sideways)
    return metadata


def make_upright(metadata: Metadata, sideways: bool) -> None:
    """Makes what is said that of the upright picture, and takes a resolution from the EXIF data.

    Args:
        metadata: of the picture, as the file has them.
        sideways: whether its EXIF data turn the picture by 90 degrees.
    """
    data, broken = upright_exif(metadata.exif, sideways)
    if metadata.exif and not data and broken == [ORIENTATION]:
        metadata.lost.append("the EXIF data, which are broken")
    else:
        metadata.lost += damaged("the EXIF data", broken)
    try:
        file = TagFile(re.sub(rb"\A(Exif\0\0)+", b"", metadata.exif))
        if len([*file.chain()]) > 1:
            metadata.lost.append(PREVIEW)
    except BrokenTags:
        pass  # it is said above
    metadata.exif, metadata.xmp = data, upright_xmp(metadata.xmp, sideways)
    if sideways:
        metadata.tags = turned(metadata.tags)
        metadata.density = metadata.density and metadata.density.turned
    if data and metadata.density is None:
        metadata.density = exif_density(data)


def _tell_rest(rest: bytes, metadata: Metadata) -> None:
    if rest.strip(PADDING):
        metadata.lost.append("what lies behind the picture in its file, as films of phones do")


def _read_png(file: BinaryIO, metadata: Metadata) -> None:
    for item in png.chunks(file):
        if item.name == b"acTL" and metadata.frames == 1:
            metadata.lost.append("the animation")
        if item.name == b"IEND":
            file.seek(item.start + item.size + 4)
            _tell_rest(file.read(), metadata)
        # samples are written anew
        if item.name in png.PIXELS | png.FRAMES and item.name != b"IHDR":
            continue
        data = item.data(file)
        if data is None:
            metadata.lost.append(f"a damaged {item.name.decode()} chunk")
        elif item.name == b"IHDR":
            metadata.kind = data[8:10]
        elif item.name == b"eXIf":
            metadata.exif = data
        elif item.name == b"caBX":
            metadata.lost.append(CREDENTIALS)
        elif item.name == b"iCCP":
            metadata.profile = png.inflated(data.partition(b"\0")[2][1:]) or b""
            if not metadata.profile:
                metadata.lost.append("a damaged colour profile")
        elif item.name == b"pHYs" and len(data) == 9:
            x, y, unit = struct.unpack(">IIB", data)
            metadata.density = density(x, y, "m" if unit == 1 else "")
        elif item.name in png.TEXTS and _taken_from_text(item.name, data, metadata):
            continue
        else:
            _keep_chunk(item.name, data, metadata)


def _keep_chunk(name: bytes, data: bytes, metadata: Metadata) -> None:
    if name in png.UNSAFE or (name[3:].isupper() and name not in png.KNOWN):
        metadata.lost.append(f"the {name.decode()} chunk, which depends on the samples")
    elif len(data) < png.LEAST.get(name, 0):
        metadata.lost.append(f"a damaged {name.decode()} chunk")
    else:
        metadata.chunks.append((name, data))


def _taken_from_text(name: bytes, data: bytes, metadata: Metadata) -> bool:
    """Whether a text is really XMP or EXIF data, which are then taken."""
    key, text = png.text_of(name, data)
    if key == XMP_TEXT and text:
        metadata.xmp = text
    elif key in EXIF_TEXTS:
        # behind an empty line, the name and the length
        digits = b"".join((text or b"").split(b"\n")[3:])
        try:
            metadata.exif = metadata.exif or bytes.fromhex(digits.decode("ascii"))
        except ValueError:
            metadata.lost.append("the EXIF data, which are broken")
    else:
        return False
    return True


def _segments(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Yields marker and data of what comes before a JPEG file's samples."""
    file.seek(2)
    while (mark := file.read(1)) == b"\xff":
        while mark == b"\xff":
            mark = file.read(1)
        # samples begin, or the file ends
        if mark in (b"", b"\xda", b"\xd9"):
            return
        # markers without data
        if mark[0] == 1 or 0xD0 <= mark[0] <= 0xD8:
            continue
        size = int.from_bytes(file.read(2), "big") - 2
        data = file.read(max(0, size))
        if len(data) < size:
            return
        yield mark[0], data


def _read_jpeg(file: BinaryIO, metadata: Metadata) -> None:
    # further views of a JPEG are segments, not frames: they are told below
    profile, views, metadata.frames = list[bytes](), metadata.frames > 1, 1
    for marker, data in _segments(file):
        if marker == 0xE0 and data.startswith((b"JFIF\0", b"JFXX\0")):
            _keep_density(data, metadata)
        # more than 64 kB goes over several segments, each with a head of its own
        elif marker == 0xE1 and data.startswith(EXIF_HEAD):
            metadata.exif += data if not metadata.exif else data[len(EXIF_HEAD) :]
        elif marker == 0xE1 and data.startswith(XMP_HEAD):
            metadata.xmp = data[len(XMP_HEAD) :]
        elif marker == 0xE2 and data.startswith(ICC_HEAD):
            profile.append(data[len(ICC_HEAD) :])
        elif marker == 0xE2 and data.startswith(VIEWS_HEAD):
            views = True
        elif marker == 0xED and data.startswith(PHOTOSHOP_HEAD):
            metadata.photoshop += data[len(PHOTOSHOP_HEAD) :]
        elif marker == 0xFE:
            metadata.comments.append(data)
        # behind a number of the box and of the segment, and the length of the box
        elif marker == 0xEB and data[:2] == b"JP" and data[12:16] == b"jumb":
            metadata.lost.append(CREDENTIALS)
        # Adobe's segment says how this encoder mixed the colours; ours writes its own
        elif 0xE0 <= marker <= 0xEF and not (marker == 0xEE and data.startswith(b"Adobe")):
            metadata.segments.append((marker, data))
    if views:
        metadata.lost.append("the further views")
    else:  # no byte of the samples, where the segments end, is like the mark of the end
        _tell_rest(file.read().partition(b"\xff\xd9")[2], metadata)
    _keep_profile(profile, metadata)
    metadata.photoshop = _without_small_pictures(metadata.photoshop, metadata.lost)


def _keep_density(data: bytes, metadata: Metadata) -> None:
    if data.startswith(b"JFIF\0") and len(data) >= 12:
        unit, x, y = struct.unpack(">BHH", data[7:12])
        metadata.density = density(x, y, JFIF_UNITS.get(unit, ""))
    # a thumbnail shows the picture as it was, hole and all
    if data.startswith(b"JFXX\0") or (len(data) > 14 and data[12] * data[13]):
        metadata.lost.append(PREVIEW)


def _keep_profile(parts: list[bytes], metadata: Metadata) -> None:
    parts = sorted(part for part in parts if len(part) > 2)
    # each part begins with its number and how many there are
    if parts and [part[0] for part in parts] == [*range(1, parts[0][1] + 1)]:
        metadata.profile = b"".join(part[2:] for part in parts)
    elif parts:
        metadata.lost.append("a damaged colour profile")


def _without_small_pictures(data: bytes, lost: list[str]) -> bytes:
    kept, place = b"", 0
    while data[place : place + 4] == b"8BIM" and place + 7 <= len(data):
        # a resource: 8BIM, number, name of even length, size, data of even length
        name = data[place + 6] + 1
        start = place + 6 + name + name % 2 + 4
        size = int.from_bytes(data[start - 4 : start], "big")
        end = start + size + size % 2
        if start + size > len(data):
            break
        if int.from_bytes(data[place + 4 : place + 6], "big") in SMALL_PICTURES:
            lost.append(PREVIEW)
        else:
            kept += data[place:end].ljust(end - place, b"\0")
        place = end
    if data[place:].strip(b"\0"):
        lost.append("what is broken of Photoshop's data")
    return kept


def _read_webp(file: BinaryIO, metadata: Metadata) -> None:
    places = {b"ICCP": "profile", b"EXIF": "exif", b"XMP ": "xmp"}
    pixels = {b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF"}
    file.seek(4)
    size = int.from_bytes(file.read(4), "little")
    end = 8 + size + size % 2
    file.seek(12)
    while file.tell() < end and len(head := file.read(8)) == 8:
        name, size = struct.unpack("<4sI", head)
        if name in places:
            setattr(metadata, places[name], file.read(size))
            # chunks have an even length
            file.seek(size % 2, 1)
            continue
        if name == b"C2PA":
            metadata.lost.append(CREDENTIALS)
        elif name not in pixels and name.strip().isalnum():
            metadata.lost.append(f"the {name.decode()} chunk")
        file.seek(size + size % 2, 1)
    file.seek(end)
    _tell_rest(file.read(), metadata)


def _read_bmp(file: BinaryIO, metadata: Metadata) -> None:
    file.seek(14)
    header = file.read(124)
    size = int.from_bytes(header[:4], "little")
    if size >= 40:
        bits, compression = struct.unpack("<HI", header[14:20])
        x, y = struct.unpack("<ii", header[24:32])
        metadata.density = density(Fraction(max(0, x)), Fraction(max(0, y)), "m")
        if (bits, compression) == (32, 0):
            _tell_fourth(file, metadata, *struct.unpack("<ii", header[4:12]))
    if size >= 124 and header[56:60] == b"DEBM":  # a profile is embedded
        start, length = struct.unpack("<II", header[112:120])
        file.seek(14 + start)
        metadata.profile = file.read(length)


def _tell_fourth(file: BinaryIO, metadata: Metadata, width: int, height: int) -> None:
    """Tells of a BMP file's fourth channel, which some programs take for transparency."""
    file.seek(10)
    file.seek(int.from_bytes(file.read(4), "little"))
    if len(set(file.read(4 * abs(width * height))[3::4])) > 1:
        metadata.lost.append(UNNAMED)


def _read_tiff(file: BinaryIO, metadata: Metadata) -> None:
    read_tiff(file, metadata)
    metadata.photoshop = _without_small_pictures(metadata.photoshop, metadata.lost)
    # what has no place of its own in other formats is EXIF data there
    unfit = ELSEWHERE | PAGE_TAGS
    own = {tag: entry for tag, entry in metadata.tags.items() if tag not in unfit}
    metadata.exif = exif_of(own) if own else b""


READERS: dict[str, Callable[[BinaryIO, Metadata], None]] = {
    "PNG": _read_png,
    "JPEG": _read_jpeg,
    "MPO": _read_jpeg,
    "WEBP": _read_webp,
    "BMP": _read_bmp,
    "TIFF": _read_tiff,
}
