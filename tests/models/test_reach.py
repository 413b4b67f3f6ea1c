"""What the arithmetic says of a receptive field is what the gradient of a network shows."""

import pytest
import torch

from aotgan.errors import InputError
from aotgan.models.generator import Generator
from aotgan.models.reach import reach, theoretical_field


def support(generator, size, pixel):
    """First and last column that the prediction at a pixel depends on."""
    image = torch.rand(1, 3, size, size, dtype=torch.float64, requires_grad=True)
    mask = torch.zeros(1, 1, size, size, dtype=torch.float64)
    generator(image, mask)[0, :, pixel, pixel].sum().backward()
    columns = image.grad[0].abs().sum((0, 1)).nonzero()[:, 0]
    return int(columns[0]), int(columns[-1])


@pytest.mark.parametrize(
    ("variant", "rates"), [("paper", (1,)), ("paper", (1, 3)), ("released", (1,))]
)
def test_reach_and_field_are_those_of_the_gradient(monkeypatch, variant, rates):
    monkeypatch.setattr("torch.nn.functional.relu", torch.tanh)  # which has no dead units
    torch.manual_seed(3)
    generator = Generator(variant, width=2, blocks=1, rates=rates, gate="sigmoid").double()
    for part in (generator.encoder, generator.decoder):
        for i, layer in enumerate(part):
            part[i] = torch.nn.Tanh() if isinstance(layer, torch.nn.ReLU) else layer
    for value in generator.parameters():
        torch.nn.init.normal_(value, 0, 0.3)
    ends = {pixel: support(generator, 80, pixel) for pixel in range(38, 46)}
    assert max(last - first + 1 for first, last in ends.values()) == theoretical_field(generator)
    farthest = max(max(pixel - first, last - pixel) for pixel, (first, last) in ends.items())
    assert farthest == reach(generator)


@pytest.mark.parametrize(("variant", "pixels"), [("paper", 301), ("released", 304)])
def test_reach_at_full_depth(variant, pixels):
    assert reach(Generator(variant, width=4)) == pixels


def test_an_unknown_place_is_refused():
    with pytest.raises(InputError, match="at='middle': choose one of features, output"):
        theoretical_field(Generator(width=4, blocks=1), "middle")
