"""Classical fillings are models like any other, and what OpenCV and the surface make of a hole."""

import cv2
import numpy as np
import pytest
import torch

from aotgan.data.images import to_tensor, to_uint8
from aotgan.data.masks import free_form_mask
from aotgan.errors import InputError
from aotgan.models.inpainter import Inpainter
from aotgan.models.registry import CLASSICAL, MODELS, build, model_class
from aotgan.models.surface import smooth_surface
from aotgan.models.weights import load_generator, load_inpainter, save_generator

METHODS = {"telea": cv2.INPAINT_TELEA, "navier-stokes": cv2.INPAINT_NS}


def examples(height=48, width=56, count=3):
    """Smooth pictures with some noise, uint8 (B, H, W, 3), and irregular holes, bool (B, H, W)."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:height, :width] / 20
    waves = np.stack([np.sin(rows + k) + np.cos(columns * (k + 1)) for k in range(3)], axis=-1)
    pictures = 128 + 40 * waves + rng.normal(0, 6, (count, height, width, 3))
    masks = [free_form_mask(height, width, (0.2, 0.4), rng) for _ in range(count)]
    return pictures.round().clip(0, 255).astype(np.uint8), np.stack(masks)


def tensors(pictures, masks):
    return to_tensor(pictures), torch.from_numpy(masks)[:, None].float()


@pytest.mark.parametrize("name", METHODS)
def test_opencv_fills_the_bytes_of_each_picture(name):
    pictures, masks = examples()
    filled = to_uint8(build({"model": name}).complete(*tensors(pictures, masks)))
    for picture, mask, found in zip(pictures, masks, filled, strict=True):
        bgr = np.where(mask[..., None], np.uint8(128), picture)[..., ::-1].copy()
        expected = cv2.inpaint(bgr, mask.astype(np.uint8) * 255, 3, METHODS[name])[..., ::-1]
        assert np.array_equal(found, np.where(mask[..., None], expected, picture))


def test_the_smooth_surface_is_the_one_of_its_module():
    image, mask = tensors(*examples())
    filled = build({"model": "smooth"}).complete(image, mask)
    torch.testing.assert_close(filled, smooth_surface(image, mask))


@pytest.mark.parametrize("name", CLASSICAL)
def test_known_pixels_are_kept_and_what_the_hole_showed_is_not_seen(name):
    model, (image, mask) = build({"model": name}), tensors(*examples())
    filled = model.complete(image, mask)
    known = (mask == 0).expand_as(image)
    assert filled.shape == image.shape and filled.dtype == image.dtype
    assert torch.equal(filled[known], image[known])
    assert (filled - image)[~known].abs().mean() < 0.2, "a smooth picture is guessed well"
    assert torch.equal(model.complete(torch.where(mask == 1, -image, image), mask), filled)


@pytest.mark.parametrize("name", CLASSICAL)
@pytest.mark.parametrize("size", [(1, 1), (5, 3), (16, 61)])
def test_any_size_and_hole_is_filled(name, size):
    model, image = build({"model": name}), torch.rand(2, 3, *size, dtype=torch.float64)
    mask = torch.zeros(2, 1, *size, dtype=torch.float64)
    mask[0, :, :, : size[1] // 2] = 1
    mask[1] = 1  # nothing is known
    filled = model.complete(image, mask)
    assert filled.isfinite().all() and filled.abs().max() <= 1 and filled.dtype == torch.float64


@pytest.mark.parametrize("name", CLASSICAL)
def test_it_is_a_model_without_parameters(name, tmp_path):
    model = build({"model": name})
    assert isinstance(model, Inpainter) and model.config == {"model": name}
    assert not list(model.parameters()) and model.device.type == "cpu"
    assert model_class(name).scaled(0.25, 128) == {}
    saved = load_inpainter(save_generator(model, tmp_path / "model.safetensors"))
    for loaded in (saved, load_inpainter(name)):
        assert type(loaded) is type(model) and not loaded.training
    with pytest.raises(InputError, match=f"{name} learns nothing and has no weights"):
        load_generator(name)


@pytest.mark.parametrize("name", CLASSICAL)
def test_differences_are_sentences(name):
    assert all(text.endswith(".") for text in model_class(name).simplified)


def test_trained_and_classical_models_are_told_apart():
    assert not set(MODELS) & set(CLASSICAL)
    with pytest.raises(InputError, match="aot-gan, ca, .*mnps, telea, navier-stokes, smooth"):
        build({"model": "lama"})
