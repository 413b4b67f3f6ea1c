"""Checks of claims about training, from the records of one scale.

A sentence such as "A beats B in L1, PSNR, SSIM and FID" holds at our scale when every one of its
comparisons does: the 95 % interval over seeds excludes zero in the claimed direction. It is
contradicted when one of them excludes zero the other way even after a correction for their number
(Bonferroni), since of many comparisons one comes out wrong by chance. Else it is not resolved.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd

from aotgan.metrics.intervals import student
from aotgan.reproduce.ablations import load_runs, metrics_of_runs, rows_of_table
from aotgan.reproduce.arithmetic import (
    L1,
    OURS,
    implied_rmse,
    l1_per_rmse,
    least_hole_l1,
    printed,
)
from aotgan.reproduce.compare import Comparison, Run, Spread, compare, seed_spread
from aotgan.reproduce.experiments import EXPERIMENTS, select
from aotgan.reproduce.mask_borders import RESULT as BORDERS
from aotgan.reproduce.mask_borders import summarise_borders
from aotgan.reproduce.measurements import read_result
from aotgan.reproduce.model_tables import TITLES as MODEL_TABLES
from aotgan.reproduce.model_tables import load_models
from aotgan.reproduce.outputs import RECORDS, file_stem, in_main
from aotgan.reproduce.records import Record, load_record
from aotgan.reproduce.tables import CHECK_SCALE, Metric, record_name
from aotgan.reproduce.verdicts import CONTRADICTED, OPEN, SCALED, Finding

WAITING = "waiting for `make reproduce SCALE=gpu`"
SHORT = {
    "l1": "L1",
    "psnr": "PSNR",
    "ssim": "SSIM",
    "fd": "Frechet distance",
    "kd": "kernel distance",
}


class Results:
    """The committed results of a scale, read when a check asks for them.

    Args:
        folder: `figures/<scale>`; None, or the scale of pipeline checks, means no results.
    """

    def __init__(self, folder: str | Path | None = None):
        wanted = folder is not None and Path(folder).name != CHECK_SCALE
        self.folder = Path(folder) if folder is not None and wanted else None

    @cached_property
    def runs(self) -> Mapping[str, Sequence[Run]]:
        """Runs of Tables 4 to 7 and of the readings, by experiment."""
        return load_runs(self.folder) if self.folder else {}

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
        return next((record for record in self.measured if in_main(record.experiment)), None)

    def runs_beside(self, table: str) -> Mapping[str, Sequence[Run]]:
        """Runs whose spread between seeds serves a table: its own for Table 1 or 2, else `runs`."""
        if table in MODEL_TABLES and self.folder:
            return load_models(table, self.folder)
        return self.runs


def spreads_of(runs: Mapping[str, Sequence[Run]]) -> dict[str, Spread]:
    """Spread between seeds of each metric, pooled over all experiments."""
    return {m.key: seed_spread(runs.values(), m) for m in metrics_of_runs(runs)}


def trained(results: Results, arguments: str) -> Finding:
    """Rows of our tables against each other: "table: A>B; C>D | metrics"; all metrics by default.

    Labels are those of published.csv, the better first.
    """
    table, claimed, keys = _parsed(arguments)
    rows, runs = rows_of_table(table), results.runs_beside(table)
    missing = _untrained(table, claimed, runs)
    if missing is not None:
        return missing
    metrics = [m for m in metrics_of_runs(runs) if not keys or m.key in keys]
    spreads = spreads_of(runs)
    found = {
        (better, worse): [
            compare(runs[rows[worse]], runs[rows[better]], m, spreads[m.key]) for m in metrics
        ]
        for better, worse in claimed
    }
    told = "; ".join(_told(pair, changes) for pair, changes in found.items())
    every = [change for changes in found.values() for change in changes]
    place = f"figures/{next(iter(runs.values()))[0].record.scale}/{file_stem(table)}.md"
    return Finding(decide(every, spreads), f"{told} ({place}).")


def quicker(results: Results, arguments: str) -> Finding:
    """Time to complete one image, as the records of two rows have it: "table: A>B"."""
    table, claimed, _ = _parsed(arguments)
    rows, runs = rows_of_table(table), results.runs_beside(table)
    missing = _untrained(table, claimed, runs)
    if missing is not None:
        return missing
    ((quick, slow),) = claimed
    seconds = {
        label: [run.record.cost["seconds"] for run in runs[rows[label]]] for label in (quick, slow)
    }
    verdict = SCALED if max(seconds[quick]) < min(seconds[slow]) else CONTRADICTED
    record = runs[rows[quick]][0].record
    return Finding(
        verdict,
        f"{slow} takes {min(seconds[slow]):.3g} s or more for an image, {quick} "
        f"{max(seconds[quick]):.2g} s or less (scale {record.scale}, "
        f"{record.evaluation['size_px']} px).",
    )


def _untrained(
    table: str, claimed: Sequence[tuple[str, str]], runs: Mapping[str, Sequence[Run]]
) -> Finding | None:
    rows = rows_of_table(table)
    missing = sorted({rows[label] for pair in claimed for label in pair} - runs.keys())
    return Finding(OPEN, f"Not trained yet: {', '.join(missing)}; {WAITING}.") if missing else None


def decide(changes: Sequence[Comparison], spreads: Mapping[str, Spread]) -> str:
    """Returns the verdict on a claim that every one of these changes is for the better."""
    if all(change.verdict == "better" for change in changes):
        return SCALED
    count = len(changes)
    wrong = any(_surely_worse(change, spreads[change.metric.key], count) for change in changes)
    return CONTRADICTED if wrong else OPEN


def _surely_worse(change: Comparison, spread: Spread, count: int) -> bool:
    """Whether zero is excluded the other way at 95 % over this many comparisons together."""
    from scipy.special import stdtrit  # scikit-image brings scipy

    if change.verdict != "worse":
        return False
    half = change.high - change.difference
    widened = half * float(stdtrit(spread.degrees, 1 - 0.025 / count)) / student(spread.degrees)
    return abs(change.difference) > widened


def harder_in_records(results: Results, _: str) -> Finding:
    """Each metric of our record worse at each larger mask ratio, beyond the intervals."""
    record = results.main
    if record is None:
        return Finding(OPEN, f"No record of AOT-GAN; {WAITING}.")
    bins = [row for row in record.metrics[record.weights] if row["bin"] != "all"]
    keys = [key for key in ("l1", "psnr", "ssim", "fd", "kd") if bins[0].get(key) is not None]
    steps = list(pairwise(bins))
    apart = sum(_clearly_harder(*step, key) for step in steps for key in keys)
    wrong = sum(_change(*step, key) <= 0 for step in steps for key in keys)
    ends = ", ".join(f"{SHORT[key]} {bins[0][key]:.3g} to {bins[-1][key]:.3g}" for key in keys)
    verdict = SCALED if apart == len(steps) * len(keys) else CONTRADICTED if wrong else OPEN
    bare = "fd" in keys and bins[0].get("fd_low") is None
    return Finding(
        verdict,
        f"{ends} from {bins[0]['bin']} to {bins[-1]['bin']}; worse at {apart} of "
        f"{len(steps) * len(keys)} steps, with intervals over photographs that do not touch"
        f"{' (the Frechet distance has none)' if bare else ''}. One seed: "
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


def l1_of_table_1(results: Results, _: str) -> Finding:
    """Which definition of L1 the printed numbers fit."""
    least, given = (
        float(frame["HiFill"]["1-10%"]) for frame in (least_hole_l1(), printed("1", L1))
    )
    text = (
        f"Not over the hole alone: HiFill's PSNR at 1-10% demands at least {least:.2f}, and "
        f"{given:.2f} is printed."
    )
    if not results.measured:
        return Finding(OPEN, f"{text} Between the other two: {WAITING}.")
    off = [l1_off_by(record) for record in results.measured]
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

    The mean over 10 to 60 % of hole (below, rounding of known pixels matters), first with the mean
    absolute error, then with the released ratio.
    """
    shapes = l1_beside_ours(record).iloc[1:]
    plain, ratio = (
        float((shapes["Table 1"] / shapes[name] - 1).abs().mean()) for name in shapes.columns[1:]
    )
    return plain, ratio


