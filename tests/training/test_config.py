"""A configuration is the paper's by default, exact through JSON, and refuses nonsense by name."""

import json

import pytest

from aotgan.errors import InputError
from aotgan.training.config import (
    DataConfig,
    LossConfig,
    OptimConfig,
    TrainConfig,
    changes,
    with_defaults,
)


def test_defaults_are_those_of_section_3_4():
    config = TrainConfig()
    assert config.optim == OptimConfig(8, 1e-4, (0.0, 0.9), None)
    assert config.data.size_px == 512
    loss = config.loss
    assert (loss.objective, loss.on_composite, loss.features) == ("paper", True, "imagenet")
    assert (loss.adversarial, loss.reconstruction, loss.perceptual, loss.style) == (
        0.01,
        1,
        0.1,
        250,
    )
    assert config.precision == "32-true"


@pytest.mark.parametrize(
    "config",
    [
        TrainConfig(),
        TrainConfig(generator={"rates": (1, 2, 4), "width": 8}, seed=3, precision="bf16-mixed"),
        TrainConfig(
            data=DataConfig("faces", 64, "boxes", (0.1, 0.2), crop_aspect=(3 / 4, 4 / 3)),
            loss=LossConfig("none", style=0, on_composite=False, features="random"),
            optim=OptimConfig(4, 1e-3, (0.5, 0.999), 0.995),
        ),
        TrainConfig(
            data=DataConfig(size_px=64, stages=((0.25, 32), (1.0, 64))),
            loss=LossConfig(hole=6.0),
            optim=OptimConfig(schedule="cosine", warmup_steps=100, clip_norm=1.0),
        ),
    ],
)
def test_json_gives_the_same_configuration_back(config):
    text = json.dumps(config.to_dict(), allow_nan=False)
    assert TrainConfig.from_dict(json.loads(text)) == config
    assert TrainConfig.from_dict(json.loads(text)).to_dict() == json.loads(text)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"step": 5}, r"TrainConfig has no 'step': choose of .*steps"),
        ({"data": {"size": 64}}, r"DataConfig has no 'size': choose of .*size_px"),
        ({"loss": {"l1": 1}}, r"LossConfig has no 'l1': choose of .*reconstruction"),
        ({"optim": {"lr": 1}}, r"OptimConfig has no 'lr': choose of .*learning_rate"),
        ({"generator": {"wdith": 8}}, r"aot-gan has no 'wdith': choose of .*width"),
    ],
)
def test_an_unknown_name_is_told_with_the_valid_ones(values, expected):
    with pytest.raises(InputError, match=expected):
        TrainConfig.from_dict(values)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"steps": 0}, "steps=0: must be at least 1"),
        ({"generator": {"model": "telea"}, "steps": -1}, "objective='paper': choose one of none"),
        (
            {"generator": {"model": "telea"}, "steps": 5, "loss": {"objective": "none"}},
            "steps=5: telea is not trained. Give 0.",
        ),
        (
            {"generator": {"model": "telea"}, "steps": -1, "loss": {"objective": "none"}},
            "steps=-1: telea is not trained",
        ),
        ({"steps": "100"}, "steps='100': expected a value of type int"),
        ({"steps": 1.5}, "steps=1.5: expected a value of type int"),
        ({"steps": True}, "steps=True"),
        ({"seed": -1}, "seed=-1: must be at least 0"),
        ({"precision": "16-mixed"}, "precision='16-mixed': choose one of 32-true, bf16-mixed"),
        ({"discriminator_width": 0}, "discriminator_width=0"),
        ({"data": "bundled"}, "data='bundled': expected a value of type .*DataConfig"),
        ({"data": {"size_px": 100}}, "size_px=100: must be a multiple of 8"),
        ({"data": {"size_px": 0}}, "size_px=0: must be a multiple of 8"),
        ({"data": {"mask_ratio": 0.5}}, "mask_ratio=0.5"),
        ({"data": {"mask_ratio": [0.1, 0.2, 0.3]}}, "mask_ratio="),
        ({"loss": {"objective": "wgan"}}, "objective='wgan': choose one of paper, .*none"),
        ({"loss": {"features": "vgg"}}, "features='vgg'"),
        ({"loss": {"features": "efficientnet-lite0", "feature_width": 16}}, "leave it at 64"),
        ({"loss": {"style": -1}}, "style=-1: must be at least 0"),
        ({"loss": {"style": float("nan")}}, "style=nan"),
        ({"loss": {"on_composite": 1}}, "on_composite=1: expected a value of type bool"),
        ({"loss": {"hole": -1}}, "hole=-1: must be at least 0"),
        ({"data": {"stages": 3}}, "stages=3: expected a value of type"),
        ({"data": {"stages": [[0.5, 64.0]]}}, "stages=.*: expected a value of type"),
        ({"data": {"stages": [[0.5, 64, 1]]}}, "stages=.*: expected a value of type"),
        ({"data": {"stages": [[0.5, 64]]}}, r"stages=.*the last \(1, 512\)"),
        ({"data": {"stages": [[1, 256]]}}, "stages=.*: expected .share, side. pairs"),
        ({"data": {"stages": [[0.0, 64], [1, 512]]}}, "shares rise from above 0"),
        ({"data": {"stages": [[0.5, 64], [0.5, 128], [1, 512]]}}, "shares rise"),
        ({"data": {"stages": [[0.5, 60], [1, 512]]}}, "multiples of 8"),
        ({"data": {"stages": [[0.5, 520], [1, 512]]}}, "up to size_px"),
        ({"optim": {"schedule": "linear"}}, "schedule='linear': choose one of constant, cosine"),
        ({"optim": {"warmup_steps": -1}}, "warmup_steps=-1: must be at least 0"),
        ({"steps": 9, "optim": {"warmup_steps": 9}}, "warmup_steps=9 of steps=9: the run must be"),
        ({"optim": {"clip_norm": 0}}, "clip_norm=0: must be above 0, or None"),
        ({"optim": {"batch_size": 0}}, "batch_size=0"),
        ({"optim": {"learning_rate": 0}}, "learning_rate=0: must be above 0"),
        ({"optim": {"betas": [0, 1]}}, r"betas=\(0, 1\): both must be at least 0 and below 1"),
        ({"optim": {"betas": [0.9]}}, "betas="),
        ({"optim": {"ema_decay": 1.0}}, "ema_decay=1.0: must lie between 0 and 1"),
        ({"optim": {"ema_decay": "off"}}, r"ema_decay='off': expected .* float \| None"),
    ],
)
def test_impossible_values_are_refused_by_name(values, expected):
    with pytest.raises(InputError, match=expected):
        TrainConfig.from_dict(values)


