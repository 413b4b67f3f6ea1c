"""TIFF files: their tags and pages, read and written as bytes; Pillow makes the samples.

A library writes few types of tags beside compressed samples, and fails at the others.
"""

import io
import mmap
import struct
from collections.abc import Mapping
from dataclasses import replace
from itertools import accumulate
from typing import BinaryIO

import numpy as np
from PIL import Image
from PIL.TiffImagePlugin import COMPRESSION_INFO

from aotgan.apply.metadata import (
    CREDENTIALS,
    RESOLUTION_UNIT,
    UNNAMED,
    X_RESOLUTION,
    Metadata,
    Page,
    counted,
    damaged,
    density_of,
    density_tags,
    named,
)
from aotgan.data.decoding import LAYOUT_TAGS
from aotgan.data.tags import LIMITS, ORIENTATION, BrokenTags, Tag, TagFile, Tags, packed, whole

PROFILE, XMP, IPTC, PHOTOSHOP = 34675, 700, 33723, 34377
ELSEWHERE = {PROFILE, XMP, IPTC, PHOTOSHOP}  # other formats have places of their own for them
SMALLER = 330
LAYERS, C2PA = 37724, 52545  # Photoshop's and a signature's, which are of the picture as it was
LOST = {SMALLER: "the smaller pictures beside it", LAYERS: "Photoshop's layers", C2PA: CREDENTIALS}
LOST |= dict.fromkeys(
    (280, 281, 340, 341), "the least and greatest sample, which may be others now"
)
PAGE_TAGS = {254, 255, 297}  # which of the pages it is, and of what kind
MOST_BYTES = 3 << 30  # of further pages: addresses of 32 bits are to reach the end
BITS, COMPRESSION, DESCRIPTION, COLOURS, EXTRA_SAMPLES = 258, 259, 270, 320, 338
# entries that are addresses of data -> those that say how long these are
ADDRESSES = {273: 279, 324: 325, 513: 514}
OLD_JPEG = 6  # has further addresses
LOSSLESS = ("raw", "tiff_lzw", "tiff_adobe_deflate", "tiff_deflate", "packbits", "lzma", "zstd")
BILEVEL = ("tiff_ccitt", "group3", "group4")
DEFLATE = "tiff_adobe_deflate"


def read_tiff(file: BinaryIO, metadata: Metadata) -> None:
    """Reads tags and pages of a TIFF file."""
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        tags = TagFile(data)
        first, *further = tags.chain()
        read = _fitting(tags, first, "tags", metadata.lost)
        pages = [page for offset in further if (page := _page(tags, offset, metadata.lost))]
    metadata.lost += [name for tag, name in LOST.items() if tag in read]
    own = {tag: entry for tag, entry in read.items() if tag not in LAYOUT_TAGS}
    metadata.layout = {tag: entry for tag, entry in read.items() if tag in LAYOUT_TAGS}
    # the new picture is upright, and Photoshop's layers show the old one
    for tag in (ORIENTATION, LAYERS, C2PA):
        own.pop(tag, None)
    if X_RESOLUTION not in own:
        own.pop(RESOLUTION_UNIT, None)  # a unit of nothing
    metadata.tags = own
    metadata.profile, metadata.xmp, metadata.photoshop = (
        own[tag].data if tag in own else b"" for tag in (PROFILE, XMP, PHOTOSHOP)
    )
    if not metadata.photoshop and IPTC in own:
        metadata.photoshop = _resource(own[IPTC].data)
    metadata.density = density_of(own)
    numbers = read[COMPRESSION].numbers if COMPRESSION in read else (1,)
    metadata.compression = COMPRESSION_INFO.get(int(numbers[0]), "")
    sizes = accumulate(page.size for page in pages)
    metadata.pages = [page for page, end in zip(pages, sizes, strict=True) if end <= MOST_BYTES]
    if missing := len(further) - len(metadata.pages):
        metadata.lost.append(f"{counted(missing, 'further page')} of a kind that is not copied")
    if 0 in _extra(read):
        metadata.lost.append(UNNAMED)


