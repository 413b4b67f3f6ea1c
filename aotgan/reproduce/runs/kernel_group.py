"""Runs a kernel; when the kernel or who started it ends, so do all processes of its group.

A killed kernel leaves behind what it has started, such as the processes that load images, and so
does the kernel of a killed run. This program stands between the two. Jupyter makes it the leader of
a process group; it is started by its path, and imports the standard library alone.
"""

import os
import signal
import subprocess
import sys
import time

POLL_S = 0.2


def main(command: list[str]) -> None:
    """Starts a command and waits; ends with the whole group, by SIGKILL."""
    caller = os.getppid()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)  # the whole group hears it: the kernel decides
    environment = os.environ | {"JPY_PARENT_PID": str(os.getpid())}  # ipykernel ends without it
    kernel = subprocess.Popen(command, env=environment)  # noqa: S603  # what Jupyter would start
    while kernel.poll() is None and os.getppid() == caller:
        time.sleep(POLL_S)
    os.killpg(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main(sys.argv[1:])
