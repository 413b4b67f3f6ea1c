"""The ONNX file gives what the network gives, at every size, and says what it is."""

import contextlib
import io
import json
import math
import warnings

import numpy as np
import pytest
import torch

from aotgan.errors import InputError
from aotgan.models import onnx
from aotgan.models.generator import VARIANTS, Generator
from aotgan.models.onnx import export_onnx
from aotgan.models.weights import DEFAULT_MODEL, load_generator, save_generator

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
SIZES = ((1, 36, 36), (3, 48, 100), (2, 92, 64))  # the smallest, wide, high; other batches
TOLERANCE = 1e-4
READINGS = {name: {"variant": name} for name in VARIANTS} | {
    "correction": {"fill": "surface", "correction": True, "gate_bias": 2.0}
}


@pytest.fixture(scope="session")
def onnxruntime():
    for name in onnx.PACKAGES:
        pytest.importorskip(name, reason=f"{name} is in the extra 'onnx'")
    return pytest.importorskip("onnxruntime", reason="onnxruntime is in the extra 'onnx'")


def lively(**options):
    """A tiny network whose predictions use the range, as a trained one's do."""
    torch.manual_seed(3)
    generator = Generator(width=4, blocks=1, **options).eval()
    with torch.no_grad():
        for layer in generator.modules():
            if isinstance(layer, torch.nn.Conv2d | torch.nn.ConvTranspose2d):
                fan_in = layer.weight.numel() / layer.weight.shape[0]
                layer.weight.normal_(0, math.sqrt(2 / fan_in))
                layer.bias.normal_(0, 0.1)
    return generator


@pytest.fixture(scope="session", params=READINGS)
def exported(request, onnxruntime, tmp_path_factory):
    """Network, its file, a session that runs it, and what the export printed and warned of."""
    folder = tmp_path_factory.mktemp("onnx")
    generator = lively(**READINGS[request.param])
    weights = save_generator(generator, folder / "w.safetensors", {"terms": "research only"})
    said = io.StringIO()
    with contextlib.ExitStack() as stack:
        warned = stack.enter_context(warnings.catch_warnings(record=True))
        warnings.simplefilter("always")
        stack.enter_context(contextlib.redirect_stdout(said))
        stack.enter_context(contextlib.redirect_stderr(said))
        path = export_onnx(weights, folder / "new" / "g.onnx")
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return generator, path, session, (warned, said.getvalue())


def inputs(batch, height, width):
    image = torch.rand(batch, 3, height, width) * 2 - 1
    mask = (torch.rand(batch, 1, height, width) < 0.3).float()
    return image, mask


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_it_fills_as_the_network_does(exported, size):
    generator, _, session, _ = exported
    image, mask = inputs(*size)
    with torch.no_grad():
        expected = generator.complete(image, mask)
    (filled,) = session.run(["filled"], {"image": image.numpy(), "mask": mask.numpy()})
    assert filled.shape == expected.shape and filled.dtype == np.float32
    inside = mask.expand_as(image).bool()
    assert expected[inside].std() > 0.2  # else a small error would mean nothing
    assert np.abs(filled - expected.numpy()).max() < TOLERANCE
    assert np.array_equal(filled[~inside.numpy()], image[~inside].numpy())


def test_what_the_hole_shows_does_not_matter(exported):
    _, _, session, _ = exported
    image, mask = inputs(1, 40, 44)
    other = torch.where(mask.bool(), torch.rand_like(image), image)
    first, second = (
        session.run(None, {"image": x.numpy(), "mask": mask.numpy()})[0] for x in (image, other)
    )
    assert np.array_equal(first, second)


def test_a_size_that_the_network_refuses_is_refused(exported):
    _, _, session, _ = exported
    image, mask = inputs(1, 46, 46)
    with pytest.raises(Exception, match="(?i)dimension|shape"):
        session.run(None, {"image": image.numpy(), "mask": mask.numpy()})


def test_inputs_say_what_is_free_and_what_is_fixed(exported):
    _, _, session, _ = exported
    image, mask = session.get_inputs()
    (filled,) = session.get_outputs()
    assert [image.name, mask.name, filled.name] == ["image", "mask", "filled"]
    assert image.shape == filled.shape == ["batch", 3, "4*h", "4*w"]
    assert mask.shape == ["batch", 1, "4*h", "4*w"]


def test_the_file_is_alone_and_says_what_it_is(exported):
    generator, path, session, _ = exported
    assert [file.name for file in path.parent.iterdir()] == ["g.onnx"]
    facts = session.get_modelmeta().custom_metadata_map
    assert facts["format"] == onnx.FORMAT
    assert facts["source"] == "w.safetensors"
    assert facts["terms"] == "research only"
    assert "at least 36" in facts["interface"]
    assert Generator(**json.loads(facts["config"])).config == generator.config


def test_the_file_names_no_place_on_this_machine(exported):
    content = exported[1].read_bytes()
    assert str(exported[1].parent).encode() not in content
    assert b"site-packages" not in content and b"aotgan/models" not in content


def test_the_exporter_is_silent(exported):
    assert exported[3] == ([], "")


def test_the_network_stays_as_it_was(onnxruntime, tmp_path):
    generator = Generator(width=1, blocks=1, rates=(1,)).double().train()
    before = {name: value.clone() for name, value in generator.state_dict().items()}
    path = export_onnx(generator, tmp_path / "g.onnx")
    assert generator.training
    assert all(torch.equal(value, before[n]) for n, value in generator.state_dict().items())
    facts = onnxruntime.InferenceSession(path).get_modelmeta().custom_metadata_map
    assert facts["source"] == "a network in memory"


def test_missing_packages_are_named_before_any_work(monkeypatch, tmp_path):
    monkeypatch.setattr(onnx, "find_spec", lambda name: None if name == "onnxscript" else name)
    with pytest.raises(InputError, match=r"needs onnxscript: pip install 'aotgan\[onnx\]'"):
        export_onnx("no such model", tmp_path / "g.onnx")


def test_a_model_that_is_not_there_is_named(onnxruntime, tmp_path):
    with pytest.raises(InputError, match="gone"):
        export_onnx("gone.safetensors", tmp_path / "g.onnx")
    assert list(tmp_path.iterdir()) == []


def test_the_shipped_model_keeps_its_terms():
    facts = onnx._facts(None)
    assert "non-commercial research and education only" in facts["terms"]
    assert facts["source"] == DEFAULT_MODEL
    assert load_generator().config == Generator(**json.loads(facts["config"])).config
