"""Weights files as people have them, and hostile ones: kind, the file, and what is right.

A row makes its files in an empty folder and is one command line. Right is either a message that
says what was given and what to do, with nothing written and the input as it was, or the very
network that the file holds.
"""

import gzip
import json
import os
import pickle
import re
import shlex
import subprocess
import sys
import tarfile
import zipfile
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from aotgan import Generator, cli, load_generator
from aotgan.models.released import released_name
from aotgan.models.weights import SHIPPED, load_inpainter, save_generator

WIDTH = 2
AGAIN = "Download or copy it again"
CODE = "files that hold code are refused"
MOST_SECONDS, MOST_MB = 20, 600  # what reading a file may take, whatever it claims


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def aotgan(monkeypatch, capsys):
    """Runs a command line; returns its exit status and what it printed."""

    def call(line):
        monkeypatch.setattr(sys, "argv", ["aotgan", *shlex.split(line)])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        return stopped.value.code or 0, *capsys.readouterr()

    return call


def network(seed=0, **options):
    torch.manual_seed(seed)
    return Generator("released", width=WIDTH, **options)


def authors(seed=0, **changes):
    """A state dict with the names of the authors' generator."""
    state = network(seed).state_dict()
    return {released_name(name): value.clone() for name, value in state.items()} | changes


def prefixed(prefix, state=None):
    return {f"{prefix}{name}": value for name, value in (state or authors()).items()}


def with_value(value, dtype=torch.float32):
    """One value of the last tensor replaced."""
    state = {name: tensor.to(dtype) for name, tensor in authors().items()}
    state["decoder.4.bias"][1] = value
    return state


def pt(state, name="G.pt", **options):
    torch.save(state, name, **options)


def own(name="g.safetensors", tensors=None, **metadata):
    """A weights file of this package, of which tensors or facts differ."""
    state = network(blocks=1).state_dict() | (tensors or {})
    facts = {"format": "aotgan-generator", "config": json.dumps(network(blocks=1).config)}
    save_file({key: value.contiguous() for key, value in state.items()}, name, facts | metadata)


def configured(**changes):
    own(config=json.dumps(network(blocks=1).config | changes))


def content(data, name="G.pt"):
    Path(name).write_bytes(data)


def cut(name, share):
    data = Path(name).read_bytes()
    content(data[: int(share * len(data))], name)


def after(*steps):
    """Runs functions one after the other: what makes the files of a row."""

    def make():
        for step in steps:
            step()

    return make


def zipped():
    pt(authors())
    with zipfile.ZipFile("authors.zip", "w") as archive:
        archive.write("G.pt", "celebahq/G0000000.pt")
    Path("G.pt").unlink()


def tarred():
    pt(authors())
    with tarfile.open("authors.tar.gz", "w:gz") as archive:
        archive.add("G.pt", "G0000000.pt")
    Path("G.pt").unlink()


