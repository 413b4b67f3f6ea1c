"""EdgeConnect's three stages against plain formulations in double precision."""

import copy
import functools

import pytest
import torch
from recipes import on_cpu, pictures
from tolerances import DOUBLE, DOUBLE_NET, FEW_BITS

from aotgan.errors import InputError
from aotgan.losses import PERCEPTUAL_LAYERS, STYLE_LAYERS, VGG19Features
from aotgan.losses import features as feature_module
from aotgan.models.baselines.edgeconnect import canny_edges, to_gray
from aotgan.training.baselines.edgeconnect import LOSSES, EdgeConnectStep, matching_loss
from aotgan.training.devices import RunOptions
from aotgan.training.recipe import make_recipe

STAGES = {1: 0, 2: 5, 3: 9}  # a step of each, of 12


@pytest.fixture
def config(tiny):
    def make(**settings):
        own = {"generator": {"model": "edgeconnect", "width": 2}, "objective": "published"}
        return tiny(**own | {"size_px": 32} | settings)

    return make


@functools.cache
def random_features():
    return VGG19Features("random", 2)


def example(size=32, batch=2, seed=1):
    mask = torch.zeros(batch, 1, size, size)
    for i in range(batch):
        mask[i, :, 4 + 3 * i : 22, 8 : 20 + 5 * i] = 1
    return pictures(size, batch, seed, cells=4), mask


def make(config, precision="32-true"):
    features = copy.deepcopy(random_features()).to(torch.get_default_dtype())
    options = RunOptions(channels_last=False)
    return EdgeConnectStep(config, on_cpu(precision), options, features), features


def parts(step):
    model = step.generator
    return {
        "edges": model.edge_network,
        "images": model.image_network,
        "edge critic": step.edge_critic,
        "image critic": step.image_critic,
    }


def cross_entropy(logits, real):
    probability = torch.sigmoid(logits)
    return -torch.log(probability if real else 1 - probability).mean()


def plain_edge_losses(step, image, mask):
    """Stage 1 with passes of its own for each player; nothing is updated."""
    g, d = step.generator.edge_network, step.edge_critic
    hole = mask.bool()
    gray = to_gray(image)
    edges = canny_edges(gray)
    assert edges.sum() > 50
    made = g(torch.cat([gray.masked_fill(hole, 1), edges.masked_fill(hole, 0), mask], 1))
    real = d(torch.cat([gray, edges], 1))
    fake = d(torch.cat([gray, made.detach()], 1))
    discriminator = (cross_entropy(real[4], True) + cross_entropy(fake[4], False)) / 2
    d.eval()  # the same weights as in the pass before: no power iteration
    fake = d(torch.cat([gray, made], 1))
    d.train()
    matching = sum((b - a.detach()).abs().mean() for a, b in zip(real, fake, strict=True))
    adversarial = cross_entropy(fake[4], True)
    losses = {"matching": matching, "discriminator": discriminator, "adversarial": adversarial}
    return losses, adversarial + 10 * matching, "edges", "edge critic"


def gram(x):
    return torch.einsum("bchw,bdhw->bcd", x, x) / x[0].numel()


def plain_image_losses(step, features, image, mask, stage, style):
    """Stages 2 and 3, likewise; images in [0, 1] as in the release."""
    g, d = step.generator.image_network, step.image_critic
    hole, truth = mask.bool(), (image + 1) / 2
    gray = to_gray(image)
    edges = canny_edges(gray)
    if stage == 3:
        step.generator.edge_network.eval()
        inputs = [gray.masked_fill(hole, 1), edges.masked_fill(hole, 0), mask]
        with torch.no_grad():
            edges = torch.where(hole, step.generator.edge_network(torch.cat(inputs, 1)), edges)
    out = (g(torch.cat([truth.masked_fill(hole, 1), edges], 1)) + 1) / 2

    def taps(x):
        return features(2 * x - 1)

    real = d(truth)[4]
    fake = d(out.detach())[4]
    discriminator = (cross_entropy(real, True) + cross_entropy(fake, False)) / 2
    d.eval()
    adversarial = cross_entropy(d(out)[4], True)
    d.train()
    losses = {
        "reconstruction": (out - truth).abs().mean() / mask.mean(),
        "perceptual": sum((taps(out)[n] - taps(truth)[n]).abs().mean() for n in PERCEPTUAL_LAYERS),
        "style": sum(
            (gram(taps(out * mask)[n]) - gram(taps(truth * mask)[n])).abs().mean()
            for n in STYLE_LAYERS
        ),
        "discriminator": discriminator,
        "adversarial": adversarial,
    }
    total = losses["reconstruction"] + 0.1 * losses["perceptual"] + style * losses["style"]
    return losses, total + 0.1 * adversarial, "images", "image critic"


