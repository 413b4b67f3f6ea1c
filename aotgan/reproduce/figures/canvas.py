"""Boxes, arrows and pictures on a sheet measured in inches: what diagrams are drawn with.

x points right, y points down, and (x, y) is the centre of whatever is drawn there.
"""

from typing import Any

from matplotlib.patches import Circle, FancyArrowPatch, FancyBboxPatch, Rectangle
from matplotlib.path import Path
from numpy.typing import NDArray

from aotgan.reproduce.figures.style import INK, STYLE, Drawing, house_style

Colours = tuple[str, str]  # face, edge
Point = tuple[float, float]
PLAIN: Colours = ("#F6F6F6", "#999999")
EMPTY: Colours = ("#ECECEC", "#999999")
MUTED = "#666666"


class Canvas:
    """One sheet; `figure` shows it.

    Args:
        width: in inches.
        height: in inches.
    """

    def __init__(self, width: float, height: float):
        with house_style():
            self.figure = Drawing(figsize=(width, height))
            self.axes = self.figure.add_axes((0, 0, 1, 1))
        self.axes.set(xlim=(0, width), ylim=(height, 0))
        self.axes.set_axis_off()

    def text(self, x: float, y: float, text: str, size: float = 8, **options: Any) -> None:
        """Writes text; further options are matplotlib's."""
        options = {"ha": "center", "va": "center", "color": INK, **options}
        # text takes its font when it is made, which is outside of the house style's context
        options |= {"fontfamily": STYLE["font.family"], "fontsize": size, "linespacing": 1.15}
        self.axes.text(x, y, text, zorder=4, **options)

    def box(
        self,
        x: float,
        y: float,
        text: str = "",
        colours: Colours = PLAIN,
        size: tuple[float, float] = (0.86, 0.36),
    ) -> None:
        """Draws a rounded box of the size (width, height) with its text."""
        width, height = size
        corner, style = (x - width / 2, y - height / 2), "round,pad=0,rounding_size=0.05"
        face, edge = colours
        patch = FancyBboxPatch(corner, width, height, style, fc=face, ec=edge, lw=1, zorder=3)
        self.axes.add_patch(patch)
        self.text(x, y, text)

    def operator(self, x: float, y: float, sign: str) -> None:
        """Draws a sign, such as +, in a small circle."""
        self.axes.add_patch(Circle((x, y), 0.11, fc="white", ec=INK, lw=1, zorder=3))
        self.text(x, y, sign, size=10, va="center_baseline")

    def arrow(self, *points: Point, head: bool = True) -> None:
        """Draws a line through the points that ends in an arrow head, unless told not to."""
        style = "-|>,head_length=3.2,head_width=1.7" if head else "-"
        line = FancyArrowPatch(
            path=Path(points), arrowstyle=style, lw=1, color=INK, fill=head, zorder=2
        )
        self.axes.add_patch(line)

    def picture(
        self, x: float, y: float, side: float, values: NDArray[Any] | None, title: str
    ) -> None:
        """Draws a photograph or a map in [0, 1], a title below it; None leaves the frame empty."""
        left, top = x - side / 2, y - side / 2
        if values is not None:
            extent = (left, left + side, top + side, top)
            self.axes.imshow(values, "gray", vmin=0, vmax=1, extent=extent, aspect="auto", zorder=3)
        face, edge = ("none" if values is not None else EMPTY[0]), EMPTY[1]
        self.axes.add_patch(Rectangle((left, top), side, side, fc=face, ec=edge, lw=0.8, zorder=3))
        self.text(x, top + side + 0.04, title, va="top")
