"""Measurements made with finished runs: which weights they used, and their files.

A result is a CSV of single measurements, from which notebooks compute means and intervals, and a
JSON file of the same name that says how it was made.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from aotgan.data.images import to_tensor, to_uint8
from aotgan.errors import InputError
from aotgan.files import sha256_of, write_atomically
from aotgan.metrics.intervals import interval
from aotgan.models.generator import Generator
from aotgan.models.weights import DEFAULT_MODEL, ENDING, SHIPPED, load_generator
from aotgan.reproduce.collect import finished_runs
from aotgan.reproduce.runs.record import Record, environment
from aotgan.reproduce.runs.run import RECORD, run_directory
from aotgan.training.loop import EMA_WEIGHTS, WEIGHTS

Picture = NDArray[np.uint8]  # (H, W, 3)
Mask = NDArray[np.bool_]  # (H, W), True = hole
Box = tuple[int, int, int, int]  # left, top, width, height in px, as `box_mask` takes them


@dataclass(frozen=True)
class Weights:
    """A weights file and the record of its run; None for the shipped model."""

    path: Path
    record: Record | None = None

    def about(self) -> dict[str, Any]:
        """Which weights these are, for the record of what is measured with them."""
        made = self.record
        run = {} if made is None else {"steps": made.steps, "trained_on": made.data["name"]}
        return {"file_sha256": sha256_of(self.path), **run}

    def generator(self) -> Generator:
        """The network, in evaluation mode."""
        return load_generator(self.path)


SHIPPED_MODEL = Weights(SHIPPED / f"{DEFAULT_MODEL}{ENDING}")


def finished_weights(
    scale: str, out: str | Path, experiments: Sequence[str]
) -> dict[tuple[str, int], Weights]:
    """Returns the weights that tables show of the finished runs, by experiment and seed.

    Args:
        scale: a name of `aotgan.reproduce.runs.scales.SCALES`.
        out: folder of all runs.
        experiments: names; those without a finished run are left out.

    Raises:
        InputError: none of them has a finished run.
    """
    finished = [
        name
        for name in experiments
        if any(run_directory(out, scale, name, 0).parent.glob(f"*/{RECORD}"))
    ]
    # without any, all are asked for: the error then names the first
    return {
        (record.experiment, record.seed): Weights(
            folder / (EMA_WEIGHTS if record.weights == "ema" else WEIGHTS), record
        )
        for folder, record in finished_runs(scale, out, finished or experiments)
    }


def write_result(frame: pd.DataFrame, path: str | Path, about: Mapping[str, Any]) -> list[Path]:
    """Writes measurements as CSV, four significant digits, and how they were made beside it.

    Args:
        frame: the measurements.
        path: of the CSV; the JSON file has its name.
        about: what the numbers depend on, in JSON types; device, software and code are added.
    """
    text = frame.to_csv(index=False, float_format="%.4g", lineterminator="\n")
    record = {**about, "rows": len(frame), "environment": environment(torch.device("cpu"))}
    described = json.dumps(record, indent=1) + "\n"
    return [
        write_atomically(path, text),
        write_atomically(Path(path).with_suffix(".json"), described),
    ]


def read_result(folder: str | Path, name: str) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Reads the measurements of a result and how they were made.

    Args:
        folder: of a scale's results, `figures/<scale>`.
        name: of the result, without ending.

    Raises:
        InputError: the result is not there.
    """
    path = Path(folder) / f"{name}.csv"
    try:
        return pd.read_csv(path), json.loads(path.with_suffix(".json").read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path} cannot be read ({error}). Restore it, or measure again: the notebook that "
            "reads it names the command."
        ) from error


def intervals(name: str, values: pd.Series) -> dict[str, float]:
    """Returns a mean and the ends of its 95 % interval as `<name>`, `<name>_low`, `<name>_high`.

    Args:
        name: of the three numbers.
        values: one a photograph; infinite and missing ones are left out.
    """
    ends = interval(values.to_numpy(), np.arange(len(values)))
    return dict(zip((name, f"{name}_low", f"{name}_high"), ends, strict=True))


@torch.no_grad()
def fill_all(network: Generator, picture: Picture, masks: Sequence[Mask]) -> list[Picture]:
    """Fills a photograph once with each of several masks: uint8 (H, W, 3) and bool (H, W)."""
    holes = torch.from_numpy(np.stack(masks))[:, None].float()  # (B, 1, H, W)
    images = to_tensor(picture).expand(len(masks), -1, -1, -1)  # (B, 3, H, W)
    return list(to_uint8(network.complete(images, holes)))