@pytest.mark.parametrize("stage", STAGES)
def test_losses_and_gradients_equal_a_plain_formulation(double, config, stage):
    """And gradients of each player are of its own loss alone."""
    image, mask = example()
    step, features = make(config(style=8.0))
    if stage == 1:
        losses, total, player, critic = plain_edge_losses(step, image, mask)
    else:
        losses, total, player, critic = plain_image_losses(step, features, image, mask, stage, 8.0)
    networks = parts(step)
    expected = {
        player: torch.autograd.grad(total, list(networks[player].parameters()), retain_graph=True),
        critic: torch.autograd.grad(losses["discriminator"], list(networks[critic].parameters())),
    }

    step, _ = make(config(style=8.0))  # the same weights and power-iteration vectors again
    found = step(image, mask, STAGES[stage])
    assert tuple(found) == LOSSES
    for name, value in found.items():
        wanted = losses[name].detach() if name in losses else torch.zeros(())
        torch.testing.assert_close(value, wanted, rtol=DOUBLE_NET, atol=DOUBLE)
        assert not value.requires_grad
    for name, network in parts(step).items():
        gradients = [parameter.grad for parameter in network.parameters()]
        for gradient, wanted in zip(gradients, expected.get(name, gradients), strict=True):
            if name in expected:
                close = (
                    gradient - wanted
                ).abs().max() <= DOUBLE_NET * wanted.abs().max() + FEW_BITS
                assert close, name
            else:
                assert gradient is None


def test_feature_matching_moves_the_fake_alone():
    real, fake = ([torch.rand(2, 3, requires_grad=True) for _ in range(2)] for _ in range(2))
    loss = matching_loss(real, fake)
    assert loss == sum((a - b).abs().mean() for a, b in zip(real, fake, strict=True))
    loss.backward()
    assert all(x.grad is None for x in real)
    assert all(x.grad.abs().max() > 0 for x in fake)


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_updates_its_own_networks_alone(config, stage):
    step, _ = make(config())
    before = {name: copy.deepcopy(part.state_dict()) for name, part in parts(step).items()}
    step(*example(), STAGES[stage])
    changed = {
        name
        for name, part in parts(step).items()
        for old, new in zip(before[name].values(), part.state_dict().values(), strict=True)
        if not torch.equal(old, new)
    }
    assert changed == ({"edges", "edge critic"} if stage == 1 else {"images", "image critic"})


def test_every_weight_learns(config):
    """But for biases in front of instance normalisation, which have no effect."""
    step, _ = make(config())
    before = {name: copy.deepcopy(part) for name, part in parts(step).items()}
    step(*example(), STAGES[1])
    step(*example(), STAGES[2])
    for name, part in parts(step).items():
        pairs = zip(before[name].named_parameters(), part.parameters(), strict=True)
        still = [own for (own, old), new in pairs if torch.equal(old, new)]
        assert [own for own in still if not own.endswith("bias")] == [], name


def test_rates_and_names(config):
    step, _ = make(config(learning_rate=1e-4, betas=(0.0, 0.9)))
    rates = {
        name: (optimiser.param_groups[0]["lr"], optimiser.param_groups[0]["betas"])
        for name, optimiser in step.optimisers.items()
    }
    slow, fast = (pytest.approx(1e-5), (0.0, 0.9)), (pytest.approx(1e-4), (0.0, 0.9))
    assert rates == {"edges": fast, "images": fast, "edge critic": slow, "image critic": slow}
    assert set(step.networks) == {"generator", "edge critic", "image critic"}
    assert step.staged
    model = {id(p) for p in step.generator.parameters()}
    assert model == {
        id(p)
        for name in ("edges", "images")
        for group in step.optimisers[name].param_groups
        for p in group["params"]
    }


def test_stages_are_shares_of_the_steps(config):
    step, _ = make(config(steps=10))
    trained = []
    for done in range(10):
        losses = step(*example(), done)
        edges_in = step.generator.edge_network.training
        trained.append(("edges" if losses["matching"] > 0 else "images", edges_in))
    assert trained == [("edges", True)] * 3 + [("images", False)] * 7


@pytest.mark.parametrize("stage", STAGES)
def test_the_model_can_be_measured_at_any_time_and_that_changes_nothing(config, stage):
    results = []
    for measured in (False, True):
        step, _ = make(config())
        step(*example(), STAGES[stage])
        if measured:
            step.generator.eval()
            with torch.no_grad():
                z = step.generator.complete(*example())
            assert z.isfinite().all() and z.abs().max() <= 1
            step.generator.train()
        results.append(step(*example(seed=2), STAGES[stage] + 1))
    assert all(torch.equal(results[0][name], results[1][name]) for name in LOSSES)


def test_processors_may_compute_in_bfloat16(config):
    step, _ = make(config(), "bf16-mixed")
    for done in STAGES.values():
        losses = step(*example(), done)
        assert all(value.isfinite() and value.dtype == torch.float32 for value in losses.values())
    assert {p.dtype for part in parts(step).values() for p in part.parameters()} == {torch.float32}


def test_trained_features_see_raw_images_and_random_ones_do_not(config, monkeypatch):
    fabric = on_cpu()
    step = make_recipe(config(), fabric)
    assert isinstance(step, EdgeConnectStep)
    assert step.features_name == "random-2-seed0"
    layers = feature_module.plan(64, (2, 2, 4, 4, 2))
    blank = {
        f"{name}.{kind}": torch.zeros((o, i, 3, 3) if kind == "weight" else o)
        for name, i, o in layers
        for kind in ("weight", "bias")
    }
    monkeypatch.setattr(feature_module, "imagenet_weights", lambda *args: blank)
    step = make_recipe(config(features="imagenet", feature_width=64), fabric)
    assert step.features_name == "vgg19-imagenet-raw"
    image, _ = example()
    torch.testing.assert_close(step.features.prepare(image), (image + 1) / 2)


def test_images_that_are_too_small_are_refused(config):
    with pytest.raises(InputError, match="at least 12"):
        make(config(size_px=8))
    step, _ = make(config(size_px=16))
    with pytest.raises(InputError, match="at least 24"):
        step(*example(16))
