"""Training of MNPS's content network: its losses and gradients against a plain formulation."""

import copy

import pytest
import torch
from recipes import on_cpu, pictures
from tolerances import DOUBLE, DOUBLE_NET, DOUBLE_SUM, SINGLE_FEW

from aotgan.data.masks import centre_mask
from aotgan.errors import InputError
from aotgan.models.baselines.mnps import network_input
from aotgan.training.baselines.mnps import MNPSStep, rim_weight
from aotgan.training.recipe import make_recipe

MODEL = {"model": "mnps", "width": 2, "bottleneck": 6, "features": "random", "feature_width": 2}


@pytest.fixture
def config(tiny):
    """A configuration of MNPS; arguments replace single settings."""

    def make(**settings):
        own = {"size_px": 64, "masks": "centre", "objective": "published", "batch_size": 3}
        own |= {"learning_rate": 2e-3, "betas": (0.5, 0.999), "generator": MODEL}
        return tiny(**own | settings)

    return make


def build(config, precision="32-true"):
    recipe = make_recipe(config, on_cpu(precision))
    assert isinstance(recipe, MNPSStep)
    return recipe


def example(batch=3, size=64, seed=1):
    image = pictures(size, batch, seed)
    mask = torch.from_numpy(centre_mask(size, size)).to(image)[None, None]
    return image, mask.repeat(batch, 1, 1, 1)


def entropy(logits, label):
    """Binary cross-entropy by its formula."""
    chance = 1 / (1 + torch.exp(-logits))
    return -torch.log(chance if label else 1 - chance).mean()


def plain(recipe, image):
    """Losses and gradients of a step, each from passes of its own; nothing is updated."""
    content, critic = copy.deepcopy(recipe.generator.content), copy.deepcopy(recipe.critic)
    small = image.repeat_interleave(2, 2).repeat_interleave(2, 3)  # 64 px to 128
    target = small[..., 32:96, 32:96]
    prediction = content(network_input(image))
    loss_d = entropy(critic(target), 1) + entropy(critic(prediction.detach()), 0)
    optimiser = torch.optim.Adam(critic.parameters(), 2e-4, (0.5, 0.999))
    loss_d.backward()
    d = [parameter.grad.clone() for parameter in critic.parameters()]
    optimiser.step()

    squared, total = (prediction - target) ** 2, 0.0
    for row in range(64):
        for column in range(64):
            inside = 4 <= row < 60 and 4 <= column < 60
            total = total + squared[:, :, row, column].sum() * (1 if inside else 10)
    reconstruction = total / squared.numel()
    adversarial = entropy(critic(prediction), 1)
    loss = 0.999 * reconstruction + 0.001 * adversarial
    g = torch.autograd.grad(loss, list(content.parameters()))
    losses = {"reconstruction": reconstruction, "adversarial": adversarial, "discriminator": loss_d}
    return losses, list(g), d


def assert_close(found, expected):
    for a, b in zip(found, expected, strict=True):
        assert (a - b).abs().max() <= DOUBLE_NET * b.abs().max() + DOUBLE


def test_losses_and_gradients_equal_those_of_separate_passes(double, config):
    recipe, (image, mask) = build(config()), example()
    losses, g, d = plain(recipe, image)
    with torch.no_grad():
        old_critic = entropy(copy.deepcopy(recipe.critic)(recipe_prediction(recipe, image)), 1)
    captured = capture_critic_gradients(recipe)
    found = recipe(image, mask)
    assert list(found) == list(losses)
    assert_close(list(found.values()), [value.detach() for value in losses.values()])
    assert_close([p.grad for p in recipe.generator.content.parameters()], g)
    assert_close(captured, d)
    assert abs(found["adversarial"] - old_critic) > 1e-6, "judged by the critic after its step"


def recipe_prediction(recipe, image):
    return copy.deepcopy(recipe.generator.content)(network_input(image))


def capture_critic_gradients(recipe):
    """The gradients with which the critic's optimiser steps."""
    captured, step = [], recipe.run_optim_d.optimizer.step

    def spy(*args, **kwargs):
        captured.extend(p.grad.clone() for p in recipe.critic.parameters())
        return step(*args, **kwargs)

    recipe.run_optim_d.optimizer.step = spy
    return captured


