"""Checks of claims about training, from the records of one scale.

A sentence such as "A beats B in L1, PSNR, SSIM and FID" holds at our scale when every one of its
comparisons is "better" (`aotgan.reproduce.tables.significance.MEANING`), which takes three seeds of
both rows at least. It is contradicted when one of them is "worse" even after a correction of the
interval over seeds for their number (Bonferroni), since of many comparisons one comes out wrong by
chance. Else, and where averaged and final weights do not agree on that, it is not resolved.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from itertools import chain, pairwise
from pathlib import Path
from typing import Any

import pandas as pd

from aotgan.metrics.intervals import student
from aotgan.metrics.metric import Metric
from aotgan.reproduce.claims.arithmetic import (
    L1,
    OURS,
    implied_rmse,
    l1_per_rmse,
    least_hole_l1,
    printed,
)
from aotgan.reproduce.claims.verdicts import CONTRADICTED, OPEN, SCALED, Finding
from aotgan.reproduce.runs.experiments import EXPERIMENTS, select
from aotgan.reproduce.runs.outputs import RECORDS, file_stem
from aotgan.reproduce.runs.record import Record, load_record
from aotgan.reproduce.runs.scales import CHECK_SCALE
from aotgan.reproduce.studies.borders import RESULT as BORDERS
from aotgan.reproduce.studies.borders import summarise_borders
from aotgan.reproduce.studies.study import read_result
from aotgan.reproduce.tables.captions import record_name
from aotgan.reproduce.tables.rows import rows_of_table
from aotgan.reproduce.tables.runs import metrics_of
from aotgan.reproduce.tables.significance import Comparison
from aotgan.reproduce.tables.table import Table
from aotgan.reproduce.tables.words import by_verdict

WAITING = "waiting for `make reproduce SCALE=gpu`"


class Committed:
    """The committed results of a scale, read when a check asks for them.

    Args:
        folder: `figures/<scale>`; None, or the scale of pipeline checks, means no committed.
    """

    def __init__(self, folder: str | Path | None = None):
        # a pipeline check trains too little to speak for or against a claim
        decisive = folder is not None and Path(folder).name != CHECK_SCALE
        self.folder = Path(folder) if folder is not None and decisive else None
        self._tables: dict[str, Table | None] = {}

    @cached_property
    def measured(self) -> Sequence[Record]:
        """Records of all networks measured on every mask ratio, AOT-GAN first."""
        rows = [name for name in rows_of_table("1").values() if EXPERIMENTS[name].trained]
        names = dict.fromkeys((*select(["main"]), *rows)) if self.folder else ()
        return [
            load_record(path)
            for name in names
            for path in sorted((self.folder / RECORDS).glob(f"{name}-seed*.json"))  # type: ignore[operator]
        ]

    @cached_property
    def main(self) -> Record | None:
        """Record of the first of them that is AOT-GAN's."""
        ours = (r for r in self.measured if EXPERIMENTS[r.experiment].group == "main")
        return next(ours, None)

    def table(self, name: str) -> Table | None:
        """One of the tables; None where no row of it was run."""
        if name not in self._tables:
            # read once, for many claims are about one table
            self._tables[name] = Table.load(name, self.folder) if self.folder else None
        return self._tables[name]


def trained(committed: Committed, arguments: str) -> Finding:
    """Rows of our tables against each other: "table: A>B; C>D | metrics", the better first.

    Labels are those of published.csv; metrics are by default all that the paper has.
    """
    name, claimed, keys = _parsed(arguments)
    table = committed.table(name)
    missing = _untrained(name, claimed, table)
    if table is None or missing is not None:
        return missing or Finding(OPEN, WAITING)
    metrics = [m for m in table.metrics if (m.key in keys if keys else m.paper)]
    # a verdict stands only where averaged and final weights agree on it
    changes = {
        kind: [table.compare(worse, better, metrics, kind) for better, worse in claimed]
        for kind in table.weights
    }
    verdicts = {decide(list(chain(*of_kind))) for of_kind in changes.values()}
    lines = [
        _told(*pair) for pair in zip(claimed, zip(*changes.values(), strict=True), strict=True)
    ]
    place = f"figures/{table.records[0].scale}/{file_stem(name)}.md"
    return Finding(
        verdicts.pop() if len(verdicts) == 1 else OPEN, "\n".join([*lines, f"[{place}]"])
    )


