"""The generator's two readings: structure, Eq. 2, field of view, precision, options, bad input."""

import json
import math

import pytest
import torch
from tolerances import DOUBLE, FIFTH, FIVE_PERCENT, TENTH
from torch import nn

from aotgan import Generator, InputError
from aotgan.models.blocks import GATES, RESIDUALS
from aotgan.models.generator import UPSAMPLINGS, VARIANTS, Upsample
from aotgan.models.inpainter import composite, erase
from aotgan.models.surface import smooth_surface

TINY = {"width": 2, "blocks": 1}


def batch(height=48, width=64, dtype=torch.float32, batch=2):
    """Images, and masks with a box and a margin of holes."""
    image = torch.rand(batch, 3, height, width, dtype=dtype) * 2 - 1
    mask = torch.zeros(batch, 1, height, width, dtype=dtype)
    mask[:, :, 9:30, 14:41] = 1
    mask[1:, :, :, :5] = 1
    return image, mask


def lively(generator):
    """Weights at which the prediction depends visibly on everything; the initial ones are small."""
    for parameter in generator.parameters():
        if parameter.ndim == 4:
            nn.init.kaiming_uniform_(parameter)
        else:
            nn.init.uniform_(parameter, -0.1, 0.1)
    return generator.eval().requires_grad_(False)


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


def conv_parameters(layers):
    return sum(c_in * c_out * side**2 + c_out for c_in, c_out, side in layers)


def test_full_width_parameters():
    stem = conv_parameters([(4, 64, 7), (64, 128, 4), (128, 256, 4)])
    blocks = 8 * (4 * conv_parameters([(256, 64, 3)]) + 2 * conv_parameters([(256, 256, 3)]))
    released, paper = Generator("released"), Generator("paper")
    assert count(released) == 15_200_835
    assert count(released) == stem + blocks + conv_parameters(
        [(256, 128, 3), (128, 64, 3), (64, 3, 3)]
    )
    assert count(paper) == stem + blocks + conv_parameters(
        [(256, 128, 4), (128, 64, 4), (64, 3, 3)]
    )


def kinds(network, *types):
    return [type(layer) for layer in network.modules() if isinstance(layer, types)]


def test_the_papers_decoder_is_three_transposed_convolutions():
    generator = Generator(**TINY)
    assert kinds(generator.decoder, nn.Conv2d, nn.ConvTranspose2d) == [nn.ConvTranspose2d] * 3
    assert kinds(generator.decoder, Upsample) == []


def test_the_released_decoder_interpolates_twice():
    generator = Generator("released", **TINY)
    assert kinds(generator.decoder, Upsample) == [Upsample] * 2
    assert kinds(generator, nn.ConvTranspose2d) == []


def test_there_are_no_normalisation_layers():
    for variant in VARIANTS:
        names = {type(layer).__name__ for layer in Generator(variant, **TINY).modules()}
        assert not any("Norm" in name for name in names)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("size", [(36, 36), (64, 64), (40, 100), (132, 36)], ids=str)
def test_prediction_has_the_images_size_and_range(variant, size):
    generator = lively(Generator(variant, **TINY))
    image, mask = batch(*size)
    prediction = generator(10 * image, mask)
    assert prediction.shape == image.shape
    assert prediction.abs().max() <= 1
    assert prediction.std() > 0.1


@pytest.mark.parametrize("variant", VARIANTS)
def test_an_image_does_not_depend_on_its_neighbours_in_the_batch(variant):
    generator = lively(Generator(variant, **TINY)).double()
    image, mask = batch(dtype=torch.float64)
    alone = torch.cat([generator(i[None], m[None]) for i, m in zip(image, mask, strict=True)])
    torch.testing.assert_close(generator(image, mask), alone, rtol=0, atol=DOUBLE)


@pytest.mark.parametrize("variant", VARIANTS)
def test_complete_keeps_known_pixels_and_never_looks_into_the_hole(variant):
    generator = lively(Generator(variant, **TINY))
    image, mask = batch()
    known = (mask == 0).expand_as(image)
    z = generator.complete(image, mask)
    assert torch.equal(z[known], image[known])
    assert not torch.equal(z[~known], image[~known])
    other = torch.where(known, image, 1e6 * torch.randn_like(image))
    assert torch.equal(generator.complete(other, mask), z)