def test_neither_players_gradient_reaches_the_other(double, config):
    """After a step, the critic's gradients are those of its own loss: nothing was added to them."""
    recipe, (image, mask) = build(config()), example()
    _, _, d = plain(recipe, image)
    recipe(image, mask)
    assert_close([p.grad for p in recipe.critic.parameters()], d)
    recipe.judge(recipe.run_content(network_input(image)))
    assert_close([p.grad for p in recipe.critic.parameters()], d)
    before = [p.grad.clone() for p in recipe.generator.content.parameters()]
    recipe.update_critic(*(2 * [example()[0]]))
    assert_close([p.grad for p in recipe.generator.content.parameters()], before)


def test_a_step_updates_both_networks_at_their_own_rates(double, config):
    recipe = build(config())
    assert sorted(recipe.networks) == sorted(recipe.optimisers) == ["discriminator", "generator"]
    for name, rate in (("generator", 2e-3), ("discriminator", 2e-4)):
        (group,) = recipe.optimisers[name].param_groups
        assert group["lr"] == pytest.approx(rate) and group["betas"] == (0.5, 0.999)
    before = [p.detach().clone() for n in recipe.networks.values() for p in n.parameters()]
    recipe(*example())
    after = [p for n in recipe.networks.values() for p in n.parameters()]
    for old, new in zip(before, after, strict=True):
        if new.grad.abs().max() > 1e-9:  # a bias in front of a normalisation has no effect
            assert not torch.equal(old, new)


def test_gradients_do_not_pile_up(double, config):
    """Without learning, steps repeat: normalisation by the batch depends on no earlier one."""
    recipe, found = build(config(learning_rate=1e-15)), []
    for _ in range(2):
        recipe(*example())
        networks = (recipe.generator.content, recipe.critic)
        found.append([p.grad.clone() for n in networks for p in n.parameters()])
    for first, second in zip(*found, strict=True):
        assert (first - second).abs().max() <= SINGLE_FEW * first.abs().max() + DOUBLE_SUM


def test_the_hole_reaches_the_losses_alone(double, config):
    recipe, (image, mask) = build(config()), example()
    seen = []
    recipe.generator.content.register_forward_hook(
        lambda module, given, output: seen.append(given[0].clone())
    )
    recipe(image, mask)
    recipe(image * (1 - mask), mask)
    assert torch.equal(seen[0], seen[1]) and seen[0].shape == (3, 3, 128, 128)


def test_training_learns_a_constant(config):
    recipe = build(config())
    image, mask = example()
    image = torch.full_like(image, 0.5)
    losses = [recipe(image, mask, done)["reconstruction"].item() for done in range(25)]
    assert losses[-1] < 0.6 * losses[0]


def test_the_critic_starts_from_the_same_weights_beside_every_network(config):
    first, second = (
        build(config(generator=MODEL | {"bottleneck": bottleneck})) for bottleneck in (4, 9)
    )
    assert torch.equal(first.critic.layers[0].weight, second.critic.layers[0].weight)


def test_the_rim_counts_tenfold():
    weight = rim_weight(torch.device("cpu"))[0, 0]
    assert weight[4:60, 4:60].unique().tolist() == [1]
    assert weight.sum() == 56 * 56 + 10 * (64 * 64 - 56 * 56)


def test_processors_may_compute_in_bfloat16(config):
    recipe = build(config(precision="bf16-mixed"), "bf16-mixed")
    for done in range(3):
        losses = recipe(*example(), done)
        assert all(value.isfinite() and value.dtype == torch.float32 for value in losses.values())
    assert {p.dtype for p in recipe.generator.parameters()} == {torch.float32}


def test_the_record_names_the_network_of_the_texture_term(config):
    assert build(config()).features_name == "random-2-seed0"


def test_missing_features_are_noticed_before_the_training(config, monkeypatch):
    def missing(*_):
        raise InputError("no weights here")

    monkeypatch.setattr("aotgan.losses.features.imagenet_weights", missing)
    model = {"model": "mnps", "width": 2, "features": "imagenet"}
    with pytest.raises(InputError, match="no weights here"):
        build(config(generator=model))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"masks": "free-form"}, "masks='free-form': MNPS .* 'centre'"),
        ({"batch_size": 1}, "batch_size=1 on 1 processes: MNPS needs at least 2"),
        ({"size_px": 40}, "size_px=40: mnps .* multiple of 32"),
    ],
)
def test_what_it_cannot_train_on_is_refused(config, settings, message):
    with pytest.raises(InputError, match=message):
        build(config(**settings))
