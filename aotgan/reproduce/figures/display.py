"""What a notebook shows besides figures: whole tables, text made from numbers, small pictures."""

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure
from PIL import Image

from aotgan.reproduce.figures.style import png_bytes

LEFT = ' style="text-align: left; vertical-align: top"'
JPEG_QUALITY = 62  # a fifth of a PNG's bytes, and letters are still sharp


@dataclass(frozen=True)
class HtmlTable:
    """A table for reading that a notebook shows in full, however long its cells are.

    Attributes:
        headings: plain text, one for each column.
        rows: cells of HTML.
    """

    headings: Sequence[str]
    rows: Sequence[Sequence[str]]

    @classmethod
    def of(cls, frame: pd.DataFrame) -> "HtmlTable":
        """Takes a data frame over, its cells as plain text."""
        cells = frame.map(lambda value: escape(str(value)))
        return cls(list(map(str, frame.columns)), cells.to_numpy().tolist())

    def _repr_html_(self) -> str:
        lines = [_line("th", map(escape, self.headings)), *(_line("td", row) for row in self.rows)]
        return "<table>\n" + "\n".join(lines) + "\n</table>"

    def __repr__(self) -> str:
        return f"table of {len(self.rows)} rows: {', '.join(self.headings)}"


@dataclass(frozen=True)
class Folded:
    """Tables under headings that open and close them, without a kernel too.

    Attributes:
        above: plain text over all of them.
        parts: of each its heading, plain text; the table; and whether it is open at first.
    """

    above: str
    parts: Sequence[tuple[str, HtmlTable, bool]]

    def _repr_html_(self) -> str:
        folds = (
            f"{'<details open>' if unfolded else '<details>'}<summary><b>{escape(heading)}</b>"
            f"</summary>\n{table._repr_html_()}\n</details>"
            for heading, table, unfolded in self.parts
        )
        return "\n".join([f"<p>{escape(self.above)}</p>", *folds])

    def __repr__(self) -> str:
        return self.above


@dataclass(frozen=True)
class Note:
    """Text in Markdown that a notebook sets like its own."""

    text: str

    def _repr_markdown_(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return self.text


class Jpeg:
    """A picture with few bytes, from a figure or an image file; `alt` says what it shows."""

    def __init__(self, picture: Figure | str | Path, alt: str = ""):
        self.alt = alt or getattr(picture, "alt", "")
        source = io.BytesIO(png_bytes(picture)) if isinstance(picture, Figure) else picture
        buffer = io.BytesIO()
        with Image.open(source) as image:
            image.convert("RGB").save(buffer, "jpeg", quality=JPEG_QUALITY)
            self.size = image.size
        self._bytes = buffer.getvalue()

    def _repr_jpeg_(self) -> tuple[bytes, dict[str, str]]:
        return self._bytes, {"alt": self.alt}

    def __repr__(self) -> str:
        return "picture of {} x {} px".format(*self.size)


def _line(tag: str, cells: Iterable[str]) -> str:
    return "<tr>" + "".join(f"<{tag}{LEFT}>{cell}</{tag}>" for cell in cells) + "</tr>"
