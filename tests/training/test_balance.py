"""How strongly each term of Eq. 8 pulls; the style weight follows one rule, on photographs."""

import copy

import pytest
import torch
from lightning.fabric import Fabric
from tolerances import DOUBLE_SUM, SINGLE_FEW

from aotgan.data.catalogue import load
from aotgan.data.dataset import TrainingSamples
from aotgan.models.inpainter import composite, erase
from aotgan.reproduce.runs.scales import make_config, style_weight
from aotgan.training.balance import adversarial_share, gradient_ratios
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


def example(**options):
    loss = LossConfig(features="random", feature_width=2, style=30.0, perceptual=0.5, **options)
    step = step_of(loss, width=4, size_px=40)
    step.features.double()
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(2, 3, 40, 40, generator=generator) * 2 - 1
    mask = torch.zeros(2, 1, 40, 40)
    mask[:, :, 10:22, 8:30] = 1
    return loss, step, image, mask


def test_ratios_are_those_of_the_norms_of_the_gradients(double):
    loss, step, image, mask = example()
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


def gradient_of_a_step(before, **options):
    """Of the generator's weights, as a step from the given state leaves it behind."""
    _, step, image, mask = example(**options)
    step.load_state_dict(before)
    step.discriminator.eval()  # the same spectral norms in each
    step(image, mask)
    return torch.cat([weight.grad.flatten() for weight in step.generator.parameters()])


def test_the_adversarys_share_is_how_far_its_weight_moves_the_gradient(double):
    _, step, image, mask = example(adversarial=20.0)
    before = copy.deepcopy(step.state_dict())
    share = adversarial_share(step, [(image, mask), (image, mask)])
    torch.testing.assert_close(step.state_dict(), before, rtol=0, atol=0)  # nothing was updated

    less, same, more = (gradient_of_a_step(before, adversarial=w) for w in (10.0, 20.0, 30.0))
    moved = (more - less).norm()  # the gradient is linear in the weight
    assert 0.01 < share < 1
    assert share == pytest.approx(float(moved / same.norm()), rel=DOUBLE_SUM)


def test_without_an_adversary_it_has_no_share():
    assert adversarial_share(example(objective="none")[1], []) == 0