def quicker(committed: Committed, arguments: str) -> Finding:
    """Time to complete one image, as the records of two rows have it: "table: A>B"."""
    name, claimed, _ = _parsed(arguments)
    table = committed.table(name)
    missing = _untrained(name, claimed, table)
    if table is None or missing is not None:
        return missing or Finding(OPEN, WAITING)
    # the slowest run of the one against the quickest of the other: no seed may say otherwise
    ((quick, slow),) = claimed
    seconds = {
        label: [run.record.cost["seconds"] for run in table.runs_of(label)]
        for label in (quick, slow)
    }
    verdict = SCALED if max(seconds[quick]) < min(seconds[slow]) else CONTRADICTED
    record = table.runs_of(quick)[0].record
    return Finding(
        verdict,
        f"{slow} takes {min(seconds[slow]):.3g} s or more for an image, {quick} "
        f"{max(seconds[quick]):.2g} s or less (scale {record.scale}, "
        f"{record.evaluation['size_px']} px).",
    )


def _untrained(
    name: str, claimed: Sequence[tuple[str, str]], table: Table | None
) -> Finding | None:
    rows, have = rows_of_table(name), table.have if table else []
    missing = sorted({rows[label] for pair in claimed for label in pair if label not in have})
    return Finding(OPEN, f"Not trained yet: {', '.join(missing)}; {WAITING}.") if missing else None


def decide(changes: Sequence[Comparison]) -> str:
    """Returns the verdict on a claim that every one of these changes is for the better."""
    if all(change.verdict == "better" for change in changes):
        return SCALED
    wrong = any(_surely_worse(change, len(changes)) for change in changes)
    return CONTRADICTED if wrong else OPEN


def _surely_worse(change: Comparison, count: int) -> bool:
    """Whether zero is excluded the other way at 95 % over this many comparisons together."""
    from scipy.special import stdtrit  # scikit-image brings scipy

    if change.verdict != "worse":
        return False
    # Bonferroni over the comparisons: one false alarm must not contradict a claim
    degrees, half = change.seeds - 1, change.high - change.difference
    widened = half * float(stdtrit(degrees, 1 - 0.025 / count)) / student(degrees)
    return abs(change.difference) > widened


def harder_in_records(committed: Committed, _: str) -> Finding:
    """Each metric of our record worse at each larger mask ratio, beyond the intervals."""
    record = committed.main
    if record is None:
        return Finding(OPEN, f"No record of AOT-GAN; {WAITING}.")
    bins = [row for row in record.metrics[record.weights] if row["bin"] != "all"]
    metrics = [m for m in metrics_of(record) if m.paper and bins[0].get(m.key) is not None]
    # every step to a larger hole counts, in every metric that the paper prints
    steps = list(pairwise(bins))
    apart = sum(_clearly_harder(*step, metric) for step in steps for metric in metrics)
    wrong = sum(_change(*step, metric) <= 0 for step in steps for metric in metrics)
    ends = ", ".join(f"{m.name} {bins[0][m.key]:.3g} to {bins[-1][m.key]:.3g}" for m in metrics)
    count = len(steps) * len(metrics)
    verdict = SCALED if apart == count else CONTRADICTED if wrong else OPEN
    bare = [m.name for m in metrics if bins[0].get(f"{m.key}_low") is None]
    return Finding(
        verdict,
        f"{ends} from {bins[0]['bin']} to {bins[-1]['bin']}; worse at {apart} of {count} steps, "
        f"with intervals over photographs that do not touch"
        f"{f' ({bare[0]} has none)' if bare else ''}. One seed: "
        f"records/{record_name(record)}, scale {record.scale}.",
    )


def l1_beside_ours(record: Record) -> pd.DataFrame:
    """Returns printed L1 / RMSE of AOT-GAN beside ours, with L1 measured in two ways.

    Args:
        record: a run measured on the paper's six mask ratios.

    Returns:
        Mask ratios down; "Table 1", "ours, mean absolute error" and "ours, released ratio"
        (sum |x - z| / sum (x + z)) across, each divided by the RMSE that its mean PSNR implies.
    """
    rows = [row for row in record.metrics[record.weights] if row["bin"] != "all"]
    rmse = [implied_rmse(row["psnr"]) for row in rows]
    return pd.DataFrame(
        {
            "Table 1": l1_per_rmse()[OURS],
            "ours, mean absolute error": [r["l1"] / e for r, e in zip(rows, rmse, strict=True)],
            "ours, released ratio": [r["l1_released"] / e for r, e in zip(rows, rmse, strict=True)],
        },
        index=[row["bin"] for row in rows],
    )


