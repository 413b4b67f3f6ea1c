"""Image files to Pillow's decoders, without what they stop at though no sample depends on it."""

import io
import mmap
from pathlib import Path
from typing import BinaryIO

from PIL import Image, UnidentifiedImageError
from PIL.TiffImagePlugin import TiffImageFile

from aotgan.data import png
from aotgan.data.tags import ORIENTATION, BrokenTags, TagFile

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF")  # decoders that hostile bytes may reach
NAMES = "PNG, JPEG, WebP, BMP or TIFF"
# Where a TIFF file says how its samples lie; a new file has its own.
LAYOUT_TAGS = {*range(256, 267), 273, *range(277, 282), 284, 288, 289, 292, 293, 317, 320, 330}
LAYOUT_TAGS |= {*range(322, 326), *range(338, 342), 347, *range(512, 522), *range(529, 533)}
BITS, PHOTOMETRIC, SAMPLE_FORMAT = 258, 262, 339
REVERSED = bytes(range(255, -1, -1))
# what files of other kinds begin with: place, bytes, name
FOREIGN = (
    (0, b"GIF8", "a GIF"),
    (0, b"8BPS", "a Photoshop document"),
    (0, b"%PDF", "a PDF"),
    (0, b"\0\0\0\x0cjP", "a JPEG 2000 picture"),
    (0, b"\xff\x4f\xff\x51", "a JPEG 2000 picture"),
    (0, b"\0\0\0\x0cJXL", "a JPEG XL picture"),
    (0, b"\xff\x0a", "a JPEG XL picture"),
    (0, b"II\xbc\x01", "a JPEG XR picture"),
    (0, b"gimp xcf", "a GIMP document"),
    (0, b"<svg", "an SVG drawing"),
    (0, b"\0\0\1\0", "an icon"),
    (0, b"PK\3\4", "an archive"),
    (0, b"MM\0\x2b", "a big-endian BigTIFF file"),
    (4, b"ftypavif", "an AVIF picture"),
    (4, b"ftypavis", "an AVIF picture"),
    (4, b"ftyp", "a HEIC picture or a film"),
)


class _Negative(TiffImageFile):
    """Grey of 16 bits whose zero is white, of which Pillow makes a negative."""

    def load_end(self) -> None:
        super().load_end()
        # 65535 - n, in any order of bytes
        self.frombytes(self.tobytes().translate(REVERSED))


def decoder_of(path: Path) -> Image.Image:
    """Opens an image file, pixels undecoded; raises whatever Pillow raises."""
    with path.open("rb") as file:
        start = file.read(8)
        if start[:2] in (b"II", b"MM"):
            lean, negative = _lean_tiff(file)
            if lean and negative:
                return _Negative(io.BytesIO(lean))
        else:
            lean = _lean_png(file) if start == png.SIGNATURE else None
    return Image.open(io.BytesIO(lean) if lean else path, formats=FORMATS)


def _lean_png(file: BinaryIO) -> bytes | None:
    """A PNG file without the chunks that Pillow stops at; None where there are none."""
    names = png.spoilt(file)
    lean = png.without(file, names) if names else None
    try:
        Image.open(io.BytesIO(lean) if lean else file, formats=("PNG",))
    except Exception:  # decoders raise a dozen unrelated types on hostile bytes
        return png.without(file, names | png.FRAMES)
    return lean


def _lean_tiff(file: BinaryIO) -> tuple[bytes | None, bool]:
    """A TIFF file with no more tags than decoding needs; None where the others do no harm.

    And whether it is grey of 16 bits whose zero is white, which it then no longer says.
    """
    needed = LAYOUT_TAGS | {ORIENTATION}
    try:
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            tags = TagFile(data)
            said = {row.tag: tags.value(row) for row in tags.rows(tags.first)}
            kind = said.get(BITS), said.get(PHOTOMETRIC), said.get(SAMPLE_FORMAT, 1)
            negative = kind == (16, 0, 1)
            # Pillow reads and writes all of them to undo an orientation
            turned = said.get(ORIENTATION, 1) != 1
            if not turned and not negative and not tags.broken(tags.first):
                return None, False
            lean = tags.without(lambda row: row.tag not in needed)[0]
    except BrokenTags:
        return None, False
    return TagFile(lean).with_number(PHOTOMETRIC, 1) if negative else lean, negative


def bits_of(image: Image.Image, path: Path) -> int:
    """Returns how many bits a sample has in the file, whatever it became in the image."""
    if image.format == "PNG":
        with path.open("rb") as file:
            return png.bits(file)
    if image.format == "TIFF":
        return int(max(getattr(image, "tag_v2", {}).get(BITS, (1,))))
    return 8


def signed(image: Image.Image) -> bool:
    """Whether a sample has 8 or 16 bits and a sign in the file, whatever it became in the image."""
    tags = getattr(image, "tag_v2", {})
    return 2 in tags.get(SAMPLE_FORMAT, ()) and max(tags.get(BITS, (1,))) <= 16


def problem_of(path: Path, error: Exception) -> str:
    """Says why an image file cannot be opened, and what to do."""
    if isinstance(error, OSError) and error.errno:
        return f"it cannot be read ({error.strerror}). Change that, or name another file."
    if isinstance(error, Image.DecompressionBombError):
        return f"{error}. Shrink or crop the file first."
    with path.open("rb") as file:
        start = file.read(32)
        if not start:
            return f"the file is empty. Name a {NAMES} file."
        for place, beginning, name in FOREIGN:
            if start[place : place + len(beginning)] == beginning:
                return f"it is {name}, which is not read. Save it as {NAMES}."
        cause = _cause(file, start) if isinstance(error, UnidentifiedImageError) else error
    if cause:
        return f"it cannot be decoded ({cause}). Open it elsewhere and save it as an 8-bit PNG."
    return f"cannot identify image file. Expected an intact {NAMES} file; convert or remove it."


def _cause(file: BinaryIO, start: bytes) -> Exception | None:
    """What the decoder says whose kind of file it is, if it is of any."""
    for name in FORMATS:
        factory, accept = Image.OPEN[name]
        if accept is not None and accept(start) is True:
            file.seek(0)
            try:
                factory(file, "")
            except Exception as error:  # decoders raise a dozen unrelated types on hostile bytes
                return error
    return None
