"""A model beside the fillings that learn nothing: differences pair by pair, and the colour cast."""

import json
import sys

import numpy as np
import pytest
import torch
from tolerances import PERCENT, SINGLE_NET

from aotgan.cli import main
from aotgan.data.catalogue import load
from aotgan.data.manifest import make_manifest
from aotgan.models.classical import SmoothSurface
from aotgan.models.generator import Generator
from aotgan.models.weights import save_generator
from aotgan.reproduce.bars import CHANNELS, Cast, measure_bars, readable_bars


class Brighter(SmoothSurface):
    """The smooth surface, 10 levels of 255 brighter in red."""

    def complete(self, image, mask):
        lift = torch.tensor([20 / 255, 0, 0]).view(1, 3, 1, 1)
        return (super().complete(image, mask) + lift * mask).clamp(-1, 1)


@pytest.fixture(scope="module")
def bars():
    manifest = make_manifest(load("bundled", "test").files, 48, per_bin=4)
    return measure_bars("brighter", Brighter(), manifest, "bundled", progress=False)


def test_differences_are_those_of_the_means_with_an_interval_that_holds_them(bars):
    for row in bars["differences"]:
        ours, theirs = (
            next(r for r in bars["metrics"][name] if r["bin"] == row["bin"])
            for name in ("brighter", row["against"])
        )
        if row["difference"] is None:  # a distance of fewer images than it has dimensions
            assert ours[row["metric"]] is None
            continue
        change = ours[row["metric"]] - theirs[row["metric"]]
        assert row["difference"] == pytest.approx(change, rel=PERCENT, abs=SINGLE_NET)
        assert row["low"] is None or row["low"] <= row["difference"] <= row["high"]
    where = {(d["against"], d["bin"], d["metric"]): d for d in bars["differences"]}
    assert len(where) == len(bars["differences"]) == 3 * 7 * 5
    assert where["smooth", "all", "psnr"]["difference"] < 0, "a cast is no improvement"


def test_a_cast_is_told_by_channel_and_in_levels(bars):
    red, green, blue = (bars["cast"][channel] for channel in CHANNELS)
    surface = Cast()
    manifest = make_manifest(load("bundled", "test").files, 48, per_bin=4)
    for case in manifest:
        filled = case[0].copy()
        filled[case[1]] = np.minimum(filled[case[1]].astype(int) + (3, 0, 1), 255)
        surface.keep(case, filled)
    found = surface.summary()
    assert 2 < found["red"][0] <= 3 and found["green"] == (0, 0, 0) and 0 < found["blue"][0] <= 1
    assert red[0] - max(green[0], blue[0]) > 3 and red[1] < red[0] < red[2]
    json.dumps(bars)


def test_a_reader_sees_every_filler_and_what_is_changed(bars):
    table = readable_bars(bars)
    assert list(table["filled by"]) == ["brighter", "telea", "navier-stokes", "smooth"]
    own, *others = table["PSNR (dB)"]
    assert "(" not in own and "(-" in others[2]
    row, ours = (bars["metrics"][filler][-1] for filler in ("smooth", "brighter"))
    shown = table["L1 in the hole (1e-2)"][3]
    change = 100 * (ours["l1_hole"] - row["l1_hole"])
    assert shown.startswith(f"{100 * row['l1_hole']:.2f} ({change:+.2f}, ")


def test_the_command_writes_a_record(tmp_path, monkeypatch, capsys):
    torch.manual_seed(0)
    weights = save_generator(Generator(width=4, blocks=1), tmp_path / "small.safetensors")
    words = f"weights bars {weights} --data bundled --size 40 --pairs 12 --out {tmp_path}"
    monkeypatch.setattr(sys, "argv", ["aotgan", *words.split()])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 0 and "navier-stokes" in capsys.readouterr().out
    record = json.loads((tmp_path / "small-40px.json").read_text())
    assert record["evaluation"]["pairs"] == 12 and set(record["cast"]) == set(CHANNELS)
