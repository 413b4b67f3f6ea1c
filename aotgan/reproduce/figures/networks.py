"""Figs. 1 and 5 to 8 in the paper's layout, and what is behind them, on shipped photographs.

Everything drawn over a photograph, be it on a coarser grid, lies where it belongs: axes are in the
photograph's pixels.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import matplotlib.patheffects as effects
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patches import Rectangle
from numpy.typing import NDArray
from torch import Tensor

from aotgan.data.catalogue import load as load_images
from aotgan.data.images import to_tensor
from aotgan.data.manifest import Box, make_manifest
from aotgan.errors import InputError
from aotgan.losses.adversarial import label_map, make_objective
from aotgan.losses.labels import FIRST_PIXEL, STRIDE_PX
from aotgan.models.discriminator import Discriminator
from aotgan.models.generator import STRIDE, Generator
from aotgan.models.inpainter import Inpainter
from aotgan.reproduce.figures.inspection import (
    HOLE,
    discriminator_map,
    field_radius,
    gate_maps,
    hole_means,
)
from aotgan.reproduce.figures.style import COLOURS, Case, Drawing, fill_bytes, frame, house_style

# Squares (left, top, right, bottom) around the faces of the bundled test photographs, in px.
FACES: dict[str, Box] = {"astronaut.png": (131, 4, 321, 194), "chelsea.png": (98, 0, 398, 300)}
SCENES = ("china.jpg", "coffee.png", "astronaut.png")
ZOOM = 0.36  # side of an enlarged square, as a share of the picture's
SHARES = (0.5, 0.95)  # of a receptive field, drawn as squares
DECADES = 5  # of gradient that the logarithmic scale of receptive fields spans
WIDTH, BAR = 8.2, 0.8  # inches; 900 px, and of these a colour bar with its label
MARK = COLOURS[4]
OBJECTIVE_TITLES = {
    "patchgan": "PatchGAN",
    "hm-patchgan": "HM-PatchGAN",
    "paper": "SM-PatchGAN",
    "released": "SM-PatchGAN, released",
    "mmagic": "SM-PatchGAN, mmagic",
}

Photo = NDArray[np.uint8]
Mask = NDArray[np.bool_]


def face_cases(size_px: int, seeds: Sequence[int] = (0,)) -> list[Case]:
    """Returns the faces of the bundled test photographs with 40-50 % free-form holes.

    Args:
        size_px: side of the squares.
        seeds: one for each round through the photographs, which changes the holes.
    """
    files = load_images("bundled", "test").files
    cases: list[Case] = []
    for seed in seeds:
        manifest = make_manifest(files, size_px, bins=(HOLE,), seed=seed)
        pair_of = {pair.image: pair for pair in manifest.pairs}
        pairs = tuple(replace(pair_of[name], box=box) for name, box in FACES.items())
        cases += replace(manifest, pairs=pairs)
    return cases


def scene_cases(size_px: int, names: Sequence[str] = SCENES) -> list[Case]:
    """Returns centre squares of bundled test photographs with 40-50 % free-form holes."""
    manifest = make_manifest(load_images("bundled", "test").files, size_px, bins=(HOLE,))
    pair_of = {pair.image: pair for pair in manifest.pairs}
    return list(replace(manifest, pairs=tuple(pair_of[name] for name in names)))


def comparison(
    networks: Mapping[str, Inpainter],
    cases: Sequence[Case],
    zooms: Sequence[Box] | None = None,
    note: str = "",
) -> Figure:
    """Draws Figs. 1 and 5 to 8: original, masked, each network's fill, and a detail enlarged.

    Args:
        networks: generators by the title of their column.
        cases: (image, mask, anything); each gets a row of pictures and one of details.
        zooms: the square (left, top, right, bottom) in px to enlarge in each case; `widest_hole`
            chooses it by default.
        note: a line below the figure, such as what the networks were trained on.

    Raises:
        InputError: no networks, no cases, another number of squares, or one outside the picture.
    """
    if not networks or not cases:
        raise InputError("no networks or no cases were given: nothing to compare.")
    boxes = [widest_hole(mask) for _, mask, _ in cases] if zooms is None else list(zooms)
    if len(boxes) != len(cases):
        raise InputError(f"{len(boxes)} squares for {len(cases)} cases: give one for each.")
    columns = len(networks) + 2
    with house_style():
        side = min(WIDTH / columns, 2.0)
        figure = _sheet(columns * side, 2 * len(cases) * side + 0.4, note)
        panels = figure.subplots(2 * len(cases), columns, squeeze=False)
        for at, (case, box) in enumerate(zip(cases, boxes, strict=True)):
            _compared(panels[2 * at : 2 * at + 2], networks, case, box)
        for axes, title in zip(panels[0], ("original", "masked", *networks), strict=True):
            axes.set_title(title, pad=3)
    return figure


def widest_hole(mask: Mask, share: float = ZOOM) -> Box:
    """Returns the square with the most hole inside, the most central one of equals.

    Args:
        mask: (H, W) bool, True = hole.
        share: side of the square as a share of the picture's short side.
    """
    height, width = mask.shape
    side = max(2, round(share * min(height, width)))
    sums = np.pad(mask.astype(np.int64), ((1, 0), (1, 0))).cumsum(0).cumsum(1)
    holes = sums[side:, side:] - sums[:-side, side:] - sums[side:, :-side] + sums[:-side, :-side]
    top, left = np.indices(holes.shape)
    off_centre = (2 * top + side - height) ** 2 + (2 * left + side - width) ** 2
    best = int(np.lexsort((off_centre.ravel(), -holes.ravel()))[0])
    y, x = divmod(best, holes.shape[1])
    return x, y, x + side, y + side


def gate_figure(generator: Generator, case: Case, note: str = "") -> Figure:
    """Draws the masked image, the fill, and where each block renews its features (section 4.7.2).

    Each map has the mean of the weight of x2 in the hole and outside above it.

    Args:
        generator: with a gate, as `gate_maps` takes it.
        case: (image, mask, anything).
        note: a line below the figure.

    Raises:
        InputError: a generator without a gate.
    """
    image, mask, _ = case
    x, m = _tensors(generator, image, mask)
    maps = gate_maps(generator, x, m)
    means = hole_means(maps, m).tolist()
    values = maps.cpu().numpy()
    scale = ScalarMappable(Normalize(values.min(), values.max()), "viridis")
    columns = min(5, len(values) + 2)
    with house_style():
        figure, panels = _row_sheet(len(values) + 2, columns, note)
        _photo(panels[0], _masked(image, mask), "masked")
        _photo(panels[1], fill_bytes(generator, image, mask), "filled")
        for at, (axes, (hole, known)) in enumerate(zip(panels[2:], means, strict=False)):
            _overlay(axes, values[at], scale, mask, STRIDE)
            axes.set_title(f"block {at + 1}\nhole {hole:.2f}, known {known:.2f}", pad=3)
        bar = figure.colorbar(scale, ax=list(panels), shrink=0.7, aspect=30, pad=0.015)
        bar.set_label("weight of what the block learnt, $x_2$")
    return figure


def discriminator_figure(
    discriminators: Mapping[str, Discriminator], case: Case, fill: Photo, note: str = ""
) -> Figure:
    """Draws, for one and the same fill, each discriminator's scores and the labels it was taught.

    The first column has the masked image and the fill.

    Args:
        discriminators: by the objective that they were trained with, one of
            `aotgan.losses.adversarial.OBJECTIVES`.
        case: (image, mask, anything).
        fill: (H, W, 3) uint8, the composite that all of them judge.
        note: a line below the figure.

    Raises:
        InputError: no discriminators, an unknown objective, or a fill of another size.
    """
    image, mask, _ = case
    if not discriminators or fill.shape != image.shape:
        raise InputError(
            f"{len(discriminators)} discriminators and a fill of shape {fill.shape}: expected at "
            f"least one, and the image's shape {image.shape}."
        )
    # the labels of text and released code are each other's complement
    reals = [make_objective(name).real_label for name in discriminators]
    scale = ScalarMappable(Normalize(0, 1), "viridis")
    columns = len(discriminators) + 1
    with house_style():
        side = min((WIDTH - BAR) / columns, 2.0)
        figure = _sheet(columns * side + BAR, 2 * side + 0.5, note)
        panels = figure.subplots(2, columns, squeeze=False)
        _photo(panels[0, 0], _masked(image, mask), "masked")
        _photo(panels[1, 0], fill, "filled")
        for column, (name, network) in zip(panels[:, 1:].T, discriminators.items(), strict=True):
            _scored(column, name, network, mask, fill, scale)
        for axes, name, real in zip(panels[0, 1:], discriminators, reals, strict=True):
            axes.set_title(f"{OBJECTIVE_TITLES[name]}\nscores (real: {real:g})", pad=3)
        # labels end at 0 and 1, scores do not
        bar = figure.colorbar(
            scale, ax=list(panels.flat), shrink=0.7, aspect=30, pad=0.015, extend="both"
        )
        bar.set_label("score or label")
    return figure


def receptive_field_figure(
    maps: Mapping[str, NDArray[np.floating]],
    bounds: Mapping[str, int] | None = None,
    note: str = "",
) -> Drawing:
    """Draws effective receptive fields on one logarithmic scale, with the squares of `SHARES`.

    Args:
        maps: fields of one size by title, such as "rates 1, 2, 4, 8".
        bounds: side in px of the field in theory by the same titles; half of it is in the title.
        note: a line below the figure, after the meaning of the squares.

    Raises:
        InputError: no maps, or maps of different sizes.
    """
    if len({field.shape for field in maps.values()}) != 1:
        raise InputError(f"{len(maps)} maps were given: expected at least one, all of one size.")
    # one scale, in decades: the middle is thousands of times brighter than the rim
    highest = max(float(field.max()) for field in maps.values())
    norm = LogNorm(highest / 10**DECADES, highest)
    words = f"Squares hold {SHARES[0]:.0%} and {SHARES[1]:.0%} of the gradient"
    words += "; at most: the reach of the convolutions." if bounds else "."
    with house_style():
        figure, panels = _row_sheet(len(maps), min(3, len(maps)), f"{words} {note}".strip())
        figure.photographic = False
        for axes, (title, field) in zip(panels, maps.items(), strict=False):
            bound = f", at most {bounds[title] // 2} px" if bounds and title in bounds else ""
            radii = _field(axes, field, norm)
            axes.set_title(f"{title}{bound}\n{radii}", pad=3, fontsize=8)
        scale = ScalarMappable(norm, "viridis")
        bar = figure.colorbar(scale, ax=list(panels), shrink=0.9, aspect=30, extend="min")
        bar.set_label("share of the gradient per px")
    return figure


def _field(axes: Axes, field: NDArray[np.floating], norm: LogNorm) -> str:
    """Draws a field and the squares that hold `SHARES` of it; says how large these are."""
    frame(axes)
    axes.imshow(np.maximum(field, norm.vmin or 0), cmap="viridis", norm=norm)  # 0 has no logarithm
    centre, words = len(field) // 2, []
    for share, colour in zip(SHARES, (MARK, "white"), strict=True):
        radius = field_radius(field, share)
        corner, side = (centre - radius - 0.5,) * 2, 2 * radius + 1
        axes.add_patch(Rectangle(corner, side, side, fc="none", ec=colour, lw=1.2))
        words.append(f"{share:.0%} within {radius} px")
    return ", ".join(words)


def _compared(
    panels: NDArray[Any], networks: Mapping[str, Inpainter], case: Case, box: Box
) -> None:
    """Draws one case: a row of pictures with the square marked, a row of the squares."""
    image, mask, _ = case
    left, top, right, bottom = box
    if not (0 <= left < right <= mask.shape[1] and 0 <= top < bottom <= mask.shape[0]):
        raise InputError(f"square {box} of a picture of {mask.shape}: it must lie inside.")
    fills = [fill_bytes(network, image, mask) for network in networks.values()]
    for (whole, detail), picture in zip(
        panels.T, (image, _masked(image, mask), *fills), strict=True
    ):
        _photo(whole, picture)
        corner = (left - 0.5, top - 0.5)
        whole.add_patch(Rectangle(corner, right - left, bottom - top, fc="none", ec=MARK, lw=1.4))
        _photo(detail, picture[top:bottom, left:right])
        detail.spines[:].set(color=MARK, linewidth=1.4)


def _scored(
    panels: NDArray[Any],
    objective: str,
    discriminator: Discriminator,
    mask: Mask,
    fill: Photo,
    scale: ScalarMappable,
) -> None:
    """Draws the map of one discriminator above the labels that its objective asks for."""
    z, m = _tensors(discriminator, fill, mask)
    scores = discriminator_map(discriminator, z)[0]  # (H / 8 - 2, W / 8 - 2)
    label = label_map(objective, m, (scores.shape[0], scores.shape[1]))[0, 0]
    for axes, values in zip(panels, (scores, label), strict=True):
        whole = values.shape == mask.shape  # the labels of the released code
        stride, first = (1, 0) if whole else (STRIDE_PX, FIRST_PIXEL)
        _overlay(axes, values.cpu().numpy(), scale, mask, stride, first)
    panels[1].set_title("labels", pad=3)


def _overlay(
    axes: Axes, values: NDArray, scale: ScalarMappable, mask: Mask, stride: int, first: int = 0
) -> None:
    """Draws a map whose cell j covers the pixels from first + stride j on, and the hole's edge."""
    height, width = mask.shape
    right, bottom = (first + stride * side - 0.5 for side in values.shape[::-1])
    extent = (first - 0.5, right, bottom, first - 0.5)
    frame(axes)
    axes.imshow(values, cmap=scale.cmap, clim=scale.get_clim(), extent=extent)
    around = np.pad(mask, 1).astype(float)  # closes the outline where the hole meets the border
    grid = np.arange(-1, width + 1), np.arange(-1, height + 1)
    outline = axes.contour(*grid, around, levels=[0.5], colors="white", linewidths=0.8)
    outline.set_path_effects([effects.withStroke(linewidth=1.6, foreground="black")])
    axes.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5))


