"""What is kept of what people's files say beside the samples, and what is told of the rest."""

import struct

import pytest

from field.cases import Case, fill, photo
from field.files import (
    FEW_COLOURS,
    GREY_OF_2_BITS,
    XMP,
    bmp_of_32_bits,
    followed,
    jfif,
    jpeg_with,
    laid,
    png_with,
    save,
    tiff_of,
    webp_with,
)
from field.right import (
    filled,
    holds,
    lacks,
    noted,
    says,
    says_bytes,
    says_density,
    says_exif,
    says_xmp,
)

BEHIND = "what lies behind the picture vanishes without a word"
CLEAR = "a transparent colour is lost or another"
NO_PLACE = "Left out, as tiff files have no place for it"
SIGNED = "a signature of other samples is kept"
NOTE = "a note is wrong or missing"
FRAMES = "an animation looks different"
UNIT = "a resolution is rounded to another unit"
TURNED = "a turned picture says the sides of the stored one"
SIZE, OTHER_SIZE = {256: 640, 257: 480}, {257: 640, 256: 480}
SIDES, INNER = {282: 200.0, 283: 100.0, 296: 2}, {0xA002: 640, 0xA003: 480, 0xA20E: 7.0}
OTHER = {283: 200.0, 282: 100.0, 296: 2, 0xA003: 640, 0xA002: 480, 0xA20F: 7.0}
REST = "what lies behind the picture in its file, as films of phones do"
FILM, CHUNKS = b"\0\0\0\x18ftypmp42" + bytes(16), (b"\0\0\0\2abCdefghij", b"abCd\2\0\0\0ef")
DEPTH = "which is of the old bit depth"
CREDENTIALS = "the content credentials (C2PA), which are of the picture as it was"
SIGNATURE = b"\0\0\0\x20jumb\0\0\0\x18jumdc2pa" + bytes(12)
LYING = '<x tiff:Orientation="6" tiff:ImageWidth="640"><tiff:ImageLength>480</tiff:ImageLength></x>'
STANDING = LYING.replace("6", "1", 1).replace("Width", "Side").replace("Length", "Width")
STANDING = STANDING.replace("Side", "Length")

