"""What people's picture files do to `aotgan inpaint`: a table of cases, by kind of trouble."""

import struct
import zlib

import numpy as np
import pytest
from PIL import PngImagePlugin, TiffImagePlugin

from field.cases import HOLE, SIDE, Case, fill, photo
from field.files import (
    IPTC,
    XMP,
    exif_data,
    few_greys,
    four_channels,
    jfif,
    jpeg_with,
    late_text,
    odd_offsets,
    painted,
    png_with,
    rows_of,
    save,
    sixteen_greys,
    tiff_of,
)
from field.right import (
    changes,
    filled,
    holds,
    lacks,
    pages,
    refused,
    says,
    says_bytes,
    says_density,
    told,
    without_chunks,
    without_density,
    without_tags,
)

PROFILE = bytes(range(256)) * 6000  # 1.5 MB
LONG = "x" * 3_000_000


# --- the files -------------------------------------------------------------------------------


def tags(**options):
    own = TiffImagePlugin.ImageFileDirectory_v2()
    own[270], own[305], own[33432], own[65000] = "A picture", "a program", "somebody", "private"
    return save(tiffinfo=own, dpi=(300, 150), **options)


def text(key, value, **options):
    info = PngImagePlugin.PngInfo()
    info.add_text(key, value, **options)
    return save(pnginfo=info)


BRUSH = np.zeros((SIDE, SIDE), bool)
BRUSH[8:60, 8:40] = True

REFUSED = "refused though ordinary"
BACK = "cannot be written back"
WAY = "mask taken the wrong way round"
LOSES = "loses what it should keep"
STOPS = "stops at what does not matter"
ADVICE = "misleading advice"
NUMBERS = "wrong numbers written"
TWO_WAYS = refused("--hole painted", "--hole transparent")
BROKEN = b"Exif\0\0garbage"

