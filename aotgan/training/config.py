"""What a training run is: everything that decides its result, as flat frozen dataclasses.

Defaults are the paper's (sections 3.3, 3.4 and 4.1). Numbers carry their unit in the name. A stored
configuration that is older than a field has that field's default.
"""

import inspect
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from itertools import pairwise
from types import UnionType
from typing import Any, get_args, get_origin

from aotgan.errors import InputError, check_choice, did_you_mean
from aotgan.losses.adversarial import OBJECTIVES
from aotgan.losses.features import FEATURES, VGG_WIDTH, check_width
from aotgan.models.registry import AOT_GAN, CLASSICAL, model_class, split_config
from aotgan.training.schedule import SCHEDULES

NO_ADVERSARY = "none"
PUBLISHED = "published"  # a compared model's own losses, fixed in its recipe
PRECISIONS = ("32-true", "bf16-mixed")


@dataclass(frozen=True)
class DataConfig:
    """Training photographs and their holes (section 4.1)."""

    name: str = "bundled"  # an entry of the catalogue, or a folder
    size_px: int = 512  # side of the square training images
    masks: str = "free-form"  # also "thick", "mixed", "boxes", "centre" or a folder
    mask_ratio: tuple[float, float] = (0.01, 0.6)  # hole fraction of the training masks
    border_fraction: float = 0.5  # share of the masks whose hole may touch the border
    crop_scale: tuple[float, float] = (0.5, 1.0)  # area of the random crop; released (0.08, 1)
    crop_aspect: tuple[float, float] = (1.0, 1.0)  # its width / height; released (3/4, 4/3)
    jitter: float = 0.0  # colour jitter; released 0.05, mmagic 0.5
    # smaller images first: (share of the steps at which a stage ends, side) of each; the last is
    # (1, size_px). () is size_px throughout
    stages: tuple[tuple[float, int], ...] = ()


@dataclass(frozen=True)
class LossConfig:
    """Eq. 8: weights and readings of the four losses (section 3.3)."""

    objective: str = "paper"  # AOT-GAN's adversarial objective, or "none"; others: "published"
    adversarial: float = 0.01
    reconstruction: float = 1.0
    perceptual: float = 0.1
    style: float = 250.0
    on_composite: bool = True  # Eq. 6, 7 see z; False: the raw prediction (trainer.py:111-112)
    features: str = "imagenet"  # feature network: `aotgan.losses.FEATURES`
    feature_width: int = VGG_WIDTH  # channels of the first stage of a random one; else as it is
    hole: float = 1.0  # weight of a pixel of the hole in Eq. 5, a known one having 1


@dataclass(frozen=True)
class OptimConfig:
    """Adam for both networks (section 3.4)."""

    batch_size: int = 8  # over all processes together
    learning_rate: float = 1e-4
    betas: tuple[float, float] = (0.0, 0.9)  # released 0.5, 0.999 (option.py:30-31)
    ema_decay: float | None = None  # moving average of the generator's weights; off in the paper
    schedule: str = "constant"  # of the learning rate; or "cosine", down to 0 at the last step
    warmup_steps: int = 0  # steps in which the learning rate rises to its full value
    clip_norm: float | None = None  # longest gradient of each network, over all of its weights


@dataclass(frozen=True)
class TrainConfig:
    """One training run. `to_dict` and `from_dict` are exact inverses, also through JSON."""

    generator: Mapping[str, Any] = field(default_factory=dict)  # see `aotgan.models.registry.build`
    discriminator_width: int = 64
    data: DataConfig = DataConfig()
    loss: LossConfig = LossConfig()
    optim: OptimConfig = OptimConfig()
    # share of the steps in which the hole shows the network's own fill of the halved image
    refine: float = 0.0
    steps: int = 1_000_000
    seed: int = 0
    precision: str = "32-true"  # Fabric's name: "32-true" or "bf16-mixed"

    def __post_init__(self) -> None:
        """Refuses impossible values before anything is built."""
        object.__setattr__(self, "generator", _plain(self.generator))  # tuples as JSON has them
        for part in (self, self.data, self.loss, self.optim):
            _check_types(part)
        model, options = split_config(self.generator)
        _check_names(model, options, inspect.signature(model_class(model)).parameters)
        check_choice("objective", self.loss.objective, _objectives(model))
        check_choice("features", self.loss.features, FEATURES)
        check_choice("precision", self.precision, PRECISIONS)
        check_choice("schedule", self.optim.schedule, SCHEDULES)
        _check_limits(self)
        _check_stages(self.data)
        if model != AOT_GAN:
            _check_own(model, self)

    @property
    def staged(self) -> bool:
        """Whether a step depends on the share of `steps` that is done: it cannot be prolonged."""
        return self.optim.schedule != "constant" or bool(self.data.stages)

    def to_dict(self) -> dict[str, Any]:
        """Returns nested dictionaries of JSON types."""
        return _plain(asdict(self))

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "TrainConfig":
        """Rebuilds a configuration; an unknown name is an InputError that lists the valid ones."""
        return _build(cls, values)


def _objectives(model: str) -> tuple[str, ...]:
    """The objectives that a model can be trained by."""
    if model == AOT_GAN:
        return (*OBJECTIVES, NO_ADVERSARY)
    return (NO_ADVERSARY,) if model in CLASSICAL else (PUBLISHED,)


def _build(kind: Any, values: Mapping[str, Any]) -> Any:
    known = {f.name: f.default for f in fields(kind)}
    _check_names(kind.__name__, values, known)
    arguments = {}
    for name, value in values.items():
        if is_dataclass(known[name]) and isinstance(value, Mapping):
            value = _build(type(known[name]), value)
        arguments[name] = _frozen(value)
    return kind(**arguments)


