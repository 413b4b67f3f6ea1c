"""Runs of a second."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from model_runs import run_of, runs_of_table4
from PIL import Image

from aotgan.reproduce.runs.experiments import EXPERIMENTS
from aotgan.reproduce.runs.outputs import FIGURES, file_stem
from aotgan.reproduce.runs.scales import SCALES
from aotgan.reproduce.tables.rows import TITLES, rows_of_table
from aotgan.reproduce.tables.table import Table


@pytest.fixture(scope="module")
def tiny_scale():
    """A scale whose runs take a second."""
    scale = replace(
        SCALES["smoke"],
        name="tiny",
        size_px=40,
        width=4,
        features="random",
        feature_width=2,
        batch_size=2,
        steps=4,
        ema_decay=0.5,
        pairs=12,
        log_every_steps=1,
        save_every_steps=2,
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(SCALES, "tiny", scale)
        yield


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    """Twelve photographs; the rule for folders puts photo4 and photo11 into the test split."""
    folder = tmp_path_factory.mktemp("photographs")
    rng = np.random.default_rng(0)
    for number in range(12):
        noise = rng.integers(0, 256, (48, 56, 3), dtype=np.uint8)
        Image.fromarray(noise).save(folder / f"photo{number}.png")
    return folder


@pytest.fixture
def as_committed(monkeypatch):
    """Takes away the rows that committed results cannot have yet: never run and not listed."""
    folder = Path(__file__).parents[2] / "figures" / "laptop"
    tables = [pd.read_csv(folder / f"{file_stem(name)}.csv") for name in TITLES]
    listed = {experiment for table in tables for experiment in table["experiment"]}
    rows = {name for table in TITLES for name in rows_of_table(table).values()}
    for name in sorted(rows - listed):
        if not any((folder / "records").glob(f"{name}-seed*.json")):
            monkeypatch.delitem(EXPERIMENTS, name)
    for file, names in FIGURES.items():
        monkeypatch.setitem(FIGURES, file, tuple(name for name in names if name in EXPERIMENTS))


@pytest.fixture
def table4():
    """Table 4 of two seeds a row."""
    return Table("4", runs_of_table4())


@pytest.fixture
def models():
    """Runs of three models of Table 1, two seeds each."""
    return {name: [run_of(name, seed) for seed in (0, 1)] for name in ("ca", "hifill", "aotgan")}
