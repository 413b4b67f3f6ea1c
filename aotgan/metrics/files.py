"""Measures result files, of whatever program, with the report's protocol.

Three folders hold predictions, photographs and masks of the same names; or predictions alone are
files, see `aotgan.metrics.exchange`. The numbers are those that `aotgan.metrics.report.evaluate`
gives to a model: composites on the known pixels, per mask-ratio bin, so that another repository's
model enters the comparison by its files.
"""

import hashlib
import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aotgan.data.images import check_some, image_size, list_images, read_image, to_tensor
from aotgan.data.mask_files import read_mask
from aotgan.data.masks import RATIO_BINS, bin_label, centre_mask
from aotgan.errors import InputError
from aotgan.files import check_folder, real, sha256_of
from aotgan.metrics.embedding import Embedding
from aotgan.metrics.report import KNOWN_TOLERANCE, Case, Evaluation, evaluate

CENTRE = "centre"  # the bin of centred squares, as in `aotgan.data.manifest`
BINS = ((0.0, RATIO_BINS[0][0]), *RATIO_BINS, (RATIO_BINS[-1][1], 1.0))
LABELS = (CENTRE, *map(bin_label, BINS))  # in the order of the table
ROUNDING = 1.0  # mean grey levels that a correct composite may lose, to a lossy format say
INVERTED = (
    "Inside of the holes they agree, as if the masks marked the known pixels: white is the hole."
)
HOLE_BLACK = f'{INVERTED} For masks whose hole is black, give hole="black" (--hole black).'


@dataclass(frozen=True)
class FilePair:
    """A photograph under a mask, and its prediction.

    Attributes:
        name: of the files, below their folders and without the ending.
        image: what names the photograph: pairs of one are correlated.
        bin: label of the mask-ratio bin, or "centre".
    """

    name: str
    image: str
    bin: str
    prediction: Path
    photograph: Path


@dataclass(frozen=True)
class FileSet:
    """Predictions and what they are measured against; iterating reads the latter, in order.

    Attributes:
        pairs: one a prediction.
        size: (height, width) of all of them, px.
        hash: equal for two sets of predictions if they were measured on the same pairs: that of
            the manifest, or SHA-256 over the photographs' files and the masks' pixels.
        originals: of the pairs, in their order: (uint8 (H, W, 3), bool (H, W), pair).
        inverted: what is said if the predictions fill the known pixels instead of the holes.
    """

    pairs: tuple[FilePair, ...]
    size: tuple[int, int]
    hash: str
    originals: Iterable[Case] = field(compare=False, repr=False)
    inverted: str = HOLE_BLACK

    def __len__(self) -> int:
        """Number of pairs."""
        return len(self.pairs)

    def __iter__(self) -> Iterator[Case]:
        """Reads photographs and masks, pair after pair."""
        return iter(self.originals)


@dataclass
class KnownPixels:
    """How far the predictions are from the photographs, mean grey levels of each.

    Attributes:
        names: of the predictions.
        known: in the pixels that were given.
        hole: in the hole.
    """

    names: list[str] = field(default_factory=list)
    known: list[float] = field(default_factory=list)
    hole: list[float] = field(default_factory=list)

    @property
    def mean(self) -> float:
        """Mean over the predictions of the difference in known pixels."""
        return math.fsum(self.known) / len(self.known)

    @property
    def worst(self) -> tuple[float, str]:
        """The largest difference in known pixels, and whose it is."""
        return max(zip(self.known, self.names, strict=True))

    def look_inverted(self) -> bool:
        """Whether the predictions are at home where they should not be: in the hole alone."""
        return self.mean > ROUNDING and 2 * math.fsum(self.hole) < math.fsum(self.known)


def pair_files(
    predictions: str | Path, photographs: str | Path, masks: str | Path, hole: str = "white"
) -> FileSet:
    """Pairs three folders by the names of their files, and looks at every mask.

    Sub-folders belong to the names, endings do not: a/b.png is the mask of a/b.jpg.

    Args:
        predictions: folder of the filled images, composites or not.
        photographs: folder of the originals.
        masks: folder of the masks.
        hole: "white" or "black", the pixels that were to be filled.

    Raises:
        InputError: no such folder or no image in it, files without their counterparts, another
            size, or a mask that `aotgan.data.mask_files.read_mask` refuses.
    """
    folders = {
        "prediction": Path(predictions),
        "photograph": Path(photographs),
        "mask": Path(masks),
    }
    contents = {
        what: named_files(what, folder, [*folders.values()]) for what, folder in folders.items()
    }
    _check_names(folders, contents)

    # the first photograph sets the size of all
    names = sorted(contents["photograph"])
    example = contents["photograph"][names[0]]
    size = image_size(example)

    # copies of a photograph count as one image in the intervals, whatever their names
    pairs, digests, first = list[tuple[FilePair, Path]](), [], dict[str, str]()
    for name in names:
        prediction, photograph, path = (files[name] for files in contents.values())
        _check_size(prediction, photograph, example, size)
        mask = read_mask(path, size, hole)
        digests.append((sha256_of(photograph), _digest(mask)))
        image = first.setdefault(digests[-1][0], name)
        pairs.append((FilePair(name, image, bin_of(mask), prediction, photograph), path))

    # the digest covers what is measured on, in no order, so that renaming changes nothing
    pairs.sort(key=lambda both: (LABELS.index(both[0].bin), both[0].name))
    content = json.dumps({"size": size, "pairs": sorted(digests)}, separators=(",", ":"))
    digest = hashlib.sha256(content.encode()).hexdigest()
    return FileSet(tuple(pair for pair, _ in pairs), size, digest, _Originals(pairs, hole))


