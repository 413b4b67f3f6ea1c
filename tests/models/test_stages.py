"""The stages of the generator, which export, windows and inspection call one by one."""

import pytest
import torch

from aotgan.models.generator import Generator, Upsample, doubled
from aotgan.models.inpainter import erase

VARIANTS = [{"variant": "paper"}, {"variant": "released"}, {"fill": "surface", "correction": True}]


@pytest.mark.parametrize("options", VARIANTS)
def test_the_stages_in_a_row_are_the_network(options):
    generator = Generator(width=4, blocks=2, **options).eval()
    image, mask = torch.rand(2, 3, 40, 48) * 2 - 1, torch.zeros(2, 1, 40, 48)
    mask[:, :, 8:24, 12:30] = 1
    masked = erase(image, mask, generator.fill)
    features = generator.encode(masked, mask)
    assert features.shape == (2, 16, 10, 12)
    for block in generator.middle:
        features = block(features)
    assert torch.equal(generator.decode(features, masked), generator(masked, mask))


def test_bilinear_layers_double_as_they_are_told():
    generator, sizes = Generator("released", width=4, blocks=1), []

    def double(features):
        sizes.append(features.shape[2:])
        return doubled(features) + 1

    features, image = torch.rand(1, 16, 10, 12), torch.zeros(1, 3, 40, 48)
    changed = generator.decode(features, image, double)
    assert sizes == [(10, 12), (20, 24)]
    assert not torch.equal(changed, generator.decode(features, image))
    assert sum(isinstance(layer, Upsample) for layer in generator.decoder) == 2
