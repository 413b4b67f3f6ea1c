"""One step against a plain formulation: every pass by itself, in double precision."""

import copy
import functools

import pytest
import torch
from lightning.fabric import Fabric
from tolerances import (
    DOUBLE,
    DOUBLE_NET,
    LAST_BITS,
    MIXED_GRADIENT,
    ROUNDED,
    SINGLE,
    SINGLE_NET,
    TENTH,
)

from aotgan.errors import InputError
from aotgan.losses import OBJECTIVES, VGG19Features, make_objective
from aotgan.losses.features import PERCEPTUAL_LAYERS, STYLE_LAYERS
from aotgan.losses.lite0 import LAYERS, Lite0Features
from aotgan.models.coarse import erase_from_coarse, most_levels
from aotgan.models.surface import smooth_surface
from aotgan.training.devices import RunOptions
from aotgan.training.step import Step


def example(size=40, batch=3):
    generator = torch.Generator().manual_seed(1)
    image = torch.rand(batch, 3, size, size, generator=generator) * 2 - 1
    mask = torch.zeros(batch, 1, size, size)
    for i in range(batch):
        mask[i, :, 4 + 3 * i : 22, 8 : 20 + 5 * i] = 1
    return image, mask


def build(config, device="cpu", precision="32-true", compiled=False, channels_last=False):
    fabric = Fabric(accelerator=device, devices=1, precision=precision)
    fabric.launch()
    features = copy.deepcopy(random_features()).to(fabric.device, torch.get_default_dtype())
    options = RunOptions(compiled=compiled, channels_last=channels_last)
    return Step(config, fabric, options, features), features


@functools.cache
def random_features():
    return VGG19Features("random", 2)


def gram(x):
    return torch.einsum("bchw,bdhw->bcd", x, x) / x[0].numel()


def plain_losses(config, step, features, image, mask):
    """The four losses of Eq. 8, each from passes of its own, and D's loss; nothing is updated."""
    g, d, fill = step.generator, step.discriminator, step.generator.config["fill"]
    prediction = g(torch.where(mask.bool(), fill, image), mask)
    z = torch.where(mask.bool(), prediction, image)
    judged = z if config.on_composite else prediction
    losses = {"reconstruction": (prediction - image).abs().mean(), "perceptual": 0, "style": 0}
    for layer in PERCEPTUAL_LAYERS:
        difference = features(judged)[layer] - features(image)[layer]
        losses["perceptual"] += difference.abs().mean()
    for layer in STYLE_LAYERS:
        difference = gram(features(judged)[layer]) - gram(features(image)[layer])
        losses["style"] += difference.abs().mean()
    if config.objective != "none":
        objective = make_objective(config.objective)
        real, fake = d(image), d(z.detach())
        losses["discriminator"] = objective.discriminator_loss(real, fake, mask)
        d.eval()  # the same weights as in d(z.detach()): no power iteration
        losses["adversarial"] = objective.generator_loss(d(z), mask)
        d.train()
    return losses


def plain_gradients(config, step, features, image, mask):
    """Gradients of G, with D frozen, and of D, and the losses."""
    losses = plain_losses(config, step, features, image, mask)
    weights = {n: getattr(config, n) for n in losses if n != "discriminator"}
    total = sum(weight * losses[name] for name, weight in weights.items())
    g = torch.autograd.grad(total, list(step.generator.parameters()), retain_graph=True)
    d, leak = None, None
    if config.objective != "none":
        parameters = list(step.discriminator.parameters())
        d = torch.autograd.grad(losses["discriminator"], parameters, retain_graph=True)
        leak = torch.autograd.grad(config.adversarial * losses["adversarial"], parameters)
    return losses, g, d, leak


def gradients(network):
    return [parameter.grad for parameter in network.parameters()]


