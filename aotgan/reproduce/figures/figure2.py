"""Fig. 2 redrawn: the generator, the discriminator and what they are trained on (section 3).

Sizes, channels, kernels and loss weights are read off the modules and the configuration.
"""

from collections.abc import Iterator, Mapping, Sequence
from math import log2

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.func import functional_call

from aotgan.data.images import to_tensor, to_uint8
from aotgan.errors import InputError
from aotgan.losses.labels import soft_mask
from aotgan.models.blocks import AOTBlock
from aotgan.models.discriminator import Discriminator, receptive_field
from aotgan.models.generator import Generator, Upsample
from aotgan.models.inpainter import composite, erase
from aotgan.reproduce.figures.canvas import MUTED, Canvas, Colours
from aotgan.reproduce.figures.diagrams import CONV, LOSS, rates_label
from aotgan.training.config import LossConfig

BLOCK: Colours = ("#F6C878", CONV[1])
SIDE_PX = 512  # of the paper's images
TILE, TALL, THICK = 0.78, 1.3, 0.26  # inches: a picture's side, the largest slab
PITCH, BLOCK_PITCH = 0.52, 0.17
START, ROW_G, ROW_D = 1.4, 1.3, 4.1
SPREAD = 0.53  # of two pictures from the middle of their row

Layer = nn.Conv2d | nn.ConvTranspose2d | Upsample | AOTBlock
Layers = Sequence[tuple[Layer, tuple[int, ...]]]  # each with the shape of what it returns
Pictures = Mapping[str, NDArray]


def draw_overview(
    generator: Generator,
    discriminator: Discriminator,
    image: NDArray[np.uint8] | None = None,
    mask: NDArray[np.bool_] | None = None,
) -> Figure:
    """Draws Fig. 2: each layer is a slab, the taller the larger its output.

    Args:
        generator: G.
        discriminator: D.
        image: (H, W, 3) uint8, a photograph; the frames then show what G and D make of it.
            Without one they stay empty, and the sizes are those of 512 x 512 px.
        mask: (H, W) bool, True = hole, given with `image`.

    Raises:
        InputError: an image without a mask or the reverse.
    """
    if (image is None) != (mask is None):
        raise InputError("an image or a mask was given without the other: give both or neither.")
    pictures: Pictures = {}
    height, width = SIDE_PX, SIDE_PX
    if image is not None and mask is not None:
        pictures = _pictures(generator, discriminator, image, mask)
        height, width = mask.shape
    # shapes are all that is drawn of them, and "meta" tensors have no pixels
    with torch.device("meta"):
        images, masks = torch.empty(1, 3, height, width), torch.empty(1, 1, height, width)
    canvas = Canvas(8.05 + BLOCK_PITCH * len(generator.middle), 5.3)
    canvas.figure.photographic = bool(pictures)
    _generator_row(canvas, generator, _trace(generator, images, masks), pictures)
    _discriminator_row(canvas, discriminator, _trace(discriminator, images), pictures)
    _losses(canvas, LossConfig())
    return canvas.figure


@torch.no_grad()
def _pictures(
    generator: Generator,
    discriminator: Discriminator,
    image: NDArray[np.uint8],
    mask: NDArray[np.bool_],
) -> Pictures:
    device = next(generator.parameters()).device
    x = to_tensor(image)[None].to(device)
    m = torch.from_numpy(mask)[None, None].float().to(device)
    prediction = generator(erase(x, m, generator.fill), m)
    z = composite(x, prediction, m)
    scores = discriminator(torch.cat([z, x]))  # (2, 1, H / 8 - 2, W / 8 - 2)
    label = soft_mask(1 - m, (scores.shape[2], scores.shape[3]))
    photographs = {"masked": erase(x, m, generator.fill), "G": prediction, "z": z, "x": x}
    maps = {"m": m[0], "D(z)": scores[0], "D(x)": scores[1], "label": label[0]}
    maps["one"] = torch.ones_like(label[0])
    return {name: to_uint8(value)[0] for name, value in photographs.items()} | {
        name: value[0].cpu().numpy() for name, value in maps.items()
    }


