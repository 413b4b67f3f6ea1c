"""The style weight of each feature network follows one rule, measured on real photographs."""

import pytest
import torch
from lightning.fabric import Fabric
from tolerances import SINGLE_FEW

from aotgan.data.catalogue import load
from aotgan.data.dataset import TrainingSamples
from aotgan.models.inpainter import composite, erase
from aotgan.reproduce.runs.scales import make_config, style_weight
from aotgan.training.balance import gradient_ratios
from aotgan.training.config import DataConfig, LossConfig, TrainConfig
from aotgan.training.step import Step


def batches(size_px, count, batch=8):
    samples = TrainingSamples(load("bundled").files, size_px, seed=0)
    for first in range(0, count * batch, batch):
        images, masks, _ = zip(*(samples[first + i] for i in range(batch)), strict=True)
        yield torch.stack(images), torch.stack(masks)


def step_of(loss, width=16, size_px=128):
    config = TrainConfig(
        generator={"width": width},
        discriminator_width=2,
        data=DataConfig(size_px=size_px),
        loss=loss,
    )
    return Step(config, Fabric(accelerator="cpu", devices=1))


@pytest.mark.slow
@pytest.mark.parametrize(("features", "width"), [("efficientnet-lite0", 64), ("random", 16)])
def test_the_style_gradient_starts_between_three_and_five_tenths_of_that_of_l1(features, width):
    loss = LossConfig(features=features, feature_width=width, style=style_weight(features, width))
    ratios = gradient_ratios(step_of(loss), batches(128, 4))
    assert 0.3 < ratios["style"] < 0.5
    assert 0.1 < ratios["perceptual"] < 10


@pytest.mark.parametrize("scale", ["smoke", "laptop", "gpu", "paper"])
def test_scales_have_the_weight_of_their_features(scale):
    loss = make_config("aotgan", scale).loss
    assert loss.style == style_weight(loss.features, loss.feature_width)
    assert (loss.style, loss.perceptual) == (250 if scale == "paper" else 1, 0.1)


def test_ratios_are_those_of_the_norms_of_the_gradients(double):
    loss = LossConfig(features="random", feature_width=2, style=30.0, perceptual=0.5)
    step = step_of(loss, width=4, size_px=40)
    step.features.double()
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(2, 3, 40, 40, generator=generator) * 2 - 1
    mask = torch.zeros(2, 1, 40, 40)
    mask[:, :, 10:22, 8:30] = 1
    found = gradient_ratios(step, [(image, mask)])
    with torch.no_grad():
        prediction = step.generator(erase(image, mask, step.generator.fill), mask)

    def weighted(name):
        def value(p):
            losses = step.reconstruction_losses(image, p, composite(image, p, mask), mask)
            return getattr(loss, name) * losses[name]

        return value

    norms = {
        name: torch.autograd.functional.jacobian(weighted(name), prediction).norm()
        for name in ("reconstruction", "perceptual", "style")
    }
    for name in ("perceptual", "style"):
        assert found[name] == pytest.approx(
            float(norms[name] / norms["reconstruction"]), rel=SINGLE_FEW
        )
    assert float(norms["reconstruction"]) == pytest.approx(prediction.numel() ** -0.5)
