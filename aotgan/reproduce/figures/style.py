"""Pictures for notebooks and for `figures/`: one style, no global state, the same bytes each time.

Each function returns a figure that a notebook shows when it is a cell's last line, and that
`save_figure` writes.
"""

import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib.style
import numpy as np
import pandas as pd
import torch
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.rcsetup import cycler
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from aotgan.data.images import to_tensor, to_uint8
from aotgan.errors import InputError
from aotgan.files import write_atomically
from aotgan.models.inpainter import Inpainter, evaluating
from aotgan.training.log import LOSSES

DPI = 110
MOST_COLUMNS = 6
LOG_FROM = 10.0  # a loss that spans this factor gets a logarithmic axis
# Okabe and Ito's colours, told apart with any colour vision; yellow is left out on white.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
INK, FAINT = "#333333", "#CCCCCC"
STYLE: dict[str, Any] = {
    "font.family": "DejaVu Sans",  # comes with matplotlib, so it is the same everywhere
    "font.size": 9,
    "text.color": INK,
    "axes.titlesize": 9,
    "axes.labelsize": 9,
    "axes.labelcolor": INK,
    "axes.edgecolor": FAINT,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.prop_cycle": cycler("color", COLOURS),
    "grid.color": "#EEEEEE",
    "grid.linewidth": 0.8,
    "lines.linewidth": 1.6,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "figure.dpi": DPI,
    "image.interpolation": "nearest",
}

Picture = NDArray[Any] | Tensor
Rows = Sequence[Mapping[str, float]]
Case = tuple[NDArray[np.uint8], NDArray[np.bool_], Any]


class Drawing(Figure):
    """A figure that a notebook shows by itself, without a backend and only once.

    One that holds photographs is shown as JPEG, at a fifth of the bytes; the others as PNG of 256
    colours, at a third.
    """

    photographic = False
    alt = ""  # what it shows, for who does not see it
    numbers: pd.DataFrame | None = None  # that were measured for it alone

    def described(self, alt: str) -> "Drawing":
        """Returns the figure itself, with a sentence that says what it shows."""
        self.alt = alt
        return self

    def _repr_png_(self) -> tuple[bytes, dict[str, str]] | None:
        if self.photographic:
            return None
        buffer = io.BytesIO()
        with Image.open(io.BytesIO(png_bytes(self))) as image:
            # dithering makes grain of flat areas, which PNG cannot compress
            image.convert("RGB").quantize(dither=Image.Dither.NONE).save(
                buffer, "png", optimize=True
            )
        return buffer.getvalue(), {"alt": self.alt}

    def _repr_jpeg_(self) -> tuple[bytes, dict[str, str]] | None:
        if not self.photographic:
            return None
        return _encoded(self, "jpeg", pil_kwargs={"quality": 85}), {"alt": self.alt}


def house_style() -> Any:
    """Returns a context in which every matplotlib figure has the project's style."""
    return matplotlib.style.context(["default", STYLE])


def image_row(
    images: Iterable[Picture],
    titles: Sequence[str] | None = None,
    columns: int | None = None,
    size: float = 2.0,
    colour_map: str = "viridis",
) -> Figure:
    """Draws pictures in a grid, row by row.

    Args:
        images: photographs, (H, W, 3) uint8 or (3, H, W) tensors in [-1, 1]; masks, (H, W) bool,
            drawn with the hole white; maps, (H, W) or (1, H, W) float, drawn in colours on one
            scale that all maps of the figure share.
        titles: one line or more above each picture.
        columns: pictures in a row; all of them, but at most six, by default.
        size: width of a picture in inches.
        colour_map: matplotlib's name of the colours of maps.

    Raises:
        InputError: no images, another number of titles, or a picture of another kind.
    """
    tiles = [_tile(image) for image in images]
    if not tiles or (titles is not None and len(titles) != len(tiles)):
        count = "no" if titles is None else len(titles)
        raise InputError(f"{len(tiles)} images and {count} titles: give images, a title for each.")
    return _grid(tiles, titles, columns or min(len(tiles), MOST_COLUMNS), size, colour_map)