IMPORT = "weights import G.pt g.safetensors"
LOAD = "weights export g.safetensors x.onnx"
REFUSED = {
    # values that are no numbers
    ("finite", "nan"): (
        lambda: pt(with_value(np.nan)),
        IMPORT,
        "decoder.4.bias has 1 .* of 3 .*NaN",
    ),
    ("finite", "inf"): (lambda: pt(with_value(np.inf)), IMPORT, "NaN or infinite"),
    ("finite", "-inf in half"): (
        lambda: pt(with_value(-np.inf, torch.float16)),
        IMPORT,
        "NaN or infinite",
    ),
    ("finite", "nan in double"): (
        lambda: pt(with_value(np.nan, torch.float64)),
        IMPORT,
        "NaN or infinite",
    ),
    ("finite", "beyond float32"): (
        lambda: pt(authors() | {"decoder.4.bias": torch.full((3,), 1e300, dtype=torch.float64)}),
        IMPORT,
        "decoder.4.bias has 3 values of 3 that are NaN or infinite",
    ),
    ("finite", "loaded nan"): (
        lambda: own(tensors={"decoder.4.bias": torch.tensor([0, np.nan, 0])}),
        LOAD,
        "decoder.4.bias has 1 values of 3 that are NaN or infinite",
    ),
    ("finite", "loaded inf"): (
        lambda: own(tensors={"decoder.4.bias": torch.tensor([0, 0, -np.inf])}),
        LOAD,
        "NaN or infinite",
    ),
    ("finite", "fill"): (lambda: configured(fill=float("nan")), LOAD, "describes no model"),
    ("finite", "overflowing fill"): (
        lambda: own(config=json.dumps(network(blocks=1).config).replace("1.0", "1e999")),
        LOAD,
        "describes no model",
    ),
    ("finite", "a rate that is no number"): (
        lambda: configured(rates=[True, 1, 2, 4]),
        LOAD,
        "each must be an integer of at least 1",
    ),
    # names of results
    ("output", "the input"): (lambda: pt(authors()), "weights import G.pt G.pt", "ends in .safet"),
    ("output", "other ending"): (
        lambda: pt(authors()),
        "weights import G.pt g.pth",
        "g.pth: expected a name that ends in .safetensors, for example g.safetensors",
    ),
    ("output", "no ending"): (lambda: pt(authors()), "weights import G.pt g", "for example g.safe"),
    ("output", "before any work"): (
        lambda: None,
        "weights import absent.pt g.pt",
        "ends in .safet",
    ),
    ("output", "the input, in place"): (
        lambda: save_file(authors(), "G.safetensors"),
        "weights import G.safetensors ./G.safetensors",
        "is the file to read",
    ),
    ("output", "the input, by a link"): (
        lambda: (pt(authors()), os.symlink("G.pt", "g.safetensors")),
        IMPORT,
        "is the file to read",
    ),
    ("output", "the input, by a hard link"): (
        lambda: (pt(authors()), os.link("G.pt", "g.safetensors")),
        IMPORT,
        "is the file to read",
    ),
    ("output", "another model"): (
        lambda: (pt(authors()), own()),
        IMPORT,
        "g.safetensors is there already and holds something else than G.pt",
    ),
    ("output", "example that is free"): (
        lambda: (pt(authors()), own()),
        "weights import G.pt g",
        "for example g-2.safetensors",
    ),
    ("output", "export to .pt"): (own, "weights export g.safetensors x.pt", "ends in .onnx"),
    # downloads and mix-ups: what is it?
    ("what", "page"): (lambda: content(b"<!DOCTYPE html><html>"), IMPORT, "is a web page.*browser"),
    ("what", "page, BOM"): (
        lambda: content(b"\xef\xbb\xbf\r\n <HTML lang=en>", "g.safetensors"),
        LOAD,
        "is a web page",
    ),
    ("what", "empty"): (lambda: content(b""), IMPORT, r"is empty \(0 bytes\)"),
    ("what", "empty, loaded"): (lambda: content(b"", "g.safetensors"), LOAD, r"is empty \(0 byte"),
    ("what", "cut off"): (
        after(lambda: pt(authors()), lambda: cut("G.pt", 0.7)),
        IMPORT,
        f"cut off or damaged.*{AGAIN}",
    ),
    ("what", "cut off, old format"): (
        after(
            lambda: pt(authors(), _use_new_zipfile_serialization=False), lambda: cut("G.pt", 0.7)
        ),
        IMPORT,
        f"damaged or cut off.*{AGAIN}",
    ),
    ("what", "cut off safetensors"): (
        after(own, lambda: cut("g.safetensors", 0.7)),
        LOAD,
        f"cut off or damaged.*{AGAIN}",
    ),
    ("what", "cut off in the header"): (
        after(own, lambda: cut("g.safetensors", 0.05)),
        LOAD,
        f"cut off or damaged.*{AGAIN}",
    ),
    ("what", "LFS pointer"): (
        lambda: content(b"version https://git-lfs.github.com/spec/v1\noid sha256:0"),
        IMPORT,
        "pointer of Git LFS.*git lfs pull",
    ),
    ("what", "gzip"): (
        lambda: content(gzip.compress(b"x" * 99)),
        IMPORT,
        "compressed file.*Unpack",
    ),
    ("what", "7z"): (lambda: content(b"7z\xbc\xaf'\x1c123"), IMPORT, "7-Zip archive"),
    ("what", "picture"): (
        lambda: Image.new("RGB", (9, 9)).save("g.png"),
        "weights import g.png g.safetensors",
        "picture",
    ),
    ("what", "NumPy"): (
        lambda: np.savez("G.npz", a=1),
        "weights import G.npz g.safetensors",
        "NumPy",
    ),
    ("what", "Keras"): (lambda: content(b"\x89HDF\r\n\x1a\n"), IMPORT, "HDF5"),
    ("what", "text"): (lambda: content("épochs: 3\n".encode()), IMPORT, "a text file"),
    ("what", "noise"): (lambda: content(bytes(range(200, 256))), IMPORT, "no file of a known kind"),
    ("what", "ONNX"): (
        lambda: content(b"\x08\x0a\x12\x07pytorch", "m.onnx"),
        "weights show m.onnx",
        "an ONNX file.*exported from",
    ),
    ("what", "own file imported"): (
        own,
        "weights import g.safetensors h.safetensors",
        "a weights file of this package already",
    ),
    ("what", "folder"): (own, "weights show .", r"It is a folder that holds g.safetensors: give"),
    ("what", "folder of the authors"): (
        lambda: pt(authors(), "G0000000.pt"),
        "weights import . g.safetensors",
        "It is a folder that holds G0000000.pt: give",
    ),
    ("what", "whole module"): (lambda: pt(network()), IMPORT, rf"names aotgan\.models.*{CODE}"),
    ("what", "plain pickle"): (lambda: content(pickle.dumps({"a": 1})), IMPORT, CODE),
    ("what", "newer pickle"): (lambda: pt(authors(), pickle_protocol=4), IMPORT, CODE),
    ("what", "TorchScript"): (
        lambda: torch.jit.script(torch.nn.Linear(1, 1)).save("G.pt"),
        IMPORT,
        "names TorchScript",
    ),
    ("what", "own names"): (
        lambda: pt(network().state_dict()),
        IMPORT,
        r"this package's names.*save_generator\(generator, path\)",
    ),
    ("what", "training state"): (
        lambda: pt({"format": "aotgan-training-state-1", "recipe": {"networks": {}}}),
        IMPORT,
        "training state of this package; give generator.safetensors",
    ),
    ("what", "no networks"): (lambda: pt({"a": {"b": 1}}), IMPORT, "0 of the 108.*G\\*\\.pt"),
    ("what", "blocks missing"): (
        lambda: pt({k: v for k, v in prefixed("netG.").items() if "middle.7" not in k}),
        IMPORT,
        "96 entries, 96 of the 108",
    ),
    ("what", "another network"): (
        lambda: pt(prefixed("netG.") | {"netG.encoder.9.weight": torch.zeros(1)}),
        IMPORT,
        "beside them netG.encoder.9.weight: it is another network",
    ),
    ("what", "two of them"): (
        lambda: pt(prefixed("a.") | prefixed("b.", authors(1))),
        IMPORT,
        "holds 2 generators, with the prefixes 'a.', 'b.'",
    ),
    ("what", "wrong prefix"): (
        lambda: pt(prefixed("a.")),
        f"{IMPORT} --prefix b.",
        r"prefix='b\.' is that of no generator in it: choose of 'a\.'",
    ),
}