def assert_close(found, expected, tolerance=DOUBLE_NET):
    """Every tensor agrees to `tolerance` of its own largest element, or is zero but for rounding.

    The bias in front of the released gate's standardisation has no effect, so its gradient is zero.
    """
    for a, b in zip(found, expected, strict=True):
        assert (a - b).abs().max() <= tolerance * b.abs().max() + LAST_BITS


@pytest.mark.parametrize("on_composite", [True, False])
@pytest.mark.parametrize("objective", [*OBJECTIVES, "none"])
def test_gradients_equal_those_of_separate_passes(double, tiny, objective, on_composite):
    variant = "released" if objective == "released" else "paper"
    config = tiny(
        objective=objective,
        on_composite=on_composite,
        generator={"variant": variant, "width": 4, "blocks": 1},
    )
    image, mask = example()
    step, features = build(config)
    losses, g, d, leak = plain_gradients(config.loss, step, features, image, mask)

    step, _ = build(config)  # the same weights and power-iteration vectors again
    found = step(image, mask)
    assert list(found) == list(losses)
    assert_close(list(found.values()), [value.detach() for value in losses.values()])
    assert_close(gradients(step.generator), g)
    if objective == "none":
        assert gradients(step.discriminator) == [None] * 6
    elif objective == "released":
        assert_close(gradients(step.discriminator), [a + b for a, b in zip(d, leak, strict=True)])
        with pytest.raises(AssertionError):
            assert_close(gradients(step.discriminator), d, SINGLE_NET)
    else:
        assert_close(gradients(step.discriminator), d)


def test_both_players_step_by_adam_without_momentum(double, tiny):
    """With betas (0, 0.9), Adam's first step is learning rate * g / (|g| + 1e-8)."""
    config = tiny(learning_rate=1e-3)
    step, _ = build(config)
    before = [p.detach().clone() for n in networks(step) for p in n.parameters()]
    step(*example())
    after = [p for n in networks(step) for p in n.parameters()]
    for old, new in zip(before, after, strict=True):
        expected = old - 1e-3 * new.grad / (new.grad.abs() + 1e-8)
        torch.testing.assert_close(new.detach(), expected, rtol=0, atol=DOUBLE)


@pytest.mark.parametrize("schedule", ["constant", "cosine"])
def test_the_learning_rate_is_that_of_the_step(double, tiny, schedule):
    settings = {"schedule": schedule, "warmup_steps": 4, "steps": 10, "learning_rate": 1e-3}
    for done, factor in ((0, 0.25), (7, 0.5 if schedule == "cosine" else 1.0)):
        step, _ = build(tiny(**settings))
        before = [p.detach().clone() for n in networks(step) for p in n.parameters()]
        step(*example(), done)
        after = [p for n in networks(step) for p in n.parameters()]
        for old, new in zip(before, after, strict=True):
            expected = old - factor * 1e-3 * new.grad / (new.grad.abs() + 1e-8)
            torch.testing.assert_close(new.detach(), expected, rtol=0, atol=DOUBLE)


def test_long_gradients_of_both_networks_are_shortened(double, tiny):
    def after_a_step(**settings):
        step, _ = build(tiny(**settings))
        step(*example())
        return [torch.cat([g.flatten() for g in gradients(n)]) for n in networks(step)]

    free, clipped = after_a_step(), after_a_step(clip_norm=1e-3)
    for whole, short in zip(free, clipped, strict=True):
        assert whole.norm() > 2e-3
        torch.testing.assert_close(short, whole * (1e-3 / whole.norm()), rtol=SINGLE_NET, atol=0)
    long_enough = after_a_step(clip_norm=1e3)
    assert all(torch.equal(a, b) for a, b in zip(free, long_enough, strict=True))


def test_the_hole_can_weigh_more_in_l1(double, tiny):
    image, mask = example()
    step, _ = build(tiny(hole=6.0))
    prediction = step.generator(torch.where(mask.bool(), 0.0, image), mask).detach()
    weight = torch.where(mask.bool(), 6.0, 1.0)
    expected = (weight * (prediction - image).abs()).mean()
    torch.testing.assert_close(step(image, mask)["reconstruction"], expected)


