"""The fixed pairs of a manifest as files: handed to other programs, taken back filled.

`PairWriter` writes photographs and masks under the names of `Manifest.names`; `pair_manifest` takes
what any program made of them, and `aotgan.metrics.files.evaluate_files` measures it.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from aotgan.data.images import image_size
from aotgan.data.manifest import Manifest
from aotgan.errors import InputError
from aotgan.files import check_new, write_atomically
from aotgan.metrics.files import INVERTED, FilePair, FileSet, named_files
from aotgan.metrics.report import Case

PHOTOGRAPHS, MASKS = "photographs", "masks"  # sub-folders of the pairs
FILL_WHITE = f"{INVERTED} Fill what is white in {MASKS}/, not what is black."


def pair_manifest(predictions: str | Path, manifest: Manifest) -> FileSet:
    """Pairs a folder of predictions with a manifest, by the names that `PairWriter` gives.

    Args:
        predictions: folder of the filled squares, composites or not.
        manifest: what they were to fill.

    Raises:
        InputError: no such folder or no image in it, a prediction that is missing or belongs to
            no pair, or another size.
    """
    folder, size = Path(predictions), (manifest.size, manifest.size)
    files = named_files("prediction", folder, [])
    names = manifest.names
    # the whole folder is looked at before a file is opened
    strange, missing = sorted(set(files) - set(names)), sorted(set(names) - set(files))
    if strange or missing:
        example = f"no {missing[0]}.*" if missing else f"{files[strange[0]].name} is of no pair"
        raise InputError(
            f"predictions {folder}: {len(missing)} of {len(names)} pairs have no file and "
            f"{len(strange)} files have no pair; {example}. Fill the pairs that --save-pairs "
            "writes, with the same --scale and --data, and keep their names."
        )
    # in the manifest's order, in which its squares are read
    pairs = []
    for name, pair in zip(names, manifest.pairs, strict=True):
        height, width = image_size(files[name])
        if (height, width) != size:
            raise InputError(
                f"{files[name]}: {height} x {width} px (height x width), expected "
                f"{size[0]} x {size[1]}: fill the squares in the size that --save-pairs writes."
            )
        photograph = Path(PHOTOGRAPHS, f"{name}.png")  # as written; what is read is the manifest
        pairs.append(FilePair(name, pair.image, pair.bin, files[name], photograph))
    return FileSet(tuple(pairs), size, manifest.hash, manifest, FILL_WHITE)


class PairWriter:
    """Writes what is measured as PNG files: `photographs/`, `masks/` (white = hole), and fills.

    Called with each case and its composite, as `evaluate` does with `keep`.

    Args:
        manifest: its pairs name the files.
        pairs: folder of the photographs and masks; None writes none.
        fills: folder of the composites; None writes none.

    Raises:
        InputError: one of the folders has something in it already.
    """

    def __init__(self, manifest: Manifest, pairs: Path | None, fills: Path | None):
        for folder in (pairs, fills):
            if folder is not None:
                check_new(folder)
        self.names = iter(manifest.names)
        self.pairs, self.fills = pairs, fills

    def __call__(self, case: Case, composite: NDArray[np.uint8]) -> None:
        """Writes the next pair of the manifest."""
        name = f"{next(self.names)}.png"
        image, mask, _ = case
        if self.pairs is not None:
            _save(image, self.pairs / PHOTOGRAPHS / name)
            _save(mask.astype(np.uint8) * 255, self.pairs / MASKS / name)
        if self.fills is not None:
            _save(composite, self.fills / name)


def _save(pixels: NDArray[np.uint8], path: Path) -> None:
    write_atomically(path, lambda file: Image.fromarray(pixels).save(file, format="png"))
