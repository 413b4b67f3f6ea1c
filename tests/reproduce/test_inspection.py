"""What is shown of a network is what it computes, and looking leaves it as it was."""

import numpy as np
import pytest
import torch
from numpy.lib.stride_tricks import sliding_window_view
from tolerances import DOUBLE, DOUBLE_NET

from aotgan.errors import InputError
from aotgan.models.discriminator import Discriminator
from aotgan.models.generator import Generator
from aotgan.models.reach import theoretical_field
from aotgan.reproduce.figures.inspection import (
    discriminator_map,
    effective_receptive_field,
    evaluating,
    field_radius,
    gate_maps,
    hole_means,
    load_discriminator,
)
from aotgan.training.checkpoint import save_state


def tiny(residual="gated", **options):
    torch.manual_seed(1)
    options = {"width": 2, "blocks": 2, "rates": (1, 2), "residual": residual} | options
    generator = Generator(**options).double().eval()
    for value in generator.parameters():  # the initial ones are so small that gates stay at 1/2
        torch.nn.init.normal_(value, 0, 0.3)
    return generator


def a_case(size=24):
    image = torch.rand(1, 3, size, size, dtype=torch.float64) * 2 - 1
    mask = torch.zeros(1, 1, size, size, dtype=torch.float64)
    mask[..., 6:15, 4:20] = 1
    return image, mask


def sigmoid_of_conv(conv, x):
    """Reference for the gate's convolution: 3x3 with reflection, (C, h, w) arrays."""
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1)), mode="reflect")
    windows = sliding_window_view(padded, (3, 3), axis=(1, 2))  # (C, h, w, 3, 3)
    logits = np.einsum("chwij,ocij->ohw", windows, conv.weight.detach().numpy())
    return 1 / (1 + np.exp(-logits - conv.bias.detach().numpy()[:, None, None]))


@pytest.mark.parametrize(("residual", "kept"), [("gated", True), ("gatedconv", False)])
def test_a_gate_map_is_the_weight_of_what_the_block_learnt(residual, kept):
    generator, (image, mask) = tiny(residual), a_case()
    maps = gate_maps(generator, image, mask)
    assert maps.shape == (2, 6, 6)
    with torch.no_grad():
        x1 = generator.encoder(torch.cat([image * (1 - mask), mask], dim=1))
        for block, shown in zip(generator.middle, maps, strict=True):
            gate = sigmoid_of_conv(block.merge.conv, x1[0].numpy())
            expected = (1 - gate if kept else gate).mean(0)
            assert np.abs(shown.numpy() - expected).max() < DOUBLE
            x1 = block(x1)


def test_the_released_gate_has_the_opposite_direction():
    generator, (image, mask) = tiny(gate="normalised", blocks=1), a_case()
    x1 = generator.encoder(torch.cat([image * (1 - mask), mask], dim=1))
    gate = generator.middle[0].merge.gate_map(x1)  # multiplies x2, where in Eq. 1 it is x1
    assert torch.equal(gate_maps(generator, image, mask)[0], gate[0].mean(0))


@pytest.mark.parametrize("residual", ["identity", "concat1x1"])
def test_a_generator_without_gates_is_refused(residual):
    with pytest.raises(InputError, match=f"'{residual}' has no gate"):
        gate_maps(tiny(residual), *a_case())


def test_gates_are_shown_for_one_image():
    image, mask = a_case()
    with pytest.raises(InputError, match="one at a time"):
        gate_maps(tiny(), image.repeat(2, 1, 1, 1), mask.repeat(2, 1, 1, 1))


def test_no_hook_stays_behind():
    generator, (image, mask) = tiny(), a_case()
    gate_maps(generator, image, mask)
    with pytest.raises(InputError):
        gate_maps(generator, image, mask[..., :-1])
    assert not any(module._forward_pre_hooks for module in generator.modules())


def test_means_inside_and_outside_weigh_positions_by_their_share():
    maps = torch.tensor([[[1.0, 2.0], [3.0, 4.0]]])
    mask = torch.zeros(1, 1, 4, 4)
    mask[..., :2, :2] = 1  # all of the first position
    mask[..., 0, 2:] = 1  # half of the second
    hole, known = hole_means(maps, mask)[0].tolist()
    assert hole == pytest.approx((1 + 0.5 * 2) / 1.5)
    assert known == pytest.approx((0.5 * 2 + 3 + 4) / 2.5)


