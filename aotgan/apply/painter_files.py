"""What a painter keeps, and what goes between it and the browser: bits, previews, file parts."""

import hashlib
import io
import re
import tempfile
import warnings
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from aotgan.apply.encoding import encode
from aotgan.apply.metadata import Metadata, density
from aotgan.apply.pictures import Picture, read_pictures
from aotgan.apply.reading import make_upright, read_metadata
from aotgan.apply.saving import FORMATS, plain, tell
from aotgan.data.orientation import SIDEWAYS, orientation, upright
from aotgan.errors import InputError
from aotgan.files import write_atomically

PREVIEW_SIDE = 2048  # px of the longer side; keeps a message below Jupyter's 3 MB in 3 s
PREVIEW_QUALITY = 88  # of its JPEG
STRIPE = 256  # rows that are converted at a time
CHUNK = 1 << 20  # bytes of a file that go in one message
MOST_BYTES = 256 << 20  # of an uploaded file
MOST_PAST = 5  # states of a photograph that undo can bring back; each may be a large image
OPTION = re.compile(r'give hole="\w+" \(--hole \w+ --overwrite\)\.')  # how messages say to invert
OPTIONS = re.compile(r'; or give hole="painted".* if the rest is\.')  # and to read a layer


@dataclass
class Session:
    """What is being done to one photograph; outlives a rerun of the painter's cell.

    Attributes:
        original: the photograph as it was given.
        name: stem of the names of files that are saved.
        image: the photograph with the holes that were filled and kept.
        packed: the mask.
        result: `image` with the present hole filled, if it was.
        past: image, packed and result of the states before this one, the newest last.
        folder: where an uploaded photograph lies.
    """

    original: Any
    name: str
    image: Any = None
    packed: bytes = b""
    result: Any = None
    past: list[tuple[Any, bytes, Any]] = field(default_factory=list, repr=False)
    folder: Any = field(default=None, repr=False)

    def __post_init__(self) -> None:
        self.image = self.original

    @property
    def latest(self) -> Any:
        """The result or, where there is none, `image`."""
        return self.image if self.result is None else self.result

    @property
    def untouched(self) -> bool:
        """Is this the original, and nothing drawn on it?"""
        return self.latest is self.original and not self.packed

    def go_on_with(self, image: Any) -> None:
        """Takes another state of the photograph, without a hole."""
        state = self.image, self.packed, self.result
        self.past = [*self.past, state][-MOST_PAST:]
        self.image, self.packed, self.result = image, b"", None

    def go_back(self) -> None:
        """Takes the state before this one; there must be one."""
        self.image, self.packed, self.result = self.past.pop()


def pack_mask(mask: NDArray[np.bool_]) -> bytes:
    """(H, W) bool -> one bit a pixel, row by row, compressed; no bytes where there is no hole."""
    return zlib.compress(np.packbits(mask).tobytes()) if mask.any() else b""


