"""The drawing of Fig. 2 says what the two networks and the configuration are."""

import functools
from collections import Counter

import numpy as np
import pytest
import torch
from matplotlib.text import Text

from aotgan.errors import InputError
from aotgan.models.discriminator import Discriminator
from aotgan.models.generator import Generator
from aotgan.reproduce.figures.figure2 import draw_overview


def labels(figure):
    texts = (text.get_text() for text in figure.findobj(Text))
    return Counter(text.replace("\n", " ") for text in texts if text)


@functools.cache
def full_size(variant):
    """Texts of the drawing of the networks as they are in the paper."""
    with torch.device("meta"):  # drawing needs the layers, not their weights
        networks = Generator(variant), Discriminator()
    return labels(draw_overview(*networks))


def test_sizes_and_counts_are_the_papers():
    texts = full_size("released")
    assert texts["Generator G, 15,200,835 parameters"] == 1
    assert any("2,763,777 parameters" in text and "70 × 70 px" in text for text in texts)
    assert texts["8 AOT blocks, rates 1, 2, 4, 8"] == 1
    assert texts["256 channels, 128 × 128"] == 1
    sizes = {"512 × 512": 3, "256 × 256": 3, "128 × 128": 2}  # two of D's among them
    sizes |= {"64 × 64": 1, "63 × 63": 1, "62 × 62": 1}
    assert {size: texts[size] for size in sizes} == sizes
    assert (texts["64"], texts["128"], texts["256"], texts["512"], texts["3"]) == (3, 3, 2, 1, 1)


def test_the_two_decoders_are_told_apart():
    paper, released = full_size("paper"), full_size("released")
    assert (paper["decoder, transposed"], paper["4×4 ↑2"], paper["↑2 3×3"]) == (1, 2, 0)
    assert (released["decoder, bilinear"], released["4×4 ↑2"], released["↑2 3×3"]) == (1, 0, 2)


def test_the_fill_value_is_told_apart():
    paper, released = full_size("paper"), full_size("released")
    assert paper["$x\\,(1-m)$"] == 1
    assert released["$x$, hole = 1"] == 1


def test_loss_weights_are_those_of_equation_8():
    texts = " | ".join(full_size("paper"))
    for words in ("0.01 ×  $D(z)", "1 ×  L1", "0.1 ×  VGG-19", "250 ×  Gram"):
        assert words in texts


def test_another_network_gives_other_numbers():
    generator = Generator(width=4, blocks=3, rates=(2, 8))
    texts = labels(draw_overview(generator, Discriminator(width=8)))
    assert texts["3 AOT blocks, rates 2, 8"] == 1
    assert texts["16 channels, 128 × 128"] == 1
    assert texts["32"] == 1  # D's third layer


def test_a_photograph_fills_the_frames_and_sets_the_sizes():
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (64, 96, 3), dtype=np.uint8)
    mask = np.zeros((64, 96), dtype=bool)
    mask[20:40, 30:60] = True
    generator, discriminator = Generator(width=4, blocks=1), Discriminator(width=4)
    figure = draw_overview(generator, discriminator, image, mask)
    shown = [picture.get_array() for picture in figure.axes[0].get_images()]
    assert len(shown) == 10
    photographs = [values for values in shown if values.ndim == 3]
    assert sum(np.array_equal(values, image) for values in photographs) == 1
    known = [values for values in photographs if np.array_equal(values[~mask], image[~mask])]
    assert len(known) == 4  # the masked image, z twice and x
    texts = labels(figure)
    assert texts["64 × 96"] == 3 and texts["256 channels, 16 × 24"] == 0
    assert texts["16 channels, 16 × 24"] == 1


def test_drawing_leaves_the_networks_alone():
    generator, discriminator = Generator(width=4, blocks=1), Discriminator(width=4)
    before = {
        name: value.clone()
        for network in (generator, discriminator)
        for name, value in network.state_dict(prefix=type(network).__name__).items()
    }
    draw_overview(generator, discriminator)
    for network in (generator, discriminator):
        for name, value in network.state_dict(prefix=type(network).__name__).items():
            assert torch.equal(value, before[name]), name
        assert not any(module._forward_hooks for module in network.modules())


def test_a_network_that_fails_is_left_alone_too():
    generator, discriminator = Generator(width=4, blocks=1), Discriminator(width=4)
    list(generator.modules())[-1].register_forward_pre_hook(lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        draw_overview(generator, discriminator)
    assert not any(module._forward_hooks for module in generator.modules())


def test_an_image_without_a_mask_is_refused():
    image = np.zeros((64, 64, 3), dtype=np.uint8)
    with pytest.raises(InputError, match="without the other"):
        draw_overview(Generator(width=1, blocks=1), Discriminator(width=1), image)
