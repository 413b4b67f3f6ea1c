"""The benchmark compares like with like: equal fills, equal losses and updates."""

import pytest
import torch
from lightning.fabric import Fabric
from tolerances import DOUBLE_NET, PERCENT, SINGLE, SINGLE_NET, SINGLE_SUM

from aotgan.bench.cases import example
from aotgan.bench.plain import PlainGenerator, PlainStep, dense_blur
from aotgan.errors import InputError
from aotgan.losses.features import VGG19Features
from aotgan.losses.labels import released_blur
from aotgan.models.generator import Generator
from aotgan.models.weights import released_name
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


@pytest.mark.parametrize("options", [{"width": 4}, {"width": 6, "blocks": 2, "rates": (1, 3)}])
def test_the_plain_network_is_the_released_generator(options: dict) -> None:
    torch.manual_seed(0)
    generator = Generator("released", **options).double()
    with torch.no_grad():
        for value in generator.parameters():
            value.add_(torch.randn_like(value) * 0.1)
    image, mask = (x.double() for x in example(SIZE, 2, torch.device("cpu")))
    plain = PlainGenerator(generator).double()
    expected = generator.complete(image, mask)
    assert (expected - image).abs().max() > 0.1
    torch.testing.assert_close(plain.complete(image, mask), expected, rtol=0, atol=DOUBLE_NET)


def test_the_plain_network_has_no_other_reading() -> None:
    with pytest.raises(InputError, match="released network has other options.*'paper'"):
        PlainGenerator(Generator("paper", width=4, blocks=1))


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
        torch.testing.assert_close(found[name], value, rtol=SINGLE_NET, atol=SINGLE_SUM, msg=name)
    gradients = {name: value.grad for name, value in plain.generator.named_parameters()}
    for name, value in ours.generator.named_parameters():
        gradient = gradients[released_name(name)]
        # the standardised gate does not depend on its bias: that gradient is rounding alone
        assert (gradient - value.grad).norm() <= PERCENT * gradient.norm() + SINGLE, name


def test_dense_blur_equals_the_separable_one() -> None:
    mask = example(80, 1, torch.device("cpu"))[1]
    torch.testing.assert_close(dense_blur(mask), released_blur(mask), rtol=0, atol=SINGLE_SUM)