@pytest.mark.parametrize("variant", VARIANTS)
def test_complete_is_eq_2_of_the_prediction(variant):
    generator = lively(Generator(variant, **TINY))
    image, mask = batch()
    fill = {"paper": 0.0, "released": 1.0}[variant]
    masked = torch.where(mask == 1, torch.tensor(fill), image)
    z = torch.where(mask == 1, generator(masked, mask), image)
    assert torch.equal(generator.complete(image, mask), z)


def test_erase_and_composite():
    image, mask = batch()
    prediction = torch.rand_like(image)
    assert torch.equal(erase(image, mask), torch.where(mask == 1, 0.0, image))
    assert torch.equal(erase(image, mask, 1.0), torch.where(mask == 1, 1.0, image))
    assert torch.equal(
        composite(image, prediction, mask), torch.where(mask == 1, prediction, image)
    )


def test_without_a_hole_complete_returns_the_image_and_with_nothing_else_it_works():
    generator = lively(Generator(**TINY))
    image, _ = batch()
    nothing = torch.zeros_like(image[:, :1])
    assert torch.equal(generator.complete(image, nothing), image)
    assert generator.complete(image, 1 - nothing).isfinite().all()


def test_the_mask_is_the_fourth_channel():
    generator = lively(Generator(**TINY))
    seen = []
    generator.encoder.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    image, mask = batch()
    generator(image, mask)
    assert torch.equal(seen[0], torch.cat([image, mask], 1))