def test_scores_do_not_depend_on_the_mode_nor_change_the_discriminator():
    discriminator, image = Discriminator(2).train(), torch.rand(2, 3, 40, 48)
    before = {name: value.clone() for name, value in discriminator.state_dict().items()}
    first, second = (discriminator_map(discriminator, image) for _ in range(2))
    assert discriminator.training
    after = discriminator.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items())
    assert first.shape == (2, 3, 4) and torch.equal(first, second)
    assert torch.equal(first, discriminator.eval()(image).detach()[:, 0])


def test_the_discriminator_of_a_run_comes_back(tmp_path):
    discriminator, image = Discriminator(3).eval(), torch.rand(1, 3, 32, 32)
    networks = {"discriminator": discriminator.state_dict()}
    state = {"config": {"discriminator_width": 3}, "recipe": {"networks": networks}}
    loaded = load_discriminator(save_state(tmp_path / "state.pt", state))
    assert not loaded.training
    assert torch.equal(loaded(image), discriminator(image))


def test_a_state_without_fitting_discriminator_is_refused(tmp_path):
    with pytest.raises(InputError, match="no file"):
        load_discriminator(tmp_path / "state.pt")
    other = {"networks": {"discriminator": Discriminator(2).state_dict()}}
    for state in ({"config": {"discriminator_width": 3}, "recipe": other}, {"config": {}}):
        path = save_state(tmp_path / "state.pt", state)
        with pytest.raises(InputError, match="no discriminator that fits"):
            load_discriminator(path)


def linear():
    """A generator that is linear: biases keep every ReLU open, and tanh sees next to nothing."""
    generator = tiny("identity", blocks=1, rates=(1,))
    for name, value in generator.named_parameters():
        torch.nn.init.normal_(value, 0, 0.02)
        if name.endswith("bias"):
            torch.nn.init.constant_(value, 3.0)
    last = generator.decoder[-1]
    torch.nn.init.zeros_(last.bias)
    torch.nn.init.normal_(last.weight, 0, 1e-6)
    return generator


def numeric_slopes(function, size):
    """|d function / d pixel| by central differences, summed over channels in and out, (S, S)."""
    steps = torch.eye(3 * size * size, dtype=torch.float64).reshape(-1, 3, size, size)
    with torch.no_grad():
        slopes = [function(step[None]) - function(-step[None]) for step in steps]
    return torch.stack(slopes).reshape(3, size, size, -1).abs().sum((0, 3)).numpy()


