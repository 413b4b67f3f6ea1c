"""The chunks of PNG files: what a decoder needs, and what is said of the picture.

Pillow refuses a file for one chunk that it finds too large or damaged, even if that is a caption.
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

SIGNATURE = b"\x89PNG\r\n\x1a\n"
PIXELS = {b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS"}  # what decides the samples
FRAMES = {b"acTL", b"fcTL", b"fdAT"}  # of an animation
TEXTS = {b"tEXt", b"zTXt", b"iTXt"}
UNSAFE = {b"hIST"}  # what no longer holds of changed samples
COLOUR = (b"cICP", b"gAMA", b"cHRM", b"sRGB", b"sBIT", b"mDCV", b"cLLI")  # before a palette
KNOWN = {*COLOUR, b"bKGD", b"pHYs", b"sPLT", b"tIME", *TEXTS}
OF_KIND = {b"sBIT", b"bKGD"}  # what depends on bit depth and colour type
LEAST = {b"gAMA": 4, b"cHRM": 32, b"sRGB": 1, b"pHYs": 9}  # bytes
MOST_TEXT = 1 << 20  # bytes that Pillow lets a text or profile have
MOST_BYTES = 64 << 20  # that a compressed text or profile may have here


@dataclass(frozen=True)
class Chunk:
    """A chunk where it stands.

    Attributes:
        name: of four letters.
        start: of its data in the file.
        size: of its data in bytes.
    """

    name: bytes
    start: int
    size: int

    def data(self, file: BinaryIO) -> bytes | None:
        """Reads the data; None where the checksum does not fit."""
        file.seek(self.start)
        data = file.read(self.size)
        return data if file.read(4) == checksum(self.name, data) else None


def checksum(name: bytes, data: bytes) -> bytes:
    """Returns what stands behind a chunk's data."""
    return struct.pack(">I", zlib.crc32(data, zlib.crc32(name)))


def chunk(name: bytes, data: bytes) -> bytes:
    """Returns a chunk as it is written."""
    return struct.pack(">I", len(data)) + name + data + checksum(name, data)


def chunks(file: BinaryIO) -> Iterator[Chunk]:
    """Yields a PNG file's chunks, as far as they are whole."""
    place, end = len(SIGNATURE), file.seek(0, 2)
    while place + 12 <= end:
        file.seek(place)
        size, name = struct.unpack(">I4s", file.read(8))
        if place + 12 + size > end or not name.isalpha():
            return
        yield Chunk(name, place + 8, size)
        if name == b"IEND":
            return
        place += 12 + size


def inflated(data: bytes, most: int = MOST_BYTES) -> bytes | None:
    """Returns what was compressed; None where it is damaged or has more than `most` bytes."""
    decoder = zlib.decompressobj()
    try:
        plain = decoder.decompress(data, most)
    except zlib.error:
        return None
    return None if decoder.unconsumed_tail or not decoder.eof else plain


def spoilt(file: BinaryIO) -> set[bytes]:
    """Returns the names of chunks that Pillow refuses a file for and that no sample depends on."""
    names, text = set[bytes](), 0
    for item in chunks(file):
        if item.name in PIXELS | FRAMES or item.name[:1].isupper():
            continue
        data = item.data(file)
        text += len(data or b"") if item.name in TEXTS else 0
        if data is None or not _is_readable(item.name, data) or text > MOST_TEXT:
            names.add(item.name)
    return names


def _is_readable(name: bytes, data: bytes) -> bool:
    if len(data) < LEAST.get(name, 0):
        return False
    if name == b"tEXt":
        return len(data) <= MOST_TEXT
    if name not in (b"iCCP", b"zTXt", b"iTXt"):
        return True
    key, separator, rest = data.partition(b"\0")
    if name == b"iTXt":
        compressed = rest[:1] == b"\1"
        rest = rest[2:].split(b"\0", 2)[-1]
        return inflated(rest, MOST_TEXT) is not None if compressed else len(data) <= MOST_TEXT
    return (
        bool(key and separator) and rest[:1] == b"\0" and inflated(rest[1:], MOST_TEXT) is not None
    )


def text_of(name: bytes, data: bytes) -> tuple[bytes, bytes | None]:
    """Returns key and text of a text chunk; the text is None where it is damaged."""
    key, _, rest = data.partition(b"\0")
    if name == b"tEXt":
        return key, rest
    if name == b"zTXt":
        return key, inflated(rest[1:])
    text = rest[2:].split(b"\0", 2)[-1]
    return key, inflated(text) if rest[:1] == b"\1" else text


def without(file: BinaryIO, names: set[bytes]) -> bytes:
    """Returns a PNG file without the chunks of some names."""
    parts = [SIGNATURE]
    for item in chunks(file):
        if item.name not in names:
            file.seek(item.start - 8)
            parts.append(file.read(item.size + 12))
    last = item.start + item.size + 4
    file.seek(last)  # a file that was cut off stays as it is
    return b"".join([*parts, file.read()])


def bits(file: BinaryIO) -> int:
    """Returns how many bits a sample has, from the header."""
    file.seek(24)
    return file.read(1)[0]
