"""Files that cameras, scanners and drawing programs write and Pillow does not, or not on demand."""

import io
import struct
import zlib

import numpy as np
from PIL import Image

from field.cases import bmp_565, interlaced_png, photo, png_file, with_chunk, with_segment

XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><dc:title>caf\xc3\xa9</dc:title></x:xmpmeta>'
IPTC = b"Photoshop 3.0\0" + b"8BIM\x04\x04\0\0\0\0\0\x0a" + b"\x1c\x02\x05\0\5title"


def save(mode="RGB", **options):
    """Writes a picture as Pillow does."""
    return lambda path: photo(mode).save(path, **options)


def png_of(bits, colours, row, *chunks):
    """Writes a PNG file of 64 x 64 px with a bit depth and colour type, all rows the same."""
    header = struct.pack(">IIBBBBB", 64, 64, bits, colours, 0, 0, 0)
    rows = zlib.compress((b"\0" + row) * 64)
    data = png_file((b"IHDR", header), *chunks, (b"IDAT", rows), (b"IEND", b""))
    return lambda path: path.write_bytes(data)


GREY_OF_2_BITS = png_of(2, 0, bytes(range(16)), (b"sBIT", b"\2"))
FEW_COLOURS = png_of(
    8, 3, bytes([0, 1, 2, 1] * 16), (b"sBIT", b"\5\6\5"), (b"PLTE", bytes(range(9)))
)


def bmp_of_32_bits(*levels):
    """Writes a BMP file whose pixels have a fourth byte, of these levels in turn."""

    def write(path):
        array = np.array(photo("RGBA"))
        array[..., 3] = np.resize(levels, array.shape[:2])
        Image.fromarray(array).save(path)

    return write


def odd_offsets(path):
    """A TIFF file whose directory begins at an address that has a 16 in it."""
    for seed in range(300):
        photo(seed=seed).save(path, compression="tiff_lzw", dpi=(300, 300))
        if "16" in str(struct.unpack("<I", path.read_bytes()[4:8])[0]):
            return
    raise AssertionError("no such file among 300")


def rows_of(kind):
    """The bytes of a file of a kind that Pillow reads and does not write."""
    array = np.array(photo())
    return bmp_565(array) if kind == "bmp 565" else interlaced_png(array)


def exif_data(*rows):
    """EXIF data of tags (number, type, value as bytes)."""
    return b"Exif\0\0" + directory(rows, 8, b"II*\0\x08\0\0\0")


def directory(rows, start, before, order="<", following=0, big=False):
    """Bytes with a directory of tags behind them; longer values follow it."""
    sizes = {3: 2, 4: 4, 16: 8}
    head, address, room = ("Q", "Q", 8) if big else ("H", "I", 4)
    table, values = struct.pack(order + head, len(rows)), b""
    place = start + len(table) + (4 + 2 * room) * len(rows) + room
    for number, kind, value in sorted(rows):
        count = len(value) // sizes.get(kind, 1)
        far = struct.pack(order + address, place + len(values))
        table += struct.pack(f"{order}HH{address}", number, kind, count)
        table += value.ljust(room, b"\0") if len(value) <= room else far
        values += value if len(value) > room else b""
    return before + table + struct.pack(order + address, following) + values


def tiff_of(*rows, samples=None, order="<", pages=(), inside=(), big=False):
    """Writes a TIFF file with these tags, (number, type, value as bytes), beside its layout.

    Its samples are those of the picture or others, (H, W) or (H, W, C). A further page is some
    tags, and so are the EXIF data inside the first.
    """
    array = np.array(photo()) if samples is None else samples
    height, width, *channels = array.shape
    count = channels[0] if channels else 1
    data = array.astype(array.dtype.newbyteorder(order)).tobytes()
    short = {256: width, 257: height, 259: 1, 262: 2 if count > 2 else 1, 277: count, 278: height}
    layout = {number: (number, 3, struct.pack(f"{order}H", n)) for number, n in short.items()}
    bits = [8 * array.itemsize] * count
    layout[258] = (258, 3, struct.pack(f"{order}{count}H", *bits))
    layout |= {n: (n, 4, struct.pack(f"{order}I", v)) for n, v in {273: 16, 279: len(data)}.items()}

    def write(path):
        before, following, first = bytes(16) + data, 0, rows
        if inside:
            first = (*rows, (34665, 4, struct.pack(f"{order}I", len(before))))
            before = directory(inside, len(before), before, order, 0, big)
        for page in reversed((first, *pages)):
            start = len(before)
            tags = layout | {row[0]: row for row in page}
            before = directory([*tags.values()], start, before, order, following, big)
            following = start
        version = struct.pack(f"{order}HHHQ", 43, 8, 0, following) if big else b""
        version = version or struct.pack(f"{order}HI", 42, following)
        head = (b"II" if order == "<" else b"MM") + version
        path.write_bytes(head + before[len(head) :])

    return write


