"""A table: rows times metrics times bins, computed once from records, with its comparisons.

The paper's rows come first, in its order; classical fillings and rows that a user declared follow;
last, without rank, what was measured elsewhere on the same pairs. The same records give the same
numbers.
"""

import json
import math
from collections.abc import Mapping, Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from aotgan.errors import check_choice
from aotgan.metrics.metric import Metric
from aotgan.models.inpainter import Inpainter
from aotgan.models.weights import skeleton
from aotgan.reproduce.runs.experiments import READINGS
from aotgan.reproduce.runs.record import Record
from aotgan.reproduce.tables.elsewhere import load_elsewhere
from aotgan.reproduce.tables.published import ABSENT, PREFIX, Published
from aotgan.reproduce.tables.rows import OURS, pairs_of_table, paper_rows, printed, rows_of_table
from aotgan.reproduce.tables.runs import Run, Runs, bins_of, load_runs, metrics_of_runs
from aotgan.reproduce.tables.significance import Comparison, common_seeds, compare, holm, over_seeds

LOW, HIGH, RANK = " low", " high", " rank"
ELSEWHERE = "elsewhere"  # in the column that names the experiment of a row
NOT_IN_PAPER = " †"  # after the name of a row
COSTS = {
    "parameters": "parameters (M)",
    "gmacs": "multiply-adds (1e9)",
    "seconds": "time an image (s)",
    "memory_mb": "peak memory (MB)",
}


