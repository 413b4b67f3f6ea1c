"""Intervals as pictures: the rows of a table, and the differences between them."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from aotgan.errors import InputError
from aotgan.reproduce.ablations import Runs, ablation_table, comparisons, metrics_of_runs
from aotgan.reproduce.figures import COLOURS, FAINT, INK, Drawing, house_style
from aotgan.reproduce.tables import HIGH, LOW, Metric

COLOUR_OF: Mapping[str, str] = {
    "better": COLOURS[0],
    "worse": COLOURS[1],
    "not resolved": "#888888",
}
ROW_IN = 0.26  # inches


def row_plot(table: str, runs: Runs) -> Figure:
    """Draws the rows of a table, a panel a metric: each seed, their mean and its 95 % interval.

    Args:
        table: "4" to "7" or "readings".
        runs: as `aotgan.reproduce.ablations.load_runs` returns them.

    Raises:
        InputError: no runs.
    """
    frame = ablation_table(table, runs)
    metrics = metrics_of_runs(runs)
    at = np.arange(len(frame))[::-1]
    with house_style():
        figure = Drawing(figsize=(8.2, ROW_IN * len(frame) + 0.9), layout="constrained")
        panels = figure.subplots(1, len(metrics), sharey=True, squeeze=False)[0]
        for axes, metric in zip(panels, metrics, strict=True):
            ends = frame[[metric.title + LOW, metric.title + HIGH]].to_numpy()
            axes.hlines(at, ends[:, 0], ends[:, 1], color=COLOURS[0], lw=1.6)
            for y, name in zip(at, frame["experiment"], strict=True):
                values = [run.value(metric) for run in runs.get(name, ())]
                axes.plot(values, [y] * len(values), "o", ms=3.5, mfc="none", color=INK)
            axes.plot(frame[metric.title], at, "|", ms=9, mew=2, color=COLOURS[1])
            _finish(axes, f"{_short(metric)}\n{'higher' if metric.higher else 'lower'} is better")
        panels[0].set_yticks(at, frame["row"])
        panels[0].set_ylim(-0.6, len(frame) - 0.4)
    return figure


def difference_plot(table: str, runs: Runs, metric: str = "psnr") -> Figure:
    """Draws what the second row of each compared pair changes, with both of its intervals.

    The thick line is the 95 % interval over seeds, the thin one that over photographs. Where a
    moving average of the weights was kept, a hollow mark shows the change of the final weights.

    Args:
        table: "4" to "7" or "readings".
        runs: as `aotgan.reproduce.ablations.load_runs` returns them.
        metric: "l1", "psnr", "ssim", "fd" or "kd".

    Raises:
        InputError: no two rows of the table were run.
    """
    found = [c for c in comparisons(table, runs) if c[2].metric.key == metric]
    if not found:
        raise InputError(f"table {table} has no two rows to compare by {metric!r} yet.")
    at = np.arange(len(found))[::-1]
    with house_style():
        figure = Drawing(figsize=(7.0, ROW_IN * len(found) + 0.75), layout="constrained")
        axes = figure.subplots()
        axes.axvline(0, color=FAINT, lw=1.2)
        for y, (_, _, change) in zip(at, found, strict=True):
            colour = COLOUR_OF[change.verdict]
            axes.hlines(y, change.image_low, change.image_high, color=colour, lw=1)
            axes.hlines(y, change.low, change.high, color=colour, lw=4, alpha=0.45)
            axes.plot(change.difference, y, "o", ms=5, color=colour)
        _final_weights(axes, table, runs, metric, at)
        shown = found[0][2].metric
        side = "right" if shown.higher else "left"
        _finish(axes, f"change of {_short(shown)}; better to the {side}")
        axes.set_yticks(at, _labels([(first, second) for first, second, _ in found]))
        axes.set_ylim(-0.6, len(found) - 0.4)
        _legend(axes, {change.verdict for _, _, change in found})
    return figure


def _final_weights(
    axes: Axes, table: str, runs: Runs, metric: str, at: Sequence[float] | np.ndarray
) -> None:
    """Marks the changes of the final weights, where tables show their moving average."""
    if next(iter(runs.values()))[0].record.weights == "raw":
        return
    raw = [c for _, _, c in comparisons(table, runs, "raw") if c.metric.key == metric]
    changes = [change.difference for change in raw]
    axes.plot(changes, at, "o", ms=5, mfc="none", color=INK, lw=0, label="final weights")


def _labels(pairs: Sequence[tuple[str, str]]) -> list[str]:
    """Names the second row alone where all pairs have the same first one."""
    if len({first for first, _ in pairs}) == 1 < len(pairs):
        return [second for _, second in pairs]
    return [f"{first}  →  {second}" for first, second in pairs]


def _legend(axes: Axes, verdicts: set[str]) -> None:
    for verdict, colour in COLOUR_OF.items():
        if verdict in verdicts:
            axes.plot([], [], "o", color=colour, label=verdict)
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))


def _finish(axes: Axes, label: str) -> None:
    axes.set_xlabel(label)
    axes.grid(axis="y", visible=False)
    axes.locator_params(axis="x", nbins=4)


def _short(metric: Metric) -> str:
    return metric.title.split(",")[0]
