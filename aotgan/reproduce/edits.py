"""What a user does to a photograph in Figs. 9 to 12: paints masks, and wants logos away."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Picture = NDArray[np.uint8]
Mask = NDArray[np.bool_]
Box = tuple[int, int, int, int]  # left, top, width, height in px, as `box_mask` takes them
Point = tuple[float, float]

OUTLINE = (0, 90, 255)  # Fig. 9 outlines its boxes in blue


def brush_mask(size: tuple[int, int], strokes: Sequence[Sequence[Point]], px: int) -> Mask:
    """Returns the hole that a user paints with a round brush (Figs. 10 and 11).

    Args:
        size: (height, width) of the picture.
        strokes: the points (x, y) that each passes through; a single point is a dab, and a stroke
            that ends where it began is filled.
        px: diameter of the brush.

    Returns:
        (height, width) bool, True = hole.
    """
    canvas = Image.new("1", (size[1], size[0]))
    draw = ImageDraw.Draw(canvas)
    for stroke in strokes:
        points = [(float(x), float(y)) for x, y in stroke]
        draw.line(points, fill=1, width=px)
        for x, y in points:
            draw.ellipse((x - px / 2, y - px / 2, x + px / 2, y + px / 2), fill=1)
        if len(points) > 2 and points[0] == points[-1]:
            draw.polygon(points, fill=1)
    return np.array(canvas, dtype=bool)


def draw_logo(picture: Picture, box: Box, text: str, colours: tuple[str, str]) -> Picture:
    """Draws a logo of ours, so that what it hides is known: text in a rounded frame.

    Args:
        picture: uint8 (H, W, 3).
        box: that the logo fills up to 1 px.
        text: a short word.
        colours: of the frame's inside and of the text, as Pillow names them.
    """
    left, top, width, height = box
    scale = 4  # drawn larger and reduced, so that its edges are as soft as a photograph's
    canvas = Image.new("RGBA", (scale * width, scale * height))
    draw = ImageDraw.Draw(canvas)
    inside = (scale, scale, scale * (width - 1) - 1, scale * (height - 1) - 1)
    draw.rounded_rectangle(inside, scale * height // 4, colours[0], colours[1], scale)
    font = ImageFont.load_default(scale * height * 0.62)
    centre = (scale * width / 2, scale * height / 2)
    draw.text(centre, text, colours[1], font=font, anchor="mm")
    logo = canvas.resize((width, height), Image.Resampling.BOX)
    sheet = Image.fromarray(picture)
    sheet.paste(logo, (left, top), logo)
    return np.array(sheet)


def outline_boxes(picture: Picture, boxes: Sequence[Box]) -> Picture:
    """Outlines boxes in blue, as Fig. 9 does, outside the pixels that they hold."""
    sheet = Image.fromarray(picture)
    for left, top, width, height in boxes:
        corners = (left - 1, top - 1, left + width, top + height)
        ImageDraw.Draw(sheet).rectangle(corners, outline=OUTLINE)
    return np.array(sheet)
