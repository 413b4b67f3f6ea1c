"""Directories of tags, as TIFF files and EXIF data hold them, with their values as bytes.

A library that reads the values changes or refuses what it does not expect: text outside ASCII,
types of a camera's own, addresses inside a maker's note. What stays bytes stays as it was.
"""

import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from PIL import ExifTags, TiffTags

ORIENTATION = int(ExifTags.Base.Orientation)
EXIF, GPS, INTEROP = 34665, 34853, 40965  # directories that an entry is the address of
INSIDE = {None: (EXIF, GPS), EXIF: (INTEROP,)}  # and where they are
# size and resolution: what is said of the width, and the same of the height
SIDES = {None: {256: 257, 282: 283}, EXIF: {0xA002: 0xA003, 0xA20E: 0xA20F}}
# type -> code of a number as of `struct`, and how many of them are a value
TYPES = {1: ("B", 1), 2: ("B", 1), 3: ("H", 1), 4: ("I", 1), 5: ("I", 2), 6: ("b", 1), 7: ("B", 1)}
TYPES |= {8: ("h", 1), 9: ("i", 1), 10: ("i", 2), 11: ("f", 1), 12: ("d", 1), 13: ("I", 1)}
TYPES |= {16: ("Q", 1), 17: ("q", 1), 18: ("Q", 1), 129: ("B", 1)}
LIMITS = {16: 1 << 32, 17: 1 << 31, 18: 1 << 32}  # BigTIFF's own, of their numbers elsewhere
TEXTS = {1, 2, 7, 129}
WHOLE = {1, 3, 4, 6, 8, 9, 13, 16, 17, 18}
MOST_DIRECTORIES = 10_000  # of a chain; more are a loop or an attack
TagBytes = Any  # bytes or mmap: what slices of are bytes


class BrokenTags(ValueError):
    """Bytes that are no directory of tags."""


@dataclass(frozen=True)
class Row:
    """An entry where it stands.

    Attributes:
        position: of the row in the buffer.
        tag: its number.
        kind: its type, a key of `TYPES` if it is sound.
        start: of the values in the buffer.
        size: of the values in bytes.
        sound: whether its type is one, and one for this tag, and its values lie in the buffer.
    """

    position: int
    tag: int
    kind: int
    start: int
    size: int
    sound: bool


@dataclass(frozen=True)
class Tag:
    """An entry by itself.

    Attributes:
        kind: its type.
        data: its values, the lowest byte of a number first.
        inside: the directory that it is the address of, if it is.
    """

    kind: int
    data: bytes
    inside: "Mapping[int, Tag] | None" = None

    @property
    def numbers(self) -> tuple[float, ...]:
        """The values; of fractions numerators and denominators in turn."""
        return tuple(
            number for (number,) in struct.iter_unpack(f"<{TYPES[self.kind][0]}", self.data)
        )


Tags = dict[int, Tag]


def whole(*numbers: int) -> Tag:
    """Returns an entry of whole numbers."""
    return Tag(4, struct.pack(f"<{len(numbers)}I", *numbers))


