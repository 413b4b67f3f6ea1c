"""The record of a run: everything that a number in a table can be traced back to.

A record is one JSON file. Tables and figures are built from records alone.
"""

import hashlib
import importlib.metadata
import json
import math
import os
import platform
import resource
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from aotgan.devices import device_name
from aotgan.errors import InputError
from aotgan.files import write_atomically

FORMAT = 1
PACKAGES = (
    "torch",
    "torchvision",
    "torchmetrics",
    "lightning",
    "numpy",
    "scikit-image",
    "pillow",
    "opencv-python-headless",
)
DECIDING = ("data", "losses", "metrics", "models", "training")  # what a measured number depends on


@dataclass(frozen=True)
class Record:
    """One run's settings, circumstances and measurements.

    Attributes:
        experiment, scale, seed: which run it is.
        config: the full training configuration; of a folder, its name alone (`portable`).
        features: the network behind perceptual and style loss.
        steps, images_seen: how far it was trained; `config` says how far it was to be. 0 for a
            filling that is not trained.
        train_seconds: training time, resumes included.
        seconds_on: the same by device; empty in records without it, whose only one
            `environment` has.
        images_per_s: median throughput of training.
        data: training set: name, number of images, hash of its listing. Of what is not trained it
            is the one that the models beside it see.
        evaluation: set, pairs and manifest hash of what it was measured on; "masks" where these are
            not of the kind that it was trained on.
        protocol: what each metric is.
        metrics: "raw" and, where there is one, "ema" weights: rows per mask-ratio bin.
        curve: the same on the way, in rows that also say "seen", how many images had been, and
            "weights"; empty where it was not measured.
        cost: of one image, see `aotgan.reproduce.runs.cost.Cost`; empty in records without it.
        adversarial_share: of the generator's gradient at the end of the training
            (`aotgan.training.balance`); None of other models, and in records without it.
        restarts: steps after which it went on from half-precision networks, its state being lost.
        environment: device, threads, peak memory, package versions, hash of the code
            (`code_hash`).
    """

    experiment: str
    scale: str
    seed: int
    config: dict[str, Any]
    features: str
    steps: int
    images_seen: int
    train_seconds: float
    images_per_s: float
    data: dict[str, Any]
    evaluation: dict[str, Any]
    protocol: dict[str, Any]
    metrics: dict[str, list[dict[str, Any]]]
    environment: dict[str, Any] = field(default_factory=dict)
    cost: dict[str, Any] = field(default_factory=dict)
    curve: list[dict[str, Any]] = field(default_factory=list)
    restarts: list[int] = field(default_factory=list)
    seconds_on: dict[str, float] = field(default_factory=dict)
    adversarial_share: float | None = None
    format: int = FORMAT

    def table(self, weights: str = "raw") -> pd.DataFrame:
        """Returns the measurements per bin of the "raw" or the "ema" weights."""
        if weights not in self.metrics:
            raise InputError(
                f"no {weights!r} weights were measured: choose of {', '.join(self.metrics)}."
            )
        rows = self.metrics[weights]
        return pd.DataFrame(
            [{k: math.nan if v is None else v for k, v in row.items()} for row in rows]
        )

    def at(self, images: int) -> "Record":
        """Returns the record as it was after so many images, from its learning curve.

        Raises:
            InputError: it was not measured there.
        """
        metrics: dict[str, list[dict[str, Any]]] = {}
        for row in (row for row in self.curve if row["seen"] == images):
            measured = {key: value for key, value in row.items() if key not in ("seen", "weights")}
            metrics.setdefault(row["weights"], []).append(measured)
        if not metrics:
            points = sorted({row["seen"] for row in self.curve})
            raise InputError(
                f"{self.experiment}, seed {self.seed}, saw {self.images_seen:,} images and was "
                f"not measured after {images:,}, as the rows beside it were; measured after: "
                f"{', '.join(f'{point:,}' for point in points) or 'nothing before'}. Declare that "
                "share of its training in its `curve` and train it again."
            )
        # every step sees as many images
        steps = round(self.steps * images / self.images_seen)
        return replace(self, images_seen=images, steps=steps, metrics=metrics)

    @property
    def weights(self) -> str:
        """The weights that tables show: the moving average where it was kept."""
        return "ema" if "ema" in self.metrics else "raw"

    @property
    def trained(self) -> bool:
        """Whether the numbers depend on a training; else they are the same for every seed."""
        return self.steps > 0

    def weights_for(self, asked: str | None) -> str:
        """The weights asked for, "raw" or "ema", by default those that tables show.

        What is not trained has one measurement, which stands for either.
        """
        return asked if asked and self.trained else self.weights

    def rows(self, weights: str | None = None) -> list[dict[str, Any]]:
        """Returns the measurements, one row a bin; argument as `weights_for`."""
        return self.metrics[self.weights_for(weights)]


def save_record(record: Record, path: str | Path) -> Path:
    """Writes a record as JSON, atomically; NaN, which JSON lacks, becomes null."""
    text = json.dumps(_finite(asdict(record)), indent=1, allow_nan=False)
    return write_atomically(path, text + "\n")


def load_record(path: str | Path) -> Record:
    """Reads a record.

    Raises:
        InputError: not a record of this format.
    """
    try:
        values = json.loads(Path(path).read_text("utf-8"))
        version = values.get("format") if isinstance(values, dict) else None
        record = Record(**values) if version == FORMAT else None
    except (OSError, ValueError, TypeError) as error:  # no file; no JSON or text; other fields
        raise InputError(
            f"{path} is not a readable record of a run ({error}). Move it away and run again."
        ) from error
    if record is None:
        raise InputError(
            f"{path} has format {version}, expected a record of format {FORMAT}. Move it away and "
            "run again."
        )
    return record


def rows_of(per_bin: pd.DataFrame) -> list[dict[str, Any]]:
    """Turns a table into JSON rows of six significant digits; NaN, which JSON lacks, is None."""
    rows = per_bin.to_dict(orient="records")
    return [{str(key): _json_value(value) for key, value in row.items()} for row in rows]


def _json_value(value: Any) -> Any:
    if not isinstance(value, float):
        return value
    return float(f"{value:.6g}") if math.isfinite(value) else None


def environment(device: torch.device) -> dict[str, Any]:
    """Describes device, software and code, without the name of the machine or any path."""
    return {
        "device": device_name(device),
        "threads": torch.get_num_threads(),
        "peak_memory_mb": round(_peak_memory_mb(device)),
        "python": platform.python_version(),
        "system": platform.system(),
        "packages": {name: importlib.metadata.version(name) for name in PACKAGES},
        "code_sha256": code_hash(),
    }


def code_hash() -> str:
    """SHA-256 over the sources that decide a run's numbers: names and contents, in order.

    Models, losses, data, metrics and training. `aotgan.reproduce` stays out, so that a table drawn
    anew does not orphan the records it is made from: what it decides (configuration, pairs,
    protocol) stands in the record itself.
    """
    root = Path(__file__).parents[2]
    digest = hashlib.sha256()
    for file in sorted(file for part in DECIDING for file in (root / part).rglob("*.py")):
        digest.update(file.relative_to(root).as_posix().encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()


def portable(config: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a configuration that names folders without saying where they are."""
    data = {
        key: f"folder:{Path(value).name}" if isinstance(value, str) and os.sep in value else value
        for key, value in config["data"].items()
    }
    return {**config, "data": data}


def _peak_memory_mb(device: torch.device) -> float:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes on macOS, else kB
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
