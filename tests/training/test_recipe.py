"""Every model trains in the one loop: it learns, stops, goes on bit for bit, and is measured."""

import pytest
import torch
from recipes import on_cpu, pictures

from aotgan.errors import InputError
from aotgan.models.registry import AOT_GAN, MODELS, model_class
from aotgan.training.config import LossConfig, TrainConfig
from aotgan.training.devices import RunOptions
from aotgan.training.loop import STATE, Trainer
from aotgan.training.recipe import make_recipe

SIDE = 64
OPTIONS = RunOptions(device="cpu", workers=0, progress="none")


def settings(name, **more):
    kind = model_class(name)
    own = kind.scaled(1 / 16, SIDE)
    if name == "mnps":
        own |= {"features": "random", "feature_width": 2}
        more["masks"] = "centre"
    if name != AOT_GAN:
        more["objective"] = "published"
    return {"generator": {"model": name, **own}, "size_px": SIDE, "steps": 6} | more


# those with stages are also stopped in the last of them
@pytest.mark.parametrize(
    ("name", "done"), [*((name, 2) for name in MODELS), ("pconv", 4), ("edgeconnect", 5)]
)
def test_a_stopped_run_equals_an_uninterrupted_one(name, done, tiny, tmp_path):
    config = tiny(**settings(name, ema_decay=0.9))
    whole = Trainer(config, tmp_path / "whole", OPTIONS)
    start = {key: value.clone() for key, value in whole.recipe.generator.state_dict().items()}
    assert whole.fit() == "steps"

    parts = Trainer(config, tmp_path / "parts", OPTIONS)
    batches = parts._batches()
    for (image, mask, _), _ in zip(batches, range(done), strict=False):
        parts._one_step(image, mask)
    parts.save()
    resumed = Trainer(config, tmp_path / "parts", OPTIONS)
    assert resumed.step == done and resumed.fit() == "steps"

    first, second = (torch.load(tmp_path / part / STATE) for part in ("whole", "parts"))
    for kind in ("recipe", "average"):
        torch.testing.assert_close(first[kind], second[kind], rtol=0, atol=0)
    after = whole.recipe.generator.state_dict()
    assert any(not torch.equal(value, after[key]) for key, value in start.items())


@pytest.mark.parametrize("name", [AOT_GAN, "pconv", "edgeconnect"])
def test_models_with_losses_on_features_train_on_efficientnet_lite0(name, tiny):
    more = {"features": "efficientnet-lite0", "feature_width": 64, "style": 1.0}
    recipe = make_recipe(tiny(**settings(name), **more), on_cpu())
    assert recipe.features_name == "efficientnet-lite0"
    image, mask = pictures(SIDE), torch.zeros(2, 1, SIDE, SIDE)
    mask[:, :, 20:40, 16:44] = 1
    losses = recipe(image, mask, recipe.config.steps // 2)
    assert all(torch.isfinite(value) for value in losses.values())
    assert losses["perceptual"] > 0 and losses["style"] > 0


@pytest.mark.parametrize("name", MODELS)
def test_equal_seeds_start_from_equal_weights_and_others_do_not(name, tiny):
    states = []
    for seed in (0, 0, 1):
        recipe = make_recipe(tiny(**settings(name), seed=seed), on_cpu())
        states.append([part.clone() for part in recipe.generator.parameters()])
    assert all(map(torch.equal, states[0], states[1]))
    assert not all(map(torch.equal, states[0], states[2]))


@pytest.mark.parametrize("name", [name for name in MODELS if name != AOT_GAN])
def test_compared_models_take_their_published_losses_alone(name, tiny):
    with pytest.raises(InputError, match="objective='paper': choose one of published"):
        tiny(**settings(name) | {"objective": "paper"})


def test_what_has_no_weights_is_not_trained(tmp_path):
    config = TrainConfig({"model": "telea"}, loss=LossConfig("none"), steps=0)
    with pytest.raises(InputError, match="telea is not trained: measure it as it is"):
        make_recipe(config, on_cpu())


def test_a_run_in_stages_cannot_be_prolonged(tiny, tmp_path):
    Trainer(tiny(**settings("edgeconnect")), tmp_path, OPTIONS).fit()
    longer = tiny(**settings("edgeconnect", steps=9))
    with pytest.raises(InputError, match="6 steps, not 9, whose stages or learning"):
        Trainer(longer, tmp_path, OPTIONS)


def test_the_noise_of_a_step_depends_on_seed_and_step_alone(tiny):
    def draw(seed, done):
        recipe = make_recipe(tiny(seed=seed), on_cpu())
        return torch.rand(3, generator=recipe.noise(done)).tolist()

    assert draw(0, 4) == draw(0, 4)
    assert len({tuple(draw(seed, done)) for seed in (0, 1) for done in (0, 1)}) == 4


def test_the_pull_on_images_leaves_the_critic_alone(tiny):
    recipe = make_recipe(tiny(), on_cpu())
    critic, leaf = recipe.networks["discriminator"].eval(), torch.rand(2, 3, 40, 40)
    loss = -critic(leaf.requires_grad_()).mean()
    (expected,) = torch.autograd.grad(loss, leaf, retain_graph=True)
    for retain_graph in (True, False):
        pull = recipe.pull_on(leaf, loss, retain_graph)
        assert torch.equal(pull, expected) and leaf.grad is None
    assert all(p.grad is None for p in critic.parameters())
    with pytest.raises(RuntimeError, match="second time"):
        recipe.pull_on(leaf, loss)