def test_erased_pixels_may_be_a_surface_that_is_corrected(double, tiny):
    own = {"width": 4, "blocks": 1, "fill": "surface", "correction": True}
    step, _ = build(tiny(generator=own))
    image, mask = example()
    seen = []
    step.generator.register_forward_pre_hook(lambda _, given: seen.append(given[0].clone()))
    losses = step(image, mask)
    assert torch.equal(seen[0], smooth_surface(image, mask))
    start = (seen[0] - image).abs().mean()
    torch.testing.assert_close(losses["reconstruction"], start, rtol=TENTH, atol=0)


def test_in_some_steps_the_hole_shows_the_networks_own_coarse_fill(double, tiny):
    """About a share of them, the same when repeated, and without a gradient through that fill."""
    surface = {"width": 4, "blocks": 1, "rates": (1,), "fill": "surface", "correction": True}
    step, _ = build(tiny(generator=surface, refine=0.25))
    image, mask = example(size=48)
    plain = smooth_surface(image, mask)
    seen = [step.masked(image, mask, done) for done in range(200)]
    coarse = [i for i, one in enumerate(seen) if not torch.equal(one, plain)]
    assert 30 < len(coarse) < 70
    levels = [erase_from_coarse(step.generator, image, mask, n) for n in (1, 2)]
    assert most_levels(step.generator, 48, 48) == 2
    kinds = [next(n for n, one in enumerate(levels) if torch.equal(seen[i], one)) for i in coarse]
    assert set(kinds) == {0, 1} and not seen[coarse[0]].requires_grad
    assert torch.equal(step.masked(image, mask, coarse[0]), seen[coarse[0]])
    before = step.generator.state_dict()["encoder.0.weight"].clone()
    step(image, mask, coarse[0])
    assert not torch.equal(before, step.generator.state_dict()["encoder.0.weight"])


def test_gradients_do_not_pile_up_from_step_to_step(double, tiny):
    """Without learning, steps repeat, but for the power iteration of D, which goes on."""
    step, _ = build(tiny(learning_rate=1e-15, adversarial=0))
    found = []
    for _ in range(2):
        step(*example())
        found.append([[g.clone() for g in gradients(network)] for network in networks(step)])
    assert_close(found[1][0], found[0][0])
    assert_close(found[1][1], found[0][1], tolerance=MIXED_GRADIENT)


def networks(step):
    return step.generator, step.discriminator


def test_the_composite_alone_is_judged_in_the_hole(double, tiny):
    """With weights 0 for all but the adversary, known pixels of the prediction get no gradient."""
    config = tiny(reconstruction=0, perceptual=0, style=0)
    image, mask = example()
    step, _ = build(config)
    kept = {}
    step.generator.register_forward_hook(
        lambda module, given, prediction: (
            prediction.register_hook(lambda gradient: kept.update(gradient=gradient)) and None
        )
    )
    step(image, mask)
    assert kept["gradient"][mask.expand_as(image) == 0].abs().max() == 0
    assert kept["gradient"][mask.expand_as(image) == 1].abs().max() > 0


def test_a_step_is_lean(tiny):
    """One pass of G, one of D an image, one of the features an image, none recorded for real."""
    step, features = build(tiny())
    calls = []

    def count(name):
        def hook(module, given, output):
            first = output["relu5_2"] if isinstance(output, dict) else output
            calls.append((name, first.requires_grad, len(features.convs) if name == "f" else 0))

        return hook

    step.generator.register_forward_hook(count("g"))
    step.discriminator.register_forward_hook(count("d"))
    features.register_forward_hook(count("f"))
    step(*example())
    up_to_relu5_2 = 14
    assert calls == [
        ("g", True, 0),
        ("f", False, up_to_relu5_2),
        ("f", True, up_to_relu5_2),
        ("d", True, 0),
        ("d", True, 0),
    ]
    assert all(p.grad is None and not p.requires_grad for p in features.parameters())


