"""The training state on disk: one self-describing file, whole or absent, read without pickle code.

`state.pt` holds tensors and primitives alone, so that torch reads it with `weights_only=True`. The
weights that other programs want are beside it in safetensors.
"""

from pathlib import Path
from typing import Any

import torch

from aotgan.errors import InputError
from aotgan.files import write_atomically

FORMAT = "aotgan-training-state-1"


def save_state(path: str | Path, state: dict[str, Any]) -> Path:
    """Writes a training state atomically: a kill leaves the previous file or the new one."""
    marked = {**state, "format": FORMAT}
    return write_atomically(path, lambda temporary: torch.save(marked, temporary))


def load_state(path: str | Path) -> dict[str, Any]:
    """Reads a training state onto the CPU.

    Raises:
        InputError: a file that is not a whole training state of this format.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds on damaged files; all mean the same here
        raise InputError(
            f"{path} cannot be read as a training state ({type(error).__name__}). Move it away to "
            "start the run anew."
        ) from error
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        raise InputError(f"{path} is not a training state of format {FORMAT}.")
    return state