CASES = [
    *(
        Case(TURNED, source, laid(turn, SIDES, INNER), out, right)
        for source in ("s.jpg", "s.png", "s.tif", "s.webp")
        for out in ("o.jpg", "o.png", "o.tif", "o.webp")
        for turn, right in ((6, says_exif(OTHER)), (3, says_exif(SIDES | INNER)))
    ),
    *(
        Case(TURNED, "s.jpg", laid(turn, SIZE), out, right)
        for out in ("o.jpg", "o.png", "o.webp")
        for turn, right in ((6, says_exif(OTHER_SIZE)), (3, says_exif(SIZE)))
    ),
    *(
        Case(TURNED, source, laid(turn, dpi=(200, 100)), out, right)
        for source in ("s.jpg", "s.png", "s.tif")
        for out in ("o.jpg", "o.png", "o.tif", "o.bmp")
        for turn, right in ((5, says_density(100, 200)), (2, says_density(200, 100)))
    ),
    *(
        Case(TURNED, "s.jpg", laid(6, xmp=said.encode(encoding)), "o.jpg", says_xmp(upright))
        for encoding in ("utf-8", "utf-16", "utf-16-le", "utf-16-be")
        for said, upright in (
            (LYING, STANDING.encode(encoding)),
            ("<x tiff:Orientation = ' 8 '/>", "<x tiff:Orientation = ' 1 '/>".encode(encoding)),
        )
    ),
    Case(TURNED, "s.jpg", laid(6, xmp=XMP), "o.jpg", says_xmp(XMP)),
    *(
        Case(BEHIND, f"s.{name}", followed(rest, **options), "o.png", right)
        for name, options in (
            ("jpg", {"progressive": True, "comment": b"\xff\xd9"}),
            ("jpg", {"restart_marker_rows": 1}),
            ("png", {}),
            ("webp", {"lossless": True}),
        )
        for rest, right in (
            *((rest, noted(f"Left out: {REST}.")) for rest in (FILM, *CHUNKS)),
            *((padding, filled) for padding in (b"", bytes(99), b"\xff\xff", b"\r\n")),
        )
    ),
    *(
        Case(
            CLEAR,
            "s.png",
            save("1", transparency=level),
            "o.png",
            holds(b"tRNS\0" + bytes([level])),
        )
        for level in (0, 1)
    ),
    *(
        Case(UNIT, source, make, "o.jpg", says_bytes(13, struct.pack(">BHH", *said)))
        for source, make, said in (
            ("s.jpg", jfif(2, 28, 29), (2, 28, 29)),
            ("s.jpg", jfif(2, 50, 100), (2, 50, 100)),
            ("s.jpg", jfif(1, 71, 127), (1, 71, 127)),
            ("s.jpg", jfif(1, 127, 127), (1, 127, 127)),
            ("s.jpg", jfif(0, 2, 1), (0, 2, 1)),
            ("s.png", png_with(b"pHYs", struct.pack(">IIB", 2800, 2900, 1)), (2, 28, 29)),
            ("s.png", save(dpi=(300, 72)), (1, 300, 72)),
            (
                "s.tif",
                save(resolution_unit=3, x_resolution=118.11, y_resolution=118.11),
                (1, 300, 300),
            ),
            ("s.tif", save(resolution_unit=3, x_resolution=28, y_resolution=28), (2, 28, 28)),
        )
    ),
    Case(
        UNIT,
        "s.tif",
        save(resolution_unit=1, x_resolution=2.25, y_resolution=1),
        "o.jpg",
        says_bytes(13, b"\0"),
    ),
    Case(CLEAR, "s.png", save("I;16", transparency=770), "o.png", holds(b"tRNS\3\2")),
    Case(
        CLEAR,
        "s.png",
        save("I;16", transparency=770),
        "o.tif",
        noted(f"{NO_PLACE}: the transparent grey of 16 bits."),
    ),
    Case(NOTE, "s.png", GREY_OF_2_BITS, "o.png", noted(f"Left out: sBIT, {DEPTH}.")),
    Case(NOTE, "s.png", FEW_COLOURS, "o.png", holds(b"sBIT\5\6\5")),
    *(
        Case(NOTE, "s.bmp", bmp_of_32_bits(*levels), "o.bmp", right)
        for levels, right in (
            ((0,), filled),
            ((255,), filled),
            ((0, 255), noted("Left out: a channel whose meaning is not said.")),
        )
    ),
    *(
        Case(SIGNED, source, make, out, lacks(b"jumdc2pa", notes=f"Left out: {CREDENTIALS}."))
        for source, make in {
            "s.jpg": jpeg_with(0xEB, b"JP\0\1\0\0\0\1" + SIGNATURE),
            "s.png": png_with(b"caBX", SIGNATURE),
            "s.tif": tiff_of((0xCD41, 7, SIGNATURE)),
            "s.webp": webp_with(b"C2PA", SIGNATURE),
        }.items()
        for out in ("o.jpg", "o.png", "o.tif", "o.webp")
    ),
    Case(
        FRAMES,
        "s.webp",
        save(save_all=True, append_images=[photo(seed=1)], background=(1, 2, 3, 4)),
        "o.webp",
        says("background", (1, 2, 3, 4), "The first of 2 frames is filled"),
    ),
    Case(
        BEHIND,
        "s.jpg",
        save(format="MPO", save_all=True, append_images=[photo()]),
        "o.jpg",
        noted("Left out: the further views."),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_what_a_file_says(tmp_path, weights, case):
    case.make(tmp_path / case.source)
    case.right(fill(tmp_path, case.source, case.out, case.hole, weights))
