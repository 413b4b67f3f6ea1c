"""A model that is added as CONTRIBUTING says, in a copy of the package: it trains and inpaints."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
USE = """
from pathlib import Path

import numpy as np
import torch
from PIL import Image

import aotgan
from aotgan.models.registry import MODELS
from aotgan.models.weights import load_inpainter
from aotgan.training.config import DataConfig, LossConfig, TrainConfig
from aotgan.training.loop import WEIGHTS, RunOptions, Trainer

assert Path(aotgan.__file__).is_relative_to(Path.cwd()), "the copy, not the checkout"
assert MODELS[-1] == "tiny"
rng = np.random.default_rng(0)
for name in range(2):
    Image.fromarray(rng.integers(0, 256, (40, 40, 3), np.uint8)).save(f"photographs/{name}.png")

data = DataConfig(name="photographs", size_px=32)
config = TrainConfig({"model": "tiny"}, data=data, loss=LossConfig("published"), steps=1)
trainer = Trainer(config, "run", RunOptions(device="cpu", workers=0, progress="none"))
start = trainer.recipe.generator.layers[0].weight.detach().clone()
assert trainer.fit() == "steps"

model = load_inpainter(Path("run", WEIGHTS))
assert type(model).__name__ == "Tiny" and not torch.equal(model.layers[0].weight, start)
image, mask = torch.rand(1, 3, 20, 30) * 2 - 1, torch.zeros(1, 1, 20, 30)
mask[..., 5:12, 8:20] = 1
filled = model.complete(image, mask)
known = (mask == 0).expand_as(image)
assert torch.equal(filled[known], image[known]) and not torch.equal(filled, image)
"""


def blocks(section):
    """The code of a section of CONTRIBUTING, in order."""
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    (body,) = re.findall(rf"^## {section}\n(.*?)(?=^## )", text, re.DOTALL | re.MULTILINE)
    return re.findall(r"^```python\n(.*?)^```", body, re.DOTALL | re.MULTILINE), body


@pytest.mark.slow
def test_a_model_as_contributing_adds_it_trains_and_inpaints(tmp_path):
    (network, training, declaration), body = blocks("Adding a model")
    skipped = shutil.ignore_patterns("__pycache__", "*.safetensors", "manifests")
    shutil.copytree(ROOT / "aotgan", tmp_path / "aotgan", ignore=skipped)
    first, second, registry = re.findall(r"`(aotgan/\S+\.py)`", body)
    (tmp_path / first).write_text(network, "utf-8")
    (tmp_path / second).write_text(training, "utf-8")
    source = (tmp_path / registry).read_text("utf-8")
    end = "\n}\nMODELS"
    assert source.count(end) == 1
    (tmp_path / registry).write_text(source.replace(end, f"\n{declaration}}}\nMODELS"), "utf-8")

    (tmp_path / "photographs").mkdir()
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "OMP_NUM_THREADS": "1"}
    result = subprocess.run(
        [sys.executable, "-c", USE], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
