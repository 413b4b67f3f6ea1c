"""The committed lists of files: what each file of a listed set must be, and what one is.

A list is manifests/<set>.csv. Its columns are the file's name in the set, the SHA-256 of its bytes
and, in sets that are made by resizing or encoding, `pixels`: the first 16 digits of the SHA-256 of
height, width and decoded RGB samples. Encoders of other versions may write other bytes for the same
samples, so this tells such a file from a wrong one: of Pillow's wheels 9.5, 10.4, 11.0, 11.3, 12.0
and 13.0, 11.0 writes other JPEG bytes than the rest, and all decode to the same samples. A JPEG
decoder other than libjpeg-turbo may round otherwise. `origin` is the name in its source of a file
whose own name does not give it.
"""

import csv
import hashlib
import io
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib import resources
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from aotgan.data.decoding import FORMATS
from aotgan.data.images import list_images

PIXEL_DIGITS = 16  # hexadecimal; enough against accidents, and the lists stay small


class State(StrEnum):
    """How a file compares with the published one."""

    INTACT = "the published bytes"
    SAME_PIXELS = "the published pixels in other bytes (another encoder)"
    OTHER = "other pixels"
    ABSENT = "absent"


@dataclass(frozen=True)
class Listed:
    """What a file must be."""

    sha256: str  # of its bytes
    pixels: str = ""  # see `pixels_of`; empty where only the original bytes count
    origin: str = ""  # its name in the source, without extension


@cache
def read_listing(name: str) -> dict[str, Listed]:
    """The committed list of a set: file name -> what it must be."""
    table = resources.files("aotgan.data") / "manifests" / f"{name}.csv"
    rows = csv.DictReader(table.read_text(encoding="utf-8").splitlines())
    return {row.pop("file"): Listed(**row) for row in rows}


def listing_of(folder: str | Path) -> str:
    """The list of a folder's images, as it is committed: file, SHA-256 and pixels of each."""
    lines = ["file,sha256,pixels"]
    for path in list_images(Path(folder)):
        content = path.read_bytes()
        name = path.relative_to(folder).as_posix()
        lines.append(f"{name},{hashlib.sha256(content).hexdigest()},{pixels_of(content)}")
    return "\n".join(lines) + "\n"


def pixels_of(content: bytes) -> str:
    """The first 16 digits of the SHA-256 of an image file's size and 8-bit RGB samples, upright."""
    with Image.open(io.BytesIO(content), formats=FORMATS) as image:
        samples = np.array(ImageOps.exif_transpose(image).convert("RGB"))  # (H, W, 3)
    height, width = samples.shape[:2]
    header = f"{height} {width} ".encode()
    return hashlib.sha256(header + samples.tobytes()).hexdigest()[:PIXEL_DIGITS]


def compare(content: bytes, listed: Listed) -> State:
    """How a file's content compares with the published one."""
    if hashlib.sha256(content).hexdigest() == listed.sha256:
        return State.INTACT
    if not listed.pixels:
        return State.OTHER
    try:
        same = pixels_of(content) == listed.pixels
    except Exception:  # decoders raise a dozen unrelated types on hostile bytes
        return State.OTHER
    return State.SAME_PIXELS if same else State.OTHER
