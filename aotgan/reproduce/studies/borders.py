"""Masks that miss a border, measured (section 4.9, Fig. 12).

An object of known shape is put on photographs and removed again, so that what it hides is known.
The network is given masks whose border lies inside or outside of the object's.

The command is `aotgan measure borders`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from tqdm import tqdm

from aotgan.apply.holes import grow_mask
from aotgan.data.catalogue import load
from aotgan.data.images import load_square
from aotgan.metrics.pixel import l1_hole
from aotgan.models.generator import Generator
from aotgan.models.weights import DEFAULT_MODEL
from aotgan.reproduce.runs.scales import get_scale
from aotgan.reproduce.studies.study import (
    SHIPPED_MODEL,
    Mask,
    Picture,
    fill_all,
    intervals,
    write_result,
)

RESULT = "mask_borders"
SEED = 0  # of the photographs and of where objects lie
EDGES = {"hard": 1.0, "soft": 6.0}  # px over which an object fades into the photograph
SHIFTS = (-6, -4, -2, -1, 0, 1, 2, 4, 6)  # px by which a mask's border lies outside the object's
GROWS = (2, 4, 8)  # px that masks of these shifts are grown by
GROWN_SHIFTS = (-6, -4, -2, 0)
RADIUS = 0.21  # of an object, as a share of the picture's side
MARGIN_PX = 8  # around the object: counted in the error, whatever the mask
COLOURS = ((255, 220, 0), (230, 0, 40), (0, 90, 255), (0, 200, 80), (255, 255, 255))
PHOTOGRAPHS = 60
METRICS = ("error", "tint")


@dataclass(frozen=True)
class Planted:
    """A photograph with an object of ours in it, so that what the object hides is known.

    Attributes:
        clean: uint8 (H, W, 3), without the object.
        shown: uint8 (H, W, 3), with it.
        mask: bool (H, W), the pixels at least half covered by the object.
        colour: of the object, RGB.
    """

    clean: Picture
    shown: Picture
    mask: Mask
    colour: tuple[int, int, int]

    @property
    def core(self) -> Mask:
        """What every mask of the sweep covers."""
        return shift_border(self.mask, min(SHIFTS))

    @property
    def region(self) -> Mask:
        """The object and a margin: where errors count, whatever the mask."""
        return shift_border(self.mask, MARGIN_PX)

    def error(self, filled: Picture) -> float:
        """Mean |x - z| over the region, intensities in [0, 1]: what is seen in the end."""
        return float(l1_hole(self.clean, filled, self.region))

    def tint(self, filled: Picture) -> float:
        """How far the mean colour of the core lies from the truth (0) to the object (1).

        The difference of the mean colours is projected on the line from one to the other, so that
        errors that have nothing to do with the object average out.
        """
        truth, fill = (picture[self.core].mean(0) for picture in (self.clean, filled))
        line = np.asarray(self.colour) - truth
        return float((fill - truth) @ line / (line @ line))


def plant(clean: Picture, rng: np.random.Generator, fade: float) -> Planted:
    """Puts a star of one colour, that which differs most from its surroundings, on a photograph.

    Args:
        clean: uint8 (S, S, 3).
        rng: of place and orientation.
        fade: px over which the star's edge fades; 1 is as sharp as a photograph's edges are.
    """
    side = len(clean)
    radius = RADIUS * side
    room = radius + MARGIN_PX
    centre = rng.uniform(room, side - room, 2)
    mask = star_mask(side, centre, radius, rng.uniform(0, 2 * np.pi))
    behind = clean[mask].mean(0)
    colour = max(COLOURS, key=lambda c: float(np.abs(np.asarray(c) - behind).sum()))
    cover = np.clip(0.5 - _distance(mask) / fade, 0, 1)[..., None]  # (S, S, 1)
    picture = clean * (1 - cover) + np.asarray(colour) * cover
    return Planted(clean, picture.round().astype(np.uint8), mask, colour)


def star_mask(side: int, centre: NDArray, radius: float, turn: float) -> Mask:
    """A star of five points, half as wide between them: (side, side) bool."""
    angles = turn + np.arange(10) * np.pi / 5
    lengths = radius * np.where(np.arange(10) % 2, 0.5, 1.0)
    points = centre + lengths[:, None] * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    canvas = Image.new("1", (side, side))
    ImageDraw.Draw(canvas).polygon([(float(x), float(y)) for x, y in points], fill=1)
    return np.array(canvas, dtype=bool)


def shift_border(mask: Mask, px: float) -> Mask:
    """Moves a mask's border outwards by some px, or inwards where they are negative."""
    return grow_mask(mask, px) if px >= 0 else ~grow_mask(~mask, -px)


