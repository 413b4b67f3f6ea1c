"""Evaluation pairs (section 4.4): one fixed list of images and masks, the same for every model."""

import hashlib
import json
import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from aotgan.data.images import centre_square, image_size, read_image, resize
from aotgan.data.mask_files import fit_mask, masks_from_folder, read_mask
from aotgan.data.masks import (
    DRAWN,
    MASK_KINDS,
    RATIO_BINS,
    bin_label,
    box_mask,
    centre_mask,
    draw_box,
    hole_sizes,
)
from aotgan.errors import InputError
from aotgan.files import sha256_of

FORMAT = 1
SMALLEST_CROP = 0.6  # of the short side, where one image serves several pairs
DIGEST_DIGITS = 16  # hexadecimal; enough to notice a change
NO_BORDER = "-no-border"  # after the kind of a drawn mask whose hole leaves a margin known
BOX = "box"  # such a mask is named by its box: "box 12 30 40 20", as `box_mask` has them

Box = tuple[int, int, int, int]  # left, top, right, bottom in px


@dataclass(frozen=True)
class Pair:
    """One evaluation case: a square of a photograph and the mask laid over it."""

    image: str  # file name
    mask: str  # a kind of `DRAWN`, perhaps with `NO_BORDER`, "centre", "box ...", or a file's name
    bin: str  # "10-20%", or "centre"
    seed: int  # of a free-form or thick mask; 0 for the others
    ratio: float  # hole fraction of the mask
    box: Box  # the square in the upright photograph
    mask_digest: str  # start of the SHA-256 of the mask's packed bits