class TagFile:
    """A TIFF file, or EXIF data.

    Args:
        buffer: the bytes from the byte order mark on.

    Raises:
        BrokenTags: another beginning.

    Attributes:
        order: "<" or ">", as of `struct`.
        first: where the first directory begins.
    """

    def __init__(self, buffer: TagBytes):
        self.buffer = buffer
        self.order = {b"II": "<", b"MM": ">"}.get(bytes(buffer[:2]), "")
        version = self._number("H", 2) if self.order else 0
        if version not in (42, 43):
            raise BrokenTags("a garbage header")
        self.big = version == 43  # BigTIFF: addresses of 8 bytes
        self.address, self.head, self.step = ("Q", 8, 20) if self.big else ("I", 2, 12)
        self.first = self._number(self.address, 8 if self.big else 4)

    def chain(self) -> Iterator[int]:
        """Yields where the directories begin, one after the other."""
        seen, offset = set[int](), self.first
        while offset and offset not in seen and len(seen) < MOST_DIRECTORIES:
            seen.add(offset)
            yield offset
            offset = self._number(self.address, self._end(offset))

    def rows(self, offset: int, group: int | None = None) -> list[Row]:
        """Returns the entries of a directory.

        Args:
            offset: where it begins.
            group: the entry that is its address; None for one of the chain.

        Raises:
            BrokenTags: it ends beyond the buffer.
        """
        if offset < 8 or self._end(offset) > len(self.buffer):
            raise BrokenTags("a directory outside of them")
        starts = range(offset + self.head, self._end(offset), self.step)
        return [self._row(start, group) for start in starts]

    def broken(self, offset: int, group: int | None = None) -> list[int]:
        """Returns the tags of a directory that are not sound, and of those inside it.

        Raises:
            BrokenTags: as `rows`.
        """
        tags = []
        for row in self.rows(offset, group):
            if not row.sound:
                tags.append(row.tag)
            elif row.tag in INSIDE.get(group, ()):
                try:
                    tags += self.broken(self.value(row), row.tag)
                except BrokenTags:
                    tags.append(row.tag)
        return tags

    def read(self, offset: int, group: int | None = None) -> Tags:
        """Returns the sound entries of a directory, and of those inside it.

        Raises:
            BrokenTags: as `rows`.
        """
        tags = {}
        for row in self.rows(offset, group):
            if row.sound and row.tag in INSIDE.get(group, ()):
                try:
                    tags[row.tag] = Tag(4, b"", self.read(self.value(row), row.tag))
                except BrokenTags:
                    continue
            elif row.sound:
                tags[row.tag] = Tag(row.kind, self._data(row))
        return tags

    def value(self, row: Row) -> int:
        """Returns the first number of a sound entry of whole numbers, of others 0."""
        return self._number(TYPES[row.kind][0], row.start) if row.kind in WHOLE and row.size else 0

    def without(self, unwanted: Callable[[Row], bool]) -> tuple[bytes, list[int]]:
        """Returns the bytes without some entries of the first directory and those inside it.

        All else keeps its place, so that addresses stay right. The chain ends there: what follows
        in EXIF data is a small copy of the picture as it was, and is blanked.

        Args:
            unwanted: said of a sound entry; one that is not sound goes anyway.

        Returns:
            The bytes, and the tags that were left out as they are not sound.

        Raises:
            BrokenTags: as `rows`.
        """
        changed = bytearray(self.buffer[:])
        for following in [*self.chain()][1:2]:
            self._blank_picture(changed, following)
        broken = self._close_up(changed, self.first, None, unwanted)
        return bytes(changed), broken

    def with_number(self, tag: int, number: int) -> bytes:
        """Returns the bytes with another first value of an entry of the first directory."""
        changed = bytearray(self.buffer[:])
        for row in self.rows(self.first):
            if row.tag == tag and row.sound and row.kind in WHOLE and row.size:
                struct.pack_into(self.order + TYPES[row.kind][0], changed, row.start, number)
        return bytes(changed)

    def turned(self) -> bytes:
        """Returns the bytes with what they say of width and height exchanged.

        Raises:
            BrokenTags: as `rows`.
        """
        changed = bytearray(self.buffer[:])
        inner = [self.value(row) for row in self.rows(self.first) if row.sound and row.tag == EXIF]
        for offset, group in [(self.first, None), *((place, EXIF) for place in inner)]:
            places = [(across(row.tag, group), row.position) for row in self.rows(offset, group)]
            rows = [(tag, bytes(self.buffer[at + 2 : at + self.step])) for tag, at in places]
            table = [struct.pack(f"{self.order}H", tag) + rest for tag, rest in sorted(rows)]
            changed[offset + self.head : self._end(offset)] = b"".join(table)
        return bytes(changed)

    def _close_up(
        self, changed: bytearray, offset: int, group: int | None, unwanted: Callable[[Row], bool]
    ) -> list[int]:
        """Writes a directory's table without what is to go; returns the tags that are broken."""
        rows, kept, broken = self.rows(offset, group), list[bytes](), list[int]()
        for row in rows:
            if row.sound and row.tag in INSIDE.get(group, ()):
                try:
                    broken += self._close_up(changed, self.value(row), row.tag, unwanted)
                except BrokenTags:
                    broken.append(row.tag)
                    continue
            elif not row.sound:
                broken.append(row.tag)
                continue
            elif unwanted(row):
                continue
            kept.append(bytes(self.buffer[row.position : row.position + self.step]))
        end = self._end(offset)
        table = struct.pack(f"{self.order}{'Q' if self.big else 'H'}", len(kept)) + b"".join(kept)
        changed[offset:end] = table.ljust(end - offset, b"\0")
        # the address of a next directory follows the last row
        last = min(len(changed), offset + len(table) + struct.calcsize(f"<{self.address}"))
        changed[offset + len(table) : last] = bytes(last - offset - len(table))
        return broken

    def _blank_picture(self, changed: bytearray, offset: int) -> None:
        try:
            places = {row.tag: self.value(row) for row in self.rows(offset) if row.sound}
        except BrokenTags:
            return
        start, size = places.get(513, 0), places.get(514, 0)
        if start >= 8 and start + size <= len(changed):
            changed[start : start + size] = bytes(size)

    def _row(self, position: int, group: int | None) -> Row:
        tag, kind = self._number("H", position), self._number("H", position + 2)
        count = self._number(self.address, position + 4)
        start = position + (12 if self.big else 8)
        code, numbers = TYPES.get(kind, ("B", 0))
        size = struct.calcsize(f"<{code}") * numbers * count
        if size > struct.calcsize(f"<{self.address}"):
            start = self._number(self.address, start)
        known = kind in TYPES and (self.big or kind not in LIMITS)
        sound = known and start + size <= len(self.buffer) and fits(tag, kind, group)
        return Row(position, tag, kind, start, size, sound)

    def _data(self, row: Row) -> bytes:
        data, code = bytes(self.buffer[row.start : row.start + row.size]), TYPES[row.kind][0]
        if self.order == "<":
            return data
        count = len(data) // struct.calcsize(f"<{code}")
        return struct.pack(f"<{count}{code}", *struct.unpack(f">{count}{code}", data))

    def _end(self, offset: int) -> int:
        """Where a directory's rows end."""
        count = self._number("Q" if self.big else "H", offset)
        return offset + self.head + self.step * count

    def _number(self, code: str, position: int) -> int:
        size = struct.calcsize(f"<{code}")
        data = bytes(self.buffer[position : position + size])
        return int(struct.unpack(self.order + code, data)[0]) if len(data) == size else 0