@torch.no_grad()
def _trace(network: nn.Module, *inputs: Tensor) -> Layers:
    """Lists the layers to draw with their output shapes, found without memory or arithmetic."""
    shapes: list[tuple[Layer, tuple[int, ...]]] = []
    handles = [
        layer.register_forward_hook(lambda layer, _, y: shapes.append((layer, tuple(y.shape))))
        for layer in _layers(network)
    ]
    # stand-ins for this call alone: the network stays on its device, with its weights
    without_values = {name: value.to("meta") for name, value in network.state_dict().items()}
    try:
        functional_call(network, without_values, inputs)
    finally:
        for handle in handles:
            handle.remove()
    return shapes


def _layers(network: nn.Module) -> Iterator[Layer]:
    for child in network.children():
        if isinstance(child, Layer):
            yield child
        else:
            yield from _layers(child)


def _generator_row(
    canvas: Canvas, generator: Generator, layers: Layers, pictures: Pictures
) -> None:
    _title(canvas, 0.1, 0.14, f"Generator G, {_count(generator)} parameters")
    masked = "$x\\,(1-m)$" if generator.fill == 0 else f"$x$, hole = {_written(generator.fill)}"
    canvas.picture(0.5, ROW_G - SPREAD, TILE, pictures.get("masked"), masked)
    canvas.picture(0.5, ROW_G + SPREAD, TILE, pictures.get("m"), "$m$")
    canvas.arrow((0.92, ROW_G), (1.24, ROW_G))
    x = _slabs(canvas, START, ROW_G, layers)
    _captions(canvas, layers, x)
    canvas.arrow((x - PITCH + 0.16, ROW_G), (x + 0.02, ROW_G))
    canvas.picture(x + 0.44, ROW_G, TILE, pictures.get("G"), "$G(x\\,(1-m), m)$")
    _composite(canvas, x + 1.3, pictures)


def _captions(canvas: Canvas, layers: Layers, x: float) -> None:
    """Names the encoder, the blocks and the three layers of the decoder, which end at `x`."""
    blocks = [layer for layer, _ in layers if isinstance(layer, AOTBlock)]
    first = [isinstance(layer, AOTBlock) for layer, _ in layers].index(True)
    (_, channels, height, width) = layers[first][1]
    middle = START + PITCH * first + BLOCK_PITCH * (len(blocks) - 1) / 2
    canvas.text(START + PITCH * (first - 1) / 2, ROW_G + 1.1, "encoder")
    canvas.text(middle, ROW_G + 0.62, f"{channels} channels,\n{height} × {width}", size=7)
    canvas.text(middle, ROW_G + 1.03, f"{len(blocks)} AOT blocks,\nrates {rates_label(blocks[0])}")
    # the last layer keeps the size in either decoder: the one before tells which it is
    kind = "bilinear" if isinstance(layers[-2][0], Upsample) else "transposed"
    canvas.text(x - 2 * PITCH, ROW_G + 1.1, f"decoder, {kind}")


def _composite(canvas: Canvas, x: float, pictures: Pictures) -> None:
    canvas.arrow((x - 0.46, ROW_G), (x - 0.27, ROW_G))
    canvas.arrow((0.5, 2.5), (0.5, 2.68), (x, 2.68), (x, ROW_G + 0.16))
    canvas.text(x - 0.1, 2.58, "known pixels and mask", ha="right", color=MUTED)
    canvas.box(x, ROW_G, "Eq. 2", size=(0.52, 0.3))
    canvas.arrow((x + 0.27, ROW_G), (x + 0.46, ROW_G))
    canvas.picture(x + 0.88, ROW_G, TILE, pictures.get("z"), "$z$")


