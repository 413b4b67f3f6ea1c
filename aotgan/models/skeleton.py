"""Networks without numbers, made of a configuration, and the numbers of a file put into them.

Both are on guard against a file that asks for more than it holds.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

from aotgan.errors import InputError
from aotgan.models.file_kinds import printable
from aotgan.models.inpainter import Inpainter
from aotgan.models.registry import build

COUNTS = ("blocks", "levels", "rates")  # options of models that say how many layers there are
MOST_SIDE = 4096  # px that an image may have to have; hardly any rate asks for 100
SPARE_TENSORS = 100
MISFIT = "The file is damaged or was written by another version."


class _NoInit(TorchFunctionMode):
    """Leaves weights undrawn and spectral norms unestimated, and counts tensors.

    On the meta device, where nothing has numbers, both would import torch's compiler: seconds.
    What they return has the right shape alone.

    Args:
        most: tensors that may be made.
    """

    def __init__(self, most: int | None):
        super().__init__()
        self.left = most

    def __torch_function__(
        self, func: Callable, types: object, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        if func is torch.empty and self.left is not None:
            self.left -= 1
            if self.left < 0:
                raise ValueError("it asks for more tensors than the file holds")
        if func in (torch.mv, torch.vdot):
            return args[0][..., 0]
        drawn = getattr(func, "__module__", None) == "torch.nn.init"
        if drawn or func in (Tensor.normal_, F.normalize, Tensor.div):
            return args[0] if args else None
        return func(*args, **(kwargs or {}))


def skeleton(config: Mapping[str, Any], most: int | None = None) -> Inpainter:
    """Makes a network without memory and without random numbers; argument as `registry.build`.

    Args:
        config: of the network.
        most: tensors that it may have; None: any number.

    Raises:
        ValueError: it would have more.
    """
    with torch.device("meta"), _NoInit(most):
        return build({**config})


def skeleton_of(config: str, source: str | Path, tensors: int | None = None) -> Inpainter:
    """Makes the network of a JSON configuration that a file holds.

    Args:
        config: the text.
        source: the file, for messages.
        tensors: how many it holds; None: it is not known.

    Raises:
        InputError: it describes no model, or one that the file is too small for.
    """
    try:
        options = json.loads(config)
        # Python reads NaN as a number, which no option may be
        json.dumps(options, allow_nan=False)
        if tensors is not None:
            _check_counts(options, tensors)
        # names that are missing are told better than a number of tensors
        model = skeleton(options, None if tensors is None else 2 * tensors + SPARE_TENSORS)
    except (ValueError, TypeError, RuntimeError, OverflowError, AttributeError) as error:
        raise InputError(
            f"{source}: its configuration {printable(repr(config))} describes no model "
            f"({printable(str(error), 400)}). {MISFIT}"
        ) from error
    if model.min_side > MOST_SIDE:
        raise InputError(
            f"{source}: its network needs images of at least {model.min_side} px, expected at most "
            f"{MOST_SIDE}. {MISFIT}"
        )
    return model


def _check_counts(options: Mapping[str, Any], tensors: int) -> None:
    for name in COUNTS:
        value = options.get(name, 0)
        count = len(value) if isinstance(value, list) else value
        if count > tensors:
            raise ValueError(f"{count} {name}, and the file holds {tensors} tensors")


def adopt(model: Inpainter, tensors: Mapping[str, Tensor], source: str | Path) -> None:
    """Puts tensors into a network that has none yet, once names, shapes, types and values fit.

    Args:
        model: of `skeleton`.
        tensors: by the model's names; they become float64 if all are, else float32.
        source: the file that they are from.

    Raises:
        InputError: they do not fit, take more room than the file has, or are not finite.
    """
    own = model.state_dict()
    if wrong := sorted(set(own) ^ set(tensors)):
        raise InputError(
            f"{source}: {len(wrong)} names do not fit the network, first {printable(wrong[0])}. "
            f"{MISFIT}"
        )
    for name, value in tensors.items():
        floating = own[name].is_floating_point()  # all but the counters of batch normalisation
        if value.shape != own[name].shape or value.is_floating_point() != floating:
            raise InputError(
                f"{source}: {name} is {value.dtype} of shape {tuple(value.shape)}, expected "
                f"{'floating point' if floating else own[name].dtype} of shape "
                f"{tuple(own[name].shape)}. {MISFIT}"
            )
    _check_size(tensors, source)
    types = {value.dtype for value in tensors.values() if value.is_floating_point()}
    dtype = torch.float64 if types == {torch.float64} else torch.float32
    # copies: the file may be mapped into memory, and may change
    copies = {
        name: value.to(dtype if value.is_floating_point() else value.dtype, copy=True)
        for name, value in tensors.items()
    }
    _check_finite(copies, source)
    model.load_state_dict(copies, assign=True)


def _check_size(tensors: Mapping[str, Tensor], source: str | Path) -> None:
    """Refuses tensors that share or repeat their numbers, so that few bytes claim to be many."""
    claimed = sum(value.numel() * value.element_size() for value in tensors.values())
    size = Path(source).stat().st_size
    if claimed > size:
        raise InputError(
            f"{source}: its tensors claim {claimed:,} bytes and the file has {size:,}: they are "
            "expanded or shared, as weights never are. Where it was made, save them by "
            "torch.save({name: value.clone() for name, value in state.items()}, path)."
        )


def _check_finite(tensors: Mapping[str, Tensor], source: str | Path) -> None:
    for name, value in tensors.items():
        if bad := int((~value.isfinite()).sum()):
            raise InputError(
                f"{source}: {name} has {bad:,} values of {value.numel():,} that are NaN or "
                f"infinite; weights are finite. A training diverged, or the file is damaged: give "
                "an earlier one of the training, or download or copy it again."
            )
