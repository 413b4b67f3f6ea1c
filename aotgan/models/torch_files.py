"""Reading what torch.save wrote, from a source that is not trusted.

torch's restricted unpickler runs no code, but a small file can still ask it for much memory or
time. So a file is looked through first: it may name what tensors and containers need, no more, and
its parts are as long as they say.
"""

import io
import pickletools
import re
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import torch

from aotgan.errors import InputError
from aotgan.models.file_kinds import AGAIN, PYTORCH, TORCH_PICKLE, kind_of, printable

SAVE_STATE = (
    "Where it was made, save the network's state_dict() alone with torch.save, and give that file."
)
PICKLE_BYTES = 8 * 2**20  # names and shapes; optimisers of the full network have 0.1 MiB
LEGACY_PICKLES = 5  # magic number, version, system, the state, keys of its tensors
# What a state of tensors, numbers and containers consists of.
NEEDED = re.compile(
    r"collections (OrderedDict|Counter|defaultdict)"
    r"|torch\._utils _rebuild_(tensor|tensor_v2|tensor_v3|parameter)"
    r"|torch (Size|device|\w+Storage|(b?float|complex|u?int)\d+\w*|bool)"
    r"|torch\.storage UntypedStorage"
    r"|(builtins|__builtin__) set"
)


def read_tensors(path: str | Path, kind: str, remedy: str | None = None) -> Any:
    """Reads onto the CPU what torch.save wrote, and refuses files that hold code.

    Args:
        path: the file.
        kind: what it should be, for the message.
        remedy: the sentence of the message that says what to do, whatever is wrong with it.

    Raises:
        InputError: it is another file, or cannot be read.
    """
    failure = f"{path} cannot be read as {kind}"
    try:
        content = kind_of(Path(path))
        if content.name != PYTORCH:
            raise InputError(f"{failure}: it is {content.what}. {remedy or content.remedy}")
        _check_parts(Path(path), failure)
        with open(path, "rb") as file:  # of a path, torch would go by the ending
            held = torch.load(file, map_location="cpu", weights_only=True)
        if not isinstance(held, Mapping | list | tuple):
            raise InputError(
                f"{failure}: it holds a single {type(held).__name__}, no tensors by their names. "
                f"{remedy or SAVE_STATE}"
            )
        return held
    except InputError:
        raise
    except Exception as error:  # torch raises many kinds on damaged files; all mean the same here
        raise InputError(
            f"{failure}: it is damaged or cut off ({type(error).__name__}). {remedy or AGAIN}"
        ) from error


def _check_parts(path: Path, failure: str) -> None:
    """Refuses code, and what would take more memory or time than the file's size accounts for."""
    with open(path, "rb") as file:
        legacy = file.read(len(TORCH_PICKLE)) == TORCH_PICKLE
        file.seek(0)
        for name in _legacy_names(file) if legacy else _zip_names(file):
            if not NEEDED.fullmatch(name):
                raise InputError(
                    f"{failure}: it names {printable(name.replace(' ', '.'))}, which no weights "
                    f"need; files that hold code are refused. {SAVE_STATE}"
                )


def _legacy_names(file: BinaryIO) -> Iterator[str]:
    for _ in range(LEGACY_PICKLES):
        yield from _names(file)


def _zip_names(file: BinaryIO) -> Iterator[str]:
    size = file.seek(0, io.SEEK_END)
    with zipfile.ZipFile(file) as archive:
        parts = archive.infolist()
        # torch.save does not compress: larger parts would be a trap
        if sum(part.file_size for part in parts) > size:
            raise ValueError("its parts are larger than the file")
        # a network with its code
        if any(part.filename.rpartition("/")[2] == "constants.pkl" for part in parts):
            yield "TorchScript"
        for part in parts:
            if part.filename.rpartition("/")[2] == "data.pkl":
                yield from _names(io.BytesIO(archive.read(part)))


def _names(pickle: BinaryIO) -> Iterator[str]:
    """Yields "module name" for everything that a pickle imports; it runs nothing.

    Raises:
        ValueError: not a pickle, or one of more than `PICKLE_BYTES`.
    """
    start = pickle.tell()
    for operation, argument, position in pickletools.genops(pickle):
        if (position or 0) - start > PICKLE_BYTES:
            raise ValueError("more names than weights have")
        # these import under names that do not show here, and torch.save has no use for them
        if operation.name in ("STACK_GLOBAL", "INST", "OBJ", "EXT1", "EXT2", "EXT4"):
            yield operation.name
        elif operation.name == "GLOBAL":
            yield str(argument)
