"""Holes of growing depth, filled in one pass and from coarse to fine (section 4.9).

A network knows holes as deep as those of its training. Whether a deeper one is better filled in
smaller pictures first, and from which depth on, is measured on photographs enlarged to sides that
no training here had. The measurement is behind `aotgan.apply.coarse.DEEP_PX`.

The command is `aotgan measure depths`.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from tqdm import tqdm

from aotgan.data.catalogue import load
from aotgan.data.images import load_square, to_tensor, to_uint8
from aotgan.data.masks import centre_mask
from aotgan.losses.lite0 import Lite0Features
from aotgan.losses.perceptual import perceptual_loss
from aotgan.metrics.pixel import l1_hole, psnr_hole
from aotgan.models.coarse import complete_from_coarse, most_levels
from aotgan.models.generator import Generator
from aotgan.models.surface import smooth_surface
from aotgan.reproduce.runs.scales import get_scale
from aotgan.reproduce.studies.study import (
    SHIPPED_MODEL,
    Mask,
    Picture,
    intervals,
    write_result,
)

RESULT = "hole_depths"
DEPTHS = {512: (16, 32, 64, 128), 1024: (32, 64, 128, 256)}  # of square holes, px, by side
MOST_LEVELS = 3  # an eighth of the side
PHOTOGRAPHS = 20
SEED = 0  # of which
SURFACE = "smooth"  # what is said of a depth where a network should rather be left out
METRICS = ("l1_hole", "psnr_hole", "perceptual")
MARGIN_PX = 32  # around the hole, where a seam would be seen


def measure_depths(
    network: Generator, photographs: Sequence[Path], depths: Mapping[int, Sequence[int]]
) -> pd.DataFrame:
    """Fills a centre square of each depth in every photograph, with each number of halvings.

    Args:
        network: the generator.
        photographs: files; their centre squares are used.
        depths: half the side of the hole in px, by the side of the pictures.

    Returns:
        One row a side, depth, photograph and way of filling: size, depth, photograph (a number),
        filled ("smooth", or how often the picture was halved first), L1 and PSNR in the hole
        (`aotgan.metrics.pixel`), and `perceptual`: Eq. 6 with EfficientNet-Lite0, over the hole
        and `MARGIN_PX` around it.
    """
    features, rows = Lite0Features(), []
    for size, of_size in depths.items():
        bar = tqdm(photographs, f"{size} px", unit="photograph", disable=None)
        for number, file in enumerate(bar):
            picture = load_square(file, size)
            for depth in of_size:
                hole = centre_mask(size, size, 2 * depth)
                about = {"size": size, "depth": depth, "photograph": number}
                for name, filled in fills(network, picture, hole):
                    measured = _measured(features, picture, filled, hole, depth)
                    rows.append(about | {"filled": name} | measured)
    return pd.DataFrame(rows)


@torch.no_grad()
def fills(network: Generator, picture: Picture, hole: Mask) -> Iterator[tuple[str, Picture]]:
    """Yields the smooth surface, then what the network makes of 0, 1, ... halvings first."""
    image, mask = to_tensor(picture)[None], torch.from_numpy(hole)[None, None].float()
    yield SURFACE, to_uint8(smooth_surface(image, mask))[0]
    most = min(MOST_LEVELS, most_levels(network, *hole.shape))
    for levels in range(most + 1):
        yield str(levels), to_uint8(complete_from_coarse(network, image, mask, levels))[0]


@torch.no_grad()
def _measured(
    features: Lite0Features, picture: Picture, filled: Picture, hole: Mask, depth: int
) -> dict[str, float]:
    middle, reach = len(picture) // 2, depth + MARGIN_PX
    part = slice(max(0, middle - reach), middle + reach)
    real, fake = (features(to_tensor(x[part, part])[None]) for x in (picture, filled))
    return {
        "l1_hole": float(l1_hole(picture, filled, hole)),
        "psnr_hole": float(psnr_hole(picture, filled, hole)),
        "perceptual": float(perceptual_loss(real, fake, features.perceptual_layers)),
    }


def summarise_depths(frame: pd.DataFrame) -> pd.DataFrame:
    """Averages what each way of filling changes against one pass, paired by photograph.

    Args:
        frame: as `measure_depths` returns it.

    Returns:
        One row a size, depth and way of filling but one pass: size, depth, filled, and for each
        of `METRICS` the mean change with its 95 % interval over photographs (`<metric>`,
        `<metric>_low`, `<metric>_high`).
    """
    table = frame.set_index(["size", "depth", "filled", "photograph"])[list(METRICS)]
    rows = []
    for (size, depth), cell in table.groupby(level=["size", "depth"]):
        cell = cell.droplevel(["size", "depth"])
        for name in cell.index.unique("filled").drop("0"):
            change = cell.loc[name] - cell.loc["0"]
            row = {"size": size, "depth": depth, "filled": name}
            for metric in METRICS:
                row |= intervals(metric, change[metric])
            rows.append(row)
    return pd.DataFrame(rows)


def depth_result(
    scale: str,
    figures: str | Path,
    data_root: str | Path | None,
    photographs: int = PHOTOGRAPHS,
) -> list[Path]:
    """Measures the shipped model on deep holes in enlarged photographs.

    Args:
        scale: whose photographs of scenes are used.
        figures: folder of all results.
        data_root: folder of the named image sets.
        photographs: how many of the test set.

    Returns:
        The files written, `figures/<scale>/hole_depths.csv` and its description.
    """
    images = load(get_scale(scale).sets["scenes"], "test", data_root)
    # neighbours in the list are of one kind of place
    order = np.random.default_rng([SEED, 0]).permutation(len(images))[:photographs]
    files = [images.files[at] for at in order]
    frame = measure_depths(SHIPPED_MODEL.generator(), files, DEPTHS)
    about = {
        "what": "square holes in the middle of enlarged photographs, by half their side (depth) "
        "and by how often the picture was halved before a first fill",
        "data": images.name,
        "data_sha256": images.manifest_hash,
        "photographs": len(files),
        "sizes_px": list(DEPTHS),
        "seed": SEED,
        "weights": {SHIPPED_MODEL.path.stem: SHIPPED_MODEL.about()},
    }
    return write_result(frame, Path(figures) / scale / f"{RESULT}.csv", about)
