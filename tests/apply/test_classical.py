"""`aotgan.inpaint` with fillings that learn nothing."""

import inspect
import json
import re
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import aotgan
from aotgan.apply import inpaint as module
from aotgan.apply.defaults import FEATHER_PX, GROW_PX
from aotgan.apply.folders import Settings
from aotgan.apply.painter import Painter
from aotgan.commands.inpaint import inpaint as command
from aotgan.data.images import to_tensor, to_uint8
from aotgan.errors import InputError
from aotgan.models.registry import CLASSICAL, build

ROOT = Path(__file__).parents[2]
HOLES = {
    "one": [(30, 20, 44, 33)],
    "several": [(3, 5, 9, 30), (100, 60, 131, 64), (50, 40, 60, 48)],
    "borders": [(0, 0, 30, 12), (120, 70, 131, 93)],
}


def picture(mode="RGB"):
    y, x = np.mgrid[:93, :131] / 15
    waves = np.stack([np.sin(x + k) + np.cos(y * (k + 1)) for k in range(3)], axis=-1)
    noise = np.random.default_rng(0).normal(0, 8, waves.shape)
    return Image.fromarray((128 + 50 * waves + noise).clip(0, 255).astype(np.uint8)).convert(mode)


def hole_of(boxes):
    hole = np.zeros((93, 131), bool)
    for left, top, right, bottom in boxes:
        hole[top:bottom, left:right] = True
    return hole


@pytest.mark.parametrize("name", CLASSICAL)
@pytest.mark.parametrize("boxes", HOLES.values(), ids=HOLES)
def test_the_fill_is_that_of_the_whole_picture(name, boxes):
    samples, hole = np.array(picture()), hole_of(boxes)
    mask = torch.from_numpy(hole)[None, None].float()
    whole = to_uint8(build({"model": name}).complete(to_tensor(samples[None]), mask))[0]
    for model in (name, build({"model": name})):
        assert np.array_equal(aotgan.inpaint(samples, hole, model), whole)


@pytest.mark.parametrize("name", CLASSICAL)
def test_only_what_is_around_the_holes_is_looked_at(name, monkeypatch):
    windows = []
    predict = module.predict
    monkeypatch.setattr(
        module,
        "predict",
        lambda model, image, *rest: windows.append(image.shape) or predict(model, image, *rest),
    )
    done = []
    aotgan.inpaint(picture(), HOLES["one"], name, on_progress=lambda *now: done.append(now))
    assert windows == [(1, 3, 13 + 2 * module.MARGIN_PX, 14 + 2 * module.MARGIN_PX)]
    assert done == [(1, 1)]


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "1", "CMYK", "I;16"])
@pytest.mark.parametrize("name", CLASSICAL)
def test_every_kind_is_filled_and_its_known_pixels_stay(name, mode):
    given, hole = picture("L" if mode == "I;16" else mode), hole_of(HOLES["several"])
    if mode == "I;16":
        given = Image.fromarray(np.array(given).astype(np.uint16) * 257)
    filled = aotgan.inpaint(given, hole, name, grow=0, feather=0)
    assert filled.mode == given.mode
    assert np.array_equal(np.array(filled)[~hole], np.array(given)[~hole])
    light = [
        np.array(p, float)[hole] if mode == "I;16" else np.array(p.convert("L"), float)[hole]
        for p in (filled, given)
    ]
    assert abs(light[0].mean() - light[1].mean()) < (40 * 257 if mode == "I;16" else 40)


def test_halvings_are_for_networks():
    with pytest.raises(InputError, match=r"levels=1: this model takes no coarse fill"):
        aotgan.inpaint(picture(), HOLES["one"], "telea", levels=1)


def test_grow_and_feather_have_one_default_everywhere():
    pair = {"grow": GROW_PX, "feather": FEATHER_PX}
    for function in (aotgan.inpaint, Painter, command):
        parameters = inspect.signature(function).parameters
        assert {name: parameters[name].default for name in pair} == pair, function
    assert {field.name: field.default for field in fields(Settings) if field.name in pair} == pair
    notebook = json.loads((ROOT / "notebooks/18_draw_a_mask.ipynb").read_text())
    [cell] = [c for c in notebook["cells"] if "parameters" in c["metadata"].get("tags", [])]
    given = dict(re.findall(r"^(grow|feather)_px = (\d+)", "".join(cell["source"]), re.MULTILINE))
    assert {name: int(value) for name, value in given.items()} == pair
    readme = (ROOT / "README.md").read_text()
    assert not re.search(r"\b(grow|feather)=", readme) and not re.search("--(grow|feather)", readme)
