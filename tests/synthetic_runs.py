"""Runs that were never trained, with measurements drawn from a seed."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from aotgan.metrics.report import PIXEL_METRICS, summarise
from aotgan.reproduce.runs.kept import measurements_csv
from aotgan.reproduce.runs.record import Record, rows_of, save_record
from aotgan.reproduce.tables.runs import Run

PHOTOGRAPHS, PAIRS = 10, 20
FRECHET = "Frechet distance, random features (seed 0)"


def per_image(offset, rng):
    """Measurements of every pair; `offset` is in dB, and other metrics follow it."""
    psnr = rng.normal(20, 0.01, PAIRS) + np.linspace(-2, 2, PAIRS) + offset
    frame = pd.DataFrame({"bin": "40-50%", "image": [f"p{i % PHOTOGRAPHS}" for i in range(PAIRS)]})
    frame["mask_ratio"] = 0.45
    for metric in PIXEL_METRICS:
        frame[metric] = psnr if metric.startswith("psnr") else 1 / psnr
    frame["ssim"] = psnr / 40
    return frame


def synthetic_run(experiment, seed=0, offset=0.0, fd=1.0, **changes):
    """A run whose moving average is `offset` dB above 20 and whose final weights are 1 dB below."""
    rng = np.random.default_rng([seed, *experiment.encode()])
    frames = {name: per_image(offset - low, rng) for name, low in (("raw", 1.0), ("ema", 0.0))}
    values = {
        "experiment": experiment,
        "scale": "laptop",
        "seed": seed,
        "config": {"seed": seed},
        "features": "random-16-seed0",
        "steps": 1500,
        "images_seen": 12_000,
        "train_seconds": 900.0,
        "images_per_s": 12.0,
        "data": {"name": "faces", "images": 4999, "manifest_sha256": "aa"},
        "evaluation": {
            "name": "faces",
            "images": PHOTOGRAPHS,
            "pairs": PAIRS,
            "size_px": 128,
            "manifest_sha256": "bb",
        },
        "protocol": {"frechet": {"name": FRECHET}},
        "metrics": {
            name: [row | {"fd": fd} for row in rows_of(summarise(frame))]
            for name, frame in frames.items()
        },
        "environment": {"code_sha256": "c0de" * 16, "device": "CPU (x86_64)"},
    }
    measured = pd.concat(frames).rename_axis(["weights", None]).reset_index(level="weights")
    return Run(Record(**values | changes), measured)


@pytest.fixture
def make_run():
    """Returns `synthetic_run`."""
    return synthetic_run


def write_run(run, folder):
    """Writes a run as the committed results of a scale have it."""
    stem = f"{run.record.experiment}-seed{run.record.seed}"
    save_record(run.record, Path(folder) / "records" / f"{stem}.json")
    pairs = Path(folder) / "records" / f"{stem}-pairs.csv"
    pairs.write_text(measurements_csv(run.per_image))
    if not run.resamples.empty:
        resamples = Path(folder) / "records" / f"{stem}-resamples.csv"
        resamples.write_text(measurements_csv(run.resamples))


def write_point(run, earlier, images, folder):
    """Writes a run, and on its curve what it was after so many images: another run's numbers."""
    about = {"seen": images}
    run.record.curve.extend(
        about | {"weights": weights} | row
        for weights, rows in earlier.record.metrics.items()
        for row in rows
    )
    write_run(run, folder)
    stem = f"{run.record.experiment}-seed{run.record.seed}"
    points = Path(folder) / "records" / f"{stem}-curve-pairs.csv"
    points.write_text(measurements_csv(earlier.per_image.assign(**about)))


def resampled(run, values, kind="ema"):
    """The run with distances of resamples, "fd" and "kd" alike; the first value is the run's."""
    frames = [
        pd.DataFrame({"weights": kind, "bin": at, "fd": values, "kd": values})
        for at in ("40-50%", "all")
    ]
    return replace(run, resamples=pd.concat([run.resamples, *frames], ignore_index=True))


@pytest.fixture
def write_runs(tmp_path):
    """Writes runs as committed results have them and returns the folder of the scale."""

    def write(*runs, figures=tmp_path):
        for run in runs:
            write_run(run, figures / "laptop")
        return figures / "laptop"

    return write
