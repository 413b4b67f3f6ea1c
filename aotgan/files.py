"""Files that are either whole or absent: atomic writing and content hashes."""

import hashlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from aotgan.errors import InputError


def write_atomically(path: str | Path, data: bytes | str | Callable[[str], object]) -> Path:
    """Writes a file through a temporary neighbour, so that a kill leaves the old file or the new.

    Args:
        path: destination; missing parent folders are made.
        data: the content, or a function that writes it to the path that it is given.

    Raises:
        InputError: the folder cannot be written.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise InputError(
            f"cannot write {path}: {error.strerror}. Choose a folder that can be written."
        ) from error
    os.close(handle)
    try:
        _fill(temporary, data)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return path


def _fill(temporary: str, data: bytes | str | Callable[[str], object]) -> None:
    if callable(data):
        data(temporary)
        content = None
    else:
        content = data.encode() if isinstance(data, str) else data
    with open(temporary, "r+b") as file:
        if content is not None:
            file.write(content)
        file.flush()
        os.fsync(file.fileno())
        os.fchmod(file.fileno(), 0o644)


def sha256_of(path: str | Path) -> str:
    """Returns the SHA-256 of a file's bytes as 64 hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