def evaluate_files(
    files: FileSet,
    composite: bool = False,
    embedding: Embedding | None = None,
    batch_size: int = 8,
    progress: bool = True,
) -> tuple[Evaluation, KnownPixels]:
    """Measures predictions; their known pixels are replaced by the photographs' in any case.

    Args:
        files: of `pair_files`.
        composite: accept predictions whose known pixels differ a lot, the raw output of a network.
        embedding: the features that the distances are computed on.
        batch_size: images at a time.
        progress: show a progress bar if standard error is a terminal.

    Returns:
        The measurements, and by how much the known pixels were missed before they were replaced.

    Raises:
        InputError: a file that cannot be read; without `composite` a prediction whose known pixels
            differ by more than 8 grey levels on average; masks of the wrong polarity.
    """
    predictions = _Predictions(files, composite)
    result = evaluate(predictions, files, batch_size, embedding, progress)
    known = predictions.differences
    if known.look_inverted():
        raise InputError(
            f"the known pixels of the predictions differ by {known.mean:.1f} grey levels from the "
            f"photographs'. {files.inverted}"
        )
    return result, known


def bin_of(mask: NDArray[np.bool_]) -> str:
    """Label of a mask's bin: "centre" for the square of Table 2, else that of its hole fraction."""
    if np.array_equal(mask, centre_mask(*mask.shape)):
        return CENTRE
    ratio = mask.mean()
    return next(bin_label(bounds) for bounds in BINS if ratio < bounds[1] or bounds == BINS[-1])


@dataclass(frozen=True)
class _Originals:
    """Reads photographs and masks, pair after pair."""

    pairs: Sequence[tuple[FilePair, Path]]
    hole: str

    def __iter__(self) -> Iterator[Case]:
        for pair, mask in self.pairs:
            yield read_image(pair.photograph), read_mask(mask, hole=self.hole), pair


class _Predictions:
    """Stands where the report expects a model: hands out the files in the order of the pairs."""

    def __init__(self, files: FileSet, composite: bool):
        self.pairs = iter(files.pairs)
        self.inverted = files.inverted
        self.composite = composite
        self.differences = KnownPixels()

    def __call__(self, images: Tensor, masks: Tensor) -> Tensor:
        pairs = list(islice(self.pairs, len(images)))
        filled = torch.stack([to_tensor(read_image(pair.prediction)) for pair in pairs])
        for pair, *tensors in zip(pairs, filled, images, masks.bool(), strict=True):
            self._compare(pair, *tensors)
        return torch.where(masks.bool(), filled, images)

    def _compare(self, pair: FilePair, filled: Tensor, image: Tensor, hole: Tensor) -> None:
        difference = (filled - image).abs().mean(dim=0, keepdim=True) * 127.5  # (1, H, W)
        inside = float(difference[hole].mean())
        known = 0.0 if hole.all() else float(difference[~hole].mean())
        self.differences.names.append(pair.name)
        self.differences.known.append(known)
        self.differences.hole.append(inside)
        if known > KNOWN_TOLERANCE and not self.composite:
            advice = (
                "Do the files belong together, uncropped and in the same colours? For the raw "
                "output of a network, ask for its composite (--composite)."
            )
            raise InputError(
                f"{pair.prediction}: known pixels differ by {known:.1f} grey levels on average "
                f"from {pair.photograph}. {self.inverted if 2 * inside < known else advice}"
            )


def named_files(what: str, folder: Path, others: Sequence[Path]) -> dict[str, Path]:
    """Returns the images of a folder by their names: below the folder, without the ending.

    Args:
        what: what they are, for messages: "prediction".
        folder: where they are, in sub-folders too.
        others: folders that may lie inside and are left out.

    Raises:
        InputError: no such folder, no image in it, or two of one name.
    """
    check_folder(f"{what}s", folder)
    inside = {real(other) for other in others} - {real(folder)}
    named: dict[str, Path] = {}
    for path in list_images(folder):
        if inside & set(real(path).parents) - set(real(folder).parents):
            continue
        name = path.relative_to(folder).with_suffix("").as_posix()
        if name in named:
            raise InputError(
                f"{path} and {named[name].name} have one name, but files pair by their names. "
                "Remove or rename one."
            )
        named[name] = path
    check_some([*named.values()], f"{what}s", folder)
    return named


def _check_names(folders: dict[str, Path], contents: dict[str, dict[str, Path]]) -> None:
    everything = {name: path for files in contents.values() for name, path in files.items()}
    for what, folder in folders.items():
        missing = sorted(set(everything) - set(contents[what]))
        if missing:
            raise InputError(
                f"{len(missing)} of {len(everything)} names have no {what} in {folder}, the first "
                f"is that of {everything[missing[0]]}: expected {folder / missing[0]}.*. Give "
                "prediction, photograph and mask the same name, and remove what has no counterpart."
            )


def _check_size(prediction: Path, photograph: Path, first: Path, size: tuple[int, int]) -> None:
    for path, model in ((photograph, first), (prediction, photograph)):
        height, width = image_size(path)
        if (height, width) != size:
            raise InputError(
                f"{path}: {height} x {width} px (height x width), but {model} has {size[0]} x "
                f"{size[1]}. One size is measured at a time: give photographs and masks of the "
                "size that was filled."
            )


def _digest(mask: NDArray[np.bool_]) -> str:
    return hashlib.sha256(np.packbits(mask).tobytes()).hexdigest()
