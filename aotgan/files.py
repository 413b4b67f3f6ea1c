"""Files that are either whole or absent: atomic writing and content hashes."""

import errno
import hashlib
import os
import secrets
import stat
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from aotgan.errors import InputError

Content = bytes | str | Callable[[BinaryIO], object]
MOST_NAME = 200  # bytes that a temporary file has of the name of the file
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)  # what a disk says while one writes


def write_atomically(path: str | Path, data: Content) -> Path:
    """Writes a file through a temporary neighbour, so that a kill leaves the old file or the new.

    A new file gets the permissions that the umask leaves, a replaced one keeps its own; a symbolic
    link stays and the file that it points to is replaced.

    Args:
        path: destination; missing parent folders are made.
        data: the content, text in UTF-8, or a function that writes it to the binary file that it is
            given: `lambda file: torch.save(state, file)`.

    Returns:
        The path as it was given.

    Raises:
        InputError: the folder cannot be written, the disk is full, or the path is a folder, a
            device or a link to itself. What was there before is kept.
    """
    target = real(path)
    # a name may be as long as the file system allows
    name = os.fsdecode(os.fsencode(target.name)[:MOST_NAME])
    temporary = target.with_name(f".{name}.{secrets.token_hex(8)}")
    try:
        mode = _mode_of(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
    except OSError as error:
        way = (
            "a shorter name"
            if error.errno == errno.ENAMETOOLONG
            else "a folder that can be written"
        )
        raise InputError(f"cannot write {path}: {error.strerror}. Choose {way}.") from error
    try:
        with os.fdopen(handle, "w+b") as file:
            _fill(file, data)
        if mode is not None:
            temporary.chmod(mode)
        os.replace(temporary, target)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if is_full(error):
            raise full(path, error) from error
        raise
    return Path(path)


def is_full(error: BaseException) -> bool:
    """Whether an error, or what caused it, is that of a disk that takes no more.

    torch's and zip's writers report their own errors; what the system said is behind them.
    """
    if isinstance(error, OSError) and error.errno in FULL:
        return True
    cause = error.__cause__ or error.__context__
    return cause is not None and is_full(cause)


def full(path: str | Path, error: BaseException) -> InputError:
    """Returns the error to raise where a disk takes no more of a file."""
    return InputError(
        f"{path} could not be written ({error}); the file from before is kept. Make room on the "
        "disk, then give the same command again."
    )


def remove_leftovers(folder: Path) -> None:
    """Removes the half-written files that a kill of `write_atomically` left in a folder."""
    for leftover in folder.glob(f".*.{'[0-9a-f]' * 16}"):
        leftover.unlink(missing_ok=True)


def _mode_of(target: Path) -> int | None:
    """Permissions of the file to be replaced, None where there is none."""
    if target.is_symlink():  # all others were followed
        raise InputError(f"cannot write {target}: it is a link to itself. Remove it first.")
    if not target.exists():
        return None
    if not target.is_file():
        raise InputError(f"cannot write {target}: it is a folder or a device. Give a file's path.")
    return stat.S_IMODE(target.stat().st_mode)


def _fill(file: BinaryIO, data: Content) -> None:
    if callable(data):
        data(file)
    else:
        file.write(data.encode() if isinstance(data, str) else data)
    file.flush()
    os.fsync(file.fileno())  # else a power cut could leave the new name with an empty file


def sha256_of(path: str | Path) -> str:
    """Returns the SHA-256 of a file's bytes as 64 hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_writable(directory: Path) -> None:
    """Makes a folder where there is none, so that its lack is noticed before any work.

    Raises:
        InputError: it cannot be made or written.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        probe = directory / f".writable-{os.getpid()}"
        probe.touch()
        probe.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(
            f"cannot write in {directory}: {error.strerror}. Choose another folder."
        ) from error


def check_folder(what: str, folder: Path) -> None:
    """Raises InputError unless there is such a folder; `what` says what it should hold."""
    if not os.path.isdir(folder):
        raise InputError(f"{what} {folder}: {why_absent(folder)}. Check the path.")


def why_absent(path: str | Path, what: str = "folder") -> str:
    """Says of a path without such a file or folder whether it is out of reach, or there is none."""
    try:
        os.stat(path)
    except OSError as error:
        if error.errno in (errno.EACCES, errno.ELOOP):
            return f"it cannot be reached ({error.strerror})"
    except ValueError:  # a path with a NUL in it
        pass
    return f"no such {what}"


def real(path: str | Path) -> Path:
    """Where a path leads; unlike `Path.resolve`, that of a link to itself where it is."""
    return Path(os.path.realpath(path))


def near(folder: str | Path) -> Path:
    """Returns a folder of the project, from its root or from `notebooks/` alike.

    A relative path is looked for here, one folder up, and without its leading "..". Where none of
    these is a folder, it comes back as it was given.
    """
    given = Path(folder)
    if given.is_absolute():
        return given
    inside = Path(*given.parts[1:]) if given.parts[:1] == ("..",) else given
    return next((path for path in (given, inside, Path("..", inside)) if path.is_dir()), given)


def check_new(folder: Path) -> None:
    """Raises InputError if a folder that is to be filled has something in it already."""
    if folder.is_dir() and any(folder.iterdir()):
        raise InputError(f"{folder} is not empty: name a new folder, or move it away.")