@dataclass(frozen=True)
class Manifest:
    """Image-mask pairs; iterating reads them as (uint8 (S, S, 3), bool (S, S), pair).

    Its hash covers pairs, size and the content of the images, but not where the files lie.
    """

    size: int  # side S of the evaluated squares, px
    seed: int
    pairs: tuple[Pair, ...]
    image_digests: dict[str, str]  # file name -> start of its SHA-256
    image_paths: dict[str, Path] = field(compare=False, repr=False)
    mask_paths: dict[str, Path] = field(compare=False, repr=False)

    def __len__(self) -> int:
        """Number of pairs."""
        return len(self.pairs)

    def facts(self, name: str) -> dict[str, Any]:
        """What a record says of the pairs: of which set's test photographs, how many, hash."""
        return {
            "name": name,
            "split": "test",
            "images": len(self.image_digests),
            "pairs": len(self),
            "size_px": self.size,
            "manifest_sha256": self.hash,
        }

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray, Pair]]:
        """Reads pair after pair.

        Raises:
            InputError: a file changed since the manifest was made, or a mask comes out otherwise.
        """
        photograph = lru_cache(maxsize=8)(self._photograph)  # small sets use each several times
        for pair in self.pairs:
            square = resize(photograph(pair.image), (self.size, self.size), pair.box)
            yield square, self._mask(pair), pair

    @property
    def bins(self) -> tuple[str, ...]:
        """Labels of the bins in order."""
        return tuple(dict.fromkeys(pair.bin for pair in self.pairs))

    @property
    def names(self) -> tuple[str, ...]:
        """What the files of each pair are called: its number, photograph and bin, all distinct."""
        return tuple(
            f"{number:05d}-{Path(pair.image).stem}-{pair.bin.rstrip('%')}"
            for number, pair in enumerate(self.pairs)
        )

    @property
    def hash(self) -> str:
        """SHA-256 of the canonical JSON form, 64 hexadecimal digits."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    def to_json(self) -> str:
        """Canonical JSON: sorted keys, no spaces, no paths."""
        content = {
            "format": FORMAT,
            "size": self.size,
            "seed": self.seed,
            "images": self.image_digests,
            "pairs": [asdict(pair) for pair in self.pairs],
        }
        return json.dumps(content, sort_keys=True, separators=(",", ":"))

    @classmethod
    def from_json(
        cls, text: str, files: Sequence[Path], mask_folder: str | Path | None = None
    ) -> "Manifest":
        """Rebuilds a manifest over files that may lie elsewhere by now.

        Args:
            text: what `to_json` returned.
            files: the image files, at least those that the pairs name.
            mask_folder: where the mask files lie, if the pairs name some.

        Raises:
            InputError: not such a text, or an image or mask of it is missing.
        """
        try:
            content = json.loads(text)
            if content["format"] != FORMAT:
                raise ValueError(f"format {content['format']}, expected {FORMAT}")
            pairs = tuple(Pair(**{**pair, "box": tuple(pair["box"])}) for pair in content["pairs"])
            size, seed, digests = content["size"], content["seed"], content["images"]
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"not a manifest ({error!r}); expected the text that Manifest.to_json wrote."
            ) from error
        images = _pick(_named(files), [pair.image for pair in pairs])
        kinds = [pair.mask for pair in pairs if not _is_generated(pair.mask)]
        masks = _pick(_named(masks_from_folder(mask_folder)) if mask_folder else {}, kinds)
        return cls(size, seed, pairs, digests, images, masks)

    def _photograph(self, name: str) -> np.ndarray:
        path = self.image_paths[name]
        if _digest_of_file(path) != self.image_digests[name]:
            raise InputError(
                f"{path}: its content changed since the manifest was made. Restore the file, or "
                "make a new manifest and evaluate every model on it."
            )
        return read_image(path)

    def _mask(self, pair: Pair) -> np.ndarray:
        mask = _mask_of(pair.mask, self.size, pair.ratio, pair.seed, self.mask_paths)
        if _digest_of_mask(mask) != pair.mask_digest:
            raise InputError(
                f"the {pair.bin} mask of {pair.image} comes out different from the manifest's "
                "(another version of numpy, or a changed mask file). Use the versions that made "
                "it, or make a new manifest and evaluate every model on it."
            )
        return mask


def make_manifest(
    files: Sequence[Path],
    size: int,
    bins: Sequence[tuple[float, float]] = RATIO_BINS,
    per_bin: int | None = None,
    seed: int = 0,
    *,
    masks: str | Path = "free-form",
    border: bool | None = None,
) -> Manifest:
    """Fixes the image-mask pairs of an evaluation; the same arguments give the same pairs.

    Every bin gets the same squares of the same photographs, so bins differ by their masks alone.
    Each photograph serves once a bin, by its centre square. Where `per_bin` exceeds their number,
    they serve in turn by random squares of 60-100 % of the short side.

    Args:
        files: photographs, such as the test split of a catalogue's set.
        size: side of the squares in px.
        bins: bounds of the hole fraction, by default the six of the paper; ignored by "centre".
        per_bin: pairs in each bin; by default one for each file.
        seed: of the choice and order of files, of the squares and of the masks.
        masks: "free-form", "thick" (one deep blob), "mixed" (of both), "boxes" (one
            rectangle of arbitrary size and place, section 4.8), "centre" (Table 2) or a folder of
            mask files, white = hole, sorted into the bins by their hole fraction at `size`.
        border: whether free-form and thick holes may touch the border; every second one by default.

    Raises:
        InputError: no files, a size or count out of range, or a bin without mask files.
    """
    count = len(files) if per_bin is None else per_bin
    if not files or count < 1 or size < 16 or seed < 0:
        raise InputError(
            f"{len(files)} files, size={size}, per_bin={per_bin}, seed={seed} were given; expected "
            "at least one file, 16 px, one pair a bin, and a seed of 0 or more."
        )
    # mask files are sorted into the bins by their hole at the evaluated size
    kind = str(masks)
    mask_paths = {} if kind in MASK_KINDS else _named(masks_from_folder(masks))
    fractions = {name: float(_folder_mask(path, size).mean()) for name, path in mask_paths.items()}
    # each bin draws from a stream of its own
    squares, image_paths = _squares(files, count, seed)
    pairs: list[Pair] = []
    for at, bounds in enumerate(bins if kind != "centre" else [(0.0, 1.0)]):
        rng = np.random.default_rng([seed, 2, at])
        label = "centre" if kind == "centre" else bin_label(bounds)
        choices = _choices(kind, bounds, size, count, border, fractions, rng)
        for (image, box), (mask, mask_seed, ratio) in zip(squares, choices, strict=True):
            drawn = _mask_of(mask, size, ratio, mask_seed, mask_paths)
            ratio = float(drawn.mean())
            pairs.append(Pair(image, mask, label, mask_seed, ratio, box, _digest_of_mask(drawn)))
    # what the pairs are read from later must be what they were fixed on
    digests = {name: _digest_of_file(path) for name, path in image_paths.items()}
    return Manifest(size, seed, tuple(pairs), digests, image_paths, mask_paths)


def _squares(
    files: Sequence[Path], count: int, seed: int
) -> tuple[list[tuple[str, Box]], dict[str, Path]]:
    """`count` squares in a seeded order of the files, and the files that they come from."""
    rng = np.random.default_rng([seed, 0])
    named = _named(files)
    names = sorted(named)
    order = [names[index] for index in rng.permutation(len(names))]
    squares = []
    for number in range(count):
        name = order[number % len(order)]
        height, width = image_size(named[name])
        box = centre_square(height, width)
        if count > len(order):
            box = _random_square(height, width, np.random.default_rng([seed, 1, number]))
        squares.append((name, box))
    return squares, {name: named[name] for name, _ in squares}


def _random_square(height: int, width: int, rng: np.random.Generator) -> Box:
    short = min(height, width)
    side = int(rng.integers(math.ceil(SMALLEST_CROP * short), short + 1))
    left, top = int(rng.integers(width - side + 1)), int(rng.integers(height - side + 1))
    return left, top, left + side, top + side


def _choices(
    kind: str,
    bounds: tuple[float, float],
    size: int,
    count: int,
    border: bool | None,
    fractions: dict[str, float],
    rng: np.random.Generator,
) -> list[tuple[str, int, float]]:
    """`count` masks of one bin as (kind or file name, seed, hole fraction)."""
    if kind == "centre":
        return [("centre", 0, 0.0)] * count
    if kind in DRAWN:
        # the seed and the hole's size are enough to draw such a mask again
        smallest, largest = hole_sizes(size, size, bounds)
        return [
            (
                kind + ("" if (number % 2 == 0 if border is None else border) else NO_BORDER),
                int(rng.integers(2**31)),
                int(rng.integers(smallest, largest + 1)) / size**2,
            )
            for number in range(count)
        ]
    if kind == "boxes":
        drawn = (draw_box(size, size, bounds, rng) for _ in range(count))
        return [(" ".join(map(str, (BOX, *box))), 0, 0.0) for box in drawn]
    inside = [name for name, part in fractions.items() if bounds[0] <= part < bounds[1]]
    if not inside:
        raise InputError(
            f"no mask file has a hole fraction of {bin_label(bounds)}: they span "
            f"{min(fractions.values()):.1%} to {max(fractions.values()):.1%}. Choose other bins, "
            'or masks="free-form".'
        )
    order = [inside[index] for index in rng.permutation(len(inside))]
    return [(order[number % len(order)], 0, 0.0) for number in range(count)]


def _mask_of(
    kind: str, size: int, ratio: float, seed: int, mask_paths: dict[str, Path]
) -> np.ndarray:
    """The mask that a pair names: (size, size) bool, True = hole."""
    if kind == "centre":
        return centre_mask(size, size)
    if kind.startswith(f"{BOX} "):
        left, top, width, height = map(int, kind.split()[1:])
        return box_mask(size, size, [(left, top, width, height)])
    drawn = kind.removesuffix(NO_BORDER)
    if drawn in DRAWN:
        rng = np.random.default_rng(seed)
        return DRAWN[drawn](size, size, (ratio, ratio), rng, border=drawn == kind)
    return _folder_mask(mask_paths[kind], size)


def _is_generated(mask: str) -> bool:
    """Whether a pair's mask is drawn from its name, and not read from a file."""
    return mask.removesuffix(NO_BORDER) in MASK_KINDS or mask.startswith(f"{BOX} ")


