"""A picture of held-out photographs, one a bin, as a training fills them."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from aotgan.data.images import read_image, to_tensor
from aotgan.data.manifest import Manifest
from aotgan.files import write_atomically
from aotgan.models.inpainter import Inpainter, erase, evaluating
from aotgan.training.loop import Trainer

ROWS, PADDING = 3, 2  # of the picture: masked, filled, original; px around each


class Sample(NamedTuple):
    """A case of a picture of samples: (S, S, 3) uint8 each."""

    masked: np.ndarray
    filled: np.ndarray
    original: np.ndarray


def save_samples(
    trainer: Trainer,
    manifest: Manifest,
    path: Path,
    then: Callable[[Trainer], None] | None = None,
) -> None:
    """Writes a picture of held-out images: masked, filled by the averaged weights, original."""
    from torchvision.utils import save_image  # takes seconds

    if not trainer.fabric.is_global_zero:
        return
    grid = sample_grid(trainer.averaged, one_of_each_bin(manifest), trainer.fabric.device)
    write_atomically(path, lambda file: save_image(grid, file, format="png"))
    if then is not None:
        then(trainer)


def one_of_each_bin(manifest: Manifest) -> Manifest:
    """Returns a pair of each bin, each of another photograph where there are enough."""
    of_bin = [[pair for pair in manifest.pairs if pair.bin == label] for label in manifest.bins]
    return replace(manifest, pairs=tuple(p[i % len(p)] for i, p in enumerate(of_bin)))


@torch.no_grad()
def sample_grid(
    generator: Inpainter, cases: Iterable[tuple[Any, Any, Any]], device: str | torch.device = "cpu"
) -> Tensor:
    """Returns a picture (3, h, w) in [0, 1] with one column a case: masked, filled, original.

    Args:
        generator: the network.
        cases: (image uint8 (H, W, 3), mask bool (H, W), anything) of one size.
        device: where the generator is.
    """
    from torchvision.utils import make_grid

    cases = list(cases)
    image = torch.stack([to_tensor(case[0]) for case in cases]).to(device)  # (B, 3, H, W)
    mask = torch.stack([torch.from_numpy(case[1])[None].float() for case in cases]).to(device)
    with evaluating(generator):
        filled = generator.complete(image, mask)
    rows = torch.cat([erase(image, mask, 1.0), filled, image])
    return make_grid((rows + 1) / 2, nrow=len(cases), padding=PADDING, pad_value=1.0).cpu()


def read_samples(path: str | Path) -> list[Sample]:
    """Takes a picture of `save_samples` apart: a sample for each of its columns.

    Raises:
        InputError: no picture.
    """
    picture = read_image(path)
    # a padding above all rows, and one below each
    side = (picture.shape[0] - PADDING) // ROWS - PADDING
    tops, lefts = (range(PADDING, end - side, side + PADDING) for end in picture.shape[:2])
    return [
        Sample(*(picture[top : top + side, left : left + side] for top in tops)) for left in lefts
    ]