def expected_field(pixel, blocks=8, rate=8):
    """First and last pixel that one pixel of the paper's prediction depends on."""
    first, last = pixel - 1, pixel + 1  # 3x3
    for _ in range(2):  # transposed, kernel 4, stride 2: input j reaches outputs 2j - 1 to 2j + 2
        first, last = -((2 - first) // 2), (last + 1) // 2
    first, last = first - blocks * (rate + 1), last + blocks * (rate + 1)
    for _ in range(2):  # convolution, kernel 4, stride 2: output j reads inputs 2j - 1 to 2j + 2
        first, last = 2 * first - 1, 2 * last + 2
    return [first - 3, last + 3]


@pytest.mark.parametrize("pixel", [320, 321, 322, 323])
def test_the_papers_generator_sees_at_most_604_pixels(pixel):
    generator = Generator(width=1).double()
    for parameter in generator.parameters():  # positive: no ReLU closes, no path cancels
        fan_in = parameter[0].numel() if parameter.ndim == 4 else parameter.numel()
        nn.init.uniform_(parameter, 0.5 / fan_in, 1 / fan_in)
    image = torch.rand(1, 3, 36, 644, dtype=torch.float64, requires_grad=True)
    generator(image, torch.zeros_like(image[:, :1]))[0, :, 18, pixel].sum().backward()
    seen = (image.grad[0] != 0).any(0).any(0).nonzero()
    assert [seen.min().item(), seen.max().item()] == expected_field(pixel)
    assert seen.max() - seen.min() + 1 <= 604


OPTIONS = [
    {"variant": "paper"},
    {"variant": "released"},
    {"variant": "released", "gate": "sigmoid", "fill": 0.25},
    {"gate_bias": 2.0},
    {"fill": "surface"},
    {"fill": "surface", "correction": True, "gate_bias": 1.5},
    {"variant": "paper", "upsampling": "bilinear", "gate": "normalised", "rates": (1, 2, 4)},
    *({"variant": "paper", "residual": residual, "rates": (2,)} for residual in RESIDUALS),
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_config_rebuilds_the_network(options):
    generator = lively(Generator(**TINY, **options))
    config = json.loads(json.dumps(generator.config))
    again = Generator(**config).eval()
    assert again.config == generator.config
    again.load_state_dict(generator.state_dict())
    image, mask = batch()
    assert torch.equal(again.complete(image, mask), generator.complete(image, mask))
    assert {**config, **options, "rates": config["rates"]} == config  # nothing given is lost


def test_a_configuration_from_before_the_gates_bias_has_the_defaults():
    config = Generator(**TINY).config
    old = {key: config[key] for key in config if key not in ("gate_bias", "correction")}
    assert Generator(**old).config == config
    assert (config["gate_bias"], config["correction"]) == (0.0, False)


def test_the_gates_bias_decides_what_eight_blocks_pass():
    """x3 = x1 g + x2 (1 - g) with g about sigmoid(b), and x2 small at the initial weights."""
    passed, gradient = {}, {}
    for bias in (0.0, 2.0):
        torch.manual_seed(0)
        generator = Generator(width=16, gate_bias=bias)
        image, mask = batch(64, 64)
        x = generator.encoder(torch.cat([erase(image, mask), mask], 1))
        passed[bias] = (generator.middle(x).std() / x.std()).item()
        (generator(erase(image, mask), mask) - image).abs().mean().backward()
        gradient[bias] = generator.encoder[0].weight.grad.norm().item()
        biased = {name for name, p in generator.named_parameters() if p.ndim == 1 and p.any()}
        assert biased == ({f"middle.{i}.merge.conv.bias" for i in range(8)} if bias else set())
    assert passed[0.0] < 0.05
    assert passed[2.0] == pytest.approx((1 / (1 + math.exp(-2))) ** 8, rel=FIFTH)  # 0.36
    assert gradient[2.0] > 10 * gradient[0.0]


def test_the_prediction_may_be_a_correction_of_the_surface():
    plain = lively(Generator(**TINY, fill="surface")).double()
    correcting = Generator(**TINY, fill="surface", correction=True).double().eval()
    correcting.load_state_dict(plain.state_dict())
    image, mask = batch(dtype=torch.float64)
    masked = erase(image, mask, "surface")
    assert torch.equal(masked, smooth_surface(image, mask))
    prediction = correcting(masked, mask)
    torch.testing.assert_close(prediction, masked + plain(masked, mask))
    assert prediction.abs().max() > 1.01
    filled = torch.where(mask == 1, prediction.clamp(-1, 1), image)
    assert torch.equal(correcting.complete(image, mask), filled)


def test_the_variants_are_presets_of_three_options():
    config = Generator("released", **TINY).config
    explicit = {key: config[key] for key in ("gate", "upsampling", "fill")}
    assert explicit == {"gate": "normalised", "upsampling": "bilinear", "fill": 1.0}
    assert Generator("paper", **TINY, **explicit).config == {**config, "variant": "paper"}
    config = Generator(**TINY).config
    assert (config["gate"], config["upsampling"], config["fill"]) == ("sigmoid", "transposed", 0.0)
    assert GATES == ("sigmoid", "normalised") and UPSAMPLINGS == ("transposed", "bilinear")


def test_a_seed_decides_the_weights():
    networks = []
    for _ in range(2):
        torch.manual_seed(3)
        networks.append(Generator(**TINY).state_dict())
    assert all(torch.equal(networks[0][name], networks[1][name]) for name in networks[0])


@pytest.mark.parametrize("width", [4, 64])
def test_initial_features_are_as_large_at_any_width(width):
    generator = Generator("released", width=width, blocks=1)
    assert all((p == 0).all() for name, p in generator.named_parameters() if name.endswith("bias"))
    scale = 0.02 * (64 / width) ** 0.5
    assert generator.encoder[2].weight.std().item() == pytest.approx(scale, rel=FIVE_PERCENT)
    assert generator.middle[0].fuse.weight.std().item() == pytest.approx(scale, rel=FIVE_PERCENT)
    assert generator.encoder[0].weight.std().item() == pytest.approx(0.02, rel=TENTH)
    x = torch.randn(4, 4, 64, 64)
    assert generator.encoder[0](x).std().item() == pytest.approx(0.02 * (4 * 49) ** 0.5, rel=TENTH)


@pytest.mark.parametrize("variant", VARIANTS)
def test_layout_in_memory_changes_nothing(variant):
    generator = lively(Generator(variant, width=4, blocks=2)).double()
    image, mask = batch(dtype=torch.float64)
    expected = generator(image, mask)
    generator.to(memory_format=torch.channels_last)
    last = generator(image.to(memory_format=torch.channels_last), mask)
    torch.testing.assert_close(last, expected, rtol=0, atol=DOUBLE)


@pytest.mark.parametrize("variant", VARIANTS)
def test_bfloat16_agrees_with_float32_at_the_initial_weights(variant):
    generator = Generator(variant, width=8, blocks=2).eval()
    image, mask = batch()
    expected = generator(image, mask)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = generator(image, mask)
    error = (mixed.float() - expected).norm() / expected.norm()
    assert error < 0.03  # eight roundings of 0.004; the released gate amplifies them


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_compiler_gets_the_generator_as_one_graph(variant):
    generator = lively(Generator(variant, **TINY)).double()
    image, mask = batch(36, 40, dtype=torch.float64)
    torch.compiler.reset()
    compiled = torch.compile(generator, backend="eager", fullgraph=True)
    torch.testing.assert_close(compiled(image, mask), generator(image, mask), rtol=0, atol=DOUBLE)


def test_smallest_image():
    for rates in ((1,), (2,), (1, 2, 4, 8), (1, 16)):
        generator = Generator(**TINY, rates=rates)
        side = generator.min_side
        assert side == 4 * (max(rates) + 1)
        assert generator.complete(*batch(side, side)).shape[-1] == side
        with pytest.raises(InputError, match=f"at least {side}"):
            generator.complete(*batch(side - 4, side))


def bad_inputs():
    image, mask = batch(40, 44)
    return {
        r"image \(2, 3, 40, 44\) and mask \(2, 3, 40, 44\): expected": (image, image),
        r"image \(2, 1, 40, 44\) and mask": (mask, mask),
        r"and mask \(40, 44\): expected": (image, mask[0, 0]),
        r"and mask \(2, 1, 40, 40\)": (image, mask[..., :40]),
        r"and mask \(1, 1, 40, 44\)": (image, mask[:1]),
        r"image \(3, 40, 44\) and": (image[0], mask[0]),
        "40x42 pixels: both sides must be multiples of 4": (image[..., :42], mask[..., :42]),
        "40x32 pixels: .* at least 36": (image[..., :32], mask[..., :32]),
        "mask of torch.bool: expected floating point": (image, mask.bool()),
        "image of torch.uint8 and": (image.byte(), mask),
    }


@pytest.mark.parametrize("message", bad_inputs())
def test_bad_images_and_masks_are_named(message):
    generator = Generator(**TINY)
    for run in (generator, generator.complete):
        with pytest.raises(InputError, match=message):
            run(*bad_inputs()[message])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"variant": "mmagic"}, "variant='mmagic': choose one of paper, released"),
        ({"upsampling": "nearest"}, "upsampling='nearest': choose one of transposed, bilinear"),
        ({"gate": "relu"}, "gate='relu': choose"),
        ({"residual": "sum"}, "residual='sum': choose"),
        ({"width": 0}, "width=0, blocks=1: both must be at least 1"),
        ({"blocks": 0}, "width=2, blocks=0: both"),
        ({"rates": ()}, "0 dilation rates for 8 channels"),
        ({"gate_bias": 2, "gate": "normalised"}, "gate_bias=2 with .* gate='normalised': only Eq"),
        ({"gate_bias": 2, "variant": "released"}, "gate='normalised': only Eq. 1"),
        ({"gate_bias": 2, "residual": "identity"}, "gate_bias=2 with residual='identity'"),
        ({"fill": "white"}, "fill='white': expected a number or 'surface'"),
        ({"correction": True}, "correction of fill=0.0: .* Set fill='surface'"),
    ],
)
def test_bad_options_are_named(options, message):
    with pytest.raises(InputError, match=message):
        Generator(**{**TINY, **options})
