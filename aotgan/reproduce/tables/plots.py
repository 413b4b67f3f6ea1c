"""Tables as pictures: differences between rows, and numbers over the size of the hole."""

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import cycle
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from aotgan.errors import InputError
from aotgan.metrics.report import ALL
from aotgan.reproduce.figures.style import COLOURS, FAINT, INK, Drawing, house_style
from aotgan.reproduce.tables.published import PREFIX
from aotgan.reproduce.tables.rows import OURS
from aotgan.reproduce.tables.significance import UNRESOLVED
from aotgan.reproduce.tables.table import Table

COLOUR_OF: Mapping[str, str] = {"better": COLOURS[0], "worse": COLOURS[1], UNRESOLVED: "#888888"}
FAR = "#888888"  # of what the paper's table does not have
DASHES = ("--", ":", "-.", (0, (6, 2)), (0, (1, 1)))
TOLD_APART = (*COLOURS[:5], "#882255", COLOURS[6])  # one blue is enough; that colour is Tol's wine
MARKERS = "osD^vP*X<>hp"
ROW_IN = 0.26  # inches


def difference_plot(table: Table, metric: str = "psnr") -> Drawing:
    """Draws what the second row of each compared pair changes.

    The thick line is the 95 % interval over seeds or the range of two, the thin one the interval
    over photographs. Where a moving average of the weights was kept, a hollow mark shows the change
    of the final weights.

    Raises:
        InputError: no two rows of the table were run.
    """
    changes = [change for change in table.comparisons() if change[2].metric.key == metric]
    if not changes:
        raise InputError(f"table {table.name} has no two rows to compare by {metric!r} yet.")
    # from the top down, as in the table
    at = np.arange(len(changes))[::-1]
    with house_style():
        figure = Drawing(figsize=(7.0, ROW_IN * len(changes) + 0.75), layout="constrained")
        axes = figure.subplots()
        axes.axvline(0, color=FAINT, lw=1.2)
        for y, (_, _, change) in zip(at, changes, strict=True):
            colour = _colour(change.verdict)
            axes.hlines(y, change.image_low, change.image_high, color=colour, lw=1)
            axes.hlines(y, change.low, change.high, color=colour, lw=4, alpha=0.45)
            axes.plot(change.difference, y, "o", ms=5, color=colour)
        if len(table.weights) > 1:
            raw = [c.difference for _, _, c in table.comparisons("raw") if c.metric.key == metric]
            axes.plot(raw, at, "o", ms=5, mfc="none", color=INK, lw=0, label="final weights")
        quantity = changes[0][2].metric
        side = "right" if quantity.higher else "left"
        _finish(axes, f"change of {_short(quantity.title)}; better to the {side}")
        axes.set_yticks(at, _labels([(first, second) for first, second, _ in changes]))
        axes.set_ylim(-0.6, len(changes) - 0.4)
        _legend(axes, {change.verdict for _, _, change in changes})
    return figure


def bin_plot(table: Table, metric: str = "psnr") -> Drawing:
    """Draws a metric over the size of the hole, ours beside the paper's, on one axis.

    Grey and broken are the rows that the paper does not have, and models from elsewhere. The
    legend has the order of our curves at their right ends.

    Args:
        table: "1".
        metric: one that the paper prints.
    """
    quantity = table.metric(metric)
    frame = table.frame()
    frame = frame[frame["bin"] != ALL]
    at = {label: x for x, label in enumerate(dict.fromkeys(frame["bin"]))}
    with house_style():
        figure = Drawing(figsize=(9.6, 4.4), layout="constrained")
        ours, paper = figure.subplots(1, 2, sharey=True)
        # what only we have is grey, so that both panels have the same colours
        in_paper, beside = _styles(TOLD_APART, ["-"]), _styles([FAR], DASHES, mfc="white")
        for label, group in frame.groupby("row", sort=False):
            x = group["bin"].map(at).to_numpy()
            values = [cell.value for cell in group[f"{PREFIX} {quantity.paper}"]]
            known = not all(map(math.isnan, values))
            style = next(in_paper if known else beside)
            # the row that the table is about stands out
            if label == OURS:
                style = style | {"lw": 2.4, "zorder": 3}
            run = group[quantity.title].notna().any()
            title = table.titles[str(label)] if run else f"{label} (not run)"
            ours.plot(x, group[quantity.title], label=title, **style)
            if known:
                paper.plot(x, values, **style)
        ours.set(title=f"ours, scale {table.records[0].scale}", ylabel=quantity.title)
        paper.set(title="the paper, Places2 at 512 px")
        for axes in (ours, paper):
            axes.set_xticks(list(at.values()), list(at))
            axes.set_xlabel("hole")
        figure.legend(handles=_downwards(ours.lines), loc="outside right center")
    return figure


def _styles(
    colours: Sequence[str], dashes: Sequence[object], **more: str
) -> Iterator[dict[str, Any]]:
    """Looks of curves, one after the other, each with a marker of its own."""
    # their numbers have no common factor, so that no look comes again soon
    looks = zip(cycle(MARKERS), cycle(colours), cycle(dashes))
    return ({"marker": m, "color": c, "ls": d, "ms": 4.5, "lw": 1.2} | more for m, c, d in looks)


def _downwards(lines: Sequence[Line2D]) -> list[Line2D]:
    """Curves in the order of their right ends, as the eye meets them; last what has none."""
    ends = {line: np.asarray(line.get_ydata(), float)[-1] for line in lines}
    return sorted(lines, key=lambda line: (math.isnan(ends[line]), -ends[line]))


def _labels(pairs: Sequence[tuple[str, str]]) -> list[str]:
    """Names one row of each pair alone where all have the same other one."""
    firsts, seconds = ({pair[at] for pair in pairs} for at in (0, 1))
    if len(firsts) == 1 < len(pairs):
        return [second for _, second in pairs]
    if len(seconds) == 1 < len(pairs):
        return [f"against {first}" for first, _ in pairs]
    return [f"{first}  →  {second}" for first, second in pairs]


def _legend(axes: Axes, verdicts: set[str]) -> None:
    for verdict in sorted(verdicts):
        axes.plot([], [], "o", color=_colour(verdict), label=verdict)
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))


def _colour(verdict: str) -> str:
    return next(colour for word, colour in COLOUR_OF.items() if verdict.startswith(word))


def _finish(axes: Axes, label: str) -> None:
    axes.set_xlabel(label)
    axes.grid(axis="y", visible=False)
    axes.locator_params(axis="x", nbins=4)


def _short(title: str) -> str:
    return title.split(",")[0]
