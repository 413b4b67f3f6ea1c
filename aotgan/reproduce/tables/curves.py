"""Learning curves beside each other: what another choice changes after so many images."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from aotgan.errors import InputError, check_choice
from aotgan.metrics import METRICS
from aotgan.metrics.metric import Metric
from aotgan.reproduce.figures.style import COLOURS, INK, Drawing, house_style
from aotgan.reproduce.tables.report import KINDS
from aotgan.reproduce.tables.runs import at_budget, read_runs
from aotgan.reproduce.tables.significance import Comparison, compare, holm

# distances stay out: their resamples are kept of the end of a training alone
SHOWN = {metric.key: metric for metric in METRICS if metric.title and not metric.described}
GATE_SUM = "gate-sum"
GATE = {  # of the question whether Eq. 1 catches up with a plain sum, experiments and what they are
    GATE_SUM: "plain sum",
    "sm-patchgan": "Eq. 1",
    "gate-open": "Eq. 1, its gate open at first",
}
LOOKS: dict[str, dict[str, Any]] = {
    "ema": {"ls": "-", "marker": "o"},
    "raw": {"ls": ":", "marker": "s", "mfc": "none"},
}


class Curves:
    """Finished runs of experiments that were measured on the way, on the same pairs.

    Args:
        folder: `figures/<scale>`.
        names: of the experiments; those without a finished run are left out.

    Attributes:
        runs: by experiment, seeds ascending.
    """

    def __init__(self, folder: str | Path, names: Sequence[str]):
        self.folder = Path(folder)
        runs = {name: read_runs(folder, name) for name in names}
        self.runs = {name: group for name, group in runs.items() if group}

    def points(self, *names: str) -> list[int]:
        """Returns after how many images every run of these experiments was measured.

        Raises:
            InputError: an experiment without a finished run.
        """
        for name in names:
            if name not in self.runs:
                raise InputError(f"{self.folder} has no finished run of {name}: train it first.")
        records = [run.record for name in names for run in self.runs[name]]
        passed = [{r.images_seen, *(row["seen"] for row in r.curve)} for r in records]
        return sorted(set.intersection(*passed))

    def frame(self, metric: str = "psnr") -> pd.DataFrame:
        """Returns the curves, means over seeds: columns experiment, weights, images and value."""
        quantity, rows = _metric(metric), []
        for name, group in self.runs.items():
            for images in self.points(name):
                runs = [at_budget(run, images, self.folder) for run in group]
                for weights in runs[0].record.metrics:
                    value = sum(run.value(quantity, weights) for run in runs) / len(runs)
                    rows.append((name, weights, images, value))
        return pd.DataFrame(rows, columns=["experiment", "weights", "images", "value"])

    def changes(
        self, first: str, second: str, metric: str = "psnr"
    ) -> dict[tuple[int, str], Comparison]:
        """Returns what the second experiment changes, by images and weights.

        Corrected as one family; points that not all runs of both passed are left out.

        Raises:
            InputError: an experiment without a finished run, or runs measured on other pairs.
        """
        quantity, at, changes = _metric(metric), [], []
        for images in self.points(first, second):
            a, b = (
                [at_budget(run, images, self.folder) for run in self.runs[name]]
                for name in (first, second)
            )
            for weights in a[0].record.metrics:
                at.append((images, weights))
                changes.append(compare(a, b, quantity, weights))
        return dict(zip(at, holm(changes), strict=True))

    def readable(self, first: str, second: str, metric: str = "psnr") -> pd.DataFrame:
        """Returns `changes` as text: images, seeds, and a column for each kind of weights."""
        digits = _metric(metric).digits
        rows: dict[int, dict[str, str]] = {}
        for (images, weights), change in self.changes(first, second, metric).items():
            row = rows.setdefault(images, {"images": f"{images:,}", "seeds": str(change.seeds)})
            ends = f"{change.image_low:+.{digits}f} to {change.image_high:+.{digits}f}"
            row[KINDS[weights]] = f"{change.difference:+.{digits}f} ({ends}), {change.verdict}"
        return pd.DataFrame(rows.values())

    def plot(self, titles: Mapping[str, str], metric: str = "psnr") -> Drawing:
        """Draws the curves, averaged weights solid and final ones dotted.

        Args:
            titles: of the experiments for the legend, in the order of their colours.
            metric: key of a pixel metric.
        """
        frame = self.frame(metric).set_index(["experiment", "weights"])
        with house_style():
            figure = Drawing(figsize=(7.4, 3.2), layout="constrained")
            axes = figure.subplots()
            for (name, title), colour in zip(titles.items(), COLOURS, strict=False):
                if name in self.runs:
                    axes.plot([], [], color=colour, label=title)
                for weights, look in LOOKS.items():
                    if (name, weights) in frame.index:
                        rows = frame.loc[[(name, weights)]]
                        axes.plot(rows["images"], rows["value"], ms=4.5, color=colour, **look)
            for weights, look in LOOKS.items():
                if weights in frame.index.unique("weights"):
                    axes.plot([], [], ms=4.5, color=INK, label=KINDS[weights], **look)
            axes.set(xlabel="images seen", ylabel=_metric(metric).title, xlim=(0, None))
            axes.xaxis.set_major_formatter("{x:,.0f}")
            figure.legend(loc="outside right center")
        return figure


def _metric(key: str) -> Metric:
    check_choice("metric", key, SHOWN)
    return SHOWN[key]
