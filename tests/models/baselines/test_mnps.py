"""MNPS: its network, its scales, what it leaves alone and what it refuses."""

import numpy as np
import pytest
import torch
from tolerances import PERCENT, SINGLE_NET, TENTH

from aotgan.data.masks import centre_mask
from aotgan.errors import InputError
from aotgan.models.baselines import mnps, texture
from aotgan.models.baselines.mnps import MNPS, hole_of, network_input, network_target, scales_of
from aotgan.models.registry import build
from aotgan.models.weights import load_inpainter, save_generator

TINY = {"width": 2, "iterations": 2, "features": "random", "feature_width": 2}


def example(side=64, batch=1, seed=1):
    generator = torch.Generator().manual_seed(seed)
    image = torch.rand(batch, 3, side, side, generator=generator) * 2 - 1
    mask = torch.from_numpy(centre_mask(side, side)).float()[None, None]
    return image, mask.repeat(batch, 1, 1, 1)


@pytest.fixture
def energies(monkeypatch):
    """Records each scale: its energy, and the pixels of the hole afterwards."""
    found = []

    def spy(energy, iterations):
        found.append((energy, texture.minimise(energy, iterations)))
        return found[-1][1]

    monkeypatch.setattr(mnps, "minimise", spy)
    return found


# --- the network


def parameters(**options):
    network = MNPS(**options)
    return sum(parameter.numel() for parameter in network.parameters())


def test_the_full_network_has_the_published_number_of_parameters():
    convolutions = (
        4
        * 4
        * (2 * 3 * 64 + 64 * 64 + 2 * 64 * 128 + 2 * 128 * 256 + 2 * 256 * 512 + 2 * 512 * 4000)
    )
    biases = 64 + 64 + 128 + 256 + 512 + 4000 + 512 + 256 + 128 + 64 + 3
    normalisation = 2 * (biases - 64 - 3)
    found = parameters()
    assert found == convolutions + biases + normalisation == 71_130_531
    assert round(found / 1e6, 1) == 71.1


@pytest.mark.parametrize(("bottleneck", "millions"), [(512, 14.0), (100, 7.2)])
def test_a_smaller_bottleneck_saves_most_of_them(bottleneck, millions):
    assert round(parameters(bottleneck=bottleneck) / 1e6, 1) == millions


def test_channels_scale_with_the_width():
    assert parameters(width=16) < parameters(width=32) / 3.9
    assert MNPS(width=16).config["bottleneck"] == 1000
    assert MNPS(width=16, bottleneck=7).config["bottleneck"] == 7


def test_initial_weights_are_as_published():
    layers = MNPS(width=64, bottleneck=8, features="random").content.layers
    norms = [layer for layer in layers if isinstance(layer, torch.nn.BatchNorm2d)]
    convs = [layer for layer in layers if isinstance(layer, torch.nn.Conv2d)]
    assert sum(isinstance(layer, torch.nn.ELU) for layer in layers) == 10 and len(norms) == 9
    assert convs[3].weight.std().item() == pytest.approx(0.02, rel=PERCENT)
    scales = torch.cat([norm.weight for norm in norms])
    assert scales.std().item() == pytest.approx(0.02, rel=TENTH)
    assert scales.mean().item() == pytest.approx(1, abs=PERCENT)
    assert convs[0].bias.abs().max() == 0


def test_the_configuration_makes_the_same_network_again(tmp_path):
    model = MNPS(**TINY)
    again = build(model.config)
    assert isinstance(again, MNPS) and again.config == model.config
    loaded = load_inpainter(save_generator(model, tmp_path / "m.safetensors"))
    image, mask = example()
    with torch.no_grad():
        assert torch.equal(loaded.complete(image, mask), model.complete(image, mask))


def test_the_feature_network_is_no_part_of_the_model():
    model = MNPS(**TINY)
    with torch.no_grad():
        model.complete(*example())
    assert {name.split(".")[0] for name in model.state_dict()} == {"content"}
    first, second = (model.features(torch.device("cpu"), torch.float32) for _ in range(2))
    assert first is second


def test_random_features_are_in_the_name():
    plain, random = MNPS(width=2), MNPS(**TINY)
    assert not plain.qualifier and "random" in random.qualifier
    assert not any("random" in text for text in plain.simplified)
    assert "random" in random.simplified[0] and random.simplified[-6:] == plain.simplified
    assert MNPS.simplified == plain.simplified


