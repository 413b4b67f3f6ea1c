"""What a picture file says beside its samples: profile, camera data, texts, resolution, pages.

It stays bytes, so that nothing is changed or refused on the way; `aotgan.apply.reading` takes it
from a file, `aotgan.apply.encoding` gives it to another.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

from PIL import ExifTags

from aotgan.data.tags import Tag, TagFile, Tags, whole

X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT = 282, 283, 296
CREDENTIALS = "the content credentials (C2PA), which are of the picture as it was"
UNNAMED = "a channel whose meaning is not said"
PREVIEW = "the small picture inside, which shows it as it was"
METRES = {"inch": Fraction("0.0254"), "cm": Fraction("0.01"), "m": Fraction(1)}
TIFF_UNITS = {1: "", 2: "inch", 3: "cm"}


class LeftOut(UserWarning):
    """What a file says and the picture made of it does not."""


@dataclass(frozen=True)
class Density:
    """Resolution.

    Attributes:
        x: pixels in a unit of the width.
        y: pixels in a unit of the height.
        unit: "inch", "cm" or "m"; "" where only the shape of a pixel is said.
    """

    x: Fraction
    y: Fraction
    unit: str

    def per(self, unit: str) -> tuple[int, int]:
        """Returns whole numbers of pixels in a unit."""
        x, y = self._in(unit)
        return round(x), round(y)

    def is_whole(self, unit: str) -> bool:
        """Whether there are whole numbers of pixels in a unit."""
        return all(value.denominator == 1 for value in self._in(unit))

    def _in(self, unit: str) -> tuple[Fraction, Fraction]:
        scale = METRES[unit] / METRES[self.unit] if self.unit else 1
        return self.x * scale, self.y * scale

    @property
    def turned(self) -> "Density":
        """That of the picture turned by 90 degrees."""
        return Density(self.y, self.x, self.unit)

    @property
    def dpi(self) -> tuple[float, float]:
        """Pixels in an inch."""
        scale = METRES["inch"] / METRES[self.unit]
        return float(self.x * scale), float(self.y * scale)


def density(x: float | Fraction, y: float | Fraction, unit: str) -> Density | None:
    """Returns a resolution, None where the numbers say nothing."""
    says = x > 0 and y > 0 and (unit or x != y)
    return Density(Fraction(x), Fraction(y), unit) if says else None


def density_of(tags: Mapping[int, Tag]) -> Density | None:
    """Returns the resolution that TIFF or EXIF tags say, None where they say none."""
    values = []
    for number in (X_RESOLUTION, Y_RESOLUTION):
        numbers = tags[number].numbers if number in tags else ()
        fraction = numbers if len(numbers) == 2 else (*numbers[:1], 1)
        if len(fraction) != 2 or not fraction[1]:
            return None
        values.append(Fraction(fraction[0]) / Fraction(fraction[1]))
    # inches where nothing is said (TIFF 6.0)
    said = tags[RESOLUTION_UNIT].numbers[:1] if RESOLUTION_UNIT in tags else (2,)
    x, y = values
    return density(x, y, TIFF_UNITS.get(int(said[0]) if said else 2, ""))


def exif_density(exif: bytes) -> Density | None:
    """Returns the resolution that EXIF data say, from the byte order mark on; None for none."""
    file = TagFile(exif)
    return density_of(file.read(file.first))


def density_tags(said: Density) -> Tags:
    """Returns a resolution as TIFF or EXIF tags."""
    # TIFF knows no metres
    unit = "cm" if said.unit == "m" else said.unit
    scale = METRES[unit] / METRES[said.unit] if unit else 1
    # numerator and denominator have 32 bits each
    fractions = [(value * scale).limit_denominator(1 << 16) for value in (said.x, said.y)]
    tags = {
        number: Tag(5, whole(min(value.numerator, 2**32 - 1), value.denominator).data)
        for number, value in zip((X_RESOLUTION, Y_RESOLUTION), fractions, strict=True)
    }
    number = next(key for key, name in TIFF_UNITS.items() if name == unit)
    return tags | {RESOLUTION_UNIT: Tag(3, number.to_bytes(2, "little"))}


@dataclass(frozen=True)
class Page:
    """A page of a TIFF file.

    Attributes:
        tags: its entries, but for those that are addresses of data.
        blocks: where its data lie in the file, (start, size) each, by the entry that says so.
    """

    tags: Tags
    blocks: Mapping[int, list[tuple[int, int]]]

    @property
    def size(self) -> int:
        """Of its data in bytes."""
        return sum(size for places in self.blocks.values() for _, size in places)


@dataclass
class Metadata:
    """What a file says beside its samples.

    Attributes:
        source: the file.
        profile: ICC profile.
        exif: EXIF data from the byte order mark on, upright and without small pictures.
        xmp: XMP packet.
        photoshop: Photoshop's image resources, which IPTC data are one of, "8BIM" at each.
        comments: of a JPEG file.
        density: resolution.
        chunks: of a PNG file, name and data, what no other attribute holds.
        kind: of a PNG file, the bytes of bit depth and colour type.
        segments: of a JPEG file, marker and data, what no other attribute holds.
        tags: of a TIFF file, but for those that say how its samples lie.
        layout: of a TIFF file, the tags that say how its samples lie.
        compression: of a TIFF file, as Pillow calls it.
        pages: of a TIFF file, after the first.
        frames: number of pictures of an animation, at least 1.
        lost: what of the file can be kept nowhere.
    """

    source: Path
    profile: bytes = b""
    exif: bytes = b""
    xmp: bytes = b""
    photoshop: bytes = b""
    comments: list[bytes] = field(default_factory=list)
    density: Density | None = None
    chunks: list[tuple[bytes, bytes]] = field(default_factory=list)
    kind: bytes = b""
    segments: list[tuple[int, bytes]] = field(default_factory=list)
    tags: Tags = field(default_factory=dict)
    layout: Tags = field(default_factory=dict)
    compression: str = ""
    pages: list[Page] = field(default_factory=list)
    frames: int = 1
    lost: list[str] = field(default_factory=list)

    @property
    def beyond(self) -> list[str]:
        """What a single picture in memory cannot have of it."""
        counts = {"further page": len(self.pages), "further frame": self.frames - 1}
        further = [counted(count, what) for what, count in counts.items() if count]
        return [name for name in self.lost if name != PREVIEW] + further

    @property
    def info(self) -> dict[str, Any]:
        """What Pillow's own `Image.info` says of it."""
        said: dict[str, Any] = {"icc_profile": self.profile, "xmp": self.xmp}
        said["exif"] = b"Exif\0\0" + self.exif if self.exif else b""
        said["dpi"] = self.density.dpi if self.density and self.density.unit else None
        return {key: value for key, value in said.items() if value}


def damaged(what: str, tags: Iterable[int]) -> list[str]:
    """Returns what to say of broken tags: nothing where there are none."""
    return named(f"what is broken of {what}", tags)


def named(what: str, tags: Iterable[int]) -> list[str]:
    """Returns what to say of some tags, by their names: nothing where there are none."""
    names = [ExifTags.TAGS.get(tag, f"0x{tag:04x}") for tag in dict.fromkeys(tags)]
    return [f"{what} ({', '.join(names)})"] if names else []


def counted(count: int, what: str) -> str:
    """Returns "1 page" or "2 pages"."""
    return f"{count} {what}{'s' if count != 1 else ''}"


def listed(names: Iterable[str]) -> str:
    """Returns "a, b and c", each but once."""
    *first, last = dict.fromkeys(names)
    return f"{', '.join(first)} and {last}" if first else last
