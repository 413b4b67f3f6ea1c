"""Fill holes in a picture of any kind and size: `aotgan.inpaint` (section 4.8)."""

import copy
import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aotgan.apply.coarse import (
    DeepHole,
    depth_of,
    enlarged,
    halved,
    levels_of,
    region,
    remark_on,
)
from aotgan.apply.crops import Extent, Tile, padded_size, plan_tiles, reduction
from aotgan.apply.defaults import FEATHER_PX, GROW_PX
from aotgan.apply.holes import bounding_box, check_px, feather_mask, grow_mask
from aotgan.apply.pictures import Picture, read_pictures
from aotgan.apply.prediction import WindowPlace, gate_statistics, looks_everywhere, predict, stages
from aotgan.apply.views import View
from aotgan.data.mask_files import POLARITIES, read_mask
from aotgan.devices import find_device
from aotgan.errors import InputError, check_choice
from aotgan.models.generator import Generator
from aotgan.models.inpainter import SURFACE, Inpainter
from aotgan.models.reach import reach
from aotgan.models.registry import CLASSICAL, split_config
from aotgan.models.weights import load_filling

PRECISIONS = ("auto", "float32", "float64", "bfloat16", "float16")
WORK_BYTES = 2_500_000_000  # what the features of one window may take
# of a window, for each unit of the network's width; measured
BYTES_PER_PIXEL = {"transposed": 16, "bilinear": 26}

MOST_LEVELS = 8
MARGIN_PX = 8  # around the holes: beyond it nothing decides a classical filling
OnProgress = Callable[[int, int], object]


@dataclass(frozen=True)
class Plan:
    """One picture with its hole.

    Attributes:
        picture: the picture.
        hole: (H, W) bool, grown.
        weight: (H, W), that of the fill; above 0 where something is written.
        tiles: how the work is divided.
        reduced: rows and columns of a cell of the reduced image that statistics are taken from;
            None where the network needs none, or sees the whole image.
        box: the part that is filled at half the size first.
        coarse: that part; None where the picture is filled in one pass.
    """

    picture: Picture
    hole: NDArray[np.bool_]
    weight: NDArray
    tiles: list[Tile]
    reduced: tuple[int, int] | None
    box: Extent = (0, 0, 0, 0)
    coarse: "Plan | None" = None

    @property
    def parts(self) -> int:
        """How many times the network runs."""
        coarse = self.coarse.parts if self.coarse else 0
        return len(self.tiles) + (self.reduced is not None) + coarse


