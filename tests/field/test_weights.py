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

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from weights_files import (
    CODE,
    IMPORT,
    LOAD,
    after,
    authors,
    configured,
    content,
    cut,
    network,
    own,
    prefixed,
    pt,
    with_value,
)

AGAIN = "Download or copy it again"

pytestmark = pytest.mark.usefixtures("folder")

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
    ("output", "example with a space"): (
        lambda: pt(authors()),
        "weights import G.pt 'my model'",
        "for example 'my model.safetensors'",
    ),
    ("output", "export to a file that is there"): (
        lambda: (own(), content(b"mine", "x.onnx")),
        LOAD,
        "x.onnx is there already: give another name, or --overwrite to replace it",
    ),
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
    ("output", "a folder"): (
        lambda: (pt(authors()), os.mkdir("g.safetensors")),
        IMPORT,
        "cannot write .*g.safetensors: it is a folder or a device. Give a file's path",
    ),
    ("output", "a link to itself"): (
        lambda: (pt(authors()), os.symlink("g.safetensors", "g.safetensors")),
        IMPORT,
        "cannot write .*g.safetensors: it is a link to itself. Remove it first",
    ),
    ("output", "export to a folder"): (
        lambda: (own(), os.mkdir("x.onnx")),
        LOAD,
        "cannot write .*x.onnx: it is a folder or a device. Give a file's path",
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
    ("what", "a filling"): (
        lambda: None,
        "weights show smooth",
        "smooth learns nothing and has no weights: give a weights file or one of .*aotgan-scenes",
    ),
    ("what", "a filling to export"): (
        lambda: None,
        "weights export smooth x.onnx",
        "smooth learns nothing and has no weights",
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
    ("what", "a number"): (lambda: pt(5), IMPORT, "a single int, .*Where it was made, save"),
    ("what", "nothing"): (lambda: pt(None), IMPORT, "a single NoneType, .*state_dict.. alone"),
    ("what", "a text"): (lambda: pt("abc"), IMPORT, "a single str, .*state_dict.. alone"),
    ("what", "a tensor"): (
        lambda: pt(torch.zeros(2, 3)),
        IMPORT,
        "a single Tensor, .*state_dict.. alone",
    ),
    ("what", "numbers"): (lambda: pt([1, 2]), IMPORT, "2 entries, 0 of the 108"),
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
    before = held(folder)
    status, out, err = aotgan(line)
    assert (status, out) == (2, "") and err.startswith("error: ") and err.count("\n") == 1
    assert re.search(message, err), err
    assert held(folder) == before


def held(folder):
    """The names in a folder, with the bytes of what is a file."""
    return {path.name: path.read_bytes() if path.is_file() else None for path in folder.iterdir()}