def test_fewer_iterations_are_told():
    assert "3 iterations a scale instead of 100." in MNPS(width=2, iterations=3).simplified


# --- where the hole is, and what the content network sees and says


@pytest.mark.parametrize("side", [64, 96, 128, 256, 320, 512, 1024])
def test_the_hole_is_that_of_the_projects_centre_masks(side):
    expected = np.zeros((side, side), dtype=bool)
    first, stop = hole_of(side)
    expected[first:stop, first:stop] = True
    assert np.array_equal(centre_mask(side, side), expected)


def test_the_hole_of_512_px_is_the_published_one():
    assert hole_of(512) == (145 - 1, 368)
    assert hole_of(128) == (36, 36 + 56)


@pytest.mark.parametrize(
    ("side", "expected"),
    [
        (512, [128, 256, 512]),
        (1024, [256, 512, 1024]),
        (256, [128, 256]),
        (128, [128]),
        (64, [64]),
        (320, [160, 320]),
        (288, [288]),  # half of it has no whole hole
    ],
)
def test_scales_run_from_coarse_to_fine(side, expected):
    assert scales_of(side) == expected


@pytest.mark.parametrize("side", [64, 96, 128, 256, 512])
def test_the_content_network_sees_no_hole(side):
    image, mask = example(side)
    seen = network_input(image)
    assert seen.shape == (1, 3, 128, 128)
    assert torch.equal(seen, network_input(image * (1 - mask) - 0.7 * mask))
    levels = (seen[0, :, 36:92, 36:92] + 1) * 127.5
    for channel, level in zip(levels, (117, 104, 123), strict=True):
        assert (channel - level).abs().max() < SINGLE_NET
    assert (seen[0, :, 35, 36:92] + 1).mul(127.5).sub(117).abs().max() > 1


def test_the_content_network_sees_averages_and_answers_hole_and_rim():
    image, _ = example(512)
    blocks = image.reshape(3, 128, 4, 128, 4).mean(dim=(2, 4))
    seen, target = network_input(image)[0], network_target(image)[0]
    torch.testing.assert_close(seen[:, :36], blocks[:, :36])
    torch.testing.assert_close(target, blocks[:, 32:96, 32:96])


