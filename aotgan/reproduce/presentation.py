"""A table as a notebook shows it: numbers, pictures, and words.

Everything is read from the records of finished runs. What was not run yet is said.
"""

import math
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

from matplotlib.figure import Figure

from aotgan.errors import InputError
from aotgan.reproduce.ablation_report import (
    as_csv,
    as_latex,
    interval_line,
    readable,
    readable_differences,
    readable_orders,
    records_of,
    report,
)
from aotgan.reproduce.ablations import (
    comparisons,
    load_runs,
    metrics_of_runs,
    paper_difference,
    rows_of_table,
)
from aotgan.reproduce.compare import RESOLVED, Comparison, Run, seed_spread
from aotgan.reproduce.display import Jpeg, Note, Table
from aotgan.reproduce.experiments import EXPERIMENTS, READINGS
from aotgan.reproduce.intervals import difference_plot, row_plot
from aotgan.reproduce.outputs import FIGURES, file_stem
from aotgan.reproduce.tables import Metric, caption

NOTHING_TO_COMPARE = Note("No two rows to compare yet.")
WEIGHTS = {"ema": "moving average of the weights", "raw": "final weights"}
ANSWERS = {
    "better": "The interval over seeds leaves out zero: better at this scale.",
    "worse": "The interval over seeds leaves out zero: worse at this scale.",
    "not resolved": "That is not resolved: other seeds could turn it round.",
}


class Results(ABC):
    """What a folder of results says about one table, of whatever kind.

    Args:
        table: "1", "2", "4" to "7" or "readings".
        scale: whose records.
        figures: folder of all results.

    Attributes:
        folder: `<figures>/<scale>`.
        rows: experiment by row label, in the paper's order.
        runs: finished runs by experiment, those that the spread between seeds is taken from.
        have: labels of the rows that were run.
    """

    def __init__(self, table: str, scale: str, figures: str | Path):
        self.table, self.scale = table, scale
        self.folder = Path(figures) / scale
        self.rows = rows_of_table(table)
        self.runs = self._load()
        self.have = [label for label, name in self.rows.items() if name in self.runs]
        self._missing = Note(f"No row of table {table} has been run at scale {scale} yet.")

    @abstractmethod
    def _load(self) -> dict[str, list[Run]]:
        """Reads the runs."""

    @abstractmethod
    def _files(self) -> dict[str, str]:
        """Makes the files of the table again: content by ending."""

    def status(self) -> str:
        """Says which rows were run with which seeds, and how to run the others."""
        lines = [f"{len(self.have)} of the {len(self.rows)} rows have been run at this scale."]
        for label, name in self.rows.items():
            seeds = ", ".join(str(run.record.seed) for run in self.runs.get(name, ()))
            lines.append(f"  {label:42}{name:20}{f'seeds {seeds}' if seeds else 'not run'}")
        missing = [EXPERIMENTS[name] for name in self.rows.values() if name not in self.runs]
        if missing:
            count = Counter(e.group for e in missing)
            names = dict.fromkeys(e.group if count[e.group] > 1 else e.name for e in missing)
            command = f"make reproduce SCALE={self.scale} EXPERIMENTS={','.join(names)}"
            lines.append(f"To run what is missing: {command} DATA_ROOT=...")
        return "\n".join(lines)

    def about(self) -> Note:
        """Says what was trained and measured, and what the intervals are."""
        if not self.have:
            return self._missing
        return Note(caption(records_of(self.table, self.runs), interval_line(self.runs)))

    def check_files(self) -> str:
        """Makes the files of the table again and compares them with those of the folder.

        Raises:
            InputError: a file was made from other records.
        """
        if not self.have:
            return self._missing.text
        return "\n".join(self._checked(ending, text) for ending, text in self._files().items())

    def picture(self, name: str) -> Jpeg | Note:
        """Returns a picture of the folder, or says which runs it takes."""
        if (self.folder / name).exists():
            return Jpeg(self.folder / name)
        return Note(f"`{name}` is not drawn yet; it takes the runs {', '.join(FIGURES[name])}.")

    def _checked(self, ending: str, text: str) -> str:
        file = self.folder / f"{file_stem(self.table)}{ending}"
        if not file.exists():
            return f"{file.name}: not there to compare with"
        if file.read_text("utf-8") != text:
            raise InputError(
                f"{file.name} was made from other records than those beside it. Make it again: "
                f"python -m aotgan.reproduce.collect {self.scale}."
            )
        return f"{file.name}: the same {len(text.encode()):,} bytes"