CASES = [
    Case(REFUSED, "s.tif", odd_offsets, "o.tif", filled),
    Case(REFUSED, "s.bmp", lambda path: path.write_bytes(rows_of("bmp 565")), "o.png", filled),
    Case(REFUSED, "s.png", lambda path: path.write_bytes(rows_of("interlaced")), "o.png", filled),
    Case(REFUSED, "s.png", save("I;16"), "o.tif", filled),
    Case(REFUSED, "s.tif", save("I;16"), "o.png", filled),
    Case(REFUSED, "s.tif", lambda path: photo().convert("YCbCr").save(path), "o.tif", filled),
    Case(REFUSED, "s.png", text("comment", "t"), "o.jpg", told("the text 'comment'")),
    Case(REFUSED, "s.png", text("dpi", "t"), "o.png", says("dpi", "t")),
    Case(REFUSED, f"{'s' * 245}.png", save(), f"{'o' * 250}.png", filled),
    *(
        Case(BACK, f"{name}.tif", tags(compression=name), "o.tif", says("compression", name))
        for name in ("tiff_lzw", "tiff_adobe_deflate", "packbits", "lzma", "zstd")
    ),
    *(
        Case(BACK, f"{name}.tif", save("1", compression=name, dpi=(200, 100)), "o.tif", right)
        for name in ("group3", "group4", "tiff_ccitt")
        for right in (says("compression", name), says("dpi", (200, 100)))
    ),
    Case(BACK, "s.tif", tags(compression="tiff_lzw"), "o.tif", holds(b"A picture\0", b"private\0")),
    Case(BACK, "s.tif", tags(compression="tiff_lzw"), "o.jpg", holds(b"somebody\0", b"private\0")),
    Case(
        BACK,
        "s.tif",
        save(compression="jpeg"),
        "o.tif",
        says("compression", "tiff_adobe_deflate", "in place of jpeg, so that known pixels stay"),
    ),
    Case(BACK, "s.bmp", save("P"), "o.bmp", filled),
    Case(BACK, "s.png", save("P", transparency=3), "o.tif", filled),
    Case(BACK, "s.png", save("P", transparency=3), "o.jpg", refused("png, tiff, webp")),
    *(
        Case(WAY, "s.png", painted(colour, BRUSH), "o.png", right, hole)
        for colour in ((255, 204, 0, 187), (128, 128, 128, 100), (250, 250, 250, 200))
        for hole, right in (("white", changes(BRUSH)), ("transparent", changes(~BRUSH)))
    ),
    *(
        Case(WAY, "s.png", painted((level, level, level, 255), BRUSH), "o.png", right, hole)
        for level in (0, 128, 250, 255)
        for hole, right in (
            ("white", TWO_WAYS),
            ("black", TWO_WAYS),
            ("painted", changes(BRUSH)),
            ("transparent", changes(~BRUSH)),
        )
    ),
    Case(WAY, "s.png", painted("another photo", BRUSH), "o.png", TWO_WAYS),
    Case(WAY, "s.png", painted("the photo", ~HOLE), "o.png", changes(HOLE)),
    Case(
        WAY, "s.png", painted("red on black", HOLE), "o.png", refused("Make what is to be filled")
    ),
    Case(WAY, "s.png", painted("inks", HOLE), "o.png", changes(HOLE)),
    Case(WAY, "s.png", painted("black on white", HOLE), "o.png", changes(HOLE), "black"),
    Case(LOSES, "s.jpg", save(xmp=XMP), "o.jpg", says("xmp", XMP)),
    Case(LOSES, "s.jpg", save(xmp=XMP), "o.png", says("xmp", XMP)),
    Case(LOSES, "s.jpg", save(xmp=XMP), "o.tif", holds(XMP)),
    Case(LOSES, "s.jpg", save(xmp=XMP), "o.webp", says("xmp", XMP)),
    Case(LOSES, "s.jpg", save(xmp=XMP), "o.bmp", told("no place for it: the XMP data")),
    Case(LOSES, "s.jpg", jpeg_with(0xED, IPTC), "o.jpg", holds(IPTC)),
    Case(LOSES, "s.jpg", jpeg_with(0xED, IPTC), "o.tif", holds(IPTC[14:])),
    Case(LOSES, "s.jpg", jpeg_with(0xED, IPTC), "o.png", told("the IPTC data")),
    Case(LOSES, "s.jpg", jpeg_with(0xEC, b"Ducky"), "o.jpg", holds(b"Ducky")),
    Case(
        LOSES, "s.jpg", save(comment="caf\xe9".encode()), "o.jpg", says("comment", b"caf\xc3\xa9")
    ),
    Case(LOSES, "s.jpg", save(comment="caf\xe9".encode()), "o.png", says("Comment", "caf\xe9")),
    Case(LOSES, "s.jpg", save(comment="caf\xe9".encode()), "o.tif", holds(b"caf\xc3\xa9\0")),
    Case(LOSES, "s.jpg", save(comment=b"a"), "o.webp", told("no place for it: the comment")),
    Case(LOSES, "s.png", text("Title", "\u6f22"), "o.png", says("Title", "\u6f22")),
    Case(LOSES, "s.png", text("Title", "\u6f22", zip=True), "o.png", says("Title", "\u6f22")),
    Case(LOSES, "s.png", text("Title", "a"), "o.jpg", told("no place for it: the text 'Title'")),
    Case(LOSES, "s.png", png_with(b"gAMA", struct.pack(">I", 50000)), "o.png", says("gamma", 0.5)),
    Case(LOSES, "s.png", png_with(b"cHRM", bytes(range(32))), "o.png", holds(bytes(range(32)))),
    Case(LOSES, "s.png", png_with(b"gAMA", struct.pack(">I", 50000)), "o.jpg", told("it: gAMA")),
    *(
        Case(LOSES, "s.jpg", save(exif=exif_data((315, 2, b"caf\xe9 \xff\0"))), out, right)
        for out in ("o.jpg", "o.png", "o.tif", "o.webp")
        for right in (holds(b"caf\xe9 \xff\0"),)
    ),
    *(
        Case(
            LOSES,
            "s.jpg",
            save(icc_profile=PROFILE[:70000]),
            out,
            says("icc_profile", PROFILE[:70000]),
        )
        for out in ("o.jpg", "o.png", "o.tif", "o.webp")
    ),
    Case(
        LOSES,
        "s.tif",
        save(
            save_all=True, append_images=[photo("L", 1), photo("I;16", 2)], compression="tiff_lzw"
        ),
        "o.tif",
        pages(photo("L", 1), photo("I;16", 2)),
    ),
    Case(
        LOSES,
        "s.tif",
        save(save_all=True, append_images=[photo()]),
        "o.png",
        told("1 further page"),
    ),
    Case(
        LOSES,
        "s.png",
        save(save_all=True, append_images=[photo("RGB", 1)]),
        "o.png",
        pages(photo("RGB", 1)),
    ),
    Case(
        LOSES,
        "s.png",
        save(save_all=True, append_images=[photo("RGB", 1)]),
        "o.tif",
        told("1 further frame"),
    ),
    Case(
        LOSES,
        "s.webp",
        save(save_all=True, append_images=[photo("RGB", 1)], lossless=True),
        "o.webp",
        pages(photo("RGB", 1)),
    ),
    Case(
        LOSES,
        "s.jpg",
        save(format="MPO", save_all=True, append_images=[photo()]),
        "o.jpg",
        told("further views"),
    ),
    *(
        Case(
            STOPS,
            source,
            save(exif=BROKEN),
            out,
            lacks(b"garbage", notes="the EXIF data, which are broken"),
        )
        for source in ("s.jpg", "s.png", "s.webp")
        for out in ("o.jpg", "o.png", "o.tif", "o.webp")
    ),
    *(
        Case(STOPS, "s.jpg", save(exif=exif_data((271, 2, b"Maker\0"), row)), out, right)
        for out in ("o.jpg", "o.tif", "o.png")
        for name, row in {
            "Orientation": (274, 2, b"6\0"),
            "ImageDescription": (270, 3, b"\1\0"),
            "XResolution": (282, 2, b"abc\0"),
            "ExifOffset": (34665, 4, b"\xff\xff\0\0"),
            "GPSInfo": (34853, 2, b"ab\0"),
            "Software": (305, 99, b"ab\0"),
        }.items()
        for right in (told(f"what is broken of the EXIF data ({name})"),)
    ),
    *(
        Case(
            STOPS, "s.tif", tiff_of(*rows, (274, 3, turn)), "o.tif", told("what is broken of tags")
        )
        for turn in (b"\1\0", b"\6\0")
        for rows in (
            [(282, 2, b"abc\0"), (283, 2, b"abc\0"), (296, 3, b"\3\0")],
            [(270, 3, b"\1\0")],
            [(34665, 4, b"\xff\xff\xff\0")],
            [(50000, 99, b"a")],
        )
    ),
    Case(
        STOPS,
        "s.png",
        png_with(b"tEXt", b"a\0b", broken=True),
        "o.png",
        told("a damaged tEXt chunk"),
    ),
    Case(LOSES, "s.tif", four_channels, "o.tif", told("a channel whose meaning is not said")),
    Case(NUMBERS, "s.png", few_greys, "o.png", holds(b"tRNS\0\x55")),
    Case(NUMBERS, "s.png", sixteen_greys, "o.png", holds(b"tRNS\0\x11")),
    Case(STOPS, "s.png", png_with(b"gAMA", b"ab"), "o.png", told("a damaged gAMA chunk")),
    Case(STOPS, "s.png", png_with(b"acTL", b"ab"), "o.png", told("the animation")),
    Case(
        ADVICE, "s.png", text("Title", LONG, zip=True), "o.png", holds(zlib.compress(LONG.encode()))
    ),
    Case(ADVICE, "s.png", late_text(LONG), "o.png", holds(zlib.compress(LONG.encode()))),
    Case(ADVICE, "s.png", save(icc_profile=PROFILE), "o.png", holds(zlib.compress(PROFILE))),
    Case(ADVICE, "s.png", save(icc_profile=PROFILE), "o.jpg", says("icc_profile", PROFILE)),
    Case(ADVICE, "s.png", save(format="GIF"), "o.png", refused("it is a GIF, which is not read")),
    Case(
        ADVICE, "s.png", lambda path: path.write_bytes(b""), "o.png", refused("the file is empty")
    ),
    *(
        Case(NUMBERS, source, make, out, right)
        for source, make in {
            "s.png": save(),
            "s.jpg": save(exif=exif_data((271, 2, b"Maker\0"))),
            "s.tif": save(),
            "s.webp": save(),
            "s.bmp": save(dpi=(0, 0)),
        }.items()
        for out, right in {
            "o.png": without_chunks(b"pHYs", b"gAMA", b"sRGB", b"cHRM"),
            "o.tif": without_tags(282, 283, 296, 34675),
            "o.jpg": says_bytes(13, b"\0\0\1\0\1"),
            "o.bmp": says_bytes(38, bytes(8)),
        }.items()
    ),
    Case(NUMBERS, "s.jpg", save(dpi=(301, 77)), "o.png", says_density(301, 77)),
    Case(NUMBERS, "s.jpg", save(dpi=(301, 77)), "o.tif", says_density(301, 77)),
    Case(NUMBERS, "s.tif", save(dpi=(301, 77)), "o.jpg", says_density(301, 77)),
    Case(NUMBERS, "s.bmp", save(dpi=(301, 77)), "o.jpg", says_density(301, 77)),
    Case(NUMBERS, "s.png", save(dpi=(301, 77)), "o.bmp", says_density(301, 77)),
    Case(NUMBERS, "s.jpg", save("CMYK", dpi=(301, 77)), "o.jpg", says_density(301, 77)),
    Case(NUMBERS, "s.jpg", jfif(0, 2, 1), "o.png", without_density("aspect", (2, 1))),
    Case(NUMBERS, "s.jpg", jfif(0, 2, 1), "o.jpg", without_density("jfif_density", (2, 1))),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_file_from_the_field(tmp_path, weights, case):
    case.make(tmp_path / case.source)
    case.right(fill(tmp_path, case.source, case.out, case.hole, weights))