@pytest.mark.parametrize("row", REFUSED, ids=" - ".join)
def test_a_file_that_is_refused(row, folder, aotgan):
    make, line, message = REFUSED[row]
    make()
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    status, out, err = aotgan(line)
    assert (status, out) == (2, "") and err.startswith("error: ") and err.count("\n") == 1
    assert re.search(message, err), err
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def lightning():
    weights = prefixed("generator.") | {"discriminator.conv.0.weight": torch.zeros(1)}
    return {"epoch": 3, "state_dict": weights, "optimizer_states": [{"state": {}}]}


def nested():
    parts = {part: {} for part in ("encoder", "middle", "decoder")}
    for name, value in authors().items():
        part, _, rest = name.partition(".")
        parts[part][rest] = value
    return {"models": [{"conv.0.weight": torch.zeros(1)}, parts]}


WRAPPED = {
    "plain": authors,
    "old format": authors,
    "safetensors": authors,
    "module.": lambda: prefixed("module."),
    "_orig_mod.": lambda: prefixed("_orig_mod."),
    "module._orig_mod.": lambda: prefixed("module._orig_mod."),
    "generator.": lambda: prefixed("generator."),
    "netG.": lambda: prefixed("netG."),
    "any.thing-else_1.": lambda: prefixed("any.thing-else_1."),
    "parts compiled": lambda: {
        re.sub(r"^(\w+)\.", r"\1._orig_mod.", name): value for name, value in authors().items()
    },
    "parts in parallel": lambda: {
        re.sub(r"^(middle)\.", r"\1.module.", name): value for name, value in authors().items()
    },
    "state_dict": lambda: {"state_dict": authors(), "epoch": 7, "lr": 1e-4},
    "ordered": lambda: OrderedDict(netG=OrderedDict(authors()), netD={"conv.0.weight": 1}),
    "Lightning": lightning,
    "list, by parts": nested,
    "beside its optimiser": lambda: authors() | {"optimizer": {"exp_avg": torch.zeros(3)}},
    "beside numbers": lambda: authors() | {"epoch": 3},
    "AveragedModel": lambda: prefixed("module.") | {"n_averaged": torch.tensor(5)},
    "average of two": lambda: {"state_dict": authors(1), "state_dict_ema": authors()},
    "average of two, flat": lambda: prefixed("online.", authors(1)) | prefixed("ema_model.module."),
    "parameters": lambda: {k: torch.nn.Parameter(v) for k, v in authors().items()},
    "half": lambda: {k: v.half() for k, v in authors().items()},
}