def inpaint(
    image: Any,
    mask: Any,
    model: Inpainter | str | Path | None = None,
    *,
    grow: float = GROW_PX,
    feather: float = FEATHER_PX,
    context: int | None = None,
    levels: int | None = None,
    device: str = "auto",
    precision: str = "auto",
    on_progress: OnProgress | None = None,
    hole: str = "white",
) -> Any:
    """Fills the hole of a picture of any size; known pixels stay the same to the byte.

    Sizes that the network does not take are continued by symmetric reflection. An image much larger
    than its holes costs what these cost: the network looks at windows around them.

    Args:
        image: a PIL image (1, L, LA, P, RGB, RGBA, CMYK, 16-bit grey), a NumPy array (H, W) or
            (H, W, C) with 1 to 4 channels (uint8, uint16, or floats in [0, 1]), a PyTorch tensor
            (3, H, W) or (B, 3, H, W) (floats in [-1, 1], or uint8), or the path of an image file.
        mask: the hole, white or True: a file, PIL image, array or tensor of the image's size, the
            image itself with the hole cut out, or boxes [(left, top, right, bottom), ...] in
            px; see `aotgan.data.mask_files.read_mask`. A batch takes one mask, or (B, 1, H, W).
            Of an image with EXIF orientation, the mask is that of the image as it is displayed.
        model: a Generator, the name of a shipped model, the path of a weights file, or None for
            `aotgan.models.weights.DEFAULT_MODEL`. Or a filling that learns nothing, which may do
            as well in a deep hole: "smooth", "telea", "navier-stokes" (OpenCV's, on 8-bit levels).
        grow: px by which the hole grows first, in all directions: masks that end at an object's
            edge leave a rim of it. What follows speaks of the grown hole.
        feather: width in px of a band of known pixels around the hole in which the fill fades out;
            0 keeps every known pixel.
        context: px around each part of the hole that the network sees. None: as many as its
            prediction can depend on (301 at full depth), so that nothing changes but the cost.
            Fewer are faster and almost the same: with 64 px the shipped network's fills differ
            from those of the whole image by less than the rounding to 8 bits (70 dB against 59).
            Gates that are standardised over the image (variant "released") depend on all of it.
            There None shows the whole image, if it has at most 1.5 million px at full width. In a
            larger one, and with any number, the gates use the statistics of the image reduced to
            that size. That is an approximation: 90 dB where nothing is reduced, 28 to 38 dB at
            half size, 22 to 32 dB at a quarter (a network trained at laptop scale, 128 px).
        levels: how many times the picture is halved, so that a deep hole is filled from coarse to
            fine: the enlarged fill of each is what the network sees in the hole of the next. None:
            as many as leave no pixel of the hole farther than 32 px from a known one; none for a
            network that sees no surface in the hole. 0 fills in one pass.
        device: "auto" (that of a Generator that is given, else CUDA, MPS or the CPU, the first that
            is there), "cpu", "cuda" or "mps".
        precision: "auto" (the type of the weights, float32 but for files in double precision),
            "float32", "float64", or for the multiplications "bfloat16" or "float16".
        on_progress: called as on_progress(done, total) after each stage of the network. What it
            raises ends the work and reaches the caller.
        hole: what marks it in the mask: "white", "black", or of a mask with transparency "painted"
            or "transparent".

    Returns:
        The filled picture: same kind, mode, size and dtype as the image, which stays as it is. Of a
        path a PIL image, turned upright as its EXIF orientation says; a PIL image keeps both its
        orientation and its tag. Fills of transparent images are opaque, those of palettes have the
        picture's own colours, those of CMYK no black ink. Without a hole it is a copy.

    Raises:
        InputError: anything that cannot be used, before any work; or a prediction of the network
            that is not finite.

    Warns:
        UserWarning: a mask without a hole, or with so much that it may be inverted; as `DeepHole`
            of `aotgan.apply.coarse`, a hole deeper than the network has learnt to fill; as
            `LeftOut` of `aotgan.apply.metadata`, what of a file is broken or beyond one picture.
    """
    check_options(grow, feather, context, precision, levels, hole)
    pictures, restore = read_pictures(image)
    masks = _masks(mask, pictures, hole)
    network = _network(model, device, precision)
    # everything is planned before the first fill, so that progress has an end
    plans = []
    for picture, marked in zip(pictures, masks, strict=True):
        plans.append(_plan(picture, grow_mask(marked, grow), network, feather, context, levels))
    total, done = sum(plan.parts for plan in plans) * stages(network), 0

    def step() -> None:
        nonlocal done
        done += 1
        if on_progress is not None:
            on_progress(done, total)

    # weights stay as they are: half precision is for the arithmetic alone
    half = getattr(torch, precision) if precision in ("bfloat16", "float16") else None
    with torch.autocast(network.device.type, dtype=half, enabled=half is not None):
        for plan in plans:
            _run(plan, network, step)
    return restore([plan.picture.filled for plan in plans])


def check_options(
    grow: float,
    feather: float,
    context: int | None,
    precision: str,
    levels: int | None = None,
    hole: str = "white",
) -> None:
    """Raises InputError where options of `inpaint` cannot be used, whatever the picture."""
    check_px("grow", grow)
    check_px("feather", feather)
    _check_whole("context", context, "a whole number of px, or None")
    _check_whole("levels", levels, f"a whole number up to {MOST_LEVELS}, or None", MOST_LEVELS)
    check_choice("precision", precision, PRECISIONS)
    check_choice("hole", hole, POLARITIES)


def _check_whole(name: str, value: Any, expected: str, most: float = math.inf) -> None:
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if value is not None and not (whole and 0 <= value <= most):
        raise InputError(f"{name}={value!r}: expected {expected}.")


def _masks(mask: Any, pictures: list[Picture], hole: str) -> list[NDArray[np.bool_]]:
    """One mask for each picture: its own of a batch, or the same for all."""
    if isinstance(mask, Tensor) and mask.ndim == 4 and len(mask) == len(pictures):
        return [
            read_mask(part, picture.size, hole, strict=False)
            for part, picture in zip(mask, pictures, strict=True)
        ]
    if not pictures:
        return []
    first = pictures[0]
    return [read_mask(mask, first.size, hole, False, first.shown)] * len(pictures)


def _network(model: Inpainter | str | Path | None, device: str, precision: str) -> Inpainter:
    """The network on the device and with the type of weights that were asked for."""
    network: Inpainter
    if isinstance(model, Generator) or _learns_nothing(model):
        network = model
        place = model.device if device == "auto" else torch.device(find_device(device))
    elif model is None or isinstance(model, str | Path):
        place = torch.device(find_device(device))
        network = load_filling(model, place)
    else:
        raise InputError(
            f"a model of type {type(model).__name__} was given; expected a Generator, the name of "
            "a shipped model or of a classical filling, or the path of a weights file."
        )
    if not isinstance(network, Generator):
        return network
    own = next(network.parameters())
    dtype = getattr(torch, precision) if precision in ("float32", "float64") else own.dtype
    if place.type == "mps" and dtype == torch.float64:
        raise InputError('device=mps knows no float64: choose precision="float32", or the cpu.')
    if (place.type, dtype) == (own.device.type, own.dtype):
        return network
    return copy.deepcopy(network).to(place, dtype)  # the caller's network stays as it is


