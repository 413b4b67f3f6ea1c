"""The benchmark compares like with like: both steps compute equal losses and updates."""

import pytest
import torch
from lightning.fabric import Fabric

from aotgan.errors import InputError
from aotgan.losses.features import VGG19Features
from aotgan.losses.labels import released_blur
from aotgan.training.bench import PlainStep, compare, dense_blur, example
from aotgan.training.config import DataConfig, LossConfig, OptimConfig, TrainConfig
from aotgan.training.devices import RunOptions
from aotgan.training.step import Step

SIZE, WIDTH = 48, 4


def released_config() -> TrainConfig:
    return TrainConfig(
        generator={"variant": "released", "width": WIDTH, "blocks": 1},
        discriminator_width=WIDTH,
        data=DataConfig(size_px=SIZE),
        loss=LossConfig(objective="released", on_composite=False, features="random"),
        optim=OptimConfig(2, betas=(0.5, 0.999)),
    )


def test_both_steps_compute_the_same_losses_and_generator_update() -> None:
    config, fabric = released_config(), Fabric(accelerator="cpu", devices=1)
    features = VGG19Features("random")
    options = RunOptions(channels_last=False)
    steps = [Step(config, fabric, options, features) for _ in range(2)]
    for step in steps:  # spectral norm advances with each pass: settle it, so that passes agree
        image, mask = example(SIZE, 2, fabric.device)
        with torch.no_grad():
            for _ in range(300):
                step.discriminator(image)
    plain, ours = PlainStep(steps[0], features), steps[1]
    expected, found = plain(image, mask), ours(image, mask)
    assert set(found) == set(expected)
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=1e-4, atol=1e-5, msg=name)
    for a, b in zip(*(step.generator.parameters() for step in steps), strict=True):
        torch.testing.assert_close(a.grad, b.grad, rtol=1e-2, atol=1e-6)


def test_dense_blur_equals_the_separable_one() -> None:
    mask = example(80, 1, torch.device("cpu"))[1]
    torch.testing.assert_close(dense_blur(mask), released_blur(mask), rtol=0, atol=1e-5)


def test_compare_reports_consistent_figures() -> None:
    timing = compare(size_px=SIZE, batch=1, rounds=2, width=2, device="cpu")
    assert timing.lowest <= timing.ratio <= timing.highest
    assert timing.images_per_s == pytest.approx(1 / timing.ours_s)
    assert 0 < timing.tflops and 0 < timing.peak_tflops


def test_no_rounds_are_refused() -> None:
    with pytest.raises(InputError, match="rounds=0"):
        compare(rounds=0)