def fills(
    generator: Inpainter | Mapping[str, Inpainter], cases: Iterable[Case], weights_note: str = ""
) -> Figure:
    """Draws held-out cases as columns: the masked image, the filled one, the original.

    Args:
        generator: the network, or several by name, which become a row each; their mode is left as
            it was.
        cases: (image, mask, pair) as a `Manifest` yields them: uint8 (H, W, 3), bool (H, W) with
            True = hole, and an object with `.bin`, which becomes the column's title.
        weights_note: a line under "filled", such as the scale and the steps.

    Raises:
        InputError: no cases.
    """
    networks = {"filled": generator} if isinstance(generator, Inpainter) else generator
    cases = list(cases)
    if not cases:
        raise InputError("no cases were given: nothing to draw.")
    rows = [[np.where(mask[..., None], np.uint8(255), image) for image, mask, _ in cases]]
    for network in networks.values():
        rows.append([fill_bytes(network, image, mask) for image, mask, _ in cases])
    rows.append([image for image, _, _ in cases])
    note = f"\n{weights_note}" if weights_note else ""
    labels = ("masked", *(f"{name}{note}" for name in networks), "original")
    titles = [f"hole {pair.bin}" for _, _, pair in cases]
    # only pictures of the first row have the size of their hole above them
    titles += [""] * (len(cases) * (len(rows) - 1))
    tiles = [_tile(picture) for row in rows for picture in row]
    return _grid(tiles, titles, len(cases), min(2.0, 9.0 / len(cases)), row_labels=labels)


@torch.no_grad()
def fill_bytes(
    generator: Inpainter, image: NDArray[np.uint8], mask: NDArray[np.bool_]
) -> NDArray[np.uint8]:
    """Fills the hole of one photograph: uint8 (H, W, 3) and bool (H, W) to uint8 (H, W, 3)."""
    holes = torch.from_numpy(mask)[None, None].float().to(generator.device)  # (1, 1, H, W)
    with evaluating(generator):
        filled = to_uint8(generator.complete(to_tensor(image)[None].to(generator.device), holes))[0]
    return np.where(mask[..., None], filled, image)


def loss_curves(rows: Rows | Mapping[str, Rows]) -> Figure:
    """Draws one panel a loss against the step.

    Args:
        rows: what `aotgan.training.log.read_log` returns, or several of these by name, which
            become one line each with a legend.

    Raises:
        InputError: no rows.
    """
    runs = dict(rows) if isinstance(rows, Mapping) else {"": rows}
    names = [name for name in LOSSES if any(name in row for run in runs.values() for row in run)]
    if not names:
        raise InputError("no rows of a loss table were given: has the run been trained?")
    with house_style():
        figure = Drawing(figsize=(2.0 * len(names), 2.1), layout="constrained")
        panels = figure.subplots(1, len(names), squeeze=False)[0]
        for axes, name in zip(panels, names, strict=True):
            _curve(axes, name, runs)
        if any(runs):
            figure.legend(
                *panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=4
            )
    return figure


def save_figure(figure: Figure, path: str | Path) -> Path:
    """Writes a figure as PNG, atomically; the same figure gives the same bytes.

    Raises:
        InputError: a name that does not end in .png.
    """
    if Path(path).suffix != ".png":
        raise InputError(f"{path}: figures are written as PNG, give a name that ends in .png.")
    return write_atomically(path, png_bytes(figure))


def png_bytes(figure: Figure) -> bytes:
    """Returns a figure as PNG without date or software version."""
    return _encoded(figure, "png", metadata={"Software": None})


