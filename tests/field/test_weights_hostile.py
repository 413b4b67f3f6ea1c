"""Hostile weights files: whatever they claim, refusing them costs little memory and time."""

import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import torch
from weights_files import CODE, IMPORT, LOAD, configured, content, own, pt

from aotgan import Generator, cli
from aotgan.models.released import released_name

MOST_SECONDS, MOST_MB = 20, 600  # what reading a file may take, whatever it claims


def shapes(width):
    with torch.device("meta"):
        state = Generator("released", width=width).state_dict()
    return {released_name(name): value.shape for name, value in state.items()}


def expanded(**options):
    """One number in every place of 8 billion."""
    pt({name: torch.zeros(1).expand(shape) for name, shape in shapes(1500).items()}, **options)


def shared():
    """Every tensor is within its storage, but it is the same storage for all."""
    block = torch.zeros(64 * 64 * 9)
    pt({name: block[: shape.numel()].view(shape) for name, shape in shapes(16).items()})


def deflated():
    """A gigabyte of zeros, compressed."""
    pt({"a": torch.zeros(1)}, "one.pt")
    with (
        zipfile.ZipFile("one.pt") as one,
        zipfile.ZipFile("G.pt", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
    ):
        for name in one.namelist():
            if name.endswith("/data/0"):
                with archive.open(name, "w", force_zip64=True) as part:
                    for _ in range(64):
                        part.write(bytes(2**24))
            else:
                archive.writestr(name, one.read(name))
    Path("one.pt").unlink()


def bytes_asked_for():
    """A pickle that makes an array of 8 GB."""
    data = b"\x80\x02cbuiltins\nbytearray\n\x8a\x05" + (8 * 10**9).to_bytes(5, "little") + b"\x85R."
    with zipfile.ZipFile("G.pt", "w") as archive:
        archive.writestr("G/data.pkl", data)
        archive.writestr("G/version", "3\n")


def containers():
    """Thirty dictionaries, each twice in the one before: a billion paths."""
    state = {"x": torch.zeros(1)}
    for _ in range(30):
        state = {"a": state, "b": state}
    pt(state)


def itself():
    state = {"x": torch.zeros(1)}
    state["state_dict"] = state
    pt(state)


def many_dots():
    pt({f"{'encoder.' * 100_000}1.weight": torch.zeros(1)})


def many_prefixes():
    pt({f"{number}.encoder.1.weight": torch.zeros(1) for number in range(20_000)})


def pconv(levels):
    own(config=json.dumps({"model": "pconv", "width": 1, "levels": levels}))


HOSTILE = {
    "expanded tensors": (expanded, IMPORT, "expanded or shared"),
    "expanded tensors, old format": (
        lambda: expanded(_use_new_zipfile_serialization=False),
        IMPORT,
        "expanded or shared",
    ),
    "shared storage": (shared, IMPORT, "shape|expanded or shared"),
    "a bomb": (deflated, IMPORT, "damaged or cut off"),
    "a huge array": (bytes_asked_for, IMPORT, CODE),
    "containers in containers": (containers, IMPORT, "0 of the 108"),
    "a container in itself": (itself, IMPORT, "0 of the 108"),
    "a long name": (many_dots, IMPORT, "of the 108"),
    "many prefixes": (many_prefixes, IMPORT, "1 of the 108"),
    "ten million blocks": (
        lambda: configured(blocks=10_000_000),
        LOAD,
        "10000000 blocks, and the file holds 24 tensors",
    ),
    "ten million blocks, shown": (
        lambda: configured(blocks=10_000_000),
        "evaluate --model g.safetensors",
        "10000000 blocks",
    ),
    "negative blocks": (lambda: configured(blocks=-1), LOAD, "blocks=-1"),
    "a million rates": (lambda: configured(rates=[1] * 10**6), LOAD, "1000000 rates"),
    "blocks times rates": (
        lambda: configured(width=16, blocks=24, rates=[1] * 24),
        LOAD,
        "more tensors than",
    ),
    "a huge rate": (
        lambda: configured(rates=[1, 2, 4, 10**7]),
        LOAD,
        "images of at least 40000004 px",
    ),
    "a huge width": (lambda: configured(width=10**7), LOAD, "expected floating point of shape"),
    "a width beyond integers": (lambda: configured(width=10**30), LOAD, "describes no model"),
    "levels of another model": (lambda: pconv(10**9), LOAD, "1000000000 levels"),
    "deep JSON": (lambda: own(config="[" * 10**6), LOAD, "describes no model"),
    "long JSON": (lambda: own(config='"' + "x" * 10**7 + '"'), LOAD, "describes no model"),
    "digits": (lambda: own(config="9" * 10**6), LOAD, "describes no model"),
    "a header of 2 GB": (
        lambda: content((2**31).to_bytes(8, "little") + b"{}" + bytes(99), "g.safetensors"),
        LOAD,
        "cut off or damaged",
    ),
    "a tensor beyond the file": (
        lambda: content(beyond(), "g.safetensors"),
        LOAD,
        "cut off or damaged",
    ),
}
BOUNDED = """
import json, os, resource, shlex, sys, time
import torch, safetensors.torch
import aotgan.models.onnx, aotgan.reproduce.runs.evaluation, aotgan.training.loop
from aotgan.cli import main
for folder, line in json.load(sys.stdin):
    os.chdir(folder)
    sys.argv[:] = ["aotgan", *shlex.split(line)]
    peak, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
    print("-----", file=sys.stderr)
    try:
        main()
    except SystemExit as end:
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak
        print(json.dumps([end.code, grown / 1024, time.perf_counter() - start]), flush=True)
"""


def beyond():
    header = json.dumps({"a": {"dtype": "F32", "shape": [2**34], "data_offsets": [0, 2**36]}})
    return len(header).to_bytes(8, "little") + header.encode()


@pytest.fixture(scope="module")
def costs(tmp_path_factory):
    """What every hostile file came to, in one process: status, MB, seconds and message."""
    jobs = []
    with pytest.MonkeyPatch.context() as patch:
        for make, line, _ in HOSTILE.values():
            place = tmp_path_factory.mktemp("hostile")
            patch.chdir(place)
            make()
            assert sum(path.stat().st_size for path in place.iterdir()) < 25_000_000
            jobs.append((str(place), line))
    done = subprocess.run(
        [sys.executable, "-c", BOUNDED],
        input=json.dumps(jobs),
        capture_output=True,
        text=True,
        timeout=250,
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(cli.__file__).parents[1])},
    )
    numbers = map(json.loads, done.stdout.splitlines())
    return dict(
        zip(HOSTILE, zip(numbers, done.stderr.split("-----\n")[1:], strict=True), strict=True)
    )


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_file_costs_little_memory_and_time(case, costs):
    (status, megabytes, seconds), message = costs[case]
    assert status == 2 and re.search(HOSTILE[case][2], message), message
    assert message.count("\n") == 1 and len(message) < 2000
    assert megabytes < MOST_MB and seconds < MOST_SECONDS
