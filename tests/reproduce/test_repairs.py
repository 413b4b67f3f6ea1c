"""The picture of repairs: what is erased, and that nothing else changes."""

import warnings

import numpy as np

from aotgan.data.catalogue import load
from aotgan.models.generator import Generator
from aotgan.reproduce.figures import repairs as module
from aotgan.reproduce.figures.repairs import HOLES, repairs


def test_three_photographs_are_filled_at_their_own_size_in_the_hole_alone(monkeypatch):
    filled = []

    def kept(picture, hole, model):
        filled.append((picture, hole, module_inpaint(picture, hole, model=model)))
        return filled[-1][2]

    module_inpaint = module.inpaint
    monkeypatch.setattr(module, "inpaint", kept)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a hole too deep for a network would be told
        figure = repairs(Generator("paper", width=1))
    assert len(figure.axes) == 2 * len(HOLES) == 6
    assert {file.stem for file in load("bundled", "test").files} >= HOLES.keys()
    for picture, hole, result in filled:
        assert 0.01 < hole.mean() < 0.1 and picture.shape[1] / picture.shape[0] >= 1.49
        changed = (np.asarray(result) != picture).any(-1)
        assert changed[hole].mean() > 0.9 and not changed[~hole].any()
