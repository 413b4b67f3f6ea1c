"""Logo removal measured (section 4.8, Fig. 9).

Nobody knows what a logo hides, so its removal cannot be scored where the logo is. What can be
scored is a hole of the same size and shape in the same photograph, at a place without a logo: there
the truth is known.

The command is `aotgan measure logos`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from tqdm import tqdm

from aotgan.apply.holes import grow_mask
from aotgan.data.catalogue import ImageSet, load, logo_boxes
from aotgan.data.images import read_image, resize
from aotgan.data.masks import box_mask
from aotgan.errors import InputError
from aotgan.metrics.pixel import WINDOW, measure
from aotgan.models.classical import SmoothSurface
from aotgan.models.generator import STRIDE, Generator
from aotgan.models.weights import DEFAULT_MODEL
from aotgan.reproduce.figures.style import fill_bytes
from aotgan.reproduce.runs.scales import get_scale
from aotgan.reproduce.studies.study import (
    SHIPPED_MODEL,
    Box,
    Mask,
    Picture,
    finished_weights,
    intervals,
    write_result,
)

Filler = Callable[[Picture, Mask], Picture]

EXPERIMENT, RESULT = "logo-removal", "logo_removal"
RIM_MEAN, SMOOTH = "mean of the rim", "smooth surface"
PLACES = 4  # for each logo's box
SEED = 0  # of these places
RIM_PX = 2
SHARES = (0.01, 0.05)  # of the picture; boxes are grouped by these
ALL, GROUPS = "all", ("below 1%", "1 to 5%", "5% and more")
HOLE = ["photograph", "logo", "place"]
METRICS = ("l1_hole", "psnr_hole", "ssim")


@dataclass(frozen=True)
class LogoCase:
    """A logo's box, moved to a place of the same photograph where no logo lies.

    Attributes:
        photograph: file name.
        logo: number of the logo in its photograph, from 0.
        place: number of the place, from 0.
        picture: uint8 (H, W, 3), sides multiples of 4.
        box: the hole.
    """

    photograph: str
    logo: int
    place: int
    picture: Picture
    box: Box

    @property
    def share(self) -> float:
        """Area of the box as a share of the picture's."""
        height, width = self.picture.shape[:2]
        return self.box[2] * self.box[3] / (height * width)


def at_short_side(
    picture: Picture, boxes: Sequence[Box], short_side: int
) -> tuple[Picture, list[Box]]:
    """Resizes a whole photograph as the test of section 4.8 does, and its boxes with it.

    Args:
        picture: uint8 (H, W, 3).
        boxes: in its pixels; they grow to whole pixels and are cut at the border.
        short_side: px; both sides become multiples of 4, which the generator needs.

    Returns:
        The picture and the boxes in its pixels.
    """
    scale = short_side / min(picture.shape[:2])
    height, width = (STRIDE * max(1, round(side * scale / STRIDE)) for side in picture.shape[:2])
    x, y = width / picture.shape[1], height / picture.shape[0]
    resized = []
    for left, top, wide, high in boxes:
        right, bottom = np.ceil([(left + wide) * x, (top + high) * y]).astype(int).tolist()
        left, top = max(0, int(left * x)), max(0, int(top * y))
        resized.append((left, top, min(right, width) - left, min(bottom, height) - top))
    return resize(picture, (height, width)), resized


def free_places(size: tuple[int, int], taken: Mask) -> NDArray[np.intp]:
    """Returns where a box fits without touching what is taken: (N, 2) of (left, top).

    Args:
        size: (width, height) of the box in px.
        taken: (H, W) bool.
    """
    width, height = size
    if width > taken.shape[1] or height > taken.shape[0]:
        return np.empty((0, 2), np.intp)
    sums = np.pad(taken.astype(np.int64), ((1, 0), (1, 0))).cumsum(0).cumsum(1)
    covered = (
        sums[height:, width:] - sums[:-height, width:] - sums[height:, :-width]
        + sums[:-height, :-width]
    )  # fmt: skip
    return np.argwhere(covered == 0)[:, ::-1]


def logo_cases(images: ImageSet, short_side: int, places: int = PLACES) -> Iterator[LogoCase]:
    """Yields every box of a set with logos, each moved `places` times, one hole a case.

    Boxes that fit nowhere beside the logos are left out. The places depend on `SEED`, the
    photograph's name and the number of the box, not on what else the set holds.

    Args:
        images: a set that `logo_boxes` has boxes for.
        short_side: of the pictures in px.
        places: number of them for each box.

    Raises:
        InputError: a set without boxes.
    """
    boxes = logo_boxes(images) if images.name != "bundled" else {}
    if not any(boxes.values()):
        raise InputError(f"{images.name} has no boxes of logos; logos and openlogo have them.")
    for file in images.files:
        picture, resized = at_short_side(read_image(file), boxes[file.name], short_side)
        taken = box_mask(picture.shape[0], picture.shape[1], resized)
        for number, (_, _, width, height) in enumerate(resized):
            free = free_places((width, height), taken)
            rng = np.random.default_rng([SEED, number, *file.name.encode()])
            for at in range(places if len(free) else 0):
                left, top = free[rng.integers(len(free))].tolist()
                yield LogoCase(file.name, number, at, picture, (left, top, width, height))


