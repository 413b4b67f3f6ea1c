"""What people's TIFF files do to `aotgan inpaint`: a table of cases, by kind of trouble."""

import io
import struct

import numpy as np
import pytest
from PIL import Image

from aotgan.apply import tiff
from aotgan.data.tags import TagFile
from field.cases import HOLE, SIDE, Case, fill, photo
from field.files import tiff_of
from field.right import changes, filled, keeps, refused, says_tags, told, without_chunks

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


def palette(colours):
    """Writes a TIFF file with a palette of 16 or 256 colours of 16 bits, (3, N)."""
    count = colours.shape[1]
    samples = np.array(photo("L"))
    if count == 16:  # two to a byte
        samples = samples[:, :32]
    more = (256, 3, short(SIDE)), (258, 3, short(4 if count == 16 else 8)), (262, 3, short(3))
    return tiff_of(*more, (320, 3, short(*colours.ravel())), samples=samples)


def padded(colours):
    """The first 16 colours of a palette, (3, N), as one of 256 has them."""
    return (*np.pad(colours[:, :16], ((0, 0), (0, 240))).ravel(),)


def white_of_palette(path):
    """Writes a PNG file with a palette whose colours are all the same."""
    image = photo("L").convert("P")
    image.putpalette((255, 1, 0) * 256)
    image.save(path)


def associated(channels):
    """Samples of colours that are multiplied by the transparency, which is the last channel."""
    rng = np.random.default_rng(3)
    alpha = rng.integers(0, 256, (SIDE, SIDE, 1))
    colours = rng.integers(0, alpha + 1, (SIDE, SIDE, channels - 1))
    return np.concatenate([colours, alpha], axis=2).astype(np.uint8)


def keeps_associated(samples):
    """The result says that colours are multiplied, and has these samples outside the hole."""

    def right(result):
        filled(result)
        data = result.path.read_bytes()
        file = TagFile(data)
        assert file.read(file.first)[338].numbers == (1,)
        # so that Pillow does not divide them
        plain = Image.open(io.BytesIO(file.with_number(338, 2)))
        assert np.array_equal(np.array(plain)[~HOLE], samples[~HOLE])
        assert (np.array(plain)[HOLE][:, -1] == 255).all()

    return right


LONG = ((65001, 16, struct.pack("<Q", 1 << 40)), (65000, 16, struct.pack("<Q", 5)))
OF_PAGES = ((254, 4, struct.pack("<I", 2)), (297, 3, short(1, 3)))
COLOURS = np.random.default_rng(4).integers(0, 65536, (3, 256))
STOPS = "stops at what does not matter"
LOSES = "loses what it should keep"
ADVICE = "misleading advice"
CHANGES = "changes known pixels"
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
    *(
        Case(
            STOPS,
            "s.tif",
            tiff_of(*rows, **more, big=True),
            out,
            told(f"Left out: {note} (0xfde9)."),
        )
        for rows, more, note in (
            (LONG, {}, "tags of more than 32 bits"),
            ((), {"inside": LONG}, "tags of more than 32 bits"),
            ((), {"pages": (LONG,)}, "a further page's tags of more than 32 bits"),
        )
        for out in ("o.tif", "o.png")
    ),
    Case(STOPS, "s.tif", tiff_of(LONG[1], big=True), "o.tif", says_tags({65000: (5,)})),
    Case(STOPS, "s.tif", tiff_of(*LONG), "o.tif", told("what is broken of tags (0xfde8, 0xfde9).")),
    Case(
        LOSES,
        "s.tif",
        tiff_of(pages=(((330, 4, struct.pack("<I", 16)),),)),
        "o.tif",
        told("the smaller pictures beside a further page"),
    ),
    Case(LOSES, "s.tif", tiff_of(*OF_PAGES), "o.tif", says_tags({254: (2,), 297: (1, 3)})),
    Case(LOSES, "s.tif", tiff_of(*OF_PAGES), "o.png", without_chunks(b"eXIf")),
    *(
        Case(LOSES, "s.tif", tiff_of(row), "o.tif", says_tags({row[0]: None}, "greatest sample"))
        for number in (280, 281, 340, 341)
        for row in ((number, 3, short(7, 7, 7)),)
    ),
    Case(LOSES, "s.tif", palette(COLOURS), "o.tif", says_tags({320: (*COLOURS.ravel(),)})),
    Case(LOSES, "s.tif", palette(COLOURS[:, :16]), "o.tif", says_tags({320: padded(COLOURS)})),
    Case(
        CHANGES,
        "s.png",
        white_of_palette,
        "o.tif",
        says_tags({320: (65535,) * 256 + (257,) * 256 + (0,) * 256}),
    ),
    Case(ADVICE, "s.tif", reversed_bigtiff, "o.tif", refused("it is a big-endian BigTIFF file")),
    *(
        Case(
            CHANGES,
            "s.tif",
            tiff_of((338, 3, short(1)), samples=associated(channels)),
            "o.tif",
            keeps_associated(associated(channels)),
        )
        for channels in (2, 4)
    ),
    *(Case(NEGATIVE, "s.png", with_mask(order), "o.png", changes(HOLE)) for order in "<>"),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_tiff_file_from_the_field(tmp_path, weights, case):
    case.make(tmp_path / case.source)
    case.right(fill(tmp_path, case.source, case.out, case.hole, weights))


def test_pages_that_addresses_of_32_bits_do_not_reach_are_told(tmp_path, weights, monkeypatch):
    monkeypatch.setattr(tiff, "MOST_BYTES", 2 * SIDE * SIDE * 3)
    tiff_of(pages=((), (), ()))(tmp_path / "s.tif")
    result = fill(tmp_path, "s.tif", "o.tif", weights=weights)
    told("1 further page of a kind that is not copied")(result)
    assert result.image.n_frames == 3
