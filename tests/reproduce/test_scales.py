"""Every declared run is a configuration that can be built, and the paper's scale is the paper's."""

import json
import re
from dataclasses import replace
from fractions import Fraction

import pytest

from aotgan.errors import InputError
from aotgan.models.registry import build, model_class, split_config
from aotgan.reproduce.runs.experiments import EXPERIMENTS, get_experiment, runs_of, select
from aotgan.reproduce.runs.scales import SCALES, get_scale, make_config, style_weight
from aotgan.training.config import LossConfig, OptimConfig, TrainConfig, changes


def published_width(config):
    return model_class(split_config(config.generator)[0]).published_width


REQUESTS = (("imagenet", 64), ("efficientnet-lite0", 64), ("random", 16), ("random", 64))
TRAINED = [name for name, experiment in EXPERIMENTS.items() if experiment.trained]
RUNS = [(experiment, scale) for experiment in TRAINED for scale in SCALES]


@pytest.mark.parametrize(("experiment", "scale"), RUNS)
def test_every_run_is_a_configuration(experiment, scale):
    config, size = make_config(experiment, scale, seed=2), SCALES[scale]
    assert TrainConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
    what = EXPERIMENTS[experiment]
    times = what.stages[-1][1] if what.stages and size.adapts else 1
    assert (config.seed, config.data.name) == (2, size.sets[what.subject])
    assert config.data.size_px == times * size.size_px
    assert config.discriminator_width == size.width
    share = Fraction(size.width, 64) * Fraction(what.wider)
    assert config.generator["width"] == share * published_width(config)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("experiment", [name for name in EXPERIMENTS if name not in TRAINED])
def test_what_is_not_trained_is_measured_as_the_models_beside_it(experiment, scale):
    config = make_config(experiment, scale)
    assert TrainConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
    assert config.steps == 0 and set(config.generator) == {"model"}
    own, other = (EXPERIMENTS[name] for name in (experiment, BESIDE["-centre" in experiment]))
    assert (own.bins, own.measure) == (other.bins, other.measure)
    assert config.data == make_config(other.name, scale).data
    assert config.loss.features == make_config(other.name, scale).loss.features
    with pytest.raises(InputError, match=f"seed=2: {experiment} is the same for every seed"):
        make_config(experiment, scale, seed=2)
    with pytest.raises(InputError, match="steps=7: .* is not trained"):
        make_config(experiment, scale, steps=7)


BESIDE = {True: "aotgan-centre", False: "aotgan"}


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_the_network_of_every_experiment_can_be_built(experiment):
    smallest = min(SCALES.values(), key=lambda scale: scale.size_px)
    model = build(make_config(experiment, smallest.name).generator)
    assert model.min_side <= smallest.size_px and smallest.size_px % model.multiple == 0


def test_the_papers_scale_has_the_papers_settings():
    config = make_config("aotgan", "paper")
    assert config == TrainConfig(generator={"width": 64}, data=config.data, steps=1_000_000)
    assert config.optim == OptimConfig(8, 1e-4, (0.0, 0.9), None)
    assert (config.data.name, config.data.size_px, config.data.masks) == (
        "places2",
        512,
        "free-form",
    )


@pytest.mark.parametrize("scale", SCALES)
def test_only_features_and_their_style_weight_differ_from_the_papers(scale):
    size, config = SCALES[scale], make_config("aotgan", scale)
    features, style = ("imagenet", 250) if scale == "paper" else ("efficientnet-lite0", 1)
    assert config.loss == LossConfig(style=style, features=features)
    assert config.optim == OptimConfig(ema_decay=size.ema_decay)


def test_style_weights_of_features_on_request():
    weights = {(name, width): style_weight(name, width) for name, width in REQUESTS}
    assert list(weights.values()) == [250, 1, 8, 32]


@pytest.mark.parametrize("scale", SCALES)
def test_the_texture_term_of_mnps_has_a_vgg_as_wide_as_the_scale_is(scale):
    generator = make_config("mnps", scale).generator
    kind, width = ("imagenet", 64) if scale == "paper" else ("random", SCALES[scale].width)
    assert (generator["features"], generator["feature_width"]) == (kind, width)


def test_the_released_reading_differs_where_their_code_does():
    paper, released = (make_config(name, "paper") for name in ("aotgan", "aotgan-released"))
    assert released.generator["variant"] == released.loss.objective == "released"
    assert not released.loss.on_composite and released.optim.betas == (0.5, 0.999)
    assert released.data.jitter == 0.05 and paper.data.jitter == 0


