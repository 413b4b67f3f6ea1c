"""Weights on disk come back as they were; files that are damaged or foreign give a clear error."""

import json
import random
import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from aotgan import Generator, InputError, load_generator
from aotgan.models import weights
from aotgan.models.registry import build
from aotgan.models.weights import (
    halve,
    import_released,
    load_inpainter,
    read_metadata,
    released_name,
    save_generator,
)
from aotgan.reproduce.runs.evaluation import evaluate_generator, evaluation_manifest


def tiny(seed=0, **options):
    torch.manual_seed(seed)
    return Generator(width=1, blocks=1, **options)


def test_saved_generators_come_back(tmp_path):
    generator = tiny(variant="released", rates=(1, 2), fill=0.5).to(
        memory_format=torch.channels_last
    )
    path = save_generator(generator, tmp_path / "deep/er/g.safetensors", {"steps": "7"})
    again = load_generator(str(path))
    assert again.config == generator.config
    assert not again.training and all(p.requires_grad for p in again.parameters())
    for name, value in generator.state_dict().items():
        assert torch.equal(again.state_dict()[name], value)
    facts = read_metadata(path)
    assert json.loads(facts.pop("config")) == generator.config
    assert facts == {"format": "aotgan-generator", "steps": "7"}


def test_saving_is_deterministic(tmp_path):
    one, two = (save_generator(tiny(), tmp_path / name, {"a": "b"}) for name in ("1", "2"))
    assert one.read_bytes() == two.read_bytes()


@pytest.mark.parametrize(
    ("saved", "loaded"),
    [("float64", "float64"), ("float32", "float32"), ("bfloat16", "float32")],
)
def test_precision_of_loaded_weights(saved, loaded, tmp_path):
    path = save_generator(tiny().to(getattr(torch, saved)), tmp_path / "g.safetensors")
    assert {p.dtype for p in load_generator(path).parameters()} == {getattr(torch, loaded)}


def test_a_copy_in_half_precision_is_rounded_where_that_is_possible(tmp_path):
    network = build({"model": "mnps", "width": 2, "features": "random", "feature_width": 2})
    norm = next(part for part in network.modules() if isinstance(part, torch.nn.BatchNorm2d))
    norm.num_batches_tracked += 100_001  # half precision has no such integer
    norm.running_var *= 1e6  # and no such number
    path = save_generator(network, tmp_path / "g.safetensors", {"steps": "7"})
    content = path.read_bytes()
    copy = halve(path, tmp_path / "half.safetensors")
    assert path.read_bytes() == content and read_metadata(copy) == read_metadata(path)
    wide = {"num_batches_tracked", "running_var"}
    kept = 0
    for name, value in load_inpainter(copy).state_dict().items():
        original = network.state_dict()[name]
        exact = torch.equal(value, original)
        kept += exact and name.split(".")[-1] in wide
        assert exact or torch.equal(value, original.half().float()), name
    assert kept >= 2
    assert halve(path, tmp_path / "again.safetensors").read_bytes() == copy.read_bytes()


@pytest.mark.slow
def test_half_precision_costs_next_to_nothing(tmp_path):
    """Of a trained network on the bundled photographs, its weights between those of half."""
    network = load_generator()
    torch.manual_seed(0)
    with torch.no_grad():
        for weight in network.parameters():
            weight *= 1 + 2**-12 * (2 * torch.rand_like(weight) - 1)
    path = save_generator(network, tmp_path / "whole.safetensors")
    manifest = evaluation_manifest("bundled", 64, "smoke")
    whole, half = (
        evaluate_generator(load_generator(file), manifest, progress=False).per_image["psnr"]
        for file in (path, halve(path, tmp_path / "half.safetensors"))
    )
    assert abs((whole - half).mean()) < 0.01 and (whole != half).any()


def test_loading_draws_no_random_number_and_leaves_the_file_alone(tmp_path):
    path = save_generator(tiny(), tmp_path / "g.safetensors")
    before = torch.get_rng_state()
    generator = load_generator(path)
    assert torch.equal(torch.get_rng_state(), before)
    weight = generator.encoder[0].weight.detach().clone()
    content = path.read_bytes()
    path.write_bytes(bytes(len(content)))  # in place: a file mapped into memory would change
    assert torch.equal(generator.encoder[0].weight, weight)


def test_shipped_models_load_by_name_and_one_of_them_without_a_name(tmp_path, monkeypatch):
    monkeypatch.setattr(weights, "SHIPPED", tmp_path)
    with pytest.raises(InputError, match=r"no weights file aotgan-scenes: .* models \(none\)"):
        load_generator()
    seeds = {"aotgan-scenes": 1, "a": 2, "aotgan-faces": 3}
    for name, seed in seeds.items():
        save_generator(tiny(seed), tmp_path / f"{name}.safetensors")
    assert weights.shipped_models() == ["a", "aotgan-faces", "aotgan-scenes"]
    asked = {None: "aotgan-scenes", "faces": "aotgan-faces"} | {name: name for name in seeds}
    for name, shipped in asked.items():
        expected = tiny(seeds[shipped]).decoder[4].weight
        assert torch.equal(load_generator(name).decoder[4].weight, expected)
    with pytest.raises(InputError, match=r"no weights file scene: .*Did you mean 'scenes'\?"):
        load_generator("scene")


def test_the_default_model_is_in_the_package():
    assert weights.DEFAULT_MODEL in weights.shipped_models()


