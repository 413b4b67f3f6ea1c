"""Waiting for other processes, whether they are gone, and doing without root's rights."""

import os
import time
from contextlib import contextmanager

PATIENCE_S = 120
NOBODY = 65534


def wait_until(done):
    end = time.monotonic() + PATIENCE_S
    while not done():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def alive(group):
    """Whether any process of a group is left."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


@contextmanager
def unprivileged():
    """Permissions bind everybody but root; runs the block as nobody where the tests are root."""
    if os.geteuid():
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)
