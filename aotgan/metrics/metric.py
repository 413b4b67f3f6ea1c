"""What is measured: each quantity is declared once, and measured, recorded and shown by that."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Metric:
    """A measured quantity.

    Attributes:
        key: its name in records and in the measurements of pairs.
        title: its column in tables, with the unit; "" for what is recorded and not shown.
        formula: what it is, for the record's protocol.
        compute: (original, composite, |difference|, mask) of one image to its value, all uint8
            (H, W, 3) but the mask, bool (H, W); None for what is no mean over images.
        factor: from the record's unit to the table's.
        digits: shown after the point.
        higher: is better.
        paper: its column in `published.csv`; "" where the paper has none.
        described: the entry of the record's protocol that says in which features it is measured
            and what its title is; "" for what needs none.
    """

    key: str
    title: str = ""
    formula: str = ""
    compute: Callable[..., float] | None = None
    factor: float = 1.0
    digits: int = 2
    higher: bool = False
    paper: str = ""
    described: str = ""

    @property
    def name(self) -> str:
        """What sentences call it: the title without unit and network."""
        return self.title.split(" (")[0].split(",")[0]

    @property
    def paper_title(self) -> str:
        """What the paper's column is called; the features of a distance are not ours there."""
        return self.paper if self.described else self.title