def border_propagates(results: Results, _: str) -> Finding:
    """How much of an object is back where the mask left 2 px of its border outside."""
    if results.folder is None or not (results.folder / f"{BORDERS}.csv").exists():
        return Finding(OPEN, "Not measured yet; `python -m aotgan.reproduce.mask_borders` does it.")
    frame, about = read_result(results.folder, BORDERS)
    tints = summarise_borders(frame).query("grow == 0").set_index("shift")
    least, parts = math.inf, []
    for edge, of_edge in tints.groupby("edge", sort=False):
        at = of_edge.to_dict("index")
        own, tight = at[0], at[-2]
        least = min(least, tight["tint_change_low"])
        parts.append(
            f"{edge} edge {own['tint']:.2f} to {tight['tint']:.2f} "
            f"[{tight['tint_low']:.2f}, {tight['tint_high']:.2f}]"
        )
    return Finding(
        SCALED if least > 0 else OPEN,
        "The colour in the middle of a removed object (0 the photograph's, 1 the object's), from "
        f"its own mask to one 2 px too small: {'; '.join(parts)}. One network on "
        f"{about['photographs']} photographs of {about['size_px']} px.",
    )


def _change(easier: Mapping[str, Any], harder: Mapping[str, Any], key: str) -> float:
    """How much worse the second is; positive where it is."""
    sign = -1 if key in ("psnr", "ssim") else 1
    return sign * (harder[key] - easier[key])


def _clearly_harder(easier: Mapping[str, Any], harder: Mapping[str, Any], key: str) -> bool:
    if easier.get(f"{key}_low") is None:
        return _change(easier, harder, key) > 0
    widths = sum(row[f"{key}_high"] - row[key] for row in (easier, harder))
    return _change(easier, harder, key) > widths


def _told(pair: tuple[str, str], changes: Sequence[Comparison]) -> str:
    words = ", ".join(f"{_short(c.metric)} {_change_of(c)}" for c in changes)
    seeds = changes[0].seeds
    return f"{pair[0]} over {pair[1]} ({seeds[1]} and {seeds[0]} seeds): {words}"


def _change_of(c: Comparison) -> str:
    digits = c.metric.digits
    if not c.high > c.low:
        return f"{c.difference:+.{digits}f} (interval unknown)"
    return f"{c.difference:+.{digits}f} [{c.low:+.{digits}f}, {c.high:+.{digits}f}] {c.verdict}"


def _short(metric: Metric) -> str:
    return SHORT[metric.key]


def _parsed(arguments: str) -> tuple[str, list[tuple[str, str]], list[str]]:
    table, rest = arguments.split(": ", 1)
    pairs, _, keys = rest.partition(" | ")
    claimed = [pair.split(">", 1) for pair in pairs.split("; ")]
    return table, [(better, worse) for better, worse in claimed], keys.split()


CHECKS: dict[str, Callable[[Results, str], Finding]] = {
    check.__name__: check
    for check in (trained, quicker, harder_in_records, l1_of_table_1, border_propagates)
}