def fill_with_rim(picture: Picture, mask: Mask) -> Picture:
    """Fills a hole with the mean colour of the known pixels within 2 px of it."""
    rim = grow_mask(mask, RIM_PX) & ~mask
    filled = picture.copy()
    filled[mask] = picture[rim].mean(0).round().astype(np.uint8)
    return filled


def fill_smoothly(picture: Picture, mask: Mask) -> Picture:
    """Fills a hole with the smooth surface of `aotgan.models.surface`."""
    return fill_bytes(SmoothSurface(), picture, mask)


def network_filler(network: Generator) -> Filler:
    """Returns a network as a filler."""
    return lambda picture, mask: fill_bytes(network, picture, mask)


FILLERS: dict[str, Filler] = {RIM_MEAN: fill_with_rim, SMOOTH: fill_smoothly}


def measure_logos(cases: Iterator[LogoCase], fillers: Mapping[str, Filler]) -> pd.DataFrame:
    """Fills every case with every filler.

    Returns:
        One row a case and filler: photograph, logo, place, width, height, share, filler, and
        `METRICS`: mean |x - z| and PSNR over the hole, SSIM over the windows that touch it.
    """
    rows = []
    for case in tqdm(cases, unit="logo", disable=None):
        left, top, width, height = case.box
        mask = _hole(case)
        edge = WINDOW - 1
        # SSIM looks at windows: pixels outside those of the hole are equal and only dilute
        part = (
            slice(max(0, top - edge), top + height + edge),
            slice(max(0, left - edge), left + width + edge),
        )
        about = {"photograph": case.photograph, "logo": case.logo, "place": case.place}
        about |= {"width": width, "height": height, "share": case.share}
        for name, filler in fillers.items():
            filled = filler(case.picture, mask)
            values = measure(case.picture[part], filled[part], mask[part])
            rows.append(about | {"filler": name} | {metric: values[metric] for metric in METRICS})
    return pd.DataFrame(rows)


def summarise_logos(frame: pd.DataFrame, against: str = DEFAULT_MODEL) -> pd.DataFrame:
    """Averages the measurements by size of the box, with 95 % intervals over photographs.

    A photograph counts once, by the mean over its holes, however many logos it shows. Infinite
    PSNRs (a fill equal to the truth) are left out.

    Args:
        frame: as `measure_logos` returns it.
        against: the filler that the others are compared with, hole by hole.

    Returns:
        One row a group of boxes and filler: group, holes, photographs, filler, for each metric its
        mean, `_low` and `_high`, and the same of `<metric>_change`: filler minus `against`.
    """
    group_of = frame["share"].map(_group)
    groups = {ALL: frame} | {name: part for name, part in frame.groupby(group_of, sort=False)}
    rows = []
    for group in sorted(groups, key=[ALL, *GROUPS].index):
        chosen = groups[group].replace(np.inf, np.nan).set_index([*HOLE, "filler"])
        for name in frame["filler"].unique():
            ours, theirs = (chosen.xs(filler, level="filler") for filler in (name, against))
            # a photograph may have several logos, which are no independent draws
            photographs = ours.index.unique("photograph")
            row = {"group": group, "filler": name, "photographs": len(photographs)}
            row |= {"holes": len(ours)}
            for metric in METRICS:
                row |= intervals(metric, _by_photograph(ours[metric]))
                change = _by_photograph(ours[metric] - theirs[metric])
                row |= intervals(f"{metric}_change", change)
            rows.append(row)
    return pd.DataFrame(rows)


def _by_photograph(values: pd.Series) -> pd.Series:
    return values.groupby(level="photograph").mean()


def _hole(case: LogoCase) -> Mask:
    height, width = case.picture.shape[:2]
    return box_mask(height, width, [case.box])


def _group(share: float) -> str:
    return GROUPS[int(np.searchsorted(SHARES, share, side="right"))]


def measure_removal(
    scale: str, out: str | Path, figures: str | Path, data_root: str | Path | None
) -> list[Path]:
    """Measures the finished runs of logo removal, the shipped model and two simple fillers.

    Returns:
        The files written, `figures/<scale>/logo_removal.csv` and its description.

    Raises:
        InputError: no finished run, or no photographs with boxes.
    """
    weights = {
        f"{name} seed {seed}": trained
        for (name, seed), trained in finished_weights(scale, out, [EXPERIMENT]).items()
    } | {DEFAULT_MODEL: SHIPPED_MODEL}
    size = get_scale(scale)
    images = load(size.sets["logos"], "test", data_root)
    networks = {name: network_filler(w.generator()) for name, w in weights.items()}
    frame = measure_logos(logo_cases(images, size.size_px), networks | FILLERS)
    about = {
        "what": "holes of the size of each logo's box, moved to places of the same photograph "
        "without a logo",
        "data": images.name,
        "data_sha256": images.manifest_hash,
        "photographs": len(images),
        "logos": sum(map(len, logo_boxes(images).values())),
        "photographs_with_a_place": frame["photograph"].nunique(),
        "logos_with_a_place": len(frame[HOLE[:2]].drop_duplicates()),
        "short_side_px": size.size_px,
        "places_for_each": PLACES,
        "seed": SEED,
        "weights": {name: w.about() for name, w in weights.items()},
    }
    return write_result(frame, Path(figures) / scale / f"{RESULT}.csv", about)