def l1_of_table_1(committed: Committed, _: str) -> Finding:
    """Which definition of L1 the printed numbers fit."""
    # HiFill at the smallest holes: the one cell of Table 1 where the bound exceeds what is printed
    least, tabled = (
        float(frame["HiFill"]["1-10%"]) for frame in (least_hole_l1(), printed("1", L1))
    )
    text = (
        f"Not over the hole alone: HiFill's PSNR at 1-10% demands at least {least:.2f}, and "
        f"{tabled:.2f} is printed."
    )
    if not committed.measured:
        return Finding(OPEN, f"{text} Between the other two: {WAITING}.")
    off = [l1_off_by(record) for record in committed.measured]
    plain, ratio = zip(*off, strict=True)
    nearer = sum(released < absolute for absolute, released in off)
    return Finding(
        OPEN,
        f"{'Rather not' if 2 * nearer > len(off) else 'Perhaps'}: the released ratio "
        f"sum |x - z| / sum (x + z) explains L1 / RMSE of Table 1 better for {nearer} of "
        f"{len(off)} networks of ours (off by {min(ratio):.0%} to {max(ratio):.0%}, with the mean "
        f"absolute error by {min(plain):.0%} to {max(plain):.0%}; 10 to 60 % of hole). {text} "
        "Other photographs and sharper fills could shift ours, so this is evidence and no proof.",
    )


def l1_off_by(record: Record) -> tuple[float, float]:
    """Returns how far AOT-GAN's printed L1 / RMSE lies from a record's, as a share of the latter.

    The mean over 10 to 60 % of hole, first with the mean absolute error, then with the released
    ratio.
    """
    # below 10 % of hole, what writing bytes changes in known pixels weighs too much
    shapes = l1_beside_ours(record).iloc[1:]
    plain, ratio = (
        float((shapes["Table 1"] / shapes[name] - 1).abs().mean()) for name in shapes.columns[1:]
    )
    return plain, ratio


def border_propagates(committed: Committed, _: str) -> Finding:
    """How much of an object is back where the mask left 2 px of its border outside."""
    if committed.folder is None or not (committed.folder / f"{BORDERS}.csv").exists():
        return Finding(OPEN, "Not measured yet; `aotgan measure borders` does it.")
    frame, about = read_result(committed.folder, BORDERS)
    # masks as they were made: growing them makes up for a border left outside
    tints = summarise_borders(frame).query("grow == 0").set_index("shift")
    least, parts = math.inf, []
    for edge, of_edge in tints.groupby("edge", sort=False):
        at = of_edge.to_dict("index")
        # the claim is about what a border left outside adds to the object's own mask
        exact, tight = at[0], at[-2]
        least = min(least, tight["tint_change_low"])
        parts.append(
            f"{edge} edge {exact['tint']:.2f} to {tight['tint']:.2f} "
            f"[{tight['tint_low']:.2f}, {tight['tint_high']:.2f}]"
        )
    return Finding(
        SCALED if least > 0 else OPEN,
        "The colour in the middle of a removed object (0 the photograph's, 1 the object's), from "
        f"its own mask to one 2 px too small: {'; '.join(parts)}. One network on "
        f"{about['photographs']} photographs of {about['size_px']} px.",
    )


def _change(easier: Mapping[str, Any], harder: Mapping[str, Any], metric: Metric) -> float:
    """How much worse the second is; positive where it is."""
    return (-1 if metric.higher else 1) * (harder[metric.key] - easier[metric.key])


def _clearly_harder(easier: Mapping[str, Any], harder: Mapping[str, Any], metric: Metric) -> bool:
    # a distance has no interval where photographs are few: its value has to do
    if easier.get(f"{metric.key}_low") is None:
        return _change(easier, harder, metric) > 0
    # two half widths: the intervals must not touch
    widths = sum(row[f"{metric.key}_high"] - row[metric.key] for row in (easier, harder))
    return _change(easier, harder, metric) > widths


def _told(pair: tuple[str, str], kinds: Sequence[Sequence[Comparison]]) -> str:
    """What the averaged weights say of a pair, and the final ones where they say something else."""
    first, *others = kinds
    seeds = first[0].seeds
    text = f"{pair[0]} over {pair[1]}, {seeds} seed{'s' if seeds > 1 else ''}: {by_verdict(first)}."
    for other in others:
        if [c.verdict for c in other] != [c.verdict for c in first]:
            text += f" With the final weights {by_verdict(other)}."
    return text


def _parsed(arguments: str) -> tuple[str, list[tuple[str, str]], list[str]]:
    table, rest = arguments.split(": ", 1)
    pairs, _, keys = rest.partition(" | ")
    claimed = [pair.split(">", 1) for pair in pairs.split("; ")]
    return table, [(better, worse) for better, worse in claimed], keys.split()


CHECKS: dict[str, Callable[[Committed, str], Finding]] = {
    check.__name__: check
    for check in (trained, quicker, harder_in_records, l1_of_table_1, border_propagates)
}
