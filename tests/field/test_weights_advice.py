"""Wrapped weights are read as they are, and what a message advises works to the letter."""

import re
import shlex
import subprocess
import sys
import tarfile
import zipfile
from collections import OrderedDict
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from weights_files import IMPORT, LOAD, authors, network, own, prefixed, pt

from aotgan import Generator, load_generator
from aotgan.models.weights import SHIPPED, load_inpainter, save_generator

pytestmark = pytest.mark.usefixtures("folder")


def zipped(inside="celebahq/G0000000.pt", name="authors.zip"):
    pt(authors())
    with zipfile.ZipFile(name, "w") as archive:
        archive.write("G.pt", inside)
    Path("G.pt").unlink()


def tarred():
    pt(authors())
    with tarfile.open("authors.tar.gz", "w:gz") as archive:
        archive.add("G.pt", "G0000000.pt")
    Path("G.pt").unlink()


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
    "zip with spaces": (
        lambda: zipped("their models/G 0.pt", "all of it.zip"),
        "weights import 'all of it.zip' g.safetensors",
    ),
    "zip that leads out": (
        lambda: zipped("../../x/./G.pt"),
        "weights import authors.zip g.safetensors",
    ),
    "zip with a long name": (
        lambda: zipped(f"{'a' * 130}.pt"),
        "weights import authors.zip g.safetensors",
    ),
    "zip with a line break": (
        lambda: zipped("a\nb/G.pt"),
        "weights import authors.zip g.safetensors",
    ),
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
    if case.startswith(("zip", "tar")):
        place = Path(shlex.split(re.search(r"then give (.*)\.\n", err)[1])[-1])
        [file] = place.rglob("*.pt") if place.is_dir() else [place]
        assert aotgan(f"weights import {shlex.quote(str(file))} g.safetensors")[0] == 0
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


def test_every_model_of_the_package_loads():
    for path in SHIPPED.glob("*.safetensors"):
        name = path.stem.removeprefix("aotgan-")
        assert load_generator(name).config == load_generator(path).config


def test_a_saved_network_of_each_size_is_not_too_large_for_its_own_file():
    for config in ({"blocks": 1, "rates": [1] * 8, "width": 8}, {"blocks": 40, "width": 1}):
        saved = Generator(**config)
        assert load_inpainter(save_generator(saved, "g.safetensors")).config == saved.config
