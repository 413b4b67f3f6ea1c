"""What the cases share: a picture, a mask, a small network, and one way to fill."""

import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from aotgan.apply.folders import Settings, fill_files
from aotgan.apply.saving import format_of
from aotgan.apply.tasks import FolderOutcome, Task
from aotgan.data.images import open_image
from aotgan.models.generator import Generator
from aotgan.models.weights import save_generator

SIDE = 64
BOX = (20, 20, 40, 40)  # the hole: left, top, right, bottom
HOLE = np.zeros((SIDE, SIDE), bool)
HOLE[BOX[1] : BOX[3], BOX[0] : BOX[2]] = True


@dataclass(frozen=True)
class Result:
    """What became of a picture.

    Attributes:
        path: of the result, which exists unless it was refused.
        notes: what was told.
        refusal: why there is no result, else "".
    """

    path: Path
    notes: str
    refusal: str

    @property
    def image(self) -> Image.Image:
        """The result as Pillow opens it."""
        assert not self.refusal, self.refusal
        image = open_image(self.path)
        image.load()
        return image


@dataclass(frozen=True)
class Case:
    """A file of a kind that gave trouble, and what is right.

    Attributes:
        kind: of trouble.
        source: name of the file.
        make: writes it, and may write another mask than `HOLE` into m.png beside it.
        out: name of the result.
        right: raises AssertionError unless the result is right.
        hole: what marks the hole in the mask.
    """

    kind: str
    source: str
    make: Callable[[Path], object]
    out: str
    right: Callable[[Result], object]
    hole: str = "white"

    def __str__(self) -> str:
        return f"{self.kind}, {self.source} to {self.out}"


def photo(mode="RGB", seed=0):
    """A picture of noise."""
    noise = np.random.default_rng(seed).integers(0, 256, (SIDE, SIDE, 4), dtype=np.uint8)
    if mode == "I;16":
        return Image.fromarray(noise.view("<u2")[..., 0])
    image = Image.fromarray(noise)
    return image.convert(mode) if mode in ("RGBA", "LA") else image.convert("RGB").convert(mode)


@cache
def network(folder):
    """The path of a small network's weights."""
    torch.manual_seed(1)
    return save_generator(Generator(width=2, blocks=1, rates=(1,)), folder / "g.safetensors")


def fill(folder, source, out, hole="white", weights=None):
    """Fills the hole of one file, as the command line does."""
    mask = folder / "m.png"
    if not mask.exists():
        Image.fromarray(HOLE).convert("L").save(mask)
    task, outcome = Task(folder / source, mask, folder / out), FolderOutcome()
    model = str(weights or network(folder))
    settings = Settings(model, "cpu", format_of(task.destination), hole=hole)
    fill_files([task], settings, outcome, workers=1)
    remark, refusal = (texts.get(task.image, "") for texts in (outcome.remarks, outcome.failed))
    return Result(task.destination, remark, refusal)


def interlaced_png(array):
    """The bytes of a PNG file in seven passes, of an array (H, W, 3) of uint8."""
    passes = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2)]
    rows = b"".join(
        b"\0" + row.tobytes()
        for top, left, down, across in [*passes, (1, 0, 2, 1)]
        for row in array[top::down, left::across]
    )
    header = struct.pack(">IIBBBBB", array.shape[1], array.shape[0], 8, 2, 0, 0, 1)
    return png_file((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))


def png_file(*chunks):
    """The bytes of a PNG file of these chunks, (name, data) each."""
    parts = [
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def with_chunk(png, name, data, broken=False):
    """The bytes of a PNG file with a chunk more, behind the header."""
    checksum = zlib.crc32(name + data) ^ broken
    added = struct.pack(">I", len(data)) + name + data + struct.pack(">I", checksum)
    return png[:33] + added + png[33:]


def with_segment(jpeg, marker, data):
    """The bytes of a JPEG file with a segment more, at the beginning."""
    return jpeg[:2] + bytes([0xFF, marker]) + struct.pack(">H", len(data) + 2) + data + jpeg[2:]


def bmp_565(array):
    """The bytes of a BMP file of 16 bits a pixel, of an array (H, W, 3) of uint8; 2 divides W."""
    red, green, blue = (array[::-1, :, i].astype("<u2") for i in range(3))
    pixels = ((red >> 3 << 11) | (green >> 2 << 5) | (blue >> 3)).tobytes()
    height, width = array.shape[:2]
    masks = struct.pack("<III", 0xF800, 0x07E0, 0x001F)
    header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 16, 3, len(pixels), 0, 0, 0, 0)
    size = 14 + len(header) + len(masks)
    return b"BM" + struct.pack("<IHHI", size + len(pixels), 0, 0, size) + header + masks + pixels
