"""Every training run of the paper, declared once (sections 4.2 and 4.4 to 4.8).

An experiment says what is trained; a scale (`aotgan.reproduce.runs.scales`) says how big; together
with a seed they are a run. A row that several tables share is one experiment with several rows.

Table 6 leaves two rows open. "GatedConv" is x1 + x2 sigmoid(conv(x1)): the selection of gated
convolution applied to what the block learns, with the identity connection that the other rows have
too, so that only the aggregation differs. "1x1 conv." is the concatenation of section 4.7.2 and
nothing else. The other reading of each is declared as an alternative.

Tables 1 and 2 compare AOT-GAN with seven models. Here all models of a table see the same images in
the same number of steps, each trained by its own published losses and optimiser. Classical
fillings, which the paper does not have, are rows of the same tables.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from aotgan.errors import InputError, did_you_mean
from aotgan.reproduce.runs.experiment import ABLATION_BINS, CLASSICAL, Experiment
from aotgan.reproduce.runs.tuned import PILOTS, SHIPPED, TUNED

GATE_CURVE = (1 / 8, 1 / 4, 1 / 2)  # 12, 24 and 48 of 96 thousand images at scale laptop
READINGS = "readings"  # the table of paper against released code, in place of a number


def _main(name: str, title: str, **settings: Any) -> Experiment:
    return Experiment(name, title, "main", subject="scenes", bins=None, **settings)


def _rates(*rates: int, rows: tuple[tuple[str, str], ...] = ()) -> Experiment:
    """A row of Table 4: these dilation rates, identity connections and a plain PatchGAN."""
    return Experiment(
        "rates-" + "-".join(map(str, rates)),
        f"dilation rates {', '.join(map(str, rates))}",
        "ablations",
        rows=(("4", "rates " + ",".join(map(str, rates))), *rows),
        generator={"rates": rates, "residual": "identity"},
        loss={"objective": "patchgan"},
    )


def _residual(
    name: str, residual: str, rows: tuple[tuple[str, str], ...], group: str = "ablations"
) -> Experiment:
    """A row of Table 6: this connection in the block and a plain PatchGAN."""
    return Experiment(
        f"residual-{name}",
        f"residual connection {residual}",
        group,
        rows=rows,
        generator={"residual": residual},
        loss={"objective": "patchgan"},
    )


def _baseline(
    model: str, label: str, learning_rate: float, betas: tuple[float, float], **options: Any
) -> Experiment:
    """A row of Table 1: a compared model with its published losses and optimiser."""
    return Experiment(
        model,
        f"{label} by its own losses",
        "baselines",
        rows=(("1", label),),
        subject="scenes",
        bins=None,
        generator={"model": model, **options},
        loss={"objective": "published"},
        optim={"learning_rate": learning_rate, "betas": betas},
        train_more=2.0,
    )


def _centre(name: str, label: str, **settings: Any) -> Experiment:
    """A row of Table 2: centre squares, and few pairs, for MNPS optimises each image by itself."""
    return Experiment(
        name,
        f"{label} for centre squares",
        "baselines",
        rows=(("2", label),),
        subject="objects",
        data={"masks": "centre"},
        measure=0.1,
        **settings,
    )


def _classical(model: str, label: str) -> tuple[Experiment, Experiment]:
    """A filling without training, as a row of Tables 1 and 2."""
    everywhere = Experiment(
        model,
        label,
        CLASSICAL,
        rows=(("1", label),),
        subject="scenes",
        bins=None,
        generator={"model": model},
        loss={"objective": "none"},
    )
    settings = {"generator": everywhere.generator, "loss": everywhere.loss}
    centre = _centre(f"{model}-centre", label, **settings)
    return everywhere, replace(centre, group=CLASSICAL)


def _for_study(experiment: Experiment) -> Experiment:
    """A model of Table 1 trained on faces, for the user study of Table 3."""
    return replace(
        experiment,
        name=f"{experiment.name}-faces",
        title=f"{experiment.title}, on faces",
        group="study",
        rows=(),
        subject="faces",
        bins=ABLATION_BINS,
    )


def _thick(experiment: Experiment) -> Experiment:
    """A run of Tables 4 to 7 with thick holes, where distant context can matter at 128 px."""
    return replace(
        experiment,
        name=f"{experiment.name}-thick",
        title=f"{experiment.title}, thick holes",
        group="thick",
        rows=(),
        data={"masks": "thick"},
        train_more=1.0,
        curve=(),
    )


def _reading(name: str, label: str, **settings: Any) -> Experiment:
    """The full model with one choice changed from the text's to the released code's."""
    return Experiment(name, label, READINGS, rows=((READINGS, label),), **settings)


COMPARED = (
    _baseline("ca", "CA", 1e-4, (0.5, 0.9)),
    _baseline("pen-net", "PEN-Net", 1e-4, (0.5, 0.999)),
    _baseline("pconv", "PConv", 2e-4, (0.9, 0.999)),
    _baseline("edgeconnect", "EdgeConnect", 1e-4, (0.0, 0.9)),
    _baseline("gatedconv", "GatedConv", 1e-4, (0.5, 0.999)),
    _baseline("hifill", "HiFill", 1e-4, (0.5, 0.9), gain=2.0),
)
EXPERIMENTS: dict[str, Experiment] = {
    experiment.name: experiment
    for experiment in (
        _main(
            "aotgan",
            "AOT-GAN as the paper's text has it",
            rows=(("1", "AOT-GAN"),),
            train_more=2.0,
        ),
        _main(
            "aotgan-demo",
            "AOT-GAN as the text has it, trained longer",
            train_more=2.0,
        ),
        _rates(1),
        _rates(2),
        _rates(1, 2),
        _rates(2, 8),
        _rates(1, 2, 8),
        _rates(1, 2, 4, 8, rows=(("5", "AOT block"), ("6", "identity"))),
        _residual("gatedconv", "gatedconv", (("6", "GatedConv"),)),
        _residual("1x1", "concat1x1", (("6", "1x1 conv"),)),
        _residual(
            "gated",
            "gated",
            (("5", "AOT block + gated residual"), ("6", "gated (ours)"), ("7", "PatchGAN")),
        ),
        Experiment(
            "hm-patchgan",
            "AOT-GAN with HM-PatchGAN",
            "ablations",
            rows=(("7", "HM-PatchGAN"),),
            loss={"objective": "hm-patchgan"},
        ),
        Experiment(
            "sm-patchgan",
            "AOT-GAN: all of its parts",
            "ablations",
            rows=(
                ("5", "AOT block + gated residual + SM-PatchGAN"),
                ("7", "SM-PatchGAN"),
                (READINGS, "as the text has it"),
            ),
            # as long as the rows of the gate; shorter rows are set beside a point of its curve
            train_more=4.0,
            curve=GATE_CURVE,
        ),
        _reading(
            "objective-released",
            "objective: released",
            loss={"objective": "released"},
            # measured half way, where the other readings end
            train_more=2.0,
            curve=(1 / 2,),
        ),
        _reading("objective-mmagic", "objective: mmagic", loss={"objective": "mmagic"}),
        _reading(
            "objective-none",
            "objective: none",
            loss={"objective": "none"},
            train_more=2.0,
            curve=(1 / 2,),
        ),
        _reading("gate-normalised", "gate: normalised, reversed", generator={"gate": "normalised"}),
        _reading("adam-released", "Adam: betas 0.5, 0.999", optim={"betas": (0.5, 0.999)}),
        _reading("losses-prediction", "losses: on the raw output", loss={"on_composite": False}),
        _reading("decoder-bilinear", "decoder: bilinear", generator={"upsampling": "bilinear"}),
        _reading("fill-white", "mask fill: 1", generator={"fill": 1.0}),
        _reading(
            "aotgan-released",
            "everything as released",
            generator={"variant": "released"},
            loss={"objective": "released", "on_composite": False},
            optim={"betas": (0.5, 0.999)},
            data={"crop_scale": (0.08, 1.0), "crop_aspect": (3 / 4, 4 / 3), "jitter": 0.05},
        ),
        Experiment(
            "gate-sum",
            "AOT-GAN with a plain sum in place of Eq. 1's gate",
            "gate",
            generator={"residual": "identity"},
            departs="the block adds what it has learned, without a gate",
            train_more=4.0,
            curve=GATE_CURVE,
        ),
        Experiment(
            "gate-open",
            "Eq. 1 with its gate open at the start (bias 2)",
            "gate",
            generator={"gate_bias": 2.0},
            departs="the gate's initial bias is 2",
            train_more=4.0,
            curve=GATE_CURVE,
        ),
        Experiment(
            "aotgan-open",
            "AOT-GAN with its gate open at the start (bias 2), on photographs of places",
            "tuned",
            subject="scenes",
            bins=None,
            generator={"gate_bias": 2.0},
            departs="the gate's initial bias is 2",
            train_more=2.0,
        ),
        TUNED,
        _residual("gatedconv-only", "gatedconv-only", (), "alternatives"),
        _residual("1x1-added", "concat1x1-added", (), "alternatives"),
        Experiment(
            "logo-removal",
            "AOT-GAN for logos: rectangles of arbitrary size",
            "applications",
            subject="logos",
            bins=((0.01, 0.5),),
            data={"masks": "boxes"},
        ),
        *COMPARED,
        _centre(
            "mnps",
            "MNPS",
            generator={"model": "mnps", "iterations": 30},
            loss={"objective": "published"},
            optim={"learning_rate": 2e-3, "betas": (0.5, 0.999)},
        ),
        _centre("aotgan-centre", "AOT-GAN"),
        *_classical("telea", "Telea"),
        *_classical("navier-stokes", "Navier-Stokes"),
        *_classical("smooth", "Smooth surface"),
        *PILOTS,
        *SHIPPED,
        *(_for_study(model) for model in COMPARED if model.name in ("pconv", "gatedconv")),
    )
}
EXPERIMENTS |= {
    thick.name: thick
    for experiment in EXPERIMENTS.values()
    if experiment.name in ("residual-gated", "sm-patchgan")
    or ("4", f"rates {experiment.name.removeprefix('rates-').replace('-', ',')}") in experiment.rows
    for thick in (_thick(experiment),)
}
GROUPS = tuple(dict.fromkeys(experiment.group for experiment in EXPERIMENTS.values()))


def get_experiment(name: str) -> Experiment:
    """Returns a declared experiment; an unknown name is an InputError that lists them."""
    if name not in EXPERIMENTS:
        raise InputError(
            f"no experiment {name!r}: choose one of {', '.join(EXPERIMENTS)}."
            f"{did_you_mean(name, EXPERIMENTS)}"
        )
    return EXPERIMENTS[name]


def select(names: Iterable[str]) -> list[str]:
    """Returns the experiments that names of experiments or groups stand for, each once, in order.

    Raises:
        InputError: an unknown name; the message lists the valid ones.
    """
    chosen: dict[str, None] = {}
    for name in names:
        members = [e.name for e in EXPERIMENTS.values() if e.group == name]
        if not members and name not in EXPERIMENTS:
            raise InputError(
                f"no experiment or group {name!r}: choose of the groups {', '.join(GROUPS)} and "
                f"the experiments {', '.join(EXPERIMENTS)}."
                f"{did_you_mean(name, (*GROUPS, *EXPERIMENTS))}"
            )
        chosen |= dict.fromkeys(members or [name])
    return list(chosen)


def runs_of(names: Iterable[str], seeds: Iterable[int]) -> list[tuple[str, int]]:
    """Returns (experiment, seed) of each run, all of the first seed before any of the next.

    What is not trained is the same for every seed and is run once, as seed 0.
    """
    names = list(names)
    runs = ((name, seed if EXPERIMENTS[name].trained else 0) for seed in seeds for name in names)
    return list(dict.fromkeys(runs))