class Table:
    """One of Tables 1, 2 and 4 to 7, or that of the readings.

    Args:
        name: a key of `aotgan.reproduce.tables.rows.TITLES`.
        runs: of its rows by experiment, as `load_runs` returns them; at least one.
        elsewhere: rows of numbers, one a bin, by label, of what was measured elsewhere.

    Attributes:
        rows: experiment by row label; have: labels of those that were run.
        bins: measured ones, "all" last where there are several; whole: that over all pairs.
        metrics: what is shown.
        weights: kinds of weights that were measured, those that tables show first.

    Raises:
        InputError: no such table, no runs, or runs that do not belong into one table.
    """

    def __init__(
        self, name: str, runs: Runs, elsewhere: Mapping[str, Sequence[dict[str, Any]]] | None = None
    ):
        self.name, self.rows = name, rows_of_table(name)
        self.runs, self.elsewhere = runs, elsewhere or {}
        self.metrics = metrics_of_runs(runs)
        self.bins = bins_of(runs)
        self.whole = self.bins[-1]
        self.have = [label for label, name in self.rows.items() if name in runs]
        self.missing = [label for label in self.rows if label not in self.have]
        self.weights = sorted({kind for r in self.records for kind in r.metrics})  # ema, raw
        self._frames: dict[str, pd.DataFrame] = {}
        self._comparisons: dict[str, list[tuple[str, str, Comparison]]] = {}

    @classmethod
    def load(
        cls, name: str, folder: str | Path, seeds: Sequence[int] | None = None
    ) -> "Table | None":
        """Reads a table of `figures/<scale>`, None where no row was run; errors as `load_runs`."""
        runs = load_runs(folder, name, seeds)
        if not runs:
            return None
        elsewhere = load_elsewhere(folder, next(iter(runs.values()))[0].record, name)
        return cls(name, runs, elsewhere)

    @property
    def records(self) -> list[Record]:
        """The records that it is made from."""
        return [run.record for label in self.have for run in self.runs_of(label)]

    def runs_of(self, label: str) -> Sequence[Run]:
        """Returns the runs of a row, none where there are none."""
        return self.runs.get(self.rows[label], ())

    def metric(self, key: str) -> Metric:
        """Returns one of `metrics`; another key is an InputError that lists them."""
        check_choice("metric", key, [metric.key for metric in self.metrics])
        return next(metric for metric in self.metrics if metric.key == key)

    def frame(self, weights: str | None = None) -> pd.DataFrame:
        """Returns a row for each label and bin, NaN where nothing was run.

        Columns: row, bin, experiment, seeds; for each metric the mean over seeds, its ends over
        them (" low", " high": NaN of one seed, the range of two, Student's 95 % interval of more)
        and its rank among our rows of the bin; in "paper ..." columns the printed number.

        Args:
            weights: "raw" or "ema"; those that tables show by default.
        """
        kind = weights or self.weights[0]
        if kind not in self._frames:
            self._frames[kind] = self._computed(kind)
        return self._frames[kind]

    def comparisons(self, weights: str | None = None) -> list[tuple[str, str, Comparison]]:
        """Returns (first label, second label, what the second changes), pairs first, then metrics.

        They are over all pairs, and corrected as one family; argument as `frame`.
        """
        kind = weights or self.weights[0]
        if kind not in self._comparisons:
            pairs = [pair for pair in pairs_of_table(self.name) if self._comparable(*pair)]
            labels = [pair for pair in pairs for _ in self.metrics]
            family = holm([c for pair in pairs for c in self._compared(*pair, self.metrics, kind)])
            self._comparisons[kind] = [(*pair, c) for pair, c in zip(labels, family, strict=True)]
        return self._comparisons[kind]

    def compare(
        self, first: str, second: str, metrics: Sequence[Metric], weights: str | None = None
    ) -> list[Comparison]:
        """Returns what a row changes against another over all pairs, corrected for the metrics.

        Argument `weights` as `frame`.
        """
        return holm(self._compared(first, second, metrics, weights or self.weights[0]))

    def orders(self) -> pd.DataFrame:
        """Returns, for each metric of the paper, Kendall's tau between its order and ours.

        Columns: metric, bin, rows that both have, tau (tau-b where values tie; NaN below two rows),
        and our row labels, best first.
        """
        from scipy.stats import kendalltau  # scikit-image brings scipy

        rows = []
        for metric in (m for m in self.metrics if m.paper and self.has_paper):
            # an order belongs to one bin of hole sizes, as a column of the paper does
            for at, ours in self.frame().groupby("bin", sort=False):
                paper = ours[f"{PREFIX} {metric.paper}"].map(lambda cell: cell.value)
                rows_in_both = ours[ours[metric.title].notna() & paper.notna()]
                if rows_in_both.empty:
                    continue
                # tau is undefined for a single row: NaN, so that no order is claimed
                values = paper[rows_in_both.index], rows_in_both[metric.title]
                tau = kendalltau(*values).statistic if len(rows_in_both) > 1 else math.nan
                best = rows_in_both.sort_values(metric.title + RANK, kind="stable")["row"]
                row = {"metric": metric.title, "bin": at, "rows": len(rows_in_both), "tau": tau}
                rows.append(row | {"order": list(best)})
        return pd.DataFrame(rows, columns=["metric", "bin", "rows", "tau", "order"])

    def costs(self) -> pd.DataFrame:
        """Returns what one image costs each row that was run, as its first seed's record says.

        Columns: row, those of `COSTS`, and images a second in training.
        """
        rows = []
        for label in self.have:
            record = self.runs_of(label)[0].record
            cost = {title: record.cost.get(key, math.nan) for key, title in COSTS.items()}
            # records count single parameters, the paper millions
            cost["parameters (M)"] /= 1e6
            # a classical filling has no training whose rate could be given
            rate = record.images_per_s if record.trained else math.nan
            rows.append({"row": label} | cost | {"training (images/s)": rate})
        return pd.DataFrame(rows)

    @property
    def has_paper(self) -> bool:
        """Whether the paper has this table."""
        return self.name != READINGS

    @cached_property
    def untrained(self) -> list[str]:
        """Labels of the rows that were run without any training."""
        return [label for label in self.have if not self.runs_of(label)[0].record.trained]

    @cached_property
    def not_in_paper(self) -> list[str]:
        """Labels of the rows that only we have, in a table of the paper."""
        paper = set(paper_rows(self.name)) if self.has_paper else set(self.rows)
        return [label for label in (*self.rows, *self.elsewhere) if label not in paper]

    @cached_property
    def titles(self) -> dict[str, str]:
        """What rows are called: with the qualifier of a model, and marked where only we have it."""
        names = {label: label for label in (*self.rows, *self.elsewhere)}
        for label, network in self._networks.items():
            if network.qualifier:
                names[label] = f"{label}, {network.qualifier}"
        marks = dict.fromkeys(self.not_in_paper, NOT_IN_PAPER)
        return {label: f"{title}{marks.get(label, '')}" for label, title in names.items()}

    def departures(self) -> dict[str, tuple[str, ...]]:
        """Returns how each model that was run differs from its publication, by row label."""
        return {label: network.simplified for label, network in self._networks.items()}

    def paper_change(self, first: str, second: str, metric: Metric) -> Published | None:
        """Returns second minus first as the paper's numbers have it; None without such a column.

        `ABSENT` where the paper does not have both.
        """
        if not self.has_paper or not metric.paper:
            return None
        cells = printed(self.name, metric.paper)
        a, b = (cells.get((label, self.whole), Published(ABSENT)) for label in (first, second))
        # an absent number is NaN, and so is a difference from it
        change = b.value - a.value
        return Published(ABSENT if math.isnan(change) else f"{change:+.{metric.digits}f}")

    def frechet_improvement(self, at: str) -> tuple[str, float, float] | None:
        """How much lower AOT-GAN's Fréchet distance is in a bin, as the abstract has its 38.60 %.

        Returns:
            The best other model by that distance among our runs of the paper's rows, our
            1 - AOT-GAN / other, and the paper's own for the best other among its numbers; None
            unless AOT-GAN and another were run.
        """
        fd = next((metric for metric in self.metrics if metric.key == "fd"), None)
        if fd is None:
            return None
        frame = self.frame()
        paper_rows_in_bin = frame[(frame["bin"] == at) & frame["row"].isin(paper_rows(self.name))]
        values = zip(paper_rows_in_bin["row"], paper_rows_in_bin[fd.title], strict=True)
        ours = {str(label): float(value) for label, value in values if not math.isnan(value)}
        # the abstract compares with the best other model, not with a fixed one
        others = [label for label in ours if label != OURS]
        if OURS not in ours or not others:
            return None
        best = min(others, key=lambda label: ours[label])
        paper = {
            row: cell.value
            for (row, hole), cell in printed(self.name, fd.paper).items()
            if hole == at
        }
        # the best other in print may be another model than the best of our runs
        second = min(value for row, value in paper.items() if row != OURS)
        return best, 1 - ours[OURS] / ours[best], 1 - paper[OURS] / second

    def _computed(self, weights: str) -> pd.DataFrame:
        """The numbers of some weights, bin by bin."""
        # one line a bin and label, what was measured elsewhere last in each bin
        labels = (*self.rows, *self.elsewhere)
        frame = pd.DataFrame(
            {
                "row": label,
                "bin": at,
                "experiment": self.rows.get(label, ELSEWHERE),
                "seeds": len(self.runs.get(self.rows.get(label, ""), ())),
            }
            for at in self.bins
            for label in labels
        )
        # models from elsewhere were not trained alike: they get numbers but no rank
        ranked = frame["experiment"] != ELSEWHERE
        for metric in self.metrics:
            cells = [
                self._cell(label, metric, weights, at)
                for label, at in zip(frame["row"], frame["bin"], strict=True)
            ]
            for suffix, values in zip(("", LOW, HIGH), zip(*cells, strict=True), strict=True):
                frame[metric.title + suffix] = values
            # rank 1 is best, whichever way the metric points
            ours = frame[ranked].groupby("bin")[metric.title]
            frame[metric.title + RANK] = ours.rank(ascending=not metric.higher)
            # the printed number beside ours; `ABSENT` for rows that only we have
            if metric.paper and self.has_paper:
                paper = printed(self.name, metric.paper)
                column = [
                    paper.get(cell, Published(ABSENT))
                    for cell in zip(frame["row"], frame["bin"], strict=True)
                ]
                frame[f"{PREFIX} {metric.paper}"] = pd.Series(column, dtype=object)
        return frame

    def _cell(
        self, label: str, metric: Metric, weights: str, at: str
    ) -> tuple[float, float, float]:
        """Mean and ends over the seeds of a row in a bin; NaN without a run."""
        # one set of weights and no seeds of ours: a value without ends
        if label in self.elsewhere:
            row = next((row for row in self.elsewhere[label] if row["bin"] == at), {})
            value = row.get(metric.key)
            return math.nan if value is None else value * metric.factor, math.nan, math.nan
        runs = self.runs_of(label)
        if not runs:
            return math.nan, math.nan, math.nan
        return over_seeds(np.array([run.value(metric, weights, at) for run in runs]))

    def _comparable(self, first: str, second: str) -> bool:
        """Whether two rows were run, with one seed in common at least."""
        return bool(common_seeds(self.runs_of(first), self.runs_of(second)))

    def _compared(
        self, first: str, second: str, metrics: Sequence[Metric], weights: str
    ) -> list[Comparison]:
        rows = self.runs_of(first), self.runs_of(second)
        return [compare(*rows, metric, weights, self.whole) for metric in metrics]

    @cached_property
    def _networks(self) -> dict[str, Inpainter]:
        """The models that were run, without numbers in their weights, by row label."""
        configs = {label: self.runs_of(label)[0].record.config for label in self.have}
        return {
            label: _network(json.dumps(config["generator"]))
            for label, config in configs.items()
            if "generator" in config
        }


@lru_cache
def _network(config: str) -> Inpainter:
    return skeleton(json.loads(config))
