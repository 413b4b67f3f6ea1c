"""Photographs in and out (section 4.1): hostile-proof reading, tensors, squares.

On disk and in evaluation an image is uint8, (H, W, 3), RGB. Networks see float, (B, 3, H, W),
in [-1, 1].
"""

import os
from collections.abc import Sized
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from aotgan.data.decoding import decoder_of, problem_of, signed
from aotgan.data.orientation import SIDEWAYS, orientation, upright
from aotgan.errors import InputError
from aotgan.files import why_absent

if TYPE_CHECKING:
    from torch import Tensor  # loaded where there is something to compute: it takes seconds

EXTENSIONS = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")
LUMINANCE = (0.299, 0.587, 0.114)  # of red, green and blue (ITU-R BT.601)
MAX_PIXELS = 64_000_000  # below Pillow's own limit of 89 million, and checked before decoding


@dataclass(frozen=True)
class Skipped:
    """A file or folder that a scan left out, and why."""

    path: Path
    reason: str


def open_image(path: str | Path) -> Image.Image:
    """Opens an image file and checks format and size from its header; pixels stay undecoded.

    Raises:
        InputError: no such file, not a PNG, JPEG, WebP, BMP or TIFF, or over `MAX_PIXELS`.
    """
    path = Path(path)
    if not os.path.isfile(path):  # of a path that is too long, too
        raise InputError(f"{path}: {why_absent(path, 'image file')}. Check the path.")
    try:
        image = decoder_of(path)
    except Exception as error:  # decoders raise a dozen unrelated types on hostile bytes
        raise InputError(f"{path}: {problem_of(path, error)}") from error
    if image.width * image.height > MAX_PIXELS:
        image.close()
        raise InputError(
            f"{path}: {image.width} x {image.height} pixels exceed the limit of {MAX_PIXELS:,}. "
            "Shrink or crop the file first."
        )
    return image


def load(image: Image.Image, name: str) -> None:
    """Decodes a PIL image that was given, unless it is decoded.

    Args:
        image: of any mode.
        name: of it, for the message.

    Raises:
        InputError: it was closed, or its file is damaged.
    """
    try:
        image.load()
    except Exception as error:  # decoders raise a dozen unrelated types on hostile bytes
        raise InputError(
            f"{name} cannot be read ({error!r}): it was closed, or its file is damaged. Open it "
            "again and give it while it is open, or give the path of an intact file."
        ) from error


def read_image(path: str | Path, short_side: int | None = None) -> np.ndarray:
    """Reads a photograph of any common mode, upright.

    EXIF orientation is applied. Grey and palette images become RGB, 16-bit samples are scaled to
    8 bits, CMYK is converted, transparency is composited over white; of several frames the
    first is taken.

    Args:
        path: a PNG, JPEG, WebP, BMP or TIFF file.
        short_side: px that suffice; a much larger JPEG is then decoded at 1/2, 1/4 or 1/8, never
            below this.

    Returns:
        (H, W, 3) uint8 RGB.

    Raises:
        InputError: names the file and what is wrong with it (missing, foreign format, truncated,
            corrupt, too large, samples that are floating-point or have a sign).
    """
    with open_image(path) as image:
        try:
            if signed(image):
                raise InputError("its samples have a sign, so that it is not known which is black")
            if short_side is not None:
                image.draft(None, (short_side, short_side))
            return np.array(_to_rgb(upright(image)))  # (H, W, 3)
        except Exception as error:  # decoders raise a dozen unrelated types on hostile bytes
            raise InputError(
                f"{path}: cannot be decoded ({error}). The file is damaged or of a kind that is "
                "not read; convert it to an 8-bit PNG or replace it."
            ) from error


def image_size(path: str | Path) -> tuple[int, int]:
    """(height, width) in px of the upright photograph, from its header."""
    with open_image(path) as image:
        sideways = orientation(image) in SIDEWAYS
        return (image.width, image.height) if sideways else (image.height, image.width)