def test_the_tuned_experiments_depart_as_they_say():
    plain, opened = make_config("aotgan", "laptop"), make_config("gate-open", "laptop")
    assert opened == replace(
        make_config("sm-patchgan", "laptop"), generator={"width": 16, "gate_bias": 2.0}
    )
    tuned = make_config("aotgan-tuned", "laptop")
    assert tuned.generator == {
        "width": 16,
        "gate_bias": 2.0,
        "fill": "surface",
        "correction": True,
        "upsampling": "bilinear",
    }
    assert tuned.loss == replace(plain.loss, hole=6.0, adversarial=0.06, style=6.0)
    assert tuned.data == plain.data
    assert tuned.optim == OptimConfig(8, 1e-3, (0.9, 0.99), 0.998, "cosine", 100, 1.0)
    departing = {e.name for e in EXPERIMENTS.values() if e.departs}
    assert departing == set(select(["gate", "tuned", "pilots", "shipped"]))


def test_a_pilot_makes_one_choice_otherwise():
    first = make_config("pilot-first", "laptop").to_dict()
    bilinear, equal = "generator.upsampling None, not 'bilinear'", "loss.hole 6.0, not 1.0"
    uncorrected = "generator.correction True, not False"
    changed = {
        "wide": "generator.width 16, not 32",
        "bilinear": bilinear,
        "balance": f"{bilinear}; loss.adversarial 0.01, not 0.06; loss.style 1.0, not 6.0",
        "stages": "data.stages [], not [[0.5, 64], [1, 128]]",
        "mixed": "data.masks 'free-form', not 'mixed'",
        "refine": "refine 0.0, not 0.25",
        "seen": uncorrected,
        "zero": f"{uncorrected}; generator.fill 'surface', not 0.0",
        "gate": "generator.gate_bias 2.0, not 0.0",
        "hole": equal,
        "stuck": f"{bilinear}; {equal}",
    }
    for name, difference in changed.items():
        assert changes(first, make_config(f"pilot-{name}", "laptop").to_dict()) == difference
    assert [f"pilot-{name}" for name in ("first", *changed)] == select(["pilots"])
    balance = make_config("pilot-balance", "laptop")
    assert balance == make_config("aotgan-tuned", "laptop", 0, "scenes-more", 1000)


def test_the_models_that_are_shipped_see_enough_images_that_grow():
    for name, images, sides in (
        ("aotgan-scenes", 400_000, (64, 128, 256)),
        ("aotgan-faces", 200_000, (64, 128, 176)),
    ):
        config = make_config(name, "laptop")
        assert config.steps * config.optim.batch_size == images
        assert tuple(side for _, side in config.data.stages) == sides
        quick = make_config(name, "smoke")
        assert (quick.steps, quick.data.stages, quick.data.size_px) == (150, (), 64)


def test_a_short_run_has_a_warm_up_and_an_average_that_fit_it():
    for steps in (1, 8, 150):
        optim = make_config("aotgan-tuned", "smoke", steps=steps).optim
        assert optim.warmup_steps == steps // 10
        assert 1 / (1 - optim.ema_decay) == pytest.approx(1 + steps / 10)
    long = make_config("aotgan-tuned", "smoke", steps=6000).optim
    assert (long.warmup_steps, long.ema_decay) == (100, 0.998)


def test_data_and_steps_can_be_chosen():
    config = make_config("aotgan", "smoke", data="faces", steps=3)
    assert (config.data.name, config.steps) == ("faces", 3)
    demo = EXPERIMENTS["aotgan-demo"]
    assert make_config("aotgan-demo", "laptop").steps == SCALES["laptop"].steps * demo.train_more
    assert make_config("aotgan-demo", "smoke").steps == SCALES["smoke"].steps


def test_names_are_unique_and_fit_for_folders():
    for names, declared in ((EXPERIMENTS, EXPERIMENTS.values()), (SCALES, SCALES.values())):
        assert [item.name for item in declared] == list(names)
        assert all(re.fullmatch("[a-z0-9-]+", name) for name in names)


def test_runs_are_listed_seed_by_seed_and_what_is_not_trained_once():
    assert runs_of(["aotgan", "telea"], [3, 0, 3]) == [
        ("aotgan", 3),
        ("telea", 0),
        ("aotgan", 0),
    ]


def test_no_two_experiments_feed_one_row():
    rows = [row for experiment in EXPERIMENTS.values() for row in experiment.rows]
    assert len(rows) == len(set(rows))


def test_an_unknown_name_is_told_with_the_valid_ones():
    with pytest.raises(InputError, match="no experiment 'gan': choose one of .*aotgan-released"):
        get_experiment("gan")
    with pytest.raises(InputError, match="no scale 'huge': choose one of smoke, laptop"):
        get_scale("huge")