def _frozen(value: Any) -> Any:
    return tuple(map(_frozen, value)) if isinstance(value, list) else value


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def _check_names(kind: str, given: Mapping[str, Any], known: Mapping[str, Any]) -> None:
    unknown = sorted(set(given) - set(known))
    if unknown:
        closest = did_you_mean(unknown[0], known)
        raise InputError(f"{kind} has no {unknown[0]!r}: choose of {', '.join(known)}.{closest}")


def _check_types(part: Any) -> None:
    for f in fields(part):
        value = getattr(part, f.name)
        if not _fits(value, f.type):
            kind = inspect.formatannotation(f.type)
            raise InputError(f"{f.name}={value!r}: expected a value of type {kind}.")


def _fits(value: Any, kind: Any) -> bool:
    """Whether a value is of an annotated type; integers are numbers, truth values are not."""
    if kind is float:
        return _fits(value, int) or (isinstance(value, float) and math.isfinite(value))
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if get_origin(kind) is tuple:
        kinds = get_args(kind)
        if kinds[-1] is Ellipsis:
            return isinstance(value, tuple) and all(_fits(item, kinds[0]) for item in value)
        return (
            isinstance(value, tuple) and len(value) == len(kinds) and all(map(_fits, value, kinds))
        )
    if get_origin(kind) is UnionType:
        return any(_fits(value, one) for one in get_args(kind))
    return isinstance(value, get_origin(kind) or kind)


def _check_limits(config: TrainConfig) -> None:
    # a filling without weights takes no steps, anything else at least one
    loss, optim = config.loss, config.optim
    model = split_config(config.generator)[0]
    if model in CLASSICAL and config.steps:
        raise InputError(f"steps={config.steps}: {model} is not trained. Give 0.")
    for name, value, low in (
        ("steps", config.steps, 0 if model in CLASSICAL else 1),
        ("discriminator_width", config.discriminator_width, 1),
        ("batch_size", optim.batch_size, 1),
        ("seed", config.seed, 0),
        ("adversarial", loss.adversarial, 0),
        ("reconstruction", loss.reconstruction, 0),
        ("perceptual", loss.perceptual, 0),
        ("style", loss.style, 0),
        ("hole", loss.hole, 0),
        ("refine", config.refine, 0),
        ("warmup_steps", optim.warmup_steps, 0),
    ):
        if value < low:
            raise InputError(f"{name}={value}: must be at least {low}.")
    # bounds that are no least value, or depend on another setting
    if not optim.learning_rate > 0:
        raise InputError(f"learning_rate={optim.learning_rate}: must be above 0.")
    if not all(0 <= beta < 1 for beta in optim.betas):
        raise InputError(f"betas={optim.betas}: both must be at least 0 and below 1.")
    if optim.ema_decay is not None and not 0 < optim.ema_decay < 1:
        raise InputError(f"ema_decay={optim.ema_decay}: must lie between 0 and 1, or be None.")
    check_width(loss.features, loss.feature_width)
    if optim.clip_norm is not None and not optim.clip_norm > 0:
        raise InputError(f"clip_norm={optim.clip_norm}: must be above 0, or None.")
    if 0 < config.steps <= optim.warmup_steps:
        raise InputError(
            f"warmup_steps={optim.warmup_steps} of steps={config.steps}: the run must be longer."
        )
    if config.refine > 1:
        raise InputError(f"refine={config.refine}: a share, must be at most 1.")
    if config.data.size_px < 8 or config.data.size_px % 8:
        raise InputError(f"size_px={config.data.size_px}: must be a multiple of 8.")


def _check_stages(data: DataConfig) -> None:
    ends = [0.0, *(share for share, _ in data.stages)]
    rising = all(first < second for first, second in pairwise(ends))
    fitting = all(side in range(8, data.size_px + 1, 8) for _, side in data.stages)
    if data.stages and not (rising and fitting and data.stages[-1] == (1, data.size_px)):
        raise InputError(
            f"stages={data.stages}: expected (share, side) pairs whose shares rise from above 0 to "
            f"1 and whose sides are multiples of 8 up to size_px, the last (1, {data.size_px})."
        )


def _check_own(model: str, config: TrainConfig) -> None:
    """Refuses choices that a compared model's own recipe makes."""
    for part, names in (
        (config, ("refine",)),
        (config.optim, ("schedule", "warmup_steps", "clip_norm")),
        (config.loss, ("hole",)),
    ):
        for name in names:
            if getattr(part, name) != getattr(type(part)(), name):
                raise InputError(
                    f"{name}={getattr(part, name)!r}: {model} trains by its published recipe. "
                    "Leave it out."
                )


def with_defaults(values: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a stored configuration with the defaults of the fields that it is older than."""
    known = TrainConfig().to_dict()
    parts = {f.name for f in fields(TrainConfig) if is_dataclass(f.default)}
    nested = {name: {**known[name], **values.get(name, {})} for name in parts}
    return {**known, **values, **nested}


def changes(old: Mapping[str, Any], new: Mapping[str, Any], prefix: str = "") -> str:
    """Lists in words where two configurations differ: "steps 5, not 6; loss.style 250, not 0"."""
    parts = []
    for key in sorted({*old, *new}):
        before, after = old.get(key), new.get(key)
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            parts.append(changes(before, after, f"{prefix}{key}."))
        elif before != after:
            parts.append(f"{prefix}{key} {before!r}, not {after!r}")
    return "; ".join(part for part in parts if part)
