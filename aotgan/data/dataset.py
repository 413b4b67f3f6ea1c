"""Training samples (sections 3.4 and 4.1): sample number n depends on (seed, n) and nothing else.

That makes a run resumable at any step and independent of the number of workers and processes.
"""

import math
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import count
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from aotgan.data.images import (
    LUMINANCE,
    Skipped,
    read_image,
    resize,
    shrink_to_short_side,
    to_tensor,
)
from aotgan.data.mask_files import fit_mask, masks_from_folder, read_mask
from aotgan.data.masks import DRAWN, MASK_KINDS, RATIO_BINS, centre_mask, random_box_mask
from aotgan.errors import InputError

SPARE = 1.5  # images up to this much larger than crops need are kept as they are
# Rows Y, I, Q: a rotation of (I, Q) turns the hue and keeps the luminance.
YIQ = np.array([LUMINANCE, (0.5959, -0.2746, -0.3213), (0.2115, -0.5227, 0.3112)])


class TrainingSamples(Dataset[tuple[Tensor, Tensor, int]]):
    """Random crops of photographs, each with a random mask.

    Sample n, for any n >= 0, is (image (3, size, size) float in [-1, 1], mask (1, size, size)
    float in {0, 1} with 1 = hole, n). Epochs follow one another in n: every file once each, in
    a new seeded order.
    """

    def __init__(
        self,
        files: Sequence[Path],
        size: int,
        seed: int,
        *,
        mask_ratio: tuple[float, float] = (0.01, 0.6),
        border_fraction: float = 0.5,
        masks: str | Path = "free-form",
        crop_scale: tuple[float, float] = (0.5, 1.0),
        crop_aspect: tuple[float, float] = (1.0, 1.0),
        flip: bool = True,
        jitter: float = 0.0,
        cache_bytes: int = 0,
        stages: Sequence[tuple[int, int]] = (),
    ):
        """Checks every setting; the files were scanned before.

        Args:
            files: photographs, as listed by `scan_images` or the catalogue.
            size: side of the square samples in px.
            seed: of order, crops and masks.
            mask_ratio: bounds of the hole fraction; first one of the paper's bins inside them is
                drawn uniformly, then a fraction inside the bin. Not used by "centre" and folders.
            border_fraction: part of the free-form and thick masks whose holes may touch the border.
            masks: "free-form", "thick", "mixed" (of both), "boxes" (section 4.8), "centre"
                (Table 2) or a folder of mask files, white = hole, of which one is drawn and flipped
                at random.
            crop_scale: bounds of the crop's area, of the image's; the released code has (0.08, 1).
            crop_aspect: bounds of the crop's width / height; the released code has (3/4, 4/3).
            flip: mirror every second sample.
            jitter: strength of random brightness, contrast, saturation and hue; the released
                code has 0.05.
            cache_bytes: memory for decoded images, in every worker process.
            stages: (number of the first sample after it, side in px) of each stage of growing
                samples; those behind the last have `size`.

        Raises:
            InputError: no files, or a setting outside its range.
        """
        self.files = [Path(file) for file in files]
        self.size, self.seed = size, seed
        self.border_fraction, self.masks = border_fraction, masks
        self.crop_scale, self.crop_aspect = crop_scale, crop_aspect
        self.flip, self.jitter = flip, jitter
        self.cache_bytes, self.stages = cache_bytes, tuple(stages)
        self._check()
        self.bins = _bins_inside(mask_ratio)
        self.mask_files = [] if str(masks) in MASK_KINDS else masks_from_folder(masks)
        self._cache: dict[int, np.ndarray] = {}
        self._cached_bytes = 0
        # Shared with worker processes, so that a failure there is seen here.
        self._failed = torch.zeros(len(self.files), dtype=torch.uint8).share_memory_()

    def _check(self) -> None:
        if not self.files:
            raise InputError("no training images were given; name a set or a folder that has some.")
        sides = [side for _, side in self.stages] or [self.size]
        for name, value, low, high in (
            ("size", self.size, 16, math.inf),
            ("stages", (min(sides), max(sides)), 16, self.size),
            ("seed", self.seed, 0, math.inf),
            ("border_fraction", self.border_fraction, 0, 1),
            ("crop_scale", self.crop_scale, 0.001, 1),
            ("crop_aspect", self.crop_aspect, 0.1, 10),
            ("jitter", self.jitter, 0, 0.5),
            ("cache_bytes", self.cache_bytes, 0, math.inf),
        ):
            bounds = value if isinstance(value, tuple | list) else (value, value)
            if not low <= bounds[0] <= bounds[1] <= high:
                raise InputError(f"{name}={value} was given; expected {low:g} to {high:g}.")

    def __len__(self) -> int:
        """Number of files: of samples in an epoch."""
        return len(self.files)

    def __getitem__(self, number: int) -> tuple[Tensor, Tensor, int]:
        """Sample `number`, of an endless sequence."""
        if number < 0:
            raise IndexError(f"sample {number}: numbers start at 0")
        rng = np.random.default_rng([self.seed, 0, number])
        size = self.size_of(number)
        image = self._crop(self._image(number), size, rng)  # (size, size, 3) uint8
        mask = self._mask(size, rng)  # (size, size) bool
        tensor = to_tensor(image)  # (3, size, size)
        if self.jitter:
            tensor = jitter_colours(tensor, self.jitter, rng)
        return tensor, torch.from_numpy(mask).float()[None], number

    def size_of(self, number: int) -> int:
        """Side of sample `number` in px."""
        return next((side for end, side in self.stages if number < end), self.size)

    @property
    def problems(self) -> list[Skipped]:
        """Files that failed while training and were each replaced by the next one in order."""
        return [
            Skipped(self.files[index], _reason(self.files[index]))
            for index in torch.nonzero(self._failed).flatten().tolist()
        ]

    def _image(self, number: int) -> np.ndarray:
        """The photograph of sample `number`: (H, W, 3) uint8, reduced as far as crops allow."""
        epoch, place = divmod(number, len(self.files))
        order = _permutation(self.seed, epoch, len(self.files))
        for offset in range(len(order)):
            index = int(order[(place + offset) % len(order)])
            try:
                return self._decoded(index)
            except InputError:
                self._failed[index] = 1
        raise InputError(
            f"not one of {len(order)} training images can be read any more; first problem: "
            f"{_reason(self.files[0])}"
        )

    def _decoded(self, index: int) -> np.ndarray:
        if index in self._cache:
            return self._cache[index]
        low, high = self.crop_aspect
        smallest = math.sqrt(self.crop_scale[0] * min(1.0, low, 1 / high))  # crop side, of short
        wanted = math.ceil(self.size / smallest)
        image = read_image(self.files[index], short_side=wanted)
        if min(image.shape[:2]) > SPARE * wanted:
            image = shrink_to_short_side(image, wanted)
        if self._cached_bytes + image.nbytes <= self.cache_bytes:
            self._cache[index] = image
            self._cached_bytes += image.nbytes
        return image

    def _crop(self, image: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
        """A random box of the image at size x size, perhaps mirrored."""
        box = random_box(image.shape[0], image.shape[1], self.crop_scale, self.crop_aspect, rng)
        crop = resize(image, (size, size), box)
        return crop[:, ::-1] if self.flip and rng.random() < 0.5 else crop

    def _mask(self, size: int, rng: np.random.Generator) -> np.ndarray:
        if self.mask_files:
            path = self.mask_files[int(rng.integers(len(self.mask_files)))]
            mask = fit_mask(read_mask(path), size, size)
            return np.ascontiguousarray(mask[:: rng.choice((1, -1)), :: rng.choice((1, -1))])
        if self.masks == "centre":
            return centre_mask(size, size)
        ratio = self.bins[int(rng.integers(len(self.bins)))]
        if self.masks == "boxes":
            return random_box_mask(size, size, ratio, rng)
        return DRAWN[str(self.masks)](
            size, size, ratio, rng, bool(rng.random() < self.border_fraction)
        )


def _bins_inside(ratio: tuple[float, float]) -> list[tuple[float, float]]:
    """The paper's bins, cut to the bounds; bounds outside all of them are one bin."""
    low, high = ratio
    if not 0 <= low <= high <= 1:
        raise InputError(
            f"mask_ratio={ratio} was given; expected (low, high), 0 <= low <= high <= 1."
        )
    cut = [(max(low, a), min(high, b)) for a, b in RATIO_BINS if max(low, a) < min(high, b)]
    return cut if cut and low >= RATIO_BINS[0][0] and high <= RATIO_BINS[-1][1] else [(low, high)]


def _reason(path: Path) -> str:
    try:
        read_image(path)
    except InputError as error:
        return str(error)
    return f"{path}: could not be read for a while; it can be read again."


@lru_cache(maxsize=4)
def _permutation(seed: int, epoch: int, files: int) -> np.ndarray:
    """(files,) the order of the files in an epoch."""
    return np.random.default_rng([seed, 1, epoch]).permutation(files)


def random_box(
    height: int,
    width: int,
    scale: tuple[float, float],
    aspect: tuple[float, float],
    rng: np.random.Generator,
) -> tuple[float, float, float, float]:
    """A random crop as (left, top, right, bottom), uniform in area and in the log of its aspect.

    A box too large for the image is shrunk to fit, where torchvision's RandomResizedCrop draws
    again and falls back on the centre: so elongated images are covered from end to end.
    """
    area = height * width * rng.uniform(*scale)
    ratio = math.exp(rng.uniform(math.log(aspect[0]), math.log(aspect[1])))  # width : height
    w, h = math.sqrt(area * ratio), math.sqrt(area / ratio)
    fit = min(1.0, width / w, height / h)
    w, h = min(w * fit, width), min(h * fit, height)  # rounding may exceed the image
    left, top = rng.uniform(0, width - w), rng.uniform(0, height - h)
    return left, top, min(left + w, width), min(top + h, height)


def colour_matrix(
    brightness: float, contrast: float, saturation: float, turn: float, mean: float
) -> np.ndarray:
    """Four adjustments fused into one affine map of (R, G, B) in [0, 1].

    Args:
        brightness: factor on all values.
        contrast: factor on the distance from the image's mean luminance.
        saturation: factor on the distance from grey.
        turn: of the hue, in full turns, as a rotation of I and Q.
        mean: luminance of the image before the change, in [0, 1].

    Returns:
        (3, 4): the matrix and, last column, the offset.
    """
    grey = np.tile(LUMINANCE, (3, 1))
    cos, sin = math.cos(2 * math.pi * turn), math.sin(2 * math.pi * turn)
    rotation = np.linalg.inv(YIQ) @ [[1, 0, 0], [0, cos, -sin], [0, sin, cos]] @ YIQ
    linear = rotation @ (saturation * np.eye(3) + (1 - saturation) * grey) * contrast * brightness
    # Saturation and hue leave the grey offset of the contrast step as it is.
    offset = np.full((3, 1), (1 - contrast) * brightness * mean)
    return np.hstack([linear, offset])


def jitter_colours(image: Tensor, strength: float, rng: np.random.Generator) -> Tensor:
    """Random brightness, contrast, saturation and hue, each within `strength`.

    Args:
        image: (3, H, W) float in [-1, 1].
        strength: half width of the three factors around 1, and of the hue in turns around 0.
        rng: the only source of randomness.

    Returns:
        (3, H, W) float in [-1, 1].
    """
    levels = (image + 1) / 2  # [0, 1]
    mean = float((levels.mean(dim=(1, 2)) * torch.tensor(LUMINANCE)).sum())
    brightness, contrast, saturation = rng.uniform(1 - strength, 1 + strength, 3).tolist()
    turn = float(rng.uniform(-strength, strength))
    affine = colour_matrix(brightness, contrast, saturation, turn, mean)
    matrix = torch.from_numpy(affine).float()  # (3, 4)
    mixed = torch.addmm(matrix[:, 3:], matrix[:, :3], levels.flatten(1))  # (3, H W)
    return mixed.clamp_(0, 1).mul_(2).sub_(1).view_as(image)


class SampleOrder(Sampler[int]):
    """The sample numbers of one process: global batch k is samples k B to (k + 1) B - 1.

    Each of `world` processes takes its contiguous share of every batch, so what a step sees does
    not depend on how many processes share it.
    """

    def __init__(
        self, start: int, batch: int, rank: int = 0, world: int = 1, stop: int | None = None
    ):
        """Starts at any step.

        Args:
            start: first step (global batch), 0 for a new run.
            batch: global batch size B over all processes.
            rank: this process, 0 to world - 1.
            world: number of processes.
            stop: step to end before; endless by default.

        Raises:
            InputError: a batch that cannot be shared evenly, or numbers out of range.
        """
        if batch < 1 or world < 1 or batch % world or not 0 <= rank < world or start < 0:
            raise InputError(
                f"start={start}, batch={batch}, rank={rank}, world={world} were given; expected a "
                "global batch that is a multiple of world, 0 <= rank < world and start >= 0."
            )
        self.start, self.batch, self.rank, self.world, self.stop = start, batch, rank, world, stop

    def __iter__(self) -> Iterator[int]:
        """Yields sample numbers, batch / world of them a step."""
        share = self.batch // self.world
        for step in count(self.start) if self.stop is None else range(self.start, self.stop):
            first = step * self.batch + self.rank * share
            yield from range(first, first + share)
