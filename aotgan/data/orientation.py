"""How a photograph is to be turned, also where what says so is broken."""

import re

from PIL import Image

from aotgan.data.tags import EXIF, LENGTH, ORIENTATION, WIDTH, BrokenTags, TagFile

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
XMP_ORIENTATION = re.compile(rb"(tiff:Orientation(?:=\"|='|>)\s*)[2-8]")


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
        result.info["xmp"] = upright_xmp(xmp)
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
        sides = file.read(file.first).get(EXIF)
        if sideways and sides and sides.inside and {WIDTH, LENGTH} <= set(sides.inside):
            width, length = (int(sides.inside[tag].numbers[0]) for tag in (WIDTH, LENGTH))
            kept = file.with_numbers({WIDTH: length, LENGTH: width}, EXIF)
        return kept, broken
    except BrokenTags:
        return b"", [ORIENTATION]


def upright_xmp(xmp: bytes) -> bytes:
    """Returns XMP data that say the picture is upright where they said anything else."""
    return XMP_ORIENTATION.sub(rb"\g<1>1", xmp)