def _extra(tags: Tags) -> tuple[float, ...]:
    """What channels beyond the colours are: 0 nobody knows, 1 and 2 transparency."""
    return tags[EXTRA_SAMPLES].numbers if EXTRA_SAMPLES in tags else ()


def _fitting(tags: TagFile, offset: int, what: str, lost: list[str]) -> Tags:
    """A page's tags that can be copied; the others are added to what is lost."""
    kept, long = _narrow(tags.read(offset))
    lost += damaged(what, tags.broken(offset))
    lost += named(f"{what} of more than 32 bits", (tag for tag in long if tag not in ADDRESSES))
    return kept


def _narrow(tags: Mapping[int, Tag]) -> tuple[Tags, list[int]]:
    """The tags whose numbers are no longer than a TIFF file's, and which others there are."""
    kept, long = Tags(), list[int]()
    for number, tag in tags.items():
        limit = LIMITS.get(tag.kind, 0)
        if tag.inside is not None:
            inside, further = _narrow(tag.inside)
            kept[number] = replace(tag, inside=inside)
            long += further
        elif limit and not all(-limit <= value < limit for value in tag.numbers):
            long.append(number)
        else:
            kept[number] = tag
    return kept, long


def _page(tags: TagFile, offset: int, lost: list[str]) -> Page | None:
    """A further page, as far as its data can be copied; what it has more is added to `lost`."""
    try:
        read = tags.read(offset)
    except BrokenTags:
        return None
    compression, bits = (read[tag].numbers if tag in read else (1,) for tag in (COMPRESSION, BITS))
    # samples of two bytes have the order of their file
    if OLD_JPEG in compression or (tags.order == ">" and max(bits) > 8):
        return None
    blocks = {}
    for address, length in ADDRESSES.items():
        if address in read and length in read:
            starts, sizes = (map(int, read[tag].numbers) for tag in (address, length))
            blocks[address] = [*zip(starts, sizes, strict=False)]
    ends = [start + size for places in blocks.values() for start, size in places]
    if not ends or max(ends) > len(tags.buffer):
        return None
    kept = _fitting(tags, offset, "a further page's tags", lost)
    lost += ["the smaller pictures beside a further page"] if kept.pop(SMALLER, None) else []
    return Page({tag: entry for tag, entry in kept.items() if tag not in ADDRESSES}, blocks)


def _resource(iptc: bytes) -> bytes:
    """IPTC data as one of Photoshop's resources."""
    return b"8BIM\x04\x04\0\0" + struct.pack(">I", len(iptc)) + iptc + bytes(len(iptc) % 2)


def write_tiff(picture: Image.Image, file: BinaryIO, metadata: Metadata) -> list[str]:
    """Writes a TIFF file; returns what is to be said of it, in sentences.

    Args:
        picture: of a mode that TIFF files hold, without `info`.
        file: to be written to.
        metadata: what goes with it.
    """
    associated = picture.mode in ("LA", "RGBA") and _extra(metadata.layout)[:1] == (1,)
    if associated:
        picture = _multiplied(picture)
    buffer, changed = _compressed(picture, metadata.compression)
    with buffer.getbuffer() as data:
        made = TagFile(data)
        layout = _layout(made.read(made.first), metadata.layout, associated)
        blocks = _blocks(layout)
        # the address of the first page is put in when that page is there
        file.write(b"II*\0" + bytes(4))
        link = 4
        link = _write_page(file, link, Page(_tags_of(metadata) | layout, blocks), data)
    if metadata.pages:
        with (
            metadata.source.open("rb") as source,
            mmap.mmap(source.fileno(), 0, access=mmap.ACCESS_READ) as pages,
        ):
            for page in metadata.pages:
                link = _write_page(file, link, page, pages)
        changed.append("The further pages stay as they were.")
    return changed


def _multiplied(picture: Image.Image) -> Image.Image:
    """Colours by transparency: rounded up, as Pillow rounds down where it divides them."""
    samples = np.array(picture, np.uint16)  # (H, W, C)
    samples[..., :-1] = (samples[..., :-1] * samples[..., -1:] + 254) // 255
    return Image.fromarray(samples.astype(np.uint8))


