"""What people's TIFF files do to `aotgan inpaint`: a table of cases, by kind of trouble."""

import struct

import numpy as np
import pytest

from field.cases import HOLE, Case, fill, network, photo
from field.files import tiff_of
from field.right import changes, keeps, refused

GREY = np.array(photo("I;16"))  # (H, W) uint16


# --- the files -------------------------------------------------------------------------------


def short(*values, order="<"):
    return struct.pack(f"{order}{len(values)}H", *values)


def white_is_zero(samples, order="<"):
    return tiff_of((262, 3, short(0, order=order)), samples=samples, order=order)


def compressed(tags):
    """Writes a TIFF file of compressed 16-bit grey with these tags."""
    return lambda path: photo("I;16").save(path, compression="tiff_lzw", tiffinfo=tags)


def with_mask(order):
    """Writes a picture, and beside it a mask of 16 bits whose zero is white."""

    def write(path):
        photo().save(path)
        white_is_zero(np.where(HOLE, 0, 65535).astype(np.uint16), order)(path.with_name("m.png"))

    return write


def with_sign(kind, **options):
    """Writes a grey TIFF file of whole numbers with a sign."""
    samples = (GREY.astype(np.int32) - 32768).astype(kind)
    return tiff_of((339, 3, short(2, **options)), samples=samples, **options)


def reversed_bigtiff(path):
    """Writes the beginning of a BigTIFF file that has the highest byte of a number first."""
    path.write_bytes(b"MM\0+\0\x08\0\0" + bytes(7) + b"\x10" + bytes(16))


ADVICE = "misleading advice"
NEGATIVE = "taken for its negative"

CASES = [
    *(
        Case(NEGATIVE, "s.tif", white_is_zero(65535 - GREY, order), out, keeps(GREY))
        for order in "<>"
        for out in ("o.tif", "o.png")
    ),
    Case(NEGATIVE, "s.tif", compressed({262: 0}), "o.tif", keeps(65535 - GREY)),
    Case(
        NEGATIVE,
        "s.tif",
        compressed({262: 0, 274: 6}),
        "o.tif",
        keeps(65535 - np.rot90(GREY, -1)),
    ),
    *(
        Case(
            ADVICE,
            "s.tif",
            make,
            "o.tif",
            refused("s.tif: grey of numbers with a sign", "without a sign."),
        )
        for make in (with_sign("i1"), with_sign("i2"), with_sign("i2", order=">"))
    ),
    Case(ADVICE, "s.tif", reversed_bigtiff, "o.tif", refused("it is a big-endian BigTIFF file")),
    *(Case(NEGATIVE, "s.png", with_mask(order), "o.png", changes(HOLE)) for order in "<>"),
]


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return network(tmp_path_factory.mktemp("network"))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_tiff_file_from_the_field(tmp_path, weights, case):
    case.make(tmp_path / case.source)
    case.right(fill(tmp_path, case.source, case.out, case.hole, weights))
