"""A model beside the fillings that learn nothing, on the same pairs: what it has to be better than.

Differences are pair by pair, with 95 % intervals over photographs; those of the distances over the
same resamples of the photographs.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from aotgan.data.manifest import Manifest
from aotgan.files import write_atomically
from aotgan.losses.lite0 import NAME as LITE0
from aotgan.metrics import METRICS, distances
from aotgan.metrics.intervals import interval
from aotgan.metrics.metric import Metric
from aotgan.metrics.report import ALL, Case, Evaluation
from aotgan.models.inpainter import Inpainter
from aotgan.models.registry import CLASSICAL, build
from aotgan.reproduce.runs.evaluation import evaluate_generator
from aotgan.reproduce.runs.record import code_hash, rows_of
from aotgan.reproduce.tables.text import signed, signed_ends

COMPARED = ("psnr", "ssim", "l1_hole")  # pair by pair; `distances.DISTANCES` are of all pairs
CHANNELS = ("red", "green", "blue")


def measure_bars(
    name: str, network: Inpainter, manifest: Manifest, data: str, progress: bool = True
) -> dict[str, Any]:
    """Measures a network and every classical filling on a manifest.

    Args:
        name: of the network.
        network: that is measured.
        manifest: the pairs.
        data: name of the image set.
        progress: show a progress bar if standard error is a terminal.

    Returns:
        JSON values: what was measured; "metrics", by filler rows as a record has them;
        "differences", rows of against, bin, metric, difference, low and high; "cast", by channel
        the mean signed error in the hole in levels of 255, and the ends of its interval.
    """
    cast = Cast()
    results = {name: evaluate_generator(network, manifest, LITE0, "cpu", progress, cast.keep)}
    for model in CLASSICAL:
        results[model] = evaluate_generator(
            build({"model": model}), manifest, LITE0, "cpu", progress
        )
    return {
        "model": name,
        "config": network.config,
        "evaluation": manifest.facts(data),
        "protocol": results[name].protocol,
        "metrics": {filler: rows_of(result.per_bin) for filler, result in results.items()},
        "differences": rows_of(differences(results, name)),
        "cast": cast.summary(),
        "code_sha256": code_hash(),
        "threads": torch.get_num_threads(),
    }


def differences(results: Mapping[str, Evaluation], name: str) -> pd.DataFrame:
    """Returns what a model changes against each other one, in every bin and metric.

    Args:
        results: evaluations on one manifest, by filler.
        name: the model.
    """
    ours, rows = results[name], []
    for against, other in results.items():
        if against == name:
            continue
        for label in ours.per_bin["bin"]:
            about = {"against": against, "bin": label}
            where = slice(None) if label == ALL else (ours.per_image["bin"] == label).to_numpy()
            # several pairs may show one photograph: they are one observation
            photographs = ours.per_image["image"].to_numpy()[where]
            for metric in COMPARED:
                change = (ours.per_image[metric] - other.per_image[metric]).to_numpy()[where]
                values = interval(change, photographs)
                rows.append(about | _row(metric, *values))
            # the same photographs are drawn for both, so that their luck cancels out
            resamples = _distances(ours, label) - _distances(other, label)
            summary = distances.summary(resamples, len(set(photographs)))
            for metric in distances.DISTANCES:
                ends = (summary[f"{metric}{end}"] for end in ("", "_low", "_high"))
                rows.append(about | _row(metric, *ends))
    return pd.DataFrame(rows)


def _row(metric: str, difference: float, low: float, high: float) -> dict[str, Any]:
    return {"metric": metric, "difference": difference, "low": low, "high": high}


def _distances(result: Evaluation, label: str) -> pd.DataFrame:
    draws = result.resamples[result.resamples["bin"] == label]
    # subtracted draw by draw, whichever rows of a larger table they were
    return draws[list(distances.DISTANCES)].reset_index(drop=True)


class Cast:
    """Collects how much too bright each colour of the fills is, hole by hole."""

    def __init__(self) -> None:
        self.errors: list[NDArray[Any]] = []
        self.photographs: list[str] = []

    def keep(self, case: Case, filled: NDArray[np.uint8]) -> None:
        """Adds a fill; see `aotgan.metrics.report.evaluate`."""
        original, mask, pair = case
        # bytes would wrap around below 0
        self.errors.append(np.mean(filled[mask] - original[mask].astype(np.float64), axis=0))
        self.photographs.append(str(pair.image))

    def summary(self) -> dict[str, tuple[float, float, float]]:
        """Returns the mean over pairs and the ends of its interval, in levels, by channel."""
        errors, photographs = np.stack(self.errors), np.array(self.photographs)
        return {channel: interval(errors[:, i], photographs) for i, channel in enumerate(CHANNELS)}


def readable_bars(bars: Mapping[str, Any], at: str = ALL) -> pd.DataFrame:
    """Returns a bin for reading: each filler's numbers, and what the model changes against it."""
    lines = []
    for filler, rows in bars["metrics"].items():
        row = next(row for row in rows if row["bin"] == at)
        cells = {"filled by": filler}
        for metric in (m for m in METRICS if m.key in (*COMPARED, *distances.DISTANCES)):
            change = [
                d
                for d in bars["differences"]
                if (d["against"], d["bin"], d["metric"]) == (filler, at, metric.key)
            ]
            cells[metric.title] = _cell(metric, row[metric.key], change)
        lines.append(cells)
    return pd.DataFrame(lines)


def _cell(metric: Metric, value: float | None, change: list[dict[str, Any]]) -> str:
    if value is None:
        return "-"
    text = f"{metric.factor * value:.{metric.digits}f}"
    for d in change:
        ends = [metric.factor * d[end] for end in ("low", "high") if d[end] is not None]
        parts = [signed(metric.factor * d["difference"], metric.digits)]
        # few photographs have no interval
        parts += [signed_ends(ends, metric.digits)] if ends else []
        text += f" ({', '.join(parts)})"
    return text


def save_bars(bars: Mapping[str, Any], folder: str | Path) -> Path:
    """Writes what `measure_bars` returned to `<folder>/<model>-<side>px.json`, atomically."""
    name = f"{bars['model']}-{bars['evaluation']['size_px']}px.json"
    return write_atomically(Path(folder) / name, json.dumps(bars, indent=1) + "\n")