def _layout(made: Tags, said: Tags, associated: bool) -> Tags:
    """How the samples of a new file lie, where the old one says it better than Pillow."""
    layout = {tag: entry for tag, entry in made.items() if tag in LAYOUT_TAGS}
    if associated:
        layout[EXTRA_SAMPLES] = Tag(3, b"\1\0")
    if COLOURS in layout:
        layout[COLOURS] = _colours(layout[COLOURS], said.get(COLOURS))
    return layout


def _colours(made: Tag, said: Tag | None) -> Tag:
    """A palette for indices of 8 bits: of the old file, whose indices had as many or fewer."""
    old = said.data if said and said.kind == 3 else b""
    size = len(old) // 3  # red, green and blue in turn
    if 0 < size <= 512:
        parts = [old[part * size : (part + 1) * size].ljust(512, b"\0") for part in range(3)]
        return Tag(3, b"".join(parts))
    # white of 16 bits is 65535, which Pillow writes as 65280
    return Tag(3, struct.pack("<768H", *(int(number) // 256 * 257 for number in made.numbers)))


def _blocks(layout: Tags) -> dict[int, list[tuple[int, int]]]:
    starts, sizes = (map(int, layout[tag].numbers) for tag in (273, 279))
    return {273: [*zip(starts, sizes, strict=True)]}


def _tags_of(metadata: Metadata) -> Tags:
    """The tags of a new file, but for those that say how its samples lie."""
    tags = dict(metadata.tags)
    if not tags:
        if metadata.exif:
            exif = TagFile(metadata.exif)
            tags = {
                t: e for t, e in exif.read(exif.first).items() if t not in LAYOUT_TAGS | PAGE_TAGS
            }
        if metadata.density:
            tags |= density_tags(metadata.density)
        parts = {PROFILE: metadata.profile, XMP: metadata.xmp, PHOTOSHOP: metadata.photoshop}
        tags |= {tag: Tag(7 if tag == PROFILE else 1, part) for tag, part in parts.items() if part}
        comment = b"\n".join(part.rstrip(b"\0") for part in metadata.comments)
        if comment and DESCRIPTION not in tags:
            tags[DESCRIPTION] = Tag(2, comment + b"\0")
    # as it is said of the upright picture
    elif XMP in tags:
        tags[XMP] = Tag(tags[XMP].kind, metadata.xmp)
    return tags


def _compressed(picture: Image.Image, wanted: str) -> tuple[io.BytesIO, list[str]]:
    """A file of the picture alone, and what is to be said of its compression."""
    choices = BILEVEL + LOSSLESS if picture.mode == "1" else LOSSLESS
    for compression in dict.fromkeys([wanted if wanted in choices else DEFLATE, DEFLATE]):
        buffer = io.BytesIO()
        try:
            picture.save(buffer, "tiff", compression=compression)
        except (OSError, RuntimeError, ValueError):  # libtiff was built without it
            if compression == DEFLATE:
                raise
            continue
        break
    # two numbers stand for deflate
    if not wanted or compression == wanted or (wanted, compression) == ("tiff_deflate", DEFLATE):
        return buffer, []
    return buffer, [f"Compressed by deflate in place of {wanted}, so that known pixels stay."]


def _write_page(file: BinaryIO, link: int, page: Page, data: mmap.mmap | memoryview) -> int:
    """Appends a page, and has the address at `link` name it; returns where the next one goes."""
    tags = dict(page.tags)
    for address, places in page.blocks.items():
        starts = []
        for start, size in places:
            starts.append(_even(file))
            file.write(data[start : start + size])
        tags[address] = whole(*starts)
    place = _even(file)
    directory = packed(tags, place)
    file.write(directory)
    file.seek(link)
    file.write(struct.pack("<I", place))
    file.seek(0, 2)
    # behind the number of entries and these
    return place + 2 + 12 * len(tags)


def _even(file: BinaryIO) -> int:
    """Where the next bytes go, an even place."""
    place = file.tell()
    file.write(bytes(place % 2))
    return place + place % 2
