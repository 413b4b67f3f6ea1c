"""A picture of samples is taken apart into what it was made of."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from torchvision.utils import save_image

from aotgan.errors import InputError
from aotgan.models.registry import build
from aotgan.reproduce import runs
from aotgan.reproduce.runs.run import train_briefly
from aotgan.reproduce.runs.samples import read_samples, sample_grid


@pytest.mark.parametrize("columns", [1, 3])
def test_samples_come_back_column_by_column(tmp_path, columns):
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (32, 32, 3), np.uint8) for _ in range(columns)]
    masks = [rng.random((32, 32)) < 0.3 for _ in range(columns)]
    grid = sample_grid(build({"model": "smooth"}), zip(images, masks, masks, strict=True))
    save_image(grid, tmp_path / "samples.png")
    samples = read_samples(tmp_path / "samples.png")
    assert len(samples) == columns
    for sample, image, mask in zip(samples, images, masks, strict=True):
        assert np.array_equal(sample.original, image)
        assert np.array_equal(sample.masked, np.where(mask[..., None], 255, image))
        assert np.array_equal(sample.filled[~mask], image[~mask])
        assert not np.array_equal(sample.filled[mask], image[mask])


def test_no_picture_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"samples\.png"):
        read_samples(tmp_path / "samples.png")


@pytest.mark.slow
def test_a_brief_training_returns_its_record_and_samples_and_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.set_num_threads(1)
    record, samples = train_briefly("rates-1", 1, 1)
    assert (record.experiment, record.scale, record.seed, record.steps) == (
        "rates-1",
        "smoke",
        1,
        1,
    )
    assert {picture.shape for sample in samples for picture in sample} == {(64, 64, 3)}
    assert len(samples) == 1 and list(tmp_path.iterdir()) == []  # ablations have one bin


def test_the_wing_has_what_it_names_and_loads_it_on_first_use():
    assert {name: getattr(runs, name) for name in runs.__all__}.keys() <= set(dir(runs))
    with pytest.raises(AttributeError, match="no attribute 'trains'"):
        _ = runs.trains
    program = (
        "import sys, aotgan.reproduce.runs as r; r.EXPERIMENTS; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