class TableResults(Results):
    """What a folder of results says about one of Tables 4 to 7, or about the readings.

    `runs` are those of all of these tables; arguments as `Results`.
    """

    def _load(self) -> dict[str, list[Run]]:
        return load_runs(self.folder)

    def _files(self) -> dict[str, str]:
        return {
            ".md": report(self.table, self.scale, self.runs),
            ".csv": as_csv(self.table, self.runs),
            ".tex": as_latex(self.table, self.scale, self.runs),
        }

    def numbers(self, weights: str | None = None) -> Table | Note:
        """Returns the table; `weights` is "raw" or "ema", by default what tables show."""
        return Table.of(readable(self.table, self.runs, weights)) if self.have else self._missing

    def seeds(self) -> str:
        """Lists the PSNR of each run, of the weights that tables show first."""
        if not self.have:
            return self._missing.text
        psnr = self._metric("psnr")
        kinds = sorted(self.runs[self.rows[self.have[0]]][0].record.metrics)  # ema, raw
        lines = [f"{psnr.title} of each seed: {', '.join(WEIGHTS[kind] for kind in kinds)}"]
        for label in self.have:
            for run in self.runs[self.rows[label]]:
                values = "   ".join(f"{run.value(psnr, kind):6.2f}" for kind in kinds)
                lines.append(f"  {label:42}seed {run.record.seed}   {values}")
        return "\n".join(lines)

    def orders(self) -> Table | Note:
        """Returns our order by each metric, and Kendall's tau with the paper's."""
        return Table.of(readable_orders(self.table, self.runs)) if self.have else self._missing

    def differences(self, metric: str = "psnr") -> Table | Note:
        """Returns what the second row of each pair changes in a metric."""
        if not self._compared(metric):
            return NOTHING_TO_COMPARE
        frame = readable_differences(self.table, self.runs)
        title = self._metric(metric).title
        return Table.of(frame[frame["metric"] == title].drop(columns="metric"))

    def row_plot(self) -> Figure | Note:
        """Draws the rows with their seeds and intervals."""
        return row_plot(self.table, self.runs) if self.have else self._missing

    def difference_plot(self, metric: str = "psnr") -> Figure | Note:
        """Draws the differences with both intervals."""
        if not self._compared(metric):
            return NOTHING_TO_COMPARE
        return difference_plot(self.table, self.runs, metric)

    def in_words(self, first: str, second: str) -> Note:
        """Returns sentences made from the numbers, beginning with one pair of rows."""
        return Note("\n".join(self._sentences(first, second)))

    def _sentences(self, first: str, second: str) -> Iterator[str]:
        psnr = dict(self._compared("psnr"))
        if (first, second) in psnr:
            yield f"**{first} → {second}** {_headline(psnr[first, second])}\n"
        for pair in psnr:
            changed = [c for *rows, c in self._comparisons if tuple(rows) == pair]
            yield f"- {' → '.join(pair)}: {', '.join(map(change_in_words, changed))}."
        if psnr and self.table != READINGS:
            yield f"\n{self._agreement()}"
        if self.have:
            yield f"\n{self._spread()}"
        missing = [label for label in self.rows if label not in self.have]
        if missing:
            yield f"\nNot run at scale {self.scale}: {'; '.join(missing)}."

    def _agreement(self) -> str:
        """Counts in how many comparisons our sign is that of the paper's digits."""
        tally: Counter[tuple[bool, bool]] = Counter()
        for first, second, ours in self._comparisons:
            printed = paper_difference(self.table, first, second, ours.metric)
            if printed is not None and abs(printed.value) > 0:  # its digits tell the rows apart
                agrees = printed.value * ours.difference > 0
                tally[ours.verdict in RESOLVED, agrees] += 1
        total, same = sum(tally.values()), tally[True, True] + tally[False, True]
        return (
            f"In {total} comparisons (pairs of rows times metrics) the paper's digits show a "
            f"change. Ours are resolved in the same direction in {tally[True, True]} of them, "
            f"resolved in the other in {tally[True, False]}, and not resolved in the rest. By sign "
            f"alone, resolved or not, {same} of {total} agree."
        )

    def _spread(self) -> str:
        metric = self._metric("psnr")
        spread = seed_spread(self.runs.values(), metric)
        if not spread.degrees:
            return "No experiment has two seeds yet, so nothing is resolved, whatever its size."
        return (
            f"Seeds differ by {spread.deviation:.2f} dB (one standard deviation, {spread.degrees} "
            "degrees of freedom). With one seed a row, a change of PSNR would have to exceed "
            f"{spread.half_width(1, 1):.2f} dB to be resolved; with three seeds, "
            f"{spread.half_width(3, 3):.2f} dB."
        )

    def _compared(self, metric: str) -> list[tuple[tuple[str, str], Comparison]]:
        found = self._comparisons
        return [((first, second), c) for first, second, c in found if c.metric.key == metric]

    @cached_property
    def _comparisons(self) -> list[tuple[str, str, Comparison]]:
        return list(comparisons(self.table, self.runs)) if self.have else []

    def _metric(self, key: str) -> Metric:
        return next(metric for metric in metrics_of_runs(self.runs) if metric.key == key)


def _headline(change: Comparison) -> str:
    span = ""
    if math.isfinite(change.low):
        span = f", with an interval of {change.low:+.2f} to {change.high:+.2f} over seeds"
    return f"changes PSNR by {change.difference:+.2f} dB{span}. {ANSWERS[change.verdict]}"


def change_in_words(change: Comparison) -> str:
    """Returns "PSNR -0.07 (not resolved)"."""
    return f"{change.metric.name} {change.difference:+.{change.metric.digits}f} ({change.verdict})"