@pytest.mark.parametrize("wrapper", WRAPPED)
def test_a_wrapped_generator_is_read(wrapper, aotgan):
    state = WRAPPED[wrapper]()
    if wrapper == "safetensors":
        save_file(state, "G.pt")
    else:
        pt(state, _use_new_zipfile_serialization=wrapper != "old format")
    assert aotgan(IMPORT)[::2] == (0, "")
    read = load_generator("g.safetensors")
    for name, value in network().state_dict().items():
        expected = value.half().float() if wrapper == "half" else value
        assert torch.equal(read.state_dict()[name], expected), name
    assert aotgan(IMPORT)[0] == 0, "the same again"


def test_one_of_two_is_named_by_its_prefix(aotgan):
    pt(prefixed("a.") | prefixed("b.", authors(1)))
    assert aotgan(f"{IMPORT} --prefix b.")[0] == 0
    expected = network(1).decoder[4].weight
    assert torch.equal(load_generator("g.safetensors").decoder[4].weight, expected)


ADVISED = {
    "a .pt as a model": (lambda: pt(authors()), "weights show G.pt"),
    "its name is odd": (lambda: pt(authors(), "my weights;.pt"), "weights show 'my weights;.pt'"),
    "it is called safetensors": (
        lambda: pt(authors(), "G.safetensors"),
        "weights show G.safetensors",
    ),
    "the name is taken": (lambda: (pt(authors()), own("G.safetensors")), "weights show G.pt"),
    "without the mark": (
        lambda: save_file(authors(), "G.safetensors"),
        "weights export G.safetensors x.onnx",
    ),
    "two networks": (lambda: pt(prefixed("a.") | prefixed("b.", authors(1))), IMPORT),
    "zip": (zipped, "weights import authors.zip g.safetensors"),
    "tar": (tarred, "weights import authors.tar.gz g.safetensors"),
}


@pytest.mark.parametrize("case", ADVISED)
def test_advice_followed_to_the_letter_works(case, folder, aotgan):
    make, line = ADVISED[case]
    make()
    status, _, err = aotgan(line)
    assert status == 2
    for command in re.findall("`([^`]+)`", err):
        program, *words = shlex.split(command)
        if program == "aotgan":
            assert aotgan(shlex.join(words))[0] == 0
        else:
            subprocess.run([sys.executable, *words], check=True)
    if case in ("zip", "tar"):
        file = re.search(r"then give (\S+)\.\s", err)[1]
        assert aotgan(f"weights import {file} g.safetensors")[0] == 0
    written = {path for path in folder.glob("*.safetensors") if path.name != "G.safetensors"}
    [path] = written or {folder / "G.safetensors"}
    assert torch.equal(load_generator(path).decoder[4].weight, network().decoder[4].weight)


def test_the_advice_on_expanded_tensors_works(aotgan):
    state, path = authors() | {"decoder.4.bias": torch.zeros(1).expand(3)}, "H.pt"
    big = {name: torch.zeros(1).expand(value.shape) for name, value in state.items()}
    pt(big)
    err = aotgan(IMPORT)[2]
    code = re.search(r"torch\.save\(.*path\)", err)[0]
    exec(code, {"torch": torch, "state": state, "path": path})  # noqa: S102
    assert aotgan("weights import H.pt g.safetensors")[0] == 0


def test_weights_export_needs_no_option(aotgan):
    own()
    status, out, _ = aotgan(LOAD)
    assert (status, out) == (0, "wrote x.onnx\n") and Path("x.onnx").stat().st_size > 1000


def test_a_file_cannot_write_to_the_terminal(aotgan):
    own(note="\x1b[2J\nformat: forged", tensors={"\x1b[2Jx": torch.zeros(1)})
    for line in ("weights show g.safetensors", LOAD):
        status, out, err = aotgan(line)
        assert "\x1b" not in out + err and "\\x1b[2J" in out + err
        assert status == (0 if "show" in line else 2) and out.count("\nformat:") <= 1


# a file, and a command that reads it; sizes are what the file claims
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


def test_every_model_of_the_package_loads():
    for path in SHIPPED.glob("*.safetensors"):
        name = path.stem.removeprefix("aotgan-")
        assert load_generator(name).config == load_generator(path).config


def test_a_saved_network_of_each_size_is_not_too_large_for_its_own_file():
    for config in ({"blocks": 1, "rates": [1] * 8, "width": 8}, {"blocks": 40, "width": 1}):
        saved = Generator(**config)
        assert load_inpainter(save_generator(saved, "g.safetensors")).config == saved.config
