"""What people repair, on bundled test photographs at their own size: text, scratches, wires."""

from collections.abc import Callable

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from aotgan.apply.inpaint import inpaint
from aotgan.data.catalogue import load as load_images
from aotgan.data.images import read_image
from aotgan.models.inpainter import Inpainter
from aotgan.reproduce.figures.style import image_row

Photo = NDArray[np.uint8]
Pen = ImageDraw.ImageDraw

ASPECT = 1.5  # of the pictures drawn: the top of taller photographs, the whole of others
LINES = ("Aggregated", "Contextual", "Transformations")


def _text(pen: Pen, side: int) -> None:
    font = ImageFont.load_default(side // 8)
    for number, line in enumerate(LINES):
        pen.text((side // 24, 12 + number * side // 5), line, fill=255, font=font)


def _scratches(pen: Pen, side: int) -> None:
    corners = ((0.05, 0.15), (0.65, 0.7), (0.98, 0.3)), ((0.6, 0.02), (0.25, 0.95))
    for points in corners:
        pen.line([(x * ASPECT * side, y * side) for x, y in points], fill=255, width=side // 60)


def _wires(pen: Pen, side: int) -> None:
    for height in (0.12, 0.3, 0.36):
        ends = (0, height * side, ASPECT * side, (height + 0.1) * side)
        pen.line(ends, fill=255, width=side // 80)
    pen.rectangle((1.05 * side, 0, 1.08 * side, side), fill=255)


HOLES: dict[str, Callable[[Pen, int], None]] = {
    "astronaut": _text,
    "chelsea": _scratches,
    "china": _wires,
}


def repairs(network: Inpainter) -> Figure:
    """Draws three photographs, each with its holes white, above what the network makes of them."""
    files = {file.stem: file for file in load_images("bundled", "test").files}
    pictures = {name: _cut(read_image(files[name])) for name in HOLES}
    holes = {name: _hole(picture, HOLES[name]) for name, picture in pictures.items()}
    masked = [np.where(holes[n][..., None], np.uint8(255), pictures[n]) for n in HOLES]
    filled = [np.asarray(inpaint(pictures[n], holes[n], model=network)) for n in HOLES]
    return image_row([*masked, *filled], columns=len(HOLES), size=3.0)


def _cut(picture: Photo) -> Photo:
    """The top of a photograph, as high as its width allows."""
    return picture[: round(picture.shape[1] / ASPECT)]


def _hole(picture: Photo, draw: Callable[[Pen, int], None]) -> NDArray[np.bool_]:
    height, width = picture.shape[:2]
    mask = Image.new("L", (width, height))
    draw(ImageDraw.Draw(mask), height)
    # letters are drawn with soft edges
    return np.asarray(mask) > 127
