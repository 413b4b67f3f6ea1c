"""The training state on disk: one self-describing file, whole or absent, read without pickle code.

`state.pt` holds tensors and primitives alone, so that torch reads it with `weights_only=True`. The
weights that other programs want are beside it in safetensors.

A spare of it, an eighth as large, holds the networks in half precision, of the generator the moving
average alone where there is one, and no moments of the optimisers. Put in its place it goes on with
a run whose state was lost, not bit for bit.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from aotgan.errors import InputError
from aotgan.files import full, write_atomically
from aotgan.models.torch_files import read_tensors

FORMAT = "aotgan-training-state-1"


def save_state(path: str | Path, state: dict[str, Any]) -> Path:
    """Writes a training state atomically: a kill leaves the previous file or the new one.

    Args:
        path: destination; missing parent folders are made.
        state: nested dictionaries and lists of tensors and primitives.

    Raises:
        InputError: the file cannot be written, or the disk is full; the previous file is kept.
    """
    marked = {**state, "format": FORMAT}
    try:
        return write_atomically(path, lambda file: torch.save(marked, file))
    except RuntimeError as error:  # torch's writer swallows what the system said
        raise full(path, error) from error


def spare(state: dict[str, Any]) -> dict[str, Any]:
    """Returns of a training state what a spare has."""
    networks = dict(state["recipe"]["networks"])
    if state["average"] is not None:
        del networks["generator"]
    return {**_halved({**state, "recipe": {"networks": networks}}), "spare": True}


def unspared(state: dict[str, Any]) -> dict[str, Any]:
    """Returns a state as `Trainer.state` has it, of a spare without "optimisers"."""
    if "spare" not in state or state["average"] is None:
        return state
    prefix = "module."  # of AveragedModel
    average = state["average"].items()
    own = {k.removeprefix(prefix): value for k, value in average if k.startswith(prefix)}
    return {**state, "recipe": {"networks": {**state["recipe"]["networks"], "generator": own}}}


def _halved(state: Any) -> Any:
    if isinstance(state, Tensor):
        return state.half() if state.is_floating_point() else state
    if isinstance(state, Mapping):
        return {key: _halved(item) for key, item in state.items()}
    return state


def load_state(path: str | Path) -> dict[str, Any]:
    """Reads a training state onto the CPU.

    Raises:
        InputError: a file that is not a whole training state of this format.
    """
    state = read_tensors(path, "a training state", "Move it away to start the run anew.")
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        raise InputError(
            f"{path} is not a training state of format {FORMAT}. Move it away to start the run "
            "anew."
        )
    return state


def not_finite(state: Any, name: str = "") -> Iterator[str]:
    """Yields the dotted names of the tensors of a state that hold NaN or infinities."""
    if isinstance(state, Tensor):
        if not state.isfinite().all():
            yield name
    elif isinstance(state, Mapping | list | tuple):
        for key, item in state.items() if isinstance(state, Mapping) else enumerate(state):
            yield from not_finite(item, f"{name}.{key}" if name else str(key))
