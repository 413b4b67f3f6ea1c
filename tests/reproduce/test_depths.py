"""Deep holes are filled in every way on the same photographs, and compared with one pass."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from tolerances import DOUBLE, SINGLE_NET

import aotgan
from aotgan.data.catalogue import load
from aotgan.data.images import load_square, to_tensor, to_uint8
from aotgan.data.masks import centre_mask
from aotgan.models.generator import Generator
from aotgan.models.weights import DEFAULT_MODEL
from aotgan.reproduce.runs.scales import SCALES
from aotgan.reproduce.studies import depths
from aotgan.reproduce.studies.depths import depth_result, measure_depths, summarise_depths
from aotgan.reproduce.studies.study import read_result


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return Generator(width=4, blocks=1, rates=(1,), fill="surface", correction=True).eval()


def test_each_depth_is_filled_in_every_way(network):
    files = load("bundled", "test").files[:2]
    frame = measure_depths(network, files, {64: (8, 16)})
    assert len(frame) == 2 * 2 * 5
    assert frame["filled"].tolist()[:5] == ["smooth", "0", "1", "2", "3"]
    assert set(frame["depth"]) == {8, 16} and set(frame["photograph"]) == {0, 1}

    picture, hole = load_square(files[1], 64), centre_mask(64, 64, 32)
    assert hole.sum() == 32**2, "its deepest pixel is 16 px from a known one"
    image, mask = to_tensor(picture)[None], torch.from_numpy(hole)[None, None].float()
    with torch.no_grad():
        one_pass = to_uint8(network.complete(image, mask))[0]
    surface = np.asarray(aotgan.inpaint(picture, hole, model="smooth"))
    at = frame.set_index(["depth", "photograph", "filled"]).sort_index().loc[(16, 1)]
    for name, filled in (("0", one_pass), ("smooth", surface)):
        difference = (filled.astype(float) - picture)[hole] / 255
        assert at.loc[name, "l1_hole"] == pytest.approx(np.abs(difference).mean(), rel=DOUBLE)
        decibels = -10 * np.log10((difference**2).mean())
        assert at.loc[name, "psnr_hole"] == pytest.approx(decibels, rel=DOUBLE)
    assert at["perceptual"].nunique() == 5 and (at["perceptual"] > 0).all()


def test_ways_are_compared_with_one_pass_photograph_by_photograph():
    values = {"0": (20.0, 30.0), "1": (21.0, 31.5), "smooth": (19.0, 29.0)}
    rows = [
        {"size": 64, "depth": 8, "photograph": n, "filled": name, "psnr_hole": psnr}
        for name, pair in values.items()
        for n, psnr in enumerate(pair)
    ]
    frame = pd.DataFrame(rows).assign(l1_hole=1.0, perceptual=2.0)
    table = summarise_depths(frame).set_index("filled")
    assert list(table.index) == ["1", "smooth"], "in the order of the rows"
    coarse = table.loc["1"]
    assert (coarse["size"], coarse["depth"], coarse["psnr_hole"]) == (64, 8, 1.25)
    half = 12.7062 * 0.25  # Student's t of two photographs
    assert coarse["psnr_hole_high"] - 1.25 == pytest.approx(half, rel=SINGLE_NET)
    assert table.loc["smooth", "psnr_hole_low"] == table.loc["smooth", "psnr_hole"] == -1
    assert (table["l1_hole"] == 0).all()


def test_the_shipped_model_is_measured(tmp_path, monkeypatch, photographs):
    small = replace(SCALES["laptop"], sets={"scenes": str(photographs)})
    monkeypatch.setitem(SCALES, "laptop", small)
    monkeypatch.setattr(depths, "DEPTHS", {128: (16,)})
    monkeypatch.setattr(depths, "MOST_LEVELS", 1)
    monkeypatch.setattr(depths, "SEED", 3)  # which takes the second of two first
    measured = []

    def measure(network, files, of_size):
        measured.extend(files)
        return measure_depths(network, files, of_size)

    monkeypatch.setattr(depths, "measure_depths", measure)
    depth_result("laptop", tmp_path, None, photographs=2)
    frame, about = read_result(tmp_path / "laptop", "hole_depths")
    assert len(frame) == 2 * 3 and about["photographs"] == 2
    files = list(load(str(photographs), "test").files)
    assert measured == files[::-1], "drawn, as neighbours in a list are alike"
    assert list(about["weights"]) == [DEFAULT_MODEL]
    assert list(summarise_depths(frame)["filled"]) == ["smooth", "1"]
