"""What a run says of itself while it goes: loss table, progress display, stop signal."""

import csv
import io
import math
import signal
import sys
import time
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from tqdm import tqdm

from aotgan.errors import InputError
from aotgan.files import full, write_atomically
from aotgan.training.devices import over_processes

if TYPE_CHECKING:
    from lightning.fabric import Fabric

LOSSES = ("reconstruction", "perceptual", "style", "discriminator", "adversarial")
NEVER = 2**62  # a step that no run reaches
PATIENCE_S = 1.0


class LossLog:
    """Means of the losses over each logging interval, one CSV row an interval.

    The sums stay on the device between rows, so that logging costs no synchronisation a step.
    """

    def __init__(self, path: Path):
        self.path = path
        self.rows: list[dict[str, float]] = []
        self.latest: dict[str, float] = {}
        self._sums: dict[str, Tensor] = {}
        self._count = 0
        self._step = 0
        self._bad: Tensor | None = None  # first step with a loss that is not finite, or NEVER
        self._marked = 0.0

    def add(self, step: int, losses: dict[str, Tensor]) -> None:
        """Adds the scalar losses of one step."""
        for name, value in losses.items():
            self._sums[name] = self._sums.get(name, torch.zeros_like(value)) + value
        finite = torch.stack([value.float() for value in losses.values()]).isfinite().all()
        if self._bad is None:
            self._bad = torch.full((), NEVER, device=finite.device)
        self._bad = torch.where(finite, self._bad, self._bad.clamp(max=step))
        self._count += 1
        self._step = step

    def first_bad_step(self, fabric: "Fabric") -> int | None:
        """Returns the first step whose losses were not finite, on any of the processes."""
        if self._bad is None:
            return None
        first = int(over_processes(fabric, self._bad, "min"))
        return None if first == NEVER else first

    def flush(self, fabric: "Fabric", seconds: float, batch: int) -> None:
        """Appends a row with the means since the last one, over all processes."""
        if not self._count:
            return
        means = over_processes(fabric, torch.stack(list(self._sums.values())) / self._count)
        named = zip(self._sums, means.tolist(), strict=True)
        row: dict[str, float] = {"step": self._step, **dict(named)}
        spent = seconds - self._marked
        row["images_per_s"] = round(self._count * batch / spent, 2) if spent > 0 else math.nan
        row["seconds"] = round(seconds, 2)
        self.latest = row
        self.rows.append(row)
        self._sums, self._count, self._marked = {}, 0, seconds
        if fabric.is_global_zero:
            self._append(row)

    def state(self) -> dict[str, Any]:
        """Sums of the interval that is not yet a row, empty right after `flush`."""
        return {"sums": dict(self._sums), "count": self._count, "marked": self._marked}

    def restore(self, state: dict[str, Any], step: int, write: bool) -> None:
        """Goes back to a saved state: drops the rows written after that step."""
        self._sums, self._count = dict(state["sums"]), state["count"]
        self._marked = state["marked"]
        self.rows = [row for row in read_log(self.path) if row["step"] <= step]
        self.latest = self.rows[-1] if self.rows else {}
        if write and self.rows:
            text = io.StringIO()
            writer = csv.DictWriter(text, list(self.rows[0]))
            writer.writeheader()
            writer.writerows(self.rows)
            write_atomically(self.path, text.getvalue())

    def _append(self, row: dict[str, float]) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        first = not self.path.exists() or len(self.rows) == 1
        try:
            with open(self.path, "w" if first else "a", newline="") as file:
                writer = csv.DictWriter(file, list(row))
                if first:
                    writer.writeheader()
                writer.writerow(row)
        except OSError as error:
            raise full(self.path, error) from error


def read_log(path: str | Path) -> list[dict[str, float]]:
    """Returns the rows of a `log.csv`; none where the file does not exist.

    A row that a kill cut short is left out.

    Raises:
        InputError: not such a file.
    """
    if not Path(path).exists():
        return []
    with open(path, newline="") as file:
        rows = [row for row in csv.DictReader(file) if None not in row.values()]
    try:
        return [
            {key: int(value) if key == "step" else float(value) for key, value in row.items()}
            for row in rows
        ]
    except (ValueError, TypeError) as error:
        raise InputError(f"{path} is not a loss table of this program ({error}).") from error


class Interrupt:
    """Turns Ctrl-C and SIGTERM into a request that the loop obeys after the current step.

    A second Ctrl-C interrupts at once, but not within `PATIENCE_S`: a terminal and a job runner may
    both pass on the same one. Outside the main thread signals are left alone.

    Args:
        announce: tell the user what is going to happen; one of several processes should.
    """

    def __init__(self, announce: bool = True) -> None:
        self.announce = announce
        self.requested = False
        self._since = 0.0
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> "Interrupt":
        for number in (signal.SIGINT, signal.SIGTERM):
            try:
                self._previous[number] = signal.signal(number, self._request)
            except ValueError:  # not the main thread: the caller decides when to stop
                return self
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _request(self, number: int, _: FrameType | None) -> None:
        if self.requested:
            if time.monotonic() - self._since > PATIENCE_S:
                raise KeyboardInterrupt
            return
        self.requested, self._since = True, time.monotonic()
        if self.announce:
            print("\nstopping soon; the run is saved and can be resumed", file=sys.stderr)

    @staticmethod
    def ignore_in_worker(_: int) -> None:
        """Lets the main process alone decide when loading ends.

        A terminal sends Ctrl-C, and a batch system SIGTERM, to every process of a run. The main one
        still needs its batches for the current step; it ends its loading processes afterwards, and
        they end by themselves when it is gone or a second SIGTERM comes.
        """
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, Interrupt(announce=False)._request)


class Progress:
    """Losses, images per second and time left: as a "bar", as plain "lines", or not ("none")."""

    def __init__(self, kind: str, steps: int, start: int):
        self.kind, self.steps, self.start = kind, steps, start
        self.bar = tqdm(
            total=steps,
            initial=start,
            unit="step",
            disable=kind != "bar",
            mininterval=0.5 if sys.stderr.isatty() else 30,
        )
        self._began = time.perf_counter()
        self._shown = start

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.close()

    def update(self, step: int, losses: dict[str, float], batch: int) -> None:
        """Shows that a step is done; losses are the latest means."""
        rate = batch * (step - self.start) / (time.perf_counter() - self._began)
        latest = {name[:4]: f"{value:.3g}" for name, value in losses.items() if name in LOSSES}
        if self.kind == "bar":
            self.bar.set_postfix({**latest, "img/s": f"{rate:.1f}"}, refresh=False)
            self.bar.update(step - self.bar.n)
        elif self.kind == "lines" and (step >= self._shown + self.steps / 10 or step == self.steps):
            self._shown = step
            remaining_s = (self.steps - step) * batch / rate
            text = " ".join(f"{name} {value}" for name, value in latest.items())
            pace = f"{rate:.1f} img/s {remaining_s:.0f} s left"
            print(f"step {step}/{self.steps} {text} {pace}", flush=True)
