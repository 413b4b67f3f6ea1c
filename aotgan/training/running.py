"""Which runs are being worked on: a lock in the folder of a run that ends with its process."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from aotgan.errors import InputError
from aotgan.files import check_writable

LOCK = "running.lock"
PATIENCE_S = 2.0  # somebody may just be looking whether it runs


@contextmanager
def running(directory: Path) -> Iterator[None]:
    """Holds the lock of a run; a kill releases it as well. Its file stays.

    Raises:
        InputError: another process has it, or the folder cannot be written.
    """
    check_writable(directory)
    lock = FileLock(directory / LOCK, timeout=PATIENCE_S)
    try:
        lock.acquire()
    except Timeout as error:
        raise InputError(
            f"another process is at work in {directory}. Wait for it, or stop it first."
        ) from error
    try:
        yield
    finally:
        lock.release()


def is_running(directory: Path) -> bool:
    """Whether a process holds the lock of a run."""
    if not (directory / LOCK).exists():
        return False
    lock = FileLock(directory / LOCK, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        return True
    lock.release()
    return False