def test_differences_are_told_with_both_values():
    old, new = TrainConfig(seed=1).to_dict(), TrainConfig(loss=LossConfig(style=1.0)).to_dict()
    assert changes(old, new) == "loss.style 250.0, not 1.0; seed 1, not 0"
    assert changes(old, old) == ""


@pytest.mark.parametrize(
    ("part", "values"),
    [
        ("optim", {"schedule": "cosine"}),
        ("optim", {"warmup_steps": 5}),
        ("optim", {"clip_norm": 1.0}),
        ("loss", {"hole": 6.0}),
    ],
)
def test_a_compared_model_keeps_its_published_recipe(part, values):
    own = {"generator": {"model": "ca"}, "loss": {"objective": "published"}}
    TrainConfig.from_dict(own)
    (name,) = values
    with pytest.raises(InputError, match=f"{name}=.*: ca trains by its published recipe"):
        TrainConfig.from_dict(own | {part: own.get(part, {}) | values})


def test_a_stored_configuration_has_the_defaults_of_what_it_is_older_than():
    config = TrainConfig(generator={"width": 8}, loss=LossConfig(style=3.0), steps=7)
    old = config.to_dict()
    for part, names in {
        "data": ("stages",),
        "loss": ("hole",),
        "optim": ("schedule", "warmup_steps", "clip_norm"),
    }.items():
        for name in names:
            del old[part][name]
    assert with_defaults(old) == config.to_dict()
    assert TrainConfig.from_dict(old) == config
    newer = TrainConfig(optim=OptimConfig(clip_norm=1.0)).to_dict()
    assert with_defaults(newer) == newer


def test_what_depends_on_the_share_of_steps_is_told():
    assert not TrainConfig(optim=OptimConfig(warmup_steps=5, clip_norm=1.0)).staged
    assert TrainConfig(optim=OptimConfig(schedule="cosine")).staged
    assert TrainConfig(data=DataConfig(stages=((1, 512),))).staged