def test_whatever_is_shipped_loads():
    for name in weights.shipped_models():
        assert (
            load_generator(name)
            .complete(*(torch.zeros(1, c, 64, 64) for c in (3, 1)))
            .isfinite()
            .all()
        )


def test_a_device_that_is_not_there_is_named(tmp_path):
    path = save_generator(tiny(), tmp_path / "g.safetensors")
    for device in ("cuda:99", "gpu"):
        with pytest.raises(InputError, match=f"device {device}: .* Choose cpu"):
            load_generator(path, device)


def rewritten(path, tensors=None, **metadata):
    """Writes a weights file of `tiny` with some tensors or facts replaced; None removes a fact."""
    state = {**tiny().state_dict(), **(tensors or {})}
    facts = {"format": "aotgan-generator", "config": json.dumps(tiny().config), **metadata}
    save_file(
        {key: value for key, value in state.items() if value is not None},
        path,
        {key: value for key, value in facts.items() if value is not None},
    )
    return path


@pytest.mark.parametrize(
    ("tensors", "metadata", "message"),
    [
        ({}, {"format": None}, "without the mark 'aotgan-generator'"),
        ({}, {"config": None}, "its configuration '' describes no model"),
        ({}, {"config": "[]"}, r"its configuration '\[\]' describes no model"),
        ({}, {"config": '{"width": "1"}'}, "describes no model"),
        ({}, {"config": '{"depth": 1}'}, "describes no model .*depth"),
        ({}, {"config": '{"variant": "new"}'}, "describes no model .*variant='new'"),
        ({}, {"config": '{"width": 1e99}'}, "describes no model"),
        ({}, {"config": '{"width": 2, "blocks": 1}'}, r"shape \(2,\), expected .*shape \(4,\)"),
        ({}, {"config": '{"width": 10000000, "blocks": 1}'}, "expected floating point of shape"),
        ({}, {"config": '{"width": 1, "blocks": 2}'}, "12 names .* first middle.1.branches.0.bias"),
        ({"extra": torch.zeros(1)}, {}, "1 names do not fit the network, first extra"),
        ({"encoder.0.bias": None}, {}, "1 names do not fit the network, first encoder.0.bias"),
        ({"encoder.0.bias": torch.zeros(1, dtype=torch.int8)}, {}, "encoder.0.bias is torch.int8"),
    ],
)
def test_files_that_do_not_fit_are_refused(tensors, metadata, message, tmp_path):
    path = rewritten(tmp_path / "g.safetensors", tensors, **metadata)
    with pytest.raises(InputError, match=message) as error:
        load_generator(path)
    assert str(path) in str(error.value)


def test_missing_and_foreign_files_are_refused(tmp_path):
    for path in (tmp_path / "none.safetensors", tmp_path, str(tmp_path / "none")):
        with pytest.raises(InputError, match=f"no weights file {re.escape(str(path))}"):
            load_generator(path)
    for name, content in (("g.pt", b"PK\x03\x04zip"), ("empty", b""), ("text", b"x" * 999)):
        (tmp_path / name).write_bytes(content)
        for read in (load_generator, read_metadata):
            with pytest.raises(InputError, match="is not a readable safetensors file"):
                read(tmp_path / name)


def mutations(content, count):
    """Damaged copies: bytes changed, dropped, inserted and cut off, mostly in the header."""
    rng = random.Random(0)  # noqa: S311
    for i in range(count):
        data = bytearray(content)
        for _ in range(rng.choice((1, 1, 2, 8))):
            at = rng.randrange(8 if i % 9 == 0 else 3000 if i % 3 else len(data)) % len(data)
            kind = rng.choice(("set", "bit", "digit", "drop", "insert", "cut"))
            if kind == "cut" and rng.random() < 0.3:
                del data[at + 1 :]
            elif kind == "drop":
                del data[at : at + rng.randint(1, 9)]
            elif kind == "insert":
                data[at:at] = rng.randbytes(rng.randint(1, 9))
            elif kind == "bit":
                data[at] ^= 1 << rng.randrange(8)
            else:
                data[at] = rng.choice(b"0123456789") if kind == "digit" else rng.randrange(256)
            data = data or bytearray(b"x")
        yield bytes(data)


def test_damaged_weights_files_are_refused_or_load_whole(tmp_path):
    path = save_generator(tiny(), tmp_path / "g.safetensors")
    shapes = {name: value.shape for name, value in tiny().state_dict().items()}
    refused = 0
    for data in mutations(path.read_bytes(), 400):
        Path(path).write_bytes(data)
        try:
            generator = load_generator(path)
        except InputError:
            refused += 1
            continue
        assert {name: value.shape for name, value in generator.state_dict().items()} == shapes
    assert refused > 200


def test_damaged_released_files_are_refused_or_load_whole(tmp_path):
    source, destination = tmp_path / "G.pt", tmp_path / "g.safetensors"
    state = Generator("released", width=4).state_dict()
    torch.save({released_name(name): value for name, value in state.items()}, source)
    content = source.read_bytes()
    for data in (content[: len(content) // 2], content[:-20], *mutations(content, 100)):
        source.write_bytes(data)
        destination.unlink(missing_ok=True)
        try:
            import_released(source, destination)
        except InputError as error:
            assert str(source) in str(error)
        else:
            assert load_generator(destination).config["width"] == 4