def _photo(axes: Axes, picture: Photo, title: str = "") -> None:
    frame(axes)
    axes.imshow(picture)
    axes.set_title(title, pad=3)


def _masked(image: Photo, mask: Mask) -> Photo:
    return np.where(mask[..., None], np.uint8(255), image)


def _tensors(network: torch.nn.Module, image: Photo, mask: Mask) -> tuple[Tensor, Tensor]:
    """One photograph and its mask as the network takes them, on its device."""
    device = next(network.parameters()).device
    holes = torch.from_numpy(mask)[None, None].float()
    return to_tensor(image)[None].to(device), holes.to(device)


def _row_sheet(count: int, columns: int, note: str) -> tuple[Drawing, NDArray[Any]]:
    """A figure of square panels with titles of two lines, row by row; spare panels are hidden."""
    rows, side = -(-count // columns), min((WIDTH - BAR) / columns, 2.4)
    figure = _sheet(columns * side + BAR, rows * (side + 0.32) + 0.15 * bool(note), note)
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in panels[count:]:
        frame(axes, visible=False)
    return figure, panels


def _sheet(width: float, height: float, note: str) -> Drawing:
    tight = ConstrainedLayoutEngine(w_pad=0.02, h_pad=0.02, wspace=0.0, hspace=0.0, compress=True)
    figure = Drawing(figsize=(width, height), layout=tight)
    figure.photographic = True
    if note:
        figure.supxlabel(note, fontsize=8)
    return figure
