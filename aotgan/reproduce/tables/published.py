"""The paper's own numbers, kept apart from ours by their type.

`published.csv` holds the 246 numbers of Tables 1 to 7 as printed. Each is loaded as a `Published`,
which is no float: it can be shown and compared by eye, but not averaged, plotted or written into a
column of measurements by accident. `check_columns` refuses tables that mix the two.
"""

import math
from dataclasses import dataclass
from importlib import resources

import pandas as pd

from aotgan.errors import InputError

PREFIX = "paper"  # how a column of published numbers must be called
ABSENT = "-"  # where the paper prints nothing


@dataclass(frozen=True)
class Published:
    """A number that the paper prints; `value` is the way to compute with it, on purpose."""

    printed: str  # with the paper's digits, or `ABSENT`

    @property
    def value(self) -> float:
        """The number, NaN where the paper prints none."""
        return math.nan if self.printed == ABSENT else float(self.printed)

    def __str__(self) -> str:
        return self.printed


def load_published() -> pd.DataFrame:
    """Returns the paper's numbers: table, row, setting, metric (all str), value (`Published`).

    Metrics are L1_1e-2, PSNR_dB, SSIM and FID, and in Table 3 AOT-GAN_preferred_%. Settings are the
    mask-ratio bin or the hole, in Table 3 the data set.
    """
    with resources.files("aotgan.reproduce.tables").joinpath("published.csv").open() as file:
        frame = pd.read_csv(file, dtype=str, keep_default_na=False)
    frame["value"] = frame["value"].map(Published)
    return frame


def check_columns(frame: pd.DataFrame) -> None:
    """Refuses a table in which published numbers stand anywhere but in columns of their own.

    Raises:
        InputError: names the column whose name or content is wrong.
    """
    for position, name in enumerate(frame.columns):
        # by position, for two columns may have one name
        cells = [isinstance(value, Published) for value in frame.iloc[:, position]]
        published = str(name).startswith(PREFIX)
        if any(cells) != published or (published and not all(cells)):
            raise InputError(
                f"column {name!r} mixes sources: the paper's numbers belong into columns whose "
                f"name starts with {PREFIX!r}, and nothing else does."
            )
