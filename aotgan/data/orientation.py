"""How a photograph is to be turned, also where what says so is broken."""

import re

from PIL import Image

from aotgan.data.tags import ORIENTATION, BrokenTags, TagFile

TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
SIDEWAYS = (5, 6, 7, 8)
XMP_ORIENTATION = re.compile(r"""(tiff:Orientation\s*(?:=\s*["']|>)\s*)[2-8]""")
# what is said of the width, and the same of the height
XMP_SIDES = {
    "tiff:ImageWidth": "tiff:ImageLength",
    "tiff:XResolution": "tiff:YResolution",
    "exif:PixelXDimension": "exif:PixelYDimension",
    "exif:FocalPlaneXResolution": "exif:FocalPlaneYResolution",
}
OTHER_SIDES = XMP_SIDES | {height: width for width, height in XMP_SIDES.items()}
XMP_SIDE = re.compile(rf"\b({'|'.join(OTHER_SIDES)})\b")
# how XMP data of two bytes a letter begin -> their encoding
WIDE = {b"<\0": "utf-16-le", b"\xff\xfe": "utf-16-le"}
WIDE |= {b"\0<": "utf-16-be", b"\xfe\xff": "utf-16-be"}


def orientation(image: Image.Image) -> int:
    """Returns the EXIF orientation, 1 to 8; 1 (upright) where none is said, or none that exists."""
    try:
        said = image.getexif().get(ORIENTATION, 1)
    except Exception:  # Pillow raises a dozen unrelated types on broken EXIF data
        return 1
    return said if said in TURNS else 1


def upright(image: Image.Image) -> Image.Image:
    """Returns a copy that is turned as the EXIF orientation says, and says no longer so."""
    image.load()  # a TIFF's orientation is known, and undone, only then
    turn = orientation(image)
    result = image.copy() if turn == 1 else image.transpose(TURNS[turn])
    data = result.info.pop("exif", b"")
    kept = upright_exif(data, turn in SIDEWAYS)[0] if isinstance(data, bytes) else b""
    if kept:
        result.info["exif"] = b"Exif\0\0" + kept
    if isinstance(xmp := result.info.get("xmp"), bytes):
        result.info["xmp"] = upright_xmp(xmp, turn in SIDEWAYS)
    for key in ("Raw profile type exif", "XML:com.adobe.xmp"):  # the same once more, as text
        result.info.pop(key, None)
    return result


def upright_exif(data: bytes, sideways: bool = False) -> tuple[bytes, list[int]]:
    """Takes orientation, small pictures and what is broken out of EXIF data; all else stays.

    Args:
        data: the EXIF data, with or without their heading.
        sideways: whether the picture was turned by 90 degrees, so that its sides are exchanged.

    Returns:
        The data without heading, b"" where nothing is left; and the tags that are broken, or
        `ORIENTATION` alone where all of it is.
    """
    data = re.sub(rb"\A(Exif\0\0)+", b"", data)
    if not data:
        return b"", []
    try:
        kept, broken = TagFile(data).without(lambda row: row.tag == ORIENTATION)
        file = TagFile(kept)
        if not file.rows(file.first):
            return b"", broken
        return (file.turned() if sideways else kept), broken
    except BrokenTags:
        return b"", [ORIENTATION]


def upright_xmp(xmp: bytes, sideways: bool = False) -> bytes:
    """Returns XMP data that say the picture is upright where they said anything else.

    Args:
        xmp: the XMP data; what of them is no text stays.
        sideways: whether the picture was turned by 90 degrees, so that its sides are exchanged.
    """
    encoding = WIDE.get(xmp[:2], "latin-1"), "surrogatepass"
    even = len(xmp) // 2 * 2
    text = XMP_ORIENTATION.sub(r"\g<1>1", xmp[:even].decode(*encoding))
    if sideways:
        text = XMP_SIDE.sub(lambda side: OTHER_SIDES[side[0]], text)
    return text.encode(*encoding) + xmp[even:]