@pytest.mark.parametrize("side", [128, 512])
def test_the_rim_of_the_prediction_is_not_pasted(side):
    """A prediction that rises by 1 a pixel lands in its place, enlarged about pixel centres."""
    model, (image, _) = MNPS(**TINY), example(side)
    ramp = torch.arange(64.0).expand(1, 3, 64, 64)
    model.content.forward = lambda seen: ramp
    pasted = model.paste_content(image, side)
    first, stop = hole_of(side)
    factor = side // 128
    expected = (torch.arange(first, stop) - side // 4 + 0.5) / factor - 0.5
    found = pasted[0, :, first:stop, first:stop]
    torch.testing.assert_close(found, expected.expand_as(found))
    assert torch.equal(pasted[..., :first, :], image[..., :first, :])


# --- the optimisation


def test_each_scale_lowers_its_own_energy_and_starts_from_the_coarser_one(energies):
    model = MNPS(**TINY | {"alpha": 1e-3}).eval()
    image, mask = example(256)
    with torch.no_grad():
        result = model.complete(image, mask)
        starts = [energy.image.shape[-1] for energy, _ in energies]
        assert starts == [128, 256]
        for energy, content in energies:
            assert energy(content) < energy(energy.start)
        (coarse, before), (fine, after) = energies
    assert torch.equal(coarse.image, model.paste_content(image, 128))
    whole = texture.paste(coarse.image, before.clamp(-1, 1), hole_of(128))
    enlarged = torch.nn.functional.interpolate(whole, scale_factor=2, mode="bilinear")
    first, stop = hole_of(256)
    torch.testing.assert_close(fine.start, enlarged[..., first:stop, first:stop])
    assert torch.equal(result[..., first:stop, first:stop], after.clamp(-1, 1))


def test_coarse_images_average_the_known_pixels_alone(energies):
    image, mask = example(256)
    with torch.no_grad():
        MNPS(**TINY).complete(image, mask)
    first = hole_of(128)[0]
    blocks = image.reshape(3, 128, 2, 128, 2).mean(dim=(2, 4))
    torch.testing.assert_close(energies[0][0].image[0, :, :first], blocks[:, :first])


def test_known_pixels_stay_and_the_range_is_kept():
    model, (image, mask) = MNPS(**TINY | {"alpha": 1.0}), example(64, 2)
    with torch.no_grad():
        prediction, result = model(image * (1 - mask), mask), model.complete(image, mask)
    known = (mask == 0).expand_as(image)
    assert torch.equal(prediction[known], image[known]) and torch.equal(result[known], image[known])
    assert result.isfinite().all() and result.abs().max() <= 1
    assert (result != image)[~known].any()


def test_pixels_beyond_the_range_are_clamped(monkeypatch):
    monkeypatch.setattr(mnps, "minimise", lambda energy, iterations: energy.start + 5)
    image, mask = example()
    assert MNPS(**TINY)(image, mask)[(mask == 1).expand_as(image)].unique().tolist() == [1]


def test_the_content_of_the_hole_is_not_looked_at():
    model, (image, mask) = MNPS(**TINY), example(256)
    other = image * (1 - mask) + 0.9 * mask
    with torch.no_grad():
        assert torch.equal(model.complete(image, mask), model.complete(other, mask))
        prediction = model(image, mask)  # not even erased
        assert torch.equal(prediction, model(other, mask))


@pytest.mark.parametrize("training", [True, False])
def test_a_result_depends_neither_on_the_batch_nor_on_the_mode(training):
    model, (image, mask) = MNPS(**TINY), example(64, 3)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    model.train(training)
    with torch.no_grad():
        together = model.complete(image, mask)
        alone = [model.complete(image[i : i + 1], mask[i : i + 1]) for i in (2, 0, 1)]
    assert torch.equal(together, torch.cat([alone[1], alone[2], alone[0]]))
    assert model.training == model.content.training == training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_it_optimises_whatever_the_caller_records():
    model, (image, mask) = MNPS(**TINY | {"alpha": 1e-2}).eval(), example()
    with torch.no_grad():
        quiet = model.complete(image, mask)
    with torch.inference_mode():
        inference = model.complete(image.clone(), mask.clone())
    with torch.autocast("cpu", torch.bfloat16):
        mixed = model.complete(image, mask)
    recorded = model.complete(image.clone().requires_grad_(), mask)
    for other in (inference, mixed, recorded):
        assert torch.equal(other, quiet)
    with torch.no_grad():
        content_alone = model.paste_content(image, 64)
    assert (quiet - content_alone).abs().max() > 1e-3
    assert all(parameter.grad is None for parameter in model.parameters())


# --- what it refuses


def test_other_holes_are_refused():
    model, (image, mask) = MNPS(**TINY), example()
    for other in (
        torch.zeros_like(mask),
        1 - mask,
        mask.roll(1, dims=3),
        torch.nn.functional.max_pool2d(mask, 3, 1, 1),
    ):
        for call in (model.complete, model):
            with pytest.raises(InputError, match="centred square of 7/16 .* 28 px .*'centre'"):
                call(image, other)


def test_one_wrong_hole_in_a_batch_is_refused():
    model, (image, mask) = MNPS(**TINY), example(64, 2)
    mask[1] = mask[1].roll(2, dims=1)
    with pytest.raises(InputError, match="centred square"):
        model.complete(image, mask)


@pytest.mark.parametrize(
    ("height", "width", "message"),
    [
        (64, 96, "64x96 px"),
        (80, 80, "multiples of 32"),
        (32, 32, "at least 64"),
    ],
)
def test_other_sizes_are_refused(height, width, message):
    image = torch.zeros(1, 3, height, width)
    mask = torch.from_numpy(centre_mask(height, width)).float()[None, None]
    with pytest.raises(InputError, match=message):
        MNPS(**TINY).complete(image, mask)


@pytest.mark.parametrize(
    "options",
    [
        {"width": 0},
        {"bottleneck": 0},
        {"iterations": 0},
        {"alpha": -1.0},
        {"beta": -1.0},
        {"features": "vgg"},
        {"features": "imagenet", "feature_width": 16},
    ],
)
def test_impossible_options_are_refused(options):
    with pytest.raises(InputError, match=next(reversed(options)).split("_")[-1]):
        MNPS(**TINY | options)
