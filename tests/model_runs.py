"""Runs of Tables 1 and 4 that were never trained; those of Table 1 are measured in all bins."""

from dataclasses import replace

import pandas as pd
from synthetic_runs import synthetic_run

from aotgan.data.masks import RATIO_BINS, bin_label
from aotgan.metrics.report import summarise
from aotgan.reproduce.runs.record import rows_of
from aotgan.reproduce.tables.rows import rows_of_table
from aotgan.reproduce.tables.runs import Run

BINS = [bin_label(bounds) for bounds in RATIO_BINS]
OFFSETS = {"ca": 0.0, "hifill": 1.0, "aotgan": 2.0, "telea": 4.0}
FDS = {"ca": 4.0, "hifill": 2.0, "aotgan": 1.5, "telea": 0.5}


def runs_of_table4(seeds=2):
    """Later rows better and without noise between them; by SSIM, the paper's order."""
    return {
        name: [synthetic_run(name, s, 0.3 * at + 0.05 * s, fd=9 - at + s) for s in range(seeds)]
        for at, name in enumerate(rows_of_table("4").values())
    }


def run_of(name, seed=0):
    """A run measured in all six bins; the PSNR falls by 1 dB from bin to bin."""
    run = synthetic_run(name, seed, OFFSETS[name], config={"generator": {}, "seed": seed})
    frames = {}
    for weights, frame in run.per_image.groupby("weights"):
        parts = [frame.assign(bin=label, psnr=frame["psnr"] - at) for at, label in enumerate(BINS)]
        frames[weights] = pd.concat(parts, ignore_index=True)
    for weights, frame in frames.items():
        rows = rows_of(summarise(frame.drop(columns="weights")))
        run.record.metrics[weights] = [row | {"fd": FDS[name]} for row in rows]
    model = {} if name == "aotgan" else {"model": name}
    run.record.config["generator"] = model
    run.record.cost.update(parameters=2_000_000, gmacs=1.5, seconds=0.25, memory_mb=12.0)
    return Run(run.record, pd.concat(frames.values()))


def classical_run():
    """A run of Telea: not trained, one measurement of each pair."""
    run = run_of("telea")
    del run.record.metrics["ema"]
    run.record.cost.clear()
    run.record.cost.update(parameters=0, seconds=0.01)
    record = replace(run.record, steps=0, images_seen=0, images_per_s=0.0)
    return Run(record, run.per_image[run.per_image["weights"] == "raw"])