def _to_rgb(image: Image.Image) -> Image.Image:
    """Any Pillow mode -> RGB."""
    if image.mode.startswith("I"):
        return _from_16_bit(image).convert("RGB")
    if image.mode == "F":
        raise InputError("its samples are floating-point, whose range is unknown")
    if image.mode == "La":  # whose colours are multiplied, and which becomes nothing else
        image = image.convert("LA")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, image).convert("RGB")
    return image.convert("RGB")


def _from_16_bit(image: Image.Image) -> Image.Image:
    """16-bit grey (Pillow's "I;16" kinds, or "I") -> 8-bit grey: 65535 becomes 255."""
    values = np.asarray(image).astype(np.int64)  # (H, W)
    if values.min() < 0 or values.max() > 65535:
        raise InputError("its samples are 32-bit integers, whose range is unknown")
    return Image.fromarray(((values + 128) // 257).astype(np.uint8))


def scan_images(folder: str | Path, recursive: bool = True) -> tuple[list[Path], list[Skipped]]:
    """Finds the readable images of a folder by extension and header; pixels are not decoded.

    Hidden files are passed over and links to folders are not followed.

    Returns:
        The images in a fixed order (sorted by path), and with reasons the files left out and the
        folders not looked into.

    Raises:
        InputError: no such folder, or not one readable image in it.
    """
    folder = Path(folder)
    if not os.path.isdir(folder):
        raise InputError(f"{folder}: {why_absent(folder)}. Name a folder that holds images.")
    images: list[Path] = []
    files, folders = list_files(folder, recursive)
    skipped = [Skipped(left.path, f"{left.path}: {left.reason}") for left in folders]
    for path in filter(is_image, files):
        # headers alone: decoding a large folder would take minutes
        reason = _header_problem(path)
        if reason is None:
            images.append(path)
        else:
            skipped.append(Skipped(path, reason))
    if not images:
        raise InputError(
            f"{folder}: no readable image. Expected files ending in {', '.join(EXTENSIONS)}"
            + (f"; {len(skipped)} were skipped, first: {skipped[0].reason}" if skipped else "")
            + "."
        )
    return images, skipped


def list_images(folder: Path, recursive: bool = True) -> list[Path]:
    """The image files of a folder by extension alone, in a fixed order; errors of `list_files`."""
    return list(filter(is_image, list_files(folder, recursive)[0]))


def is_image(path: Path) -> bool:
    """Whether a file is an image by its extension."""
    return path.name.lower().endswith(EXTENSIONS)


def list_files(folder: Path, recursive: bool = True) -> tuple[list[Path], list[Skipped]]:
    """The files of a folder, hidden ones left out, and the folders in it that are not looked into.

    Returns:
        The files in a fixed order, sorted by path; links to folders and what cannot be read, with
        the reason.

    Raises:
        InputError: the folder itself cannot be read.
    """
    files: list[Path] = []
    skipped: list[Skipped] = []

    def refuse(error: OSError) -> None:
        reason = f"it cannot be read ({error.strerror})."
        if Path(error.filename) == folder:
            raise InputError(f"{folder}: {reason} Change that, or name another folder.") from error
        skipped.append(Skipped(Path(error.filename), reason))

    for root, subfolders, names in os.walk(folder, onerror=refuse):
        subfolders[:] = [n for n in subfolders if recursive and not n.startswith(".")]
        links = [path for name in subfolders if os.path.islink(path := Path(root, name))]
        skipped += [Skipped(path, "it is a link to a folder, not followed.") for path in links]
        files += [Path(root, name) for name in names if not name.startswith(".")]
    return sorted(files, key=lambda path: path.relative_to(folder).as_posix()), skipped


def check_some(images: Sized, what: str, folder: Path) -> None:
    """Raises InputError if there is no image of a folder, and says what kinds are read.

    Args:
        images: those that were found.
        what: what they should be, for the message: "masks".
        folder: where they should be.
    """
    if images:
        return
    files, left = list_files(folder)
    others = {path.suffix.lower() for path in files if not is_image(path)} - {""}
    found = f"; its files end in {', '.join(sorted(others))}: save them anew" if others else ""
    found += "".join(f"; {item.path}: {item.reason[:-1]}" for item in left[:1])
    raise InputError(
        f"{what} {folder}: no image in this folder. Expected files ending in "
        f"{', '.join(EXTENSIONS)}{found}."
    )


def _header_problem(path: Path) -> str | None:
    try:
        with open_image(path) as image:
            image.verify()
    except Exception as error:  # decoders raise a dozen unrelated types on hostile bytes
        return str(error)
    return None


def to_tensor(image: np.ndarray) -> "Tensor":
    """(H, W, 3) or (B, H, W, 3) uint8 RGB -> (3, H, W) or (B, 3, H, W) float in [-1, 1]."""
    if image.dtype != np.uint8 or image.ndim not in (3, 4) or image.shape[-1] != 3:
        raise InputError(
            f"an image of dtype {image.dtype} and shape {image.shape} was given; expected uint8 "
            "(H, W, 3) or (B, H, W, 3). Read files with aotgan.data.images.read_image."
        )
    import torch

    tensor = torch.from_numpy(np.array(image)).movedim(-1, -3)  # (..., 3, H, W)
    return tensor.contiguous().float().div_(127.5).sub_(1)


def to_uint8(image: "Tensor") -> np.ndarray:
    """(3, H, W) or (B, 3, H, W) float in [-1, 1] -> (H, W, 3) or (B, H, W, 3) uint8 RGB.

    Values are clamped and rounded to the nearest level; the released code truncates, which
    darkens every pixel by half a level on average.
    """
    if image.ndim not in (3, 4) or image.shape[-3] != 3:
        raise InputError(
            f"an image of shape {tuple(image.shape)} was given; expected (3, H, W) or (B, 3, H, W)."
        )
    import torch

    if not torch.isfinite(image).all():
        raise InputError("an image with NaN or infinite values was given; expected [-1, 1].")
    levels = (image.detach().float() + 1).mul(127.5).round().clamp(0, 255)
    return levels.movedim(-3, -1).to("cpu", torch.uint8).contiguous().numpy()  # (..., H, W, 3)


def resize(
    image: np.ndarray, size: tuple[int, int], box: tuple[float, float, float, float] | None = None
) -> np.ndarray:
    """Resamples with an antialiased Lanczos filter.

    Args:
        image: (H, W, 3) uint8.
        size: (height, width) of the result in pixels.
        box: (left, top, right, bottom), the part of the image to take; all of it by default.

    Returns:
        (height, width, 3) uint8.
    """
    height, width = image.shape[:2]
    left, top, right, bottom = (0, 0, width, height) if box is None else box
    if tuple(size) == (height, width) and (left, top, right, bottom) == (0, 0, width, height):
        return image
    box = (left, top, right, bottom)
    source = Image.fromarray(image)
    return np.array(source.resize((size[1], size[0]), Image.Resampling.LANCZOS, box=box))


def shrink_to_short_side(image: np.ndarray, short_side: int) -> np.ndarray:
    """Makes the short side `short_side` px, keeping the aspect; never enlarges."""
    height, width = image.shape[:2]
    scale = short_side / min(height, width)
    if scale >= 1:
        return image
    return resize(image, (max(1, round(height * scale)), max(1, round(width * scale))))


def centre_square(height: int, width: int) -> tuple[int, int, int, int]:
    """The largest centred square as (left, top, right, bottom)."""
    side = min(height, width)
    left, top = (width - side) // 2, (height - side) // 2
    return left, top, left + side, top + side


def load_square(path: str | Path, size: int) -> np.ndarray:
    """Reads the centre square of a photograph at size x size: how evaluation images are made.

    Returns:
        (size, size, 3) uint8 RGB.
    """
    image = read_image(path)
    return resize(image, (size, size), centre_square(*image.shape[:2]))
