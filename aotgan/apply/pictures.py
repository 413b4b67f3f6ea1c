"""Pictures of every usual kind, as the network sees them and back (section 4.8).

A picture keeps its own samples from the first to the last: only pixels that a fill is pasted on are
ever written, so that all others stay the same to the byte. The network sees upright RGB in [-1, 1].
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from aotgan.apply.metadata import LeftOut, listed
from aotgan.apply.reading import read_metadata
from aotgan.data.decoding import bits_of, signed
from aotgan.data.images import LUMINANCE, load, open_image
from aotgan.data.orientation import orientation, upright
from aotgan.data.tensors import is_tensor, on_cpu
from aotgan.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor  # loaded where there is something to compute: it takes seconds

MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I", "I;16", "I;16L", "I;16B", "I;16N")
# modes that say the same in other numbers
CONVERTED = {"YCbCr": "RGB", "HSV": "RGB", "RGBX": "RGB", "RGBa": "RGBA", "PA": "RGBA", "La": "LA"}
# what to do with images of modes that mean something else than these
OTHER_MODES = {
    mode: f'Convert it: image.convert("{other}")' for mode, other in CONVERTED.items()
} | {"F": "Give its numbers, scaled to [0, 1]: numpy.asarray(image)"}
GUESSED = {"dpi", "resolution", "exif", "xmp", "icc_profile"}  # by Pillow, of a file
# EXIF orientation -> how the stored picture becomes upright: (flip rows, flip columns), transpose
TURNS = {
    2: (False, True, False),
    3: (True, True, False),
    4: (True, False, False),
    5: (False, False, True),
    6: (True, False, True),
    7: (True, True, True),
    8: (False, True, True),
}


@dataclass(eq=False)
class Picture:
    """One picture: its samples, upright, and what they mean.

    Attributes:
        samples: (H, W, C), the picture's own numbers, never written to. One channel is grey or an
            index into the palette, three are RGB; with two or four channels the last is
            transparency, or black for `inks`.
        low: sample value of black.
        high: sample value of white.
        palette: (256, 4) uint8 RGBA, where samples are indices.
        inks: whether the four channels are cyan, magenta, yellow and black.
        clear: (C,) or one number, samples of pixels that are transparent; None for none.
        filled: a copy of the samples that `paste` writes into.
    """

    samples: NDArray
    low: float
    high: float
    palette: NDArray | None = None
    inks: bool = False
    clear: NDArray | None = None
    filled: NDArray = field(init=False)

    def __post_init__(self) -> None:
        """Makes the copy."""
        self.filled = self.samples.copy()

    @property
    def size(self) -> tuple[int, int]:
        """(H, W) of the upright picture in px."""
        return self.samples.shape[0], self.samples.shape[1]

    def colours(self, samples: NDArray) -> NDArray[np.floating]:
        """Samples (..., C) -> RGB in [-1, 1], (..., 3); transparency shows white behind it."""
        if self.palette is not None:
            samples, low, high = self.palette[samples[..., 0]], 0.0, 255.0
        else:
            low, high = self.low, self.high
        # Python's own numbers do not widen an array: float32 stays float32
        values: NDArray[Any] = samples.astype(
            np.float64 if samples.dtype == np.float64 else np.float32
        )
        values = (values - low) / (high - low)  # (..., C) in [0, 1]
        if self.inks:
            return 2 * (1 - values[..., :3]) * (1 - values[..., 3:]) - 1
        shown = values[..., :3] if values.shape[-1] > 2 else values[..., :1].repeat(3, axis=-1)
        if values.shape[-1] in (2, 4):
            alpha = values[..., -1:]
            shown = shown * alpha + 1 - alpha
        return 2 * shown - 1

    def shown(self, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> NDArray[np.floating]:
        """Returns the pixels at N rows and columns, (N, 3) RGB in [0, 255]."""
        return (self.colours(self.samples[rows, columns]) + 1) * 127.5

    def view(self, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> "Tensor":
        """Returns the pixels at these rows and columns, (1, 3, rows, columns) in [-1, 1]."""
        import torch

        colours = self.colours(self.samples[rows[:, None], columns])
        return torch.from_numpy(colours).movedim(-1, 0)[None]

    def paste(self, top: int, left: int, fill: "Tensor", weight: NDArray) -> None:
        """Writes a fill, blended with what is there: known (1 - weight) + fill weight.

        Only pixels of a weight above 0 are written. Transparency ends where a fill is: it is
        blended towards opaque. Grey gets the fill's luminance (ITU-R BT.601), a palette its nearest
        colour that occurs in the picture, ink no black.

        Args:
            top: row of the fill's first pixel.
            left: column of the fill's first pixel.
            fill: (3, h, w) in [-1, 1].
            weight: (h, w) in [0, 1], or bool.
        """
        height, width = weight.shape
        part = np.s_[top : top + height, left : left + width]
        where = weight > 0
        old = self.samples[part][where]  # (N, C)
        share = weight[where].astype(np.float64)[:, None]  # (N, 1)
        colours = fill.movedim(0, -1).double().cpu().numpy()[where]  # (N, 3)
        if (share < 1).any():
            colours = self.colours(old) * (1 - share) + colours * share
        self.filled[part][where] = self._samples_of(np.clip(colours, -1, 1), old, share)

    def _samples_of(self, colours: NDArray, old: NDArray, share: NDArray) -> NDArray:
        """RGB (N, 3) in [-1, 1] -> samples (N, C)."""
        values = (colours + 1) / 2
        if self.palette is not None:
            return self._indices(values, self.palette)
        channels = self.samples.shape[-1]
        if self.inks:
            values = np.concatenate([1 - values, np.zeros_like(share)], axis=1)
        elif channels < 3:
            values = values @ np.array(LUMINANCE)[:, None]
        samples = self.low + (self.high - self.low) * values
        if channels in (2, 4) and not self.inks:
            alpha = old[:, -1:] * (1 - share) + self.high * share
            samples = np.concatenate([samples, alpha], axis=1)
        if self.samples.dtype.kind != "f":
            # to the nearest level, where a cast would cut off
            samples = np.rint(samples)
        samples = samples.astype(self.samples.dtype)
        if self.clear is not None:
            # a level beside what would be transparent
            samples[(samples == self.clear).all(axis=1), -1] ^= 1
        return samples

    def _indices(self, values: NDArray, palette: NDArray) -> NDArray:
        from scipy.spatial import KDTree  # takes a second to load

        used = np.unique(self.samples)
        # a fill hides what is behind it
        opaque = used[palette[used, 3] == 255]
        choice = opaque if len(opaque) else used
        nearest = KDTree(palette[choice, :3] / 255.0).query(values)[1]
        return choice[nearest][:, None].astype(self.samples.dtype)

    def check_known(self, known: NDArray[np.bool_]) -> None:
        """Raises InputError where known samples are NaN or lie outside the range."""
        if self.samples.dtype.kind != "f":
            return
        samples = self.samples[known]
        if not np.isfinite(samples).all():
            raise InputError("the image has NaN or infinite values outside the hole: repair them.")
        if samples.size and (samples.min() < self.low or samples.max() > self.high):
            raise InputError(
                f"the image's values reach from {samples.min():g} to {samples.max():g}; expected "
                f"[{self.low:g}, {self.high:g}]: arrays of floats are in [0, 1], tensors in "
                "[-1, 1]. Scale it, or give uint8."
            )


Restore = Callable[[list[NDArray]], Any]


def read_pictures(image: Any) -> tuple[list[Picture], Restore]:
    """Takes a picture apart, whatever it is.

    Args:
        image: as `aotgan.inpaint` takes it.

    Returns:
        The pictures (several for a batch of tensors), and the function that makes an object of the
        same kind from their samples.

    Raises:
        InputError: another kind, mode, shape or dtype, or a file that cannot be read.
    """
    if isinstance(image, str | Path):
        return _from_pil(_read_upright(Path(image)))
    if isinstance(image, Image.Image):
        return _from_pil(image)
    if is_tensor(image):
        return _from_tensor(image)
    if isinstance(image, np.ndarray):
        return _from_array(image)
    raise InputError(
        f"an image of type {type(image).__name__} was given; expected a PIL image, a NumPy array, "
        "a PyTorch tensor or the path of a file."
    )


def _read_upright(path: Path) -> Image.Image:
    with open_image(path) as image:
        bits = bits_of(image, path)
        _check_kind(image, bits, path)
        try:
            shown = upright(image)
            if shown.mode in CONVERTED:
                shown = shown.convert(CONVERTED[shown.mode])
        except Exception as error:  # decoders raise a dozen unrelated types on hostile bytes
            raise InputError(
                f"{path}: cannot be decoded ({error}). The file is damaged; replace it."
            ) from error
    level = shown.info.get("transparency")
    if bits < 8 and shown.mode == "L" and isinstance(level, int):
        shown.info["transparency"] = level * 255 // (2**bits - 1)  # the samples are scaled, too
    for key in GUESSED & set(shown.info):
        del shown.info[key]
    metadata = read_metadata(path)
    shown.info.update(metadata.info)
    if metadata.beyond:
        warnings.warn(f"{path}: left out {listed(metadata.beyond)}.", LeftOut, stacklevel=4)
    return shown


def _check_kind(image: Image.Image, bits: int, path: Path) -> None:
    """Refuses a file whose samples could not be written back as they are."""
    if signed(image):
        kind, way = "numbers with a sign, so that it is not known which is black", " without a sign"
    elif bits > 8 and not (bits == 16 and image.mode.startswith("I")):
        kind, way = f"{bits} bits a channel, which would be written with another number of bits", ""
    else:
        return
    raise InputError(
        f"{path}: {'grey' if image.mode[0] in 'FIL' else 'colour'} of {kind}. Read it as an array "
        f"of floats in [0, 1] with another library and give that, or save it with 8 bits{way}."
    )


def _from_pil(image: Image.Image) -> tuple[list[Picture], Restore]:
    if image.mode not in MODES:
        raise InputError(
            f"an image of mode {image.mode!r} was given; expected one of {', '.join(MODES)}. "
            f"{OTHER_MODES.get(image.mode, 'Save it as a grey or RGB picture')}."
        )
    load(image, "the image")  # a TIFF's orientation is known, and undone, only then
    flips = TURNS.get(orientation(image), (False, False, False))
    samples = np.asarray(image)  # (H, W) or (H, W, C)
    if image.mode == "I" and samples.size and not 0 <= samples.min() <= samples.max() <= 65535:
        raise InputError(
            "an image of 32-bit integers beyond 0 to 65535, whose range is unknown. Scale them to "
            "0 to 65535."
        )
    high = 65535.0 if image.mode.startswith("I") else 1.0 if image.mode == "1" else 255.0
    palette = _palette(image) if image.mode == "P" else None
    stored = samples if samples.ndim == 3 else samples[..., None]
    picture = Picture(_turn(stored, flips), 0.0, high, palette, image.mode == "CMYK")
    # one bit has no level beside it
    if "transparency" in image.info and (image.mode in ("L", "RGB") or image.mode[0] == "I"):
        picture.clear = np.array(image.info["transparency"])

    def restore(parts: list[NDArray]) -> Image.Image:
        own = _turn_back(parts[0], flips).astype(samples.dtype)
        result = image.copy()
        result.frombytes((np.packbits(own[..., 0], axis=1) if image.mode == "1" else own).tobytes())
        return result

    return [_checked(picture)], restore


def _palette(image: Image.Image) -> NDArray[np.uint8]:
    strip = image.crop((0, 0, 256, 1))
    # all indices, converted by Pillow, which knows every kind of palette and transparency
    strip.frombytes(bytes(range(256)))
    return np.array(strip.convert("RGBA"))[0]  # (256, 4)


def _turn(samples: NDArray, turn: tuple[bool, bool, bool]) -> NDArray:
    """Stored (H, W, C) -> upright."""
    rows, columns, transpose = turn
    flipped = samples[:: -1 if rows else 1, :: -1 if columns else 1]
    return flipped.swapaxes(0, 1) if transpose else flipped


def _turn_back(samples: NDArray, turn: tuple[bool, bool, bool]) -> NDArray:
    rows, columns, transpose = turn
    stored = samples.swapaxes(0, 1) if transpose else samples
    return np.ascontiguousarray(stored[:: -1 if rows else 1, :: -1 if columns else 1])


def _from_array(array: NDArray) -> tuple[list[Picture], Restore]:
    highs = {"u1": 255.0, "u2": 65535.0, "f2": 1.0, "f4": 1.0, "f8": 1.0}
    channels = array.shape[2] if array.ndim == 3 else 1
    if array.ndim not in (2, 3) or not 1 <= channels <= 4 or array.dtype.str[1:] not in highs:
        raise InputError(
            f"an array of shape {array.shape} and dtype {array.dtype} was given; expected (H, W) "
            "or (H, W, C) with 1 to 4 channels, uint8, uint16 or floats in [0, 1]."
        )
    samples = array.reshape(*array.shape[:2], channels)
    picture = Picture(samples, 0.0, highs[array.dtype.str[1:]])
    return [_checked(picture)], lambda parts: parts[0].reshape(array.shape)


def _from_tensor(tensor: "Tensor") -> tuple[list[Picture], Restore]:
    import torch

    values = on_cpu(tensor, "the image")
    shape = tuple(tensor.shape)
    floating = tensor.is_floating_point()
    if tensor.ndim not in (3, 4) or shape[-3] != 3 or not (floating or tensor.dtype == torch.uint8):
        raise InputError(
            f"a tensor of shape {shape} and {tensor.dtype} was given; expected (3, H, W) or "
            "(B, 3, H, W), floating point in [-1, 1] or uint8."
        )
    low, high = (-1.0, 1.0) if floating else (0.0, 255.0)
    if values.dtype in (torch.float16, torch.bfloat16):
        # NumPy has no bfloat16
        values = values.float()
    batch = values.reshape(-1, *shape[-3:]).movedim(1, -1)  # (B, H, W, 3)
    pictures = [_checked(Picture(part.numpy(), low, high)) for part in batch]

    def restore(parts: list[NDArray]) -> "Tensor":
        if not parts:
            return tensor.detach().clone()
        filled = torch.stack([torch.from_numpy(part).movedim(-1, 0) for part in parts])
        return filled.reshape(shape).to(tensor)

    return pictures, restore


def _checked(picture: Picture) -> Picture:
    if 0 in picture.size:
        raise InputError(f"an image of {picture.size[0]} x {picture.size[1]} px has no pixels.")
    return picture