def sweep() -> list[tuple[int, int]]:
    """(shift, grow) in px of every mask that is tried on an object."""
    grown = [(shift, grow) for shift in GROWN_SHIFTS for grow in GROWS]
    return [(shift, 0) for shift in SHIFTS] + grown


def measure_borders(network: Generator, squares: Sequence[Picture]) -> pd.DataFrame:
    """Removes an object from every photograph with masks that miss or exceed its border.

    Args:
        network: the generator.
        squares: clean photographs, uint8 (S, S, 3).

    Returns:
        One row a photograph, edge and mask: photograph (a number), edge, shift, grow, and the
        `error` and `tint` of `Planted`.
    """
    rows = []
    for number, clean in enumerate(tqdm(squares, unit="photograph", disable=None)):
        for edge, fade in EDGES.items():
            # the same place at every edge, so that only its sharpness differs
            planted = plant(clean, np.random.default_rng([SEED, number]), fade)
            masks = [grow_mask(shift_border(planted.mask, at), grow) for at, grow in sweep()]
            for (at, grow), filled in zip(
                sweep(), fill_all(network, planted.shown, masks), strict=True
            ):
                about = {"photograph": number, "edge": edge, "shift": at, "grow": grow}
                values = {"error": planted.error(filled), "tint": planted.tint(filled)}
                rows.append(about | values)
    return pd.DataFrame(rows)


def summarise_borders(frame: pd.DataFrame) -> pd.DataFrame:
    """Averages over photographs, with 95 % intervals.

    Returns:
        One row an edge and mask: edge, shift, grow, and for error and tint their mean, `_low` and
        `_high`, and the same of `<metric>_change`, the difference from the object's own mask.
    """
    rows = []
    for edge, of_edge in frame.groupby("edge", sort=False):
        exact = of_edge[(of_edge["shift"] == 0) & (of_edge["grow"] == 0)].set_index("photograph")
        for (shift, grow), part in of_edge.groupby(["shift", "grow"]):
            row = {"edge": edge, "shift": shift, "grow": grow}
            for metric in METRICS:
                values = part.set_index("photograph")[metric]
                row |= intervals(metric, values)
                row |= intervals(f"{metric}_change", values - exact[metric])
            rows.append(row)
    return pd.DataFrame(rows)


def border_result(
    scale: str, figures: str | Path, data_root: str | Path | None, photographs: int = PHOTOGRAPHS
) -> list[Path]:
    """Measures the shipped model on masks that miss or exceed an object's border.

    Args:
        scale: its photographs of scenes are used, at its size.
        figures: folder of all results.
        data_root: folder of the named image sets.
        photographs: how many; in a seeded order of the test split.

    Returns:
        The files written, `figures/<scale>/mask_borders.csv` and its description.
    """
    size = get_scale(scale)
    images = load(size.sets["scenes"], "test", data_root)
    # neighbours in the list are often of one place
    order = np.random.default_rng([SEED, 0]).permutation(len(images))[:photographs]
    squares = [load_square(images.files[at], size.size_px) for at in order]
    frame = measure_borders(SHIPPED_MODEL.generator(), squares)
    about = {
        "what": "an object of known shape put on photographs, and removed with masks whose border "
        "lies `shift` px outside of the object's, then grown by `grow` px",
        "data": images.name,
        "data_sha256": images.manifest_hash,
        "photographs": len(squares),
        "size_px": size.size_px,
        "seed": SEED,
        "edges_px": EDGES,
        "error": f"mean |x - z| in [0, 1] over the object and {MARGIN_PX} px around it",
        "tint": f"mean colour of the object less {-min(SHIFTS)} px: 0 the truth's, 1 the object's",
        "weights": {DEFAULT_MODEL: SHIPPED_MODEL.about()},
    }
    return write_result(frame, Path(figures) / scale / f"{RESULT}.csv", about)


def _distance(mask: Mask) -> NDArray[np.float64]:
    """Signed distance of each pixel's centre to the border of a mask, negative inside."""
    from scipy.ndimage import distance_transform_edt

    outside, inside = distance_transform_edt(~mask), distance_transform_edt(mask)
    return np.where(mask, 0.5 - inside, outside - 0.5)