def _encoded(figure: Figure, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    with house_style():
        # the style again, for ticks get theirs while the figure is drawn
        figure.savefig(
            buffer, format=kind, dpi=DPI, bbox_inches="tight", pad_inches=0.05, **options
        )
    return buffer.getvalue()


@dataclass(frozen=True)
class _Tile:
    """A picture as matplotlib takes it."""

    values: NDArray[Any]  # (H, W, 3) uint8 or (H, W)
    kind: str  # "photograph", "mask" or "map"


def _tile(image: Picture) -> _Tile:
    values = image.detach().cpu() if isinstance(image, Tensor) else np.asarray(image)
    shape, is_bool = tuple(values.shape), values.dtype in (np.bool_, torch.bool)
    if len(shape) == 3 and shape[0] == 1:
        values, shape = values[0], shape[1:]
    if len(shape) == 2:
        array = np.asarray(values) if is_bool else np.asarray(values, dtype=np.float64)
        return _Tile(array, "mask" if is_bool else "map")
    if isinstance(values, np.ndarray) and values.dtype == np.uint8 and shape[2:] == (3,):
        return _Tile(values, "photograph")
    if isinstance(values, Tensor) and values.is_floating_point() and len(shape) == 3:
        if shape[0] == 3 and float(values.abs().max()) <= 1.001:
            return _Tile(to_uint8(values), "photograph")
    raise InputError(
        f"a picture of type {values.dtype} and shape {shape} was given; expected uint8 (H, W, 3), "
        "a float tensor (3, H, W) in [-1, 1], a bool mask (H, W) or a float map (H, W)."
    )


def _grid(
    tiles: Sequence[_Tile],
    titles: Sequence[str] | None,
    columns: int,
    size: float,
    colour_map: str = "viridis",
    row_labels: Sequence[str] = (),
) -> Figure:
    rows = -(-len(tiles) // columns)
    # a sheet as high as its rows, so that nothing is cut off and little is empty
    tallest = max(tile.values.shape[0] / tile.values.shape[1] for tile in tiles)
    lines = max(title.count("\n") + 1 for title in titles) if titles else 0
    titled = rows if not row_labels else 1
    height = rows * (size * tallest + 0.04) + titled * 0.16 * lines + 0.06
    maps = [tile.values for tile in tiles if tile.kind == "map"]
    with house_style():
        width = columns * size + 0.35 * bool(row_labels) + 0.7 * bool(maps)
        # photographs stand close together: gaps would be read as part of them
        tight = ConstrainedLayoutEngine(
            w_pad=0.02, h_pad=0.03, wspace=0.0, hspace=0.0, compress=True
        )
        figure = Drawing(figsize=(width, height), layout=tight)
        figure.photographic = any(tile.kind == "photograph" for tile in tiles)
        panels = figure.subplots(rows, columns, squeeze=False)
        # one scale for all maps, or they could not be compared
        colours = _colours(maps, colour_map)
        for at, axes in enumerate(panels.flat):
            frame(axes, visible=at < len(tiles))
            if at < len(tiles):
                _draw(axes, tiles[at], colours)
                axes.set_title(titles[at] if titles else "", pad=3)
        for axes, label in zip(panels[:, 0], row_labels, strict=False):
            axes.set_ylabel(label)
        if maps:
            figure.colorbar(colours, ax=panels, shrink=0.8, aspect=30, pad=0.01)
    return figure


def _colours(maps: Sequence[NDArray[Any]], colour_map: str) -> ScalarMappable:
    # a map may have no value somewhere: that is left empty, and decides no colour
    finite = np.concatenate([values[np.isfinite(values)] for values in maps] or [np.zeros(1)])
    low, high = (finite.min(), finite.max()) if finite.size else (0.0, 1.0)
    # a map of one value would leave the scale no length
    return ScalarMappable(Normalize(low, high if high > low else low + 1), colour_map)


def _draw(axes: Axes, tile: _Tile, colours: ScalarMappable) -> None:
    if tile.kind == "map":
        low, high = colours.get_clim()
        axes.imshow(tile.values, cmap=colours.cmap, vmin=low, vmax=high)
    else:
        axes.imshow(tile.values, cmap="gray", vmin=0, vmax=1)  # colours leave photographs alone


def frame(axes: Axes, visible: bool = True) -> None:
    """Makes axes the frame of a picture, without scale, or hides them."""
    axes.set(xticks=[], yticks=[])
    axes.grid(False)
    axes.spines[:].set_visible(visible)  # a thin frame: a white mask has no edge on white paper
    axes.set_frame_on(visible)


def _curve(axes: Axes, name: str, runs: Mapping[str, Rows]) -> None:
    drawn: list[float] = []
    for label, rows in runs.items():
        points = [(row["step"], row[name]) for row in rows if name in row]
        drawn += [value for _, value in points]
        axes.plot(*zip(*points, strict=True), label=label) if points else None
    wide = min(drawn) > 0 and max(drawn) > LOG_FROM * min(drawn)
    axes.set(title=f"{name}{' (log)' if wide else ''}", xlabel="step")
    if wide:
        axes.set_yscale("log")
    else:
        # from 0 on, or a small change would look like a large one
        axes.set_ylim(bottom=min(0.0, *drawn))
    axes.xaxis.set_major_locator(MaxNLocator(3, integer=True))
