"""The fills of a manifest's pairs in one file, so that what was measured can be measured again.

A zip of PNG files, one a pair under its name in the manifest: the composite's bytes in the hole and
black elsewhere, where they are the photograph's own. Another metric needs neither the network nor
its training.
"""

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from aotgan.data.images import to_tensor
from aotgan.data.manifest import Manifest
from aotgan.errors import InputError
from aotgan.files import write_atomically
from aotgan.metrics.report import Case, Keep

FORMAT = 1
Result = TypeVar("Result")


def keep_fills(path: str | Path, manifest: Manifest, work: Callable[[Keep], Result]) -> Result:
    """Keeps the fills of an evaluation; the file is there when all of them are.

    Args:
        path: of the file.
        manifest: the pairs that are filled.
        work: evaluates with the `keep` that it is given; see `aotgan.metrics.report.evaluate`.

    Returns:
        What `work` returns.
    """
    results: list[Result] = []

    def write(file: BinaryIO) -> None:
        names = iter(manifest.names)
        with zipfile.ZipFile(file, "w") as kept:
            kept.comment = _facts(manifest).encode()
            results.append(work(lambda case, filled: _add(kept, next(names), case, filled)))

    write_atomically(path, write)
    return results[0]


class KeptFills:
    """Stands where the report expects a model, for one evaluation: hands out what was kept.

    Args:
        path: a file of `keep_fills`.
        manifest: the pairs that were filled; the evaluation goes through them in order.

    Raises:
        InputError: no such file, or one of other pairs.
    """

    def __init__(self, path: str | Path, manifest: Manifest):
        try:
            self.file = zipfile.ZipFile(path)
        except (OSError, zipfile.BadZipFile) as error:
            raise InputError(
                f"{path} holds no fills that were kept ({error}). Train the run again, or measure "
                "its weights with `aotgan evaluate --model`."
            ) from error
        if self.file.comment.decode(errors="replace") != _facts(manifest):
            raise InputError(
                f"{path} holds the fills of other pairs. Give the data that they were made from."
            )
        self.names = iter(manifest.names)

    def __call__(self, images: Tensor, masks: Tensor) -> Tensor:
        """Returns the composites (B, 3, H, W) of the next pairs, equal to the byte."""
        filled = torch.stack([to_tensor(self._next()) for _ in images]).to(images.device)
        return torch.where(masks.bool(), filled, images)

    def _next(self) -> NDArray[np.uint8]:
        with Image.open(io.BytesIO(self.file.read(f"{next(self.names)}.png"))) as image:
            return np.array(image)


def _facts(manifest: Manifest) -> str:
    return json.dumps({"format": FORMAT, "manifest_sha256": manifest.hash})


def _add(kept: zipfile.ZipFile, name: str, case: Case, filled: NDArray[np.uint8]) -> None:
    picture = io.BytesIO()
    Image.fromarray(np.where(case[1][..., None], filled, np.uint8(0))).save(picture, format="png")
    kept.writestr(zipfile.ZipInfo(f"{name}.png"), picture.getvalue())  # dated 1980: equal bytes