def fits(tag: int, kind: int, group: int | None) -> bool:
    """Whether a tag may have values of this type, as far as it is a known one."""
    if tag in INSIDE.get(group, ()):
        return kind in (4, 13, 18)
    expected = TiffTags.lookup(tag, group).type
    if expected == TiffTags.ASCII:
        return kind in TEXTS
    if expected in (TiffTags.SHORT, TiffTags.LONG):
        return kind in WHOLE
    return expected not in (TiffTags.RATIONAL, TiffTags.SIGNED_RATIONAL) or kind not in TEXTS - {1}


def across(tag: int, group: int | None) -> int:
    """Returns the entry that says of the other side what this one says; itself for most."""
    return next((sum(pair) - tag for pair in SIDES.get(group, {}).items() if tag in pair), tag)


def turned(tags: Mapping[int, Tag], group: int | None = None) -> Tags:
    """Returns entries with what they say of width and height exchanged."""
    return {
        across(number, group): Tag(tag.kind, tag.data, tag.inside and turned(tag.inside, number))
        for number, tag in tags.items()
    }


def packed(tags: Mapping[int, Tag], start: int, following: int = 0) -> bytes:
    """Lays out a directory, the lowest byte of a number first.

    Args:
        tags: its entries.
        start: where in the file it will begin.
        following: where the next of its chain begins; 0 for none.
    """
    rows, values = b"", b""
    place = start + 2 + 12 * len(tags) + 4
    for number, tag in sorted(tags.items()):
        kind, data = tag.kind, tag.data
        if tag.inside is not None:
            data = struct.pack("<I", place + len(values))
            values += packed(tag.inside, place + len(values))
        elif kind in LIMITS:
            kind = 9 if kind == 17 else 4
            data = struct.pack(f"<{len(data) // 8}{TYPES[kind][0]}", *map(int, tag.numbers))
        code, numbers = TYPES[kind]
        count = len(data) // (struct.calcsize(f"<{code}") * numbers)
        if len(data) > 4:
            address = struct.pack("<I", place + len(values))
            values += data + bytes(len(data) % 2)  # addresses are even
            data = address
        rows += struct.pack("<HHI", number, kind, count) + data.ljust(4, b"\0")
    return struct.pack("<H", len(tags)) + rows + struct.pack("<I", following) + values


def exif_of(tags: Mapping[int, Tag]) -> bytes:
    """Returns EXIF data of some tags, from the byte order mark on."""
    return b"II*\0\x08\0\0\0" + packed(tags, 8)
