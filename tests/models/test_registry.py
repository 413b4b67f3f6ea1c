"""Every model by name: made, described, written and read back, and one convention for all."""

import inspect
import subprocess
import sys

import pytest
import torch

from aotgan.errors import InputError
from aotgan.models.generator import Generator
from aotgan.models.inpainter import Inpainter
from aotgan.models.registry import AOT_GAN, DECLARED, MODELS, build, imported, model_class
from aotgan.models.weights import load_generator, load_inpainter, save_generator
from aotgan.training.recipe import Recipe

SIDE = 64


def small(name):
    """A sixteenth of the published width, for images of 64 px, with lively random weights."""
    kind = model_class(name)
    own = {"features": "random", "feature_width": 2, "iterations": 1} if name == "mnps" else {}
    torch.manual_seed(0)
    model = kind(**kind.scaled(1 / 16, SIDE), **own).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 1:
                parameter.add_(0.05 * torch.randn_like(parameter))
    return model


def example(batch=1):
    """Noise and the hole that every model takes: the centre square of 7/16 of the side."""
    image = torch.rand(batch, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1)) * 2 - 1
    mask = torch.zeros(batch, 1, SIDE, SIDE)
    mask[:, :, 18:46, 18:46] = 1
    return image, mask


@pytest.mark.parametrize("name", MODELS)
def test_a_configuration_describes_its_model(name):
    model = small(name)
    assert isinstance(model, Inpainter)
    assert model.config.get("model", AOT_GAN) == name
    again = build(model.config)
    assert again.config == model.config
    shapes = {key: value.shape for key, value in model.state_dict().items()}
    assert {key: value.shape for key, value in again.state_dict().items()} == shapes


@pytest.mark.parametrize("name", MODELS)
def test_a_model_is_as_wide_as_published_unless_told(name):
    kind = model_class(name)
    assert inspect.signature(kind).parameters["width"].default == kind.published_width
    assert kind.scaled(1, 512)["width"] == kind.published_width


@pytest.mark.parametrize("name", MODELS)
def test_known_pixels_are_kept_and_what_the_hole_showed_is_not_seen(name):
    model, (image, mask) = small(name), example(2)
    filled = model.complete(image, mask)
    assert filled.shape == image.shape and filled.isfinite().all() and filled.abs().max() <= 1
    known = (mask == 0).expand_as(image)
    assert torch.equal(filled[known], image[known])
    assert filled[~known].std() > 0
    other = torch.where(mask == 1, -image, image)
    assert torch.equal(model.complete(other, mask), filled)


@pytest.mark.parametrize("name", MODELS)
def test_weights_come_back_from_their_file(name, tmp_path):
    model, (image, mask) = small(name), example()
    loaded = load_inpainter(save_generator(model, tmp_path / "model.safetensors"))
    assert type(loaded) is type(model) and not loaded.training
    assert not any(tensor.is_meta for tensor in (*loaded.parameters(), *loaded.buffers()))
    assert torch.equal(loaded.complete(image, mask), model.complete(image, mask))


def test_loading_starts_no_compiler(tmp_path):
    """Which takes ten seconds, on the meta device even to divide."""
    paths = [save_generator(small(name), tmp_path / f"{name}.safetensors") for name in MODELS]
    program = (
        "import sys; from aotgan.models.weights import load_inpainter\n"
        "before = set(sys.modules)\n"
        "for path in sys.argv[1:]: load_inpainter(path)\n"
        "print((set(sys.modules) - before) & {'torch._dynamo', 'sympy'})"
    )
    command = [sys.executable, "-c", program, *map(str, paths)]
    assert subprocess.run(command, capture_output=True, check=True, text=True).stdout == "set()\n"


@pytest.mark.parametrize("name", MODELS)
def test_images_that_a_model_cannot_take_are_refused(name):
    model, (image, mask) = small(name), example()
    with pytest.raises(InputError, match="expected floating point"):
        model.complete(image.mul(127).to(torch.int8), mask)
    with pytest.raises(InputError, match="of the same B, H and W"):
        model.complete(image, mask.expand(1, 3, SIDE, SIDE))
    if model.multiple > 1:
        with pytest.raises(InputError, match=f"multiples of {model.multiple}"):
            model.complete(image[..., 1:], mask[..., 1:])


@pytest.mark.parametrize("name", MODELS)
def test_differences_from_the_publication_are_sentences(name):
    sentences = model_class(name).simplified
    assert isinstance(sentences, tuple)
    assert all(text[0].isupper() and text.endswith(".") for text in sentences)


@pytest.mark.parametrize("name", MODELS)
def test_a_declaration_names_a_network_and_its_training(name):
    training = imported(DECLARED[name].training)
    assert issubclass(model_class(name), Inpainter) and issubclass(training, Recipe)


def test_building_networks_loads_no_training():
    program = (
        "import sys; from aotgan.models.registry import DECLARED, build\n"
        "for name in DECLARED: build({'model': name})\n"
        "print([name for name in sys.modules if name.startswith('aotgan.training')])"
    )
    command = [sys.executable, "-c", program]
    assert subprocess.run(command, capture_output=True, check=True, text=True).stdout == "[]\n"


def test_unknown_names_are_told_with_the_valid_ones():
    with pytest.raises(InputError, match=r"model='lama': choose one of aot-gan, ca, .*mnps"):
        build({"model": "lama"})


def test_aot_gan_needs_no_name_and_other_models_are_no_generators(tmp_path):
    assert isinstance(build({"width": 4, "blocks": 1}), Generator)
    path = save_generator(small("gatedconv"), tmp_path / "model.safetensors")
    with pytest.raises(InputError, match="holds the model 'gatedconv', expected AOT-GAN"):
        load_generator(path)
