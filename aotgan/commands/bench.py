"""`aotgan bench`: how fast training and filling are, and what they need."""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from aotgan.commands.options import Device
from aotgan.errors import InputError


def bench(
    what: Annotated[
        str, typer.Option(help="inference, training, growth, large, by commas; or all.")
    ] = "inference,training",
    threads: Annotated[
        str | None, typer.Option(help="Numbers, by commas.", show_default="PyTorch's")
    ] = None,
    rounds: Annotated[int, typer.Option(min=6, help="Rounds, in each of them all in turn.")] = 6,
    device: Device = "auto",
    compiled: Annotated[
        bool, typer.Option("--compiled", help="Measure torch.compile too; minutes more.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder of records, table and picture; those of other calls stay.",
            show_default="nowhere",
        ),
    ] = None,
) -> None:
    """Measures speed and memory beside the released code, plain PyTorch and ONNX Runtime.

    Variants run in turn in one process, so that whatever else the machine does falls on all; the
    memory of each is that of a process of its own. Ctrl-C keeps what is finished.
    """
    from aotgan.bench.cases import Setting, check_compiler
    from aotgan.bench.measure import chosen, measure, save
    from aotgan.bench.report import variant_table, write_report
    from aotgan.devices import find_device
    from aotgan.files import check_writable
    from aotgan.reproduce.tables.text import markdown

    # all that can be refused is refused before the first measurement
    place, cases = find_device(device), chosen(what)
    # threads matter on the CPU alone: on a GPU each case is measured once
    counts = _counts(threads) if place == "cpu" else _counts(None)
    if out is not None:
        check_writable(out)
    if compiled:
        check_compiler()
    records = []
    tasks = [(group, case, count) for group, case in cases for count in counts]
    try:
        with TemporaryDirectory() as folder:
            for number, (group, case, count) in enumerate(tasks, start=1):
                where = f"{count} thread{'s' * (count > 1)}" if place == "cpu" else place
                _tell(f"[{number}/{len(tasks)}] {case.title}, {where}")
                setting = Setting(count, Path(folder), place, compiled)
                records.append(measure(group, case, setting, rounds, _tell_part))
                if out is not None:
                    # at once, so that Ctrl-C loses no finished case
                    save(records[-1], out)
    finally:
        if records:
            print(markdown(variant_table(records)))
            # the report is of all records in the folder, those of earlier calls included
            for path in write_report(out) if out is not None else ():
                _tell(str(path))


def _counts(text: str | None) -> list[int]:
    """Numbers of threads, in the order given, each once."""
    import torch

    if text is None:
        return [torch.get_num_threads()]
    words = text.split(",")
    if not all(word.strip().isdecimal() and int(word) > 0 for word in words):
        raise InputError(f"threads {text!r}: expected whole numbers above 0 by commas, like 1,2.")
    return list(dict.fromkeys(map(int, words)))


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _tell_part(text: str) -> None:
    _tell(f"    {text}")