def _discriminator_row(
    canvas: Canvas, discriminator: Discriminator, layers: Layers, pictures: Pictures
) -> None:
    convs = [layer for layer, _ in layers if isinstance(layer, nn.Conv2d)]
    field = receptive_field([(conv.kernel_size[0], conv.stride[0]) for conv in convs])
    sees = f"each score sees {field} × {field} px"
    _title(canvas, 0.1, 3.0, f"Discriminator D, {_count(discriminator)} parameters; {sees}")
    canvas.picture(0.5, ROW_D - SPREAD, TILE, pictures.get("z"), "$z$")
    canvas.picture(0.5, ROW_D + SPREAD, TILE, pictures.get("x"), "$x$")
    canvas.arrow((0.92, ROW_D), (1.24, ROW_D))
    x = _slabs(canvas, START, ROW_D, layers)
    canvas.arrow((x - PITCH + 0.16, ROW_D), (x - 0.06, ROW_D))
    rows = ((ROW_D - SPREAD, "D(z)", "label"), (ROW_D + SPREAD, "D(x)", "one"))
    for y, score, label in rows:
        name = "$\\sigma(1-m)$" if label == "label" else "1"
        canvas.picture(x + 0.36, y, TILE, pictures.get(score), f"${score}$")
        canvas.picture(x + 1.42, y, TILE, pictures.get(label), name)
        canvas.text(x + 0.89, y, "→", size=11)


def _losses(canvas: Canvas, weights: LossConfig) -> None:
    lines = (
        ("D", "Eq. 3", "$D(z) \\to \\sigma(1-m)$,  $D(x) \\to 1$"),
        ("G", "Eq. 4", f"{weights.adversarial:g} ×  $D(z) \\to 1$ in the hole"),
        ("G", "Eq. 5", f"{weights.reconstruction:g} ×  L1 between $G$ and $x$"),
        ("G", "Eq. 6", f"{weights.perceptual:g} ×  VGG-19 features of $z$ and $x$"),
        ("G", "Eq. 7", f"{weights.style:g} ×  Gram matrices of these"),
    )
    left = 6.05
    _title(canvas, left, 3.0, "What is minimised")
    for row, (network, equation, text) in enumerate(lines):
        y = 3.36 + 0.4 * row
        canvas.box(left + 1.6, y, colours=LOSS, size=(3.2, 0.33))
        canvas.text(left + 0.1, y, network, ha="left", weight="bold")
        canvas.text(left + 0.32, y, equation, ha="left", color=MUTED)
        canvas.text(left + 0.8, y, text, ha="left")


def _slabs(canvas: Canvas, x: float, y: float, layers: Layers) -> float:
    """Draws layers from left to right and returns where the next one would be."""
    largest = max(shape[2] for _, shape in layers)
    for at, (layer, (_, channels, height, width)) in enumerate(layers):
        # to scale, the lowest could not hold their text: each halving takes a part
        tall = TALL * (1 - 0.17 * log2(largest / height))
        if isinstance(layer, AOTBlock):
            canvas.box(x, y, colours=BLOCK, size=(0.13, tall))
        else:
            canvas.box(x, y, colours=CONV, size=(THICK, tall))
            canvas.text(x, y, f"{height} × {width}", size=7, rotation=90)
            canvas.text(x, y - tall / 2 - 0.09, str(channels))
            canvas.text(x, y + tall / 2 + 0.05, _operation(layer), size=7, va="top")
        both = all(isinstance(layer, AOTBlock) for layer, _ in layers[at : at + 2])
        x += BLOCK_PITCH if both else PITCH
    return x


def _operation(layer: nn.Conv2d | nn.ConvTranspose2d | Upsample) -> str:
    if isinstance(layer, Upsample):
        return f"↑2\n{_operation(layer.conv)}"
    kernel, stride = layer.kernel_size[0], layer.stride[0]
    arrow = "↑" if isinstance(layer, nn.ConvTranspose2d) else "↓"
    return f"{kernel}×{kernel}" if stride == 1 else f"{kernel}×{kernel}\n{arrow}{stride}"


def _written(fill: float | str) -> str:
    return fill if isinstance(fill, str) else f"{fill:g}"


def _count(network: nn.Module) -> str:
    return f"{sum(p.numel() for p in network.parameters()):,}"


def _title(canvas: Canvas, x: float, y: float, text: str) -> None:
    canvas.text(x, y, text, size=9, ha="left", weight="bold")
