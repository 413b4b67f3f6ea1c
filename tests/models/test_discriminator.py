"""The 70x70 PatchGAN: the released layer table, spectral norm, and the patch that a score sees."""

import pytest
import torch
import torch.nn.functional as F
from tolerances import DOUBLE, TWO_PERCENT
from torch import nn

from aotgan import Discriminator, InputError
from aotgan.models.discriminator import KERNEL, PADDING, STRIDES, TEXT_STRIDES, receptive_field


def test_full_width_parameters():
    assert sum(p.numel() for p in Discriminator().parameters()) == 2_763_777


def test_layers_are_those_of_the_release():
    convolutions = [layer for layer in Discriminator().conv if isinstance(layer, nn.Conv2d)]
    table = [(c.in_channels, c.out_channels, c.stride[0], c.bias is not None) for c in convolutions]
    assert table == [
        (3, 64, 2, False),
        (64, 128, 2, False),
        (128, 256, 2, False),
        (256, 512, 1, False),
        (512, 1, 1, True),
    ]
    assert {(c.kernel_size, c.padding, c.dilation) for c in convolutions} == {
        ((4, 4), (1, 1), (1, 1))
    }
    assert all(c.padding_mode == "zeros" for c in convolutions)


def released_forward(discriminator, image):
    """The released network by its layer table, from weight_orig, weight_u and weight_v."""
    x = image
    for i, stride in enumerate((2, 2, 2, 1)):
        state = discriminator.conv[2 * i].parametrizations.weight
        u, v = state[0]._u, state[0]._v
        weight = state.original / (u @ state.original.flatten(1) @ v)
        x = F.conv2d(x, weight, stride=stride, padding=1)
        x = torch.where(x > 0, x, 0.2 * x)
    last = discriminator.conv[8]
    return F.conv2d(x, last.weight, last.bias, padding=1)


def test_scores_equal_the_released_formula():
    discriminator = Discriminator(8).double().eval()
    for parameter in discriminator.parameters():
        nn.init.normal_(parameter, 0, 0.1)
    image = torch.rand(2, 3, 64, 48, dtype=torch.float64) * 2 - 1
    expected = released_forward(discriminator, image)
    torch.testing.assert_close(discriminator(image), expected, rtol=DOUBLE, atol=DOUBLE)


def test_spectral_norm_converges_to_one_on_the_first_four_layers_alone():
    discriminator = Discriminator(8).double()
    for parameter in discriminator.parameters():
        nn.init.normal_(parameter, 0, 3.0)
    image = torch.rand(1, 3, 24, 24, dtype=torch.float64)
    with torch.no_grad():
        for _ in range(100):  # each training forward advances the power iteration
            discriminator(image)
    discriminator.eval()
    norms = [
        torch.linalg.matrix_norm(discriminator.conv[2 * i].weight.flatten(1), 2).item()
        for i in range(5)
    ]
    assert norms[:4] == pytest.approx([1] * 4, abs=TWO_PERCENT)
    assert norms[4] > 10


def test_evaluation_does_not_move_the_power_iteration():
    discriminator = Discriminator(2).eval()
    before = {name: value.clone() for name, value in discriminator.state_dict().items()}
    discriminator(torch.rand(1, 3, 32, 32))
    assert all(torch.equal(before[name], v) for name, v in discriminator.state_dict().items())


@pytest.mark.parametrize("size", [(24, 24), (64, 64), (256, 40), (31, 100), (512, 24)], ids=str)
def test_scores_form_a_map_of_an_eighth_less_two(size):
    scores = Discriminator(1)(torch.rand(2, 3, *size))
    assert scores.shape == (2, 1, size[0] // 8 - 2, size[1] // 8 - 2)


def test_512_pixels_give_62_scores():
    assert Discriminator(1)(torch.rand(1, 3, 512, 64)).shape[2] == 62


def field_seen(network, side, row, column):
    """First and last pixel, rows then columns, on which one score depends."""
    image = torch.rand(1, 3, side, side + 8, dtype=torch.float64, requires_grad=True)
    network.double()(image)[0, 0, row, column].backward()
    seen = (image.grad[0] != 0).any(0)
    first, last = seen.nonzero().amin(0), seen.nonzero().amax(0)
    assert seen.sum() == (last - first + 1).prod()  # all of the patch
    return first.tolist(), last.tolist()


@pytest.mark.parametrize(("row", "column"), [(3, 3), (4, 6), (7, 5)])
def test_a_score_sees_70_pixels_around_8_j_and_eleven_and_a_half(row, column):
    first, last = field_seen(Discriminator(2), 128, row, column)
    assert first == [8 * row - 23, 8 * column - 23]
    assert last == [8 * row + 46, 8 * column + 46]


def test_four_layers_of_stride_two_as_in_the_text_see_94_pixels():
    channels = (3, 2, 2, 2, 2, 1)
    layers = [
        layer
        for i, stride in enumerate(TEXT_STRIDES)
        for layer in (nn.Conv2d(channels[i], channels[i + 1], 4, stride, 1), nn.LeakyReLU(0.2))
    ]
    first, last = field_seen(nn.Sequential(*layers), 160, 4, 4)
    assert [b - a + 1 for a, b in zip(first, last, strict=True)] == [94, 94]


def test_receptive_field_arithmetic():
    assert (KERNEL, PADDING) == (4, 1)
    assert receptive_field([(KERNEL, stride) for stride in STRIDES]) == 70
    assert receptive_field([(KERNEL, stride) for stride in TEXT_STRIDES]) == 94
    assert receptive_field([(KERNEL, 2)] * 4) == 46  # the text without an output layer
    assert receptive_field([]) == 1
    assert receptive_field([(7, 1), (4, 2), (4, 2), (3, 1, 8)]) == 7 + 3 + 3 * 2 + 2 * 8 * 4


def test_layout_in_memory_changes_nothing():
    discriminator = Discriminator(4).double().eval()
    image = torch.rand(2, 3, 64, 64, dtype=torch.float64)
    expected = discriminator(image)
    discriminator.to(memory_format=torch.channels_last)
    last = discriminator(image.to(memory_format=torch.channels_last))
    torch.testing.assert_close(last, expected, rtol=0, atol=DOUBLE)


def test_config_rebuilds_the_network():
    discriminator = Discriminator(width=3).eval()
    again = Discriminator(**discriminator.config).eval()
    again.load_state_dict(discriminator.state_dict())
    image = torch.rand(1, 3, 32, 32)
    assert torch.equal(again(image), discriminator(image))


@pytest.mark.parametrize("shape", [(1, 3, 23, 64), (1, 3, 64, 23), (3, 64, 64), (1, 1, 64, 64)])
def test_bad_images_are_named(shape):
    with pytest.raises(InputError, match=r"needs \(B, 3, H, W\) with at least 24 pixels"):
        Discriminator(1)(torch.rand(shape))


def test_bad_width_is_named():
    with pytest.raises(InputError, match="width=0: must be at least 1"):
        Discriminator(0)