def test_the_layout_of_memory_changes_nothing(double, tiny):
    results = []
    for channels_last in (False, True):
        step, _ = build(tiny(), channels_last=channels_last)
        losses = step(*example())
        results.append([*losses.values(), *gradients(step.generator)])
        weight = step.generator.encoder[2].weight
        assert weight.is_contiguous(memory_format=torch.channels_last) == channels_last
    assert_close(results[1], results[0])


@pytest.mark.slow
def test_a_compiled_generator_trains_like_the_plain_one(tiny):
    results = []
    for compiled in (False, True):
        step, _ = build(tiny(), compiled=compiled, channels_last=True)
        losses = [step(*example()) for _ in range(2)]
        results.append([*losses[0].values(), *losses[1].values(), *gradients(step.generator)])
        assert "_orig_mod" not in "".join(step.generator.state_dict())
    assert_close(results[1], results[0], tolerance=ROUNDED)


def test_processors_may_compute_in_bfloat16(tiny, monkeypatch):
    """Losses, weights and the statistics of the released gate keep 32 bits."""
    config = tiny(generator={"variant": "released", "width": 4, "blocks": 1})
    step, _ = build(config, precision="bf16-mixed", channels_last=True)
    convolved, statistics, std_mean = [], [], torch.std_mean
    step.generator.middle[0].fuse.register_forward_hook(
        lambda module, given, output: convolved.append(output.dtype)
    )

    def spy(values, **options):
        statistics.append(values.dtype)
        return std_mean(values, **options)

    monkeypatch.setattr(torch, "std_mean", spy)
    for _ in range(3):
        losses = step(*example())
        assert all(value.isfinite() and value.dtype == torch.float32 for value in losses.values())
    assert convolved == [torch.bfloat16] * 3
    assert statistics == [torch.float32] * 3
    assert {p.dtype for n in networks(step) for p in n.parameters()} == {torch.float32}


def test_images_too_small_for_the_dilation_rates_are_refused(tiny):
    rates = (1, 2, 4, 16)
    with pytest.raises(InputError, match=r"size_px=40: aot-gan .*16\].* needs .* at least 68"):
        build(tiny(generator={"width": 4, "rates": rates}))
    with pytest.raises(InputError, match=r"size_px=24: aot-gan .* at least 36"):
        build(tiny(stages=((0.5, 24), (1.0, 40))))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_computes_what_the_processor_does(double, tiny):
    results = []
    for device in ("cpu", "cuda"):
        step, _ = build(tiny(), device, channels_last=True)
        losses = step(*(x.to(device) for x in example()))
        results.append([x.cpu() for x in (*losses.values(), *gradients(step.generator))])
    assert_close(results[1], results[0], tolerance=SINGLE)


def test_trained_features_that_need_no_download_serve_both_losses(tiny):
    config = tiny(features="efficientnet-lite0", feature_width=64, on_composite=False)
    step = Step(config, Fabric(accelerator="cpu", devices=1))
    image, mask = example()
    network = Lite0Features()
    with torch.no_grad():
        prediction = step.generator(torch.where(mask.bool(), 0.0, image), mask)
        real, fake = network(image), network(prediction)
    losses = step(image, mask)
    apart = [(real[layer] - fake[layer]).abs().mean() for layer in LAYERS]
    grams = [(gram(real[layer]) - gram(fake[layer])).abs().mean() for layer in LAYERS]
    assert losses["perceptual"].item() == pytest.approx(float(sum(apart)), rel=SINGLE_NET)
    assert losses["style"].item() == pytest.approx(float(sum(grams)), rel=SINGLE_NET)
    assert step.features_name == "efficientnet-lite0"
    assert all(p.grad is None for p in step.features.parameters())