def test_the_field_of_a_linear_network_is_its_impulse_response():
    size, generator = 16, linear()

    def centre(x):
        features = generator.encoder(torch.cat([x, torch.zeros_like(x[:, :1])], dim=1))
        return generator.decoder(generator.middle(features))[0, :, size // 2, size // 2]

    expected = numeric_slopes(centre, size)
    field = effective_receptive_field(generator, size, samples=2)
    assert field.sum() == pytest.approx(1, abs=DOUBLE)
    assert np.abs(field - expected / expected.sum()).max() < DOUBLE_NET


def test_the_field_of_features_is_that_of_the_last_block():
    size, generator = 16, linear()
    with torch.no_grad():  # one channel is left, so that the random signs do not matter
        generator.encoder[4].weight[1:] = 0
        generator.middle[0].fuse.weight[1:] = 0

    def centre(x):
        features = generator.encoder(torch.cat([x, torch.zeros_like(x[:, :1])], dim=1))
        return generator.middle(features)[0, :1, size // 8, size // 8]

    expected = numeric_slopes(centre, size)
    field = effective_receptive_field(generator, size, samples=1, at="features")
    assert np.abs(field - expected / expected.sum()).max() < DOUBLE_NET


def test_the_field_is_repeatable_and_leaves_the_network_alone():
    generator = tiny().train()
    first = effective_receptive_field(generator, 24, samples=2)
    with torch.no_grad():
        second = effective_receptive_field(generator, 24, samples=2)
    assert np.array_equal(first, second)
    assert not np.array_equal(first, effective_receptive_field(generator, 24, samples=2, seed=1))
    assert generator.training
    assert all(value.grad is None for value in generator.parameters())


def test_given_images_replace_the_noise():
    generator, images = tiny(), torch.rand(2, 3, 24, 24)
    field = effective_receptive_field(generator, 24, images=images)
    assert not np.array_equal(field, effective_receptive_field(generator, 24, images=-images))
    with pytest.raises(InputError, match=r"expected \(N, 3, 32, 32\)"):
        effective_receptive_field(generator, 32, images=images)


def test_fields_of_nothing_are_refused():
    generator = tiny()
    with pytest.raises(InputError, match="N > 0"):
        effective_receptive_field(generator, 24, samples=0)
    with pytest.raises(InputError, match="multiples of 4"):
        effective_receptive_field(generator, 26)
    with pytest.raises(InputError, match="at='middle'"):
        effective_receptive_field(generator, 24, at="middle")
    torch.nn.init.zeros_(generator.decoder[-1].weight)
    with pytest.raises(InputError, match="zero everywhere"):
        effective_receptive_field(generator, 24, samples=1)


def support(generator, size, at, position):
    """How many rows a value depends on, found by the gradient of a network of positive weights."""
    with torch.no_grad():
        for name, value in generator.named_parameters():
            value.fill_(1.0 if name.endswith("bias") else 1 / value[0].numel())
    x = torch.ones(1, 4, size, size, dtype=torch.float64, requires_grad=True)
    y = generator.middle(generator.encoder(x))
    y = generator.decoder(y) if at == "output" else y
    (slope,) = torch.autograd.grad(y[0, 0, position, position], x)
    rows = slope[0, 0].abs().sum(1).nonzero().flatten()
    return int(rows.max() - rows.min()) + 1


def test_the_papers_generator_sees_600_pixels():
    generator = Generator(width=1, residual="identity").double()
    assert theoretical_field(generator) == support(generator, 640, "output", 320) == 600


@pytest.mark.parametrize("upsampling", ["transposed", "bilinear"])
@pytest.mark.parametrize("residual", ["identity", "gated", "gatedconv", "concat1x1"])
def test_the_bound_is_reached_and_never_exceeded(upsampling, residual):
    options = {"width": 1, "blocks": 1, "rates": (1, 3), "upsampling": upsampling}
    generator = Generator(residual=residual, **options).double()
    spans = [support(generator, 96, "output", position) for position in range(46, 54)]
    assert max(spans) == theoretical_field(generator)


def test_the_bound_of_features_has_no_decoder():
    generator = Generator(width=1, blocks=1, rates=(2,), residual="identity").double()
    assert theoretical_field(generator, "features") == support(generator, 96, "features", 12)


def test_a_radius_is_that_of_the_smallest_square():
    field = np.zeros((8, 8))
    field[4, 4], field[4, 6], field[0, 0] = 0.5, 0.3, 0.2
    shares = (0.1, 0.5, 0.51, 0.8, 0.81, 1.0)
    assert [field_radius(field, share) for share in shares] == [0, 0, 2, 2, 4, 4]


@pytest.mark.parametrize(
    ("field", "share"),
    [(np.ones((4, 4)), 0), (np.ones((4, 4)), 1.1), (np.ones((4, 5)), 0.5), (np.ones(4), 0.5)]
    + [(np.zeros((4, 4)), 0.5), (-np.ones((4, 4)), 0.5)],
)
def test_impossible_shares_and_fields_are_refused(field, share):
    with pytest.raises(InputError):
        field_radius(field, share)


def test_the_mode_comes_back_after_an_error():
    generator = tiny().train()
    with pytest.raises(ValueError, match="stop"), evaluating(generator):
        assert not generator.training
        raise ValueError("stop")
    assert generator.training


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_gates_and_fields_on_a_gpu_are_those_of_the_processor():
    generator, (image, mask) = tiny(), a_case()
    gates, field = gate_maps(generator, image, mask), effective_receptive_field(generator, 24, 1)
    generator.cuda()
    on_gpu = gate_maps(generator, image.cuda(), mask.cuda())
    assert torch.allclose(on_gpu.cpu(), gates, atol=DOUBLE_NET)
    assert np.abs(effective_receptive_field(generator, 24, 1) - field).max() < DOUBLE_NET
