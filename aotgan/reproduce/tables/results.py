"""A table as a notebook shows it: numbers, pictures, and words.

Everything is read from the records of finished runs. What was not run yet is said.
"""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from aotgan.errors import InputError
from aotgan.files import near
from aotgan.reproduce.figures.display import HtmlTable, Jpeg, Note
from aotgan.reproduce.runs.experiments import EXPERIMENTS
from aotgan.reproduce.runs.outputs import FIGURES, RECORDS, file_stem
from aotgan.reproduce.tables import report
from aotgan.reproduce.tables.captions import caption
from aotgan.reproduce.tables.plots import bin_plot, difference_plot
from aotgan.reproduce.tables.rows import name_of, rows_of_table
from aotgan.reproduce.tables.significance import MEANING, Comparison
from aotgan.reproduce.tables.table import Table

NOTHING_TO_COMPARE = Note("No two rows to compare yet.")


class Results:
    """What a folder of results says about one table.

    Args:
        table: "1", "2", "4" to "7" or "readings".
        scale: whose records.
        figures: folder of all results.

    Attributes:
        folder: `<figures>/<scale>`.
        rows: experiment by row label, in the paper's order.
        table: the numbers; None where no row was run.
        have: labels of the rows that were run.
    """

    def __init__(self, table: str, scale: str, figures: str | Path):
        self.name, self.scale = table, scale
        self.folder = near(figures) / scale
        self.rows = rows_of_table(table)
        self.table = Table.load(table, self.folder)
        self.have = self.table.have if self.table else []
        self._missing = Note(
            f"No row of {name_of(table)} has been run at scale {scale} yet: no records are in "
            f"`{self.folder / RECORDS}`."
        )

    def status(self) -> str:
        """Says which rows were run with which seeds, and how to run the others."""
        lines = [f"{len(self.have)} of the {len(self.rows)} rows have been run at this scale."]
        for label, name in self.rows.items():
            runs = self.table.runs_of(label) if self.table else ()
            seeds = ", ".join(str(run.record.seed) for run in runs)
            lines.append(f"  {label:42}{name:22}{f'seeds {seeds}' if seeds else 'not run'}")
        missing = [EXPERIMENTS[name] for label, name in self.rows.items() if label not in self.have]
        if missing:
            count = Counter(e.group for e in missing)
            # finished runs are skipped, so that a group may stand for what is missing of it
            names = dict.fromkeys(e.group if count[e.group] > 1 else e.name for e in missing)
            command = f"make reproduce SCALE={self.scale} EXPERIMENTS={','.join(names)}"
            lines.append(f"To run what is missing: {command} DATA_ROOT=...")
        return "\n".join(lines)

    def about(self) -> Note:
        """Says what was trained and measured, and what surrounds the numbers."""
        return Note(caption(self.table.records, report.ENDS)) if self.table else self._missing

    def verdicts(self) -> Note:
        """Says what the verdicts mean."""
        return Note(MEANING)

    def check_files(self) -> str:
        """Makes the files of the table again and compares them with those of the folder.

        Raises:
            InputError: a file was made from other records.
        """
        if not self.table:
            return self._missing.text
        return "\n".join(self._checked(*file) for file in report.files(self.table).items())

    def picture(self, name: str) -> Jpeg | Note:
        """Returns a picture of the folder, or says which runs it takes."""
        if (self.folder / name).exists():
            networks = ", ".join(FIGURES[name])
            return Jpeg(self.folder / name, f"{name}: what the networks {networks} make of it")
        return Note(f"`{name}` is not drawn yet; it takes the runs {', '.join(FIGURES[name])}.")

    def numbers(self, at: str | None = None, weights: str | None = None) -> HtmlTable | Note:
        """Returns a bin of the table with what was measured elsewhere.

        Args:
            at: the bin, by default that over all pairs.
            weights: "raw" or "ema"; those that tables show by default.
        """
        return self._shown(lambda table: report.readable(table, at, weights, elsewhere=True))

    def costs(self) -> HtmlTable | Note:
        """Returns what one image costs each row."""
        return self._shown(report.readable_costs)

    def differences(self, metric: str = "psnr") -> HtmlTable | Note:
        """Returns what the second row of each pair changes in a metric; "" for every metric."""
        if not self.table or not self.table.comparisons():
            return NOTHING_TO_COMPARE
        frame = report.readable_differences(self.table)
        if metric:
            frame = frame[frame["metric"] == self.table.metric(metric).title]
            frame = frame.drop(columns="metric")
        return HtmlTable.of(frame)

    def changes(
        self, metric: str = "psnr", weights: str | None = None
    ) -> dict[tuple[str, str], Comparison]:
        """Returns what the second row of each compared pair changes in a metric; none without runs.

        Args:
            metric: key of a metric of the table.
            weights: "raw" or "ema"; those that tables show by default.
        """
        comparisons = self.table.comparisons(weights) if self.table else []
        return {(a, b): change for a, b, change in comparisons if change.metric.key == metric}

    def departures(self) -> Note:
        """Says how each model that was run differs from its publication."""
        departures = self.table.departures() if self.table else {}
        lines = [f"- **{row}**: {' '.join(texts)}" for row, texts in departures.items() if texts]
        return Note("\n".join(lines)) if lines else self._missing

    def difference_plot(self, metric: str = "psnr") -> Figure | Note:
        """Draws the differences with their ends over seeds and over photographs."""
        if not self.table or not self.table.comparisons():
            return NOTHING_TO_COMPARE
        title = self.table.metric(metric).title
        alt = f"What the rows of {name_of(self.name)} change in {title}, with their intervals"
        return difference_plot(self.table, metric).described(alt)

    def by_bin(self, metric: str = "psnr") -> Figure | Note:
        """Draws a metric over the size of the hole, ours beside the paper's."""
        if not self.table:
            return self._missing
        title = self.table.metric(metric).title
        alt = f"{title} over the size of the hole, ours on the left, the paper's on the right"
        return bin_plot(self.table, metric).described(alt)

    def _shown(self, frame: Callable[[Table], pd.DataFrame]) -> HtmlTable | Note:
        return HtmlTable.of(frame(self.table)) if self.table else self._missing

    def _checked(self, ending: str, text: str) -> str:
        file = self.folder / f"{file_stem(self.name)}{ending}"
        if not file.exists():
            return f"{file.name}: not there to compare with"
        if file.read_text("utf-8") != text:
            raise InputError(
                f"{file.name} was made from other records than those beside it. Make it again: "
                f"aotgan collect {self.scale} --figures {self.folder.parent}."
            )
        return f"{file.name}: the same {len(text.encode()):,} bytes"
