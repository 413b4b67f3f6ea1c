"""Kernels of `make demo`: one for each page that is open, and none for those that are not."""

import os
import signal
import time
from pathlib import Path

import pytest

psutil = pytest.importorskip("psutil", reason="psutil comes with the extra 'notebooks'")

ROOT = Path(__file__).parents[2]
PATIENCE_MS = 240_000
GONE_S = 60  # after the last page

pytestmark = [
    pytest.mark.browser,
    pytest.mark.notebook,
    pytest.mark.slow,
    pytest.mark.timeout(900),
]
