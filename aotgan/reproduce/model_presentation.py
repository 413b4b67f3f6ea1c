"""Tables 1 and 2 as a notebook shows them: numbers by bin, costs, pictures, and words.

Everything is read from the records of finished runs. What was not run yet is said.
"""

import math
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path

from matplotlib.figure import Figure

from aotgan.reproduce.ablations import metrics_of_runs
from aotgan.reproduce.compare import Run
from aotgan.reproduce.display import Note, Table
from aotgan.reproduce.figures import COLOURS, Drawing, house_style
from aotgan.reproduce.model_report import (
    BIN_OF_ABSTRACT,
    model_report,
    models_as_csv,
    models_as_latex,
    readable_costs,
    readable_model_differences,
    readable_models,
)
from aotgan.reproduce.model_tables import (
    OURS,
    bins_of,
    departures,
    frechet_improvement,
    load_models,
    model_comparisons,
    model_table,
)
from aotgan.reproduce.others import Others, load_others
from aotgan.reproduce.presentation import NOTHING_TO_COMPARE, Results, change_in_words
from aotgan.reproduce.published import PREFIX
from aotgan.reproduce.tables import HIGH, LOW

FAR = "#888888"  # of what the paper's table does not have
PANELS = {
    "psnr": ("PSNR (dB)", "PSNR_dB"),
    "l1": ("L1 (1e-2)", "L1_1e-2"),
    "ssim": ("SSIM", "SSIM"),
}


class ModelResults(Results):
    """What a folder of results says about Table 1 or 2; arguments as `Results`.

    Attributes:
        others: what models from elsewhere were measured on the pairs of Table 1; see
            `aotgan.reproduce.others.load_others`.
    """

    def __init__(self, table: str, scale: str, figures: str | Path):
        super().__init__(table, scale, figures)
        self.others: Others = {}
        if self.have and table == "1":
            record = next(iter(self.runs.values()))[0].record
            self.others = load_others(self.folder, record)

    def _load(self) -> dict[str, list[Run]]:
        return load_models(self.table, self.folder)

    def _files(self) -> dict[str, str]:
        return {
            ".md": model_report(self.table, self.scale, self.runs),
            ".csv": models_as_csv(self.table, self.runs),
            ".tex": models_as_latex(self.table, self.scale, self.runs),
        }

    def bins(self) -> tuple[str, ...]:
        """Returns the measured bins; none without runs."""
        return bins_of(self.runs) if self.have else ()

    def numbers(self, at: str, weights: str | None = None) -> Table | Note:
        """Returns a bin of the table; `weights` is "raw" or "ema", by default what tables show."""
        if not self.have:
            return self._missing
        return Table.of(readable_models(self.table, self.runs, at, weights, self.others))

    def costs(self) -> Table | Note:
        """Returns what one image costs each model."""
        return Table.of(readable_costs(self.table, self.runs)) if self.have else self._missing

    def differences(self) -> Table | Note:
        """Returns what AOT-GAN changes against each other model, over all pairs."""
        if not self.have:
            return self._missing
        frame = readable_model_differences(self.table, self.runs)
        return Table.of(frame) if len(frame) else NOTHING_TO_COMPARE

    def departures(self) -> Note:
        """Says how each model that was run differs from its publication."""
        told = departures(self.table, self.runs)
        lines = [f"- **{row}**: {' '.join(texts)}" for row, texts in told.items() if texts]
        return Note("\n".join(lines)) if lines else self._missing

    def by_bin(self, metric: str = "psnr") -> Figure | Note:
        """Draws a metric over the size of the hole, ours beside the paper's.

        Grey are the rows that the paper does not have, and models from elsewhere.

        Args:
            metric: "psnr", "l1" or "ssim".
        """
        if not self.have:
            return self._missing
        title, printed = PANELS[metric]
        frame = model_table(self.table, self.runs, others=self.others)
        frame = frame[frame["bin"] != "all"]
        at = {label: x for x, label in enumerate(dict.fromkeys(frame["bin"]))}
        with house_style():
            figure = Drawing(figsize=(9.6, 3.2), layout="constrained")
            ours, paper = figure.subplots(1, 2)
            styles, colours = cycle(("--", ":", "-.", (0, (5, 1, 1, 1, 1, 1)))), cycle(COLOURS)
            for row, group in frame.groupby("row", sort=False):
                x = group["bin"].map(at).to_numpy()
                known = group[title].notna().to_numpy()
                label = row if known.any() else f"{row} (not run)"
                line = group[known]
                values = [value.value for value in group[f"{PREFIX} {printed}"]]
                other = all(map(math.isnan, values))
                colour, style = (FAR, next(styles)) if other else (next(colours), "-")
                ours.plot(
                    x[known],
                    line[title],
                    linestyle=style,
                    marker="o",
                    ms=3.5,
                    lw=1.2,
                    color=colour,
                    label=label,
                )
                ours.vlines(x[known], line[title + LOW], line[title + HIGH], color=colour, lw=1.2)
                if other:
                    continue
                paper.plot(x, values, "o-", ms=3.5, lw=1.2, color=colour)
            ours.set(title=f"ours, scale {self.scale}", ylabel=title)
            paper.set(title="the paper, Places2 at 512 px")
            for axes in (ours, paper):
                axes.set_xticks(list(at.values()), list(at))
                axes.set_xlabel("hole")
            names = ours.get_legend_handles_labels()
            figure.legend(*names, loc="outside right center", fontsize=7)
        return figure

    def in_words(self) -> Note:
        """Returns sentences made from the numbers."""
        return Note("\n".join(self._sentences()) if self.have else self._missing.text)

    def _sentences(self) -> Iterator[str]:
        found = list(model_comparisons(self.table, self.runs))
        for row in dict.fromkeys(row for row, _ in found):
            changes = (change_in_words(change) for other, change in found if other == row)
            yield f"- {OURS} against {row}: {', '.join(changes)}."
        improvement = frechet_improvement(self.table, self.runs, BIN_OF_ABSTRACT)
        if improvement is not None:
            other, ours, paper = improvement
            yield (
                f"\nThe Frechet distance of {OURS} at {BIN_OF_ABSTRACT} is {abs(ours):.1%} "
                f"{'below' if ours > 0 else 'above'} that of the best other model here, {other}; "
                f"by the paper's numbers it is {paper:.2%} below."
            )
        if not found:
            yield NOTHING_TO_COMPARE.text
        yield from self._sentences_of_others()
        missing = [label for label in self.rows if label not in self.have]
        if missing:
            yield f"\nNot run at scale {self.scale}: {', '.join(missing)}."

    def _sentences_of_others(self) -> Iterator[str]:
        frame = model_table(self.table, self.runs, others=self.others)
        frame = frame[frame["bin"] == "all"].set_index("row")
        for name in self.others:
            ahead: dict[bool, list[str]] = {True: [], False: []}
            for metric in metrics_of_runs(self.runs):
                ours = frame.loc[list(self.have), metric.title]
                best = ours.max() if metric.higher else ours.min()
                value = float(frame[metric.title][name])
                better = bool(value > best if metric.higher else value < best)
                told = f"{metric.name} {value:.{metric.digits}f} (best {best:.{metric.digits}f})"
                ahead[better].append(told)
            words = {True: "ahead of every row of the table in", False: "behind its best row in"}
            parts = (f"{words[key]} {', '.join(told)}" for key, told in ahead.items() if told)
            yield f"\nBeside the table, {name} is over all pairs {'; '.join(parts)}."