def encoded(name):
    buffer = io.BytesIO()
    photo().save(buffer, name)
    return buffer.getvalue()


def followed(data, **options):
    """Writes a picture with bytes behind it."""

    def write(path):
        photo().save(path, **options)
        path.write_bytes(path.read_bytes() + data)

    return write


def jpeg_with(marker, data):
    """Writes a JPEG file with a segment."""
    return lambda path: path.write_bytes(with_segment(encoded("jpeg"), marker, data))


def png_with(name, data, broken=False):
    """Writes a PNG file with a chunk."""
    return lambda path: path.write_bytes(with_chunk(encoded("png"), name, data, broken))


def webp_with(name, data):
    """Writes a WebP file with a chunk."""

    def write(path):
        parts = encoded("webp")[12:] + name + struct.pack("<I", len(data)) + data
        path.write_bytes(b"RIFF" + struct.pack("<I", len(parts) + 4) + b"WEBP" + parts)

    return write


def late_text(words):
    """Writes a PNG file with a compressed text behind the samples."""

    def write(path):
        data, chunk = encoded("png"), b"zTXtTitle\0\0" + zlib.compress(words.encode())
        ends = struct.pack(">I", len(chunk) - 4), struct.pack(">I", zlib.crc32(chunk))
        path.write_bytes(data[:-12] + ends[0] + chunk + ends[1] + data[-12:])

    return write


def few_greys(path):
    """Writes a PNG file of four greys, the second of which is transparent."""
    greys = (np.array(photo("L")) // 64 * 85).astype(np.uint8)
    Image.fromarray(greys).save(path, bits=2, transparency=1)


def sixteen_greys(path):
    """Writes a PNG file of sixteen greys, the second of which is transparent."""
    greys = (np.array(photo("L")) // 16 * 17).astype(np.uint8)
    Image.fromarray(greys).save(path, bits=4, transparency=1)


def four_channels(path):
    """Writes a TIFF file whose fourth channel has no meaning that is said."""
    photo("RGBA").save(path)
    data = path.read_bytes()
    row = struct.pack("<HHI", 338, 3, 1)
    assert row in data
    place = data.index(row) + len(row)
    path.write_bytes(data[:place] + bytes(4) + data[place + 4 :])


def painted(colour, where):
    """Writes a picture, and beside it a mask that is painted somewhere."""

    def write(path):
        photo().save(path)
        mask = np.zeros((*where.shape, 4), np.uint8)
        if isinstance(colour, tuple):
            mask[where] = colour
        elif "photo" in colour:
            mask[..., :3] = np.array(photo(seed=colour == "another photo"))
            mask[..., 3] = where * 255
        elif colour == "inks":
            image = Image.fromarray(where).convert("L").convert("RGB").convert("CMYK")
            image.save(path.with_name("m.png"), "tiff")
            return
        else:
            mask[..., 3] = 255
            mask[~where, :3] = 255 if colour == "black on white" else 0
            mask[where, 0] = 255 if colour == "red on black" else 0
        Image.fromarray(mask).save(path.with_name("m.png"))

    return write


def jfif(unit, x, y):
    """Writes a JPEG file that says a resolution in inches (1) or cm (2), or the shape of pixels."""

    def write(path):
        data = encoded("jpeg")
        path.write_bytes(data[:13] + struct.pack(">BHH", unit, x, y) + data[18:])

    return write


def laid(turn, tags=(), inner=(), **options):
    """Writes a picture whose EXIF data have an orientation, other tags, and others inside them."""
    exif = Image.Exif()
    exif.update({274: turn, **dict(tags)})
    exif.get_ifd(0x8769).update(inner)
    return lambda path: photo().save(path, exif=exif.tobytes(), **options)