def unpack_mask(packed: bytes, size: tuple[int, int]) -> NDArray[np.bool_]:
    """What `pack_mask` packed -> (H, W) bool.

    Raises:
        InputError: other bytes, or those of a mask of another size.
    """
    count = size[0] * size[1]
    if not packed:
        return np.zeros(size, dtype=bool)
    try:
        # no more than one byte too many, whatever was packed
        bits = zlib.decompressobj().decompress(packed, (count + 7) // 8 + 1)
    except zlib.error as error:
        raise InputError(f"the mask's bytes are damaged ({error}). Draw it again.") from error
    if len(bits) != (count + 7) // 8:
        raise InputError(f"the mask is not one of {size[1]} x {size[0]} px. Draw it again.")
    return np.unpackbits(np.frombuffer(bits, np.uint8), count=count).reshape(size).astype(bool)


def colours_of(picture: Picture) -> NDArray[np.uint8]:
    """The upright picture as anyone sees it, (H, W, 3) uint8 RGB, over white."""
    stripes = range(0, picture.size[0], STRIPE)
    return np.concatenate([_to_bytes(picture, top) for top in stripes])


def _to_bytes(picture: Picture, top: int) -> NDArray[np.uint8]:
    colours = picture.colours(picture.samples[top : top + STRIPE])  # (rows, W, 3) in [-1, 1]
    return np.rint((colours + 1) * 127.5).clip(0, 255).astype(np.uint8)


def preview(picture: Picture) -> bytes:
    """A JPEG of the picture, at most `PREVIEW_SIDE` px a side."""
    image = Image.fromarray(colours_of(picture))
    image.thumbnail((PREVIEW_SIDE, PREVIEW_SIDE), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, "jpeg", quality=PREVIEW_QUALITY)
    return buffer.getvalue()


def seen(image: Any) -> tuple[bytes, str, tuple[int, int]]:
    """Returns a preview of an image, a digest that names it, and its (H, W).

    Args:
        image: as `aotgan.inpaint` takes it, but no batch.

    Raises:
        InputError: an image that cannot be read.
    """
    pictures, _ = read_pictures(image)
    if len(pictures) != 1:
        raise InputError(f"{len(pictures)} images were given; the painter shows one.")
    photo = preview(pictures[0])
    # a preview is bounded: two sizes of a photograph may have the same
    digest = hashlib.sha256(photo + repr(pictures[0].size).encode()).hexdigest()
    return photo, digest, pictures[0].size


def metadata_of(image: Any) -> Metadata:
    """Returns what an image says beside its samples: a file all of it, a PIL image what it has.

    Args:
        image: as `aotgan.inpaint` takes it.
    """
    if isinstance(image, str | Path):
        return read_metadata(Path(image))
    metadata = Metadata(Path("the photograph"))
    if isinstance(image, Image.Image):
        said = image.info
        metadata.profile = said.get("icc_profile") or b""
        metadata.exif = said.get("exif") or image.getexif().tobytes()
        if "dpi" in said:
            x, y = map(float, said["dpi"])
            metadata.density = density(x, y, "inch")
        make_upright(metadata, orientation(image) in SIDEWAYS)
    return metadata


def image_file(image: Any, original: Any = None) -> tuple[str, bytes]:
    """Encodes an image without loss.

    A PIL image keeps its mode and is saved upright; anything else is saved as 8-bit RGB.

    Args:
        image: as `aotgan.inpaint` takes it.
        original: the photograph that it was made of, whose colour profile, EXIF data, resolution
            and whatever else it says go with it.

    Returns:
        The ending of the file's name, "png" or (for CMYK, which PNG lacks) "tif", and its bytes.

    Warns:
        UserWarning: what the photograph says and the file does not.
    """
    if not isinstance(image, Image.Image):
        image = Image.fromarray(colours_of(read_pictures(image)[0][0]))
    kind = "tiff" if image.mode == "CMYK" else "png"
    options = {"compress_level": 1} if kind == "png" else {}  # someone waits
    metadata, buffer = metadata_of(original), io.BytesIO()
    notes = encode(plain(upright(image), kind), buffer, kind, options, metadata)
    tell(metadata.lost, notes, kind)
    return FORMATS[kind].endings[0][1:], buffer.getvalue()


def spoken(text: str) -> str:
    """A message about the painter's mask, for those who have a button to invert it."""
    return OPTIONS.sub(".", OPTION.sub("press Invert.", text))


@contextmanager
def remarks() -> Iterator[list[str]]:
    """Collects warnings as texts, which are there after the block: nobody else would show them."""
    texts: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        yield texts
    texts += [spoken(str(one.message)) for one in caught if issubclass(one.category, UserWarning)]


class Upload:
    """A file on its way here, in parts."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def add(self, part: int, parts: int, data: Sequence[Any]) -> bytes | None:
        """Takes a part.

        Args:
            part: its number, counted from 0; the first drops what came before.
            parts: how many there will be.
            data: the message's buffers, one.

        Returns:
            The whole file with its last part, else None.

        Raises:
            InputError: a part is missing, or the file is too large.
        """
        self._parts = [] if part == 0 else self._parts
        if part != len(self._parts) or len(data) != 1:
            raise InputError("a part of the file was lost on its way. Open it again.")
        if (part + 1) * CHUNK > MOST_BYTES + CHUNK:
            raise InputError(f"the file is larger than {MOST_BYTES >> 20} MB. Shrink it first.")
        self._parts.append(bytes(data[0]))
        return b"".join(self._parts) if part + 1 == parts else None


def store(name: str, data: bytes) -> tuple[Path, tempfile.TemporaryDirectory[str]]:
    """Writes an uploaded file into a folder of its own, which vanishes with the object returned."""
    folder = tempfile.TemporaryDirectory(prefix="aotgan-")
    # the name alone: a path must not lead out of the folder
    path = Path(folder.name, Path(name.replace("\\", "/")).name or "photo")
    return write_atomically(path, data), folder