def _folder_mask(path: Path, size: int) -> np.ndarray:
    return fit_mask(read_mask(path), size, size)


def _named(files: Sequence[Path]) -> dict[str, Path]:
    """Short names for files: their own where all differ, else paths below the common folder.

    The names are the same wherever the files lie.
    """
    names = [Path(file).name for file in files]
    if len(set(names)) < len(names):
        common = os.path.commonpath([Path(file).parent for file in files])
        names = [Path(file).relative_to(common).as_posix() for file in files]
    if len(set(names)) < len(names):
        raise InputError("a file is listed twice; give each evaluation image once.")
    return dict(zip(names, map(Path, files), strict=True))


def _pick(named: dict[str, Path], wanted: Sequence[str]) -> dict[str, Path]:
    missing = sorted(set(wanted) - set(named))
    if missing:
        raise InputError(
            f"{len(missing)} of the manifest's files are missing, first: {missing[0]}. Give the "
            "files that it was made from."
        )
    return {name: named[name] for name in dict.fromkeys(wanted)}


def _digest_of_file(path: Path) -> str:
    return sha256_of(path)[:DIGEST_DIGITS]


def _digest_of_mask(mask: np.ndarray) -> str:
    return hashlib.sha256(np.packbits(mask).tobytes()).hexdigest()[:DIGEST_DIGITS]