def _learns_nothing(model: Any) -> TypeGuard[Inpainter]:
    return isinstance(model, Inpainter) and split_config(model.config)[0] in CLASSICAL


def _plan(
    picture: Picture,
    hole: NDArray[np.bool_],
    model: Inpainter,
    feather: float,
    context: int | None,
    levels: int | None,
) -> Plan:
    picture.check_known(~hole)
    if not hole.any():
        warnings.warn("the mask has no hole: nothing is filled.", stacklevel=3)
        return Plan(picture, hole, hole, [], None)
    # only such a network takes a coarse fill in the place of the surface
    refines = isinstance(model, Generator) and model.fill == SURFACE
    if levels and not refines:
        raise InputError(
            f"levels={levels}: this model takes no coarse fill to go on from. Leave it out, or "
            "give a network that sees a smooth surface in the hole."
        )
    if not isinstance(model, Generator):
        return _classical(picture, hole, model, feather)
    depth = depth_of(hole)
    if levels is None:
        levels = levels_of(depth) if refines else 0
    if remark := remark_on(depth):
        warnings.warn(remark, DeepHole, stacklevel=3)
    return _planned(picture, hole, model, feather, context, int(levels))


def _classical(picture: Picture, hole: NDArray[np.bool_], model: Inpainter, feather: float) -> Plan:
    """All holes at once, with what around them decides their fill."""
    weight = feather_mask(hole, feather) if feather else hole
    height, width = picture.size
    top, left, bottom, right = bounding_box(weight > 0)
    around = (max(0, top - MARGIN_PX), max(0, left - MARGIN_PX))
    window = (*around, min(height, bottom + MARGIN_PX), min(width, right + MARGIN_PX))
    return Plan(picture, hole, weight, [Tile((top, left, bottom, right), window)], None)


def _planned(
    picture: Picture,
    hole: NDArray[np.bool_],
    generator: Generator,
    feather: float,
    context: int | None,
    levels: int,
) -> Plan:
    """The work on a picture, and on it at smaller sizes as long as a hole is left there."""
    if not hole.any():
        return Plan(picture, hole, hole, [], None)
    weight = feather_mask(hole, feather) if feather else hole
    cost = BYTES_PER_PIXEL[generator.config["upsampling"]] * generator.config["width"]
    most = WORK_BYTES // cost
    everywhere = looks_everywhere(generator)
    size = padded_size(picture.size, generator.min_side)
    around = reach(generator) if context is None else int(context)
    smaller: dict[str, Any] = {}
    if levels:
        # a hole deeper than the network knows: its fill at half the size comes first
        box = region(hole, levels, around)
        half = halved(picture, hole, box, next(generator.parameters()).dtype)
        # without feathering: what it fills is looked at and not shown
        coarse = _planned(*half, generator, 0, context, levels - 1)
        smaller = {"box": box, "coarse": coarse}
    # a gate that is standardised over the picture has to see all of it, if it fits
    if everywhere and context is None and size[0] * size[1] <= most:
        whole = (0, 0, *picture.size), (0, 0, *size)
        return Plan(picture, hole, weight, [Tile(*whole)], None, **smaller)
    tiles = plan_tiles(weight > 0, around, generator.min_side, most)
    cell = reduction(size, generator.min_side, most) if everywhere else None
    return Plan(picture, hole, weight, tiles, cell, **smaller)


def _run(plan: Plan, model: Inpainter, step: Callable[[], None]) -> None:
    """Predicts all tiles of a picture and writes them into it."""
    guess = None
    if plan.coarse:
        _run(plan.coarse, model, step)
        guess = enlarged(plan.coarse.picture, plan.box)
    view, statistics = View(plan.picture, plan.hole, model, guess), None
    if plan.reduced is not None and isinstance(model, Generator):
        statistics = gate_statistics(model, *view.reduced(plan.reduced), step)
    for tile in plan.tiles:
        top, left, _, _ = tile.window
        place = WindowPlace(top, left, *view.size)
        prediction = predict(model, *view.masked(tile.window), step, place, statistics)[0]
        y0, x0, y1, x1 = tile.target
        fill = prediction[:, y0 - top : y1 - top, x0 - left : x1 - left]
        plan.picture.paste(y0, x0, fill, plan.weight[y0:y1, x0:x1])
