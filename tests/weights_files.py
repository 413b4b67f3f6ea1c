"""Weights files as people have them, made by code in the working folder."""

import json
from pathlib import Path

import torch
from safetensors.torch import save_file

from aotgan import Generator
from aotgan.models.released import released_name

WIDTH = 2
CODE = "files that hold code are refused"
IMPORT = "weights import G.pt g.safetensors"
LOAD = "weights export g.safetensors x.onnx"


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
