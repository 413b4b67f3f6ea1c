"""Fréchet distance: its maths, its name, and the pitfalls of torchmetrics that it avoids."""

import math
import urllib.error

import numpy as np
import pytest
import torch
from scipy import linalg
from torch import nn
from torch_fidelity import feature_extractor_inceptionv3 as fidelity
from torchmetrics.image.fid import FrechetInceptionDistance

from aotgan.errors import InputError
from aotgan.metrics import FrechetDistance, frechet


def images(count, seed=0, size=32):
    """Smooth random pictures, uint8 (N, 3, H, W)."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, 3, 5, 5, generator=generator)
    fine = nn.functional.interpolate(coarse, size=size, mode="bicubic").clamp(0, 1)
    return (fine * 255).round().byte()


def reference(x, y):
    """The definition with scipy's matrix square root, on features (N, d)."""
    x, y = x.numpy(), y.numpy()
    s, t = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    root = linalg.sqrtm(s @ t).real
    return ((x.mean(0) - y.mean(0)) ** 2).sum() + np.trace(s + t - 2 * root)


@pytest.fixture(scope="module")
def distance():
    return FrechetDistance("random", seed=0)


def between(distance, real, fake):
    fresh = distance.empty()
    fresh.update(real, fake)
    return fresh.compute()


def test_distance_equals_the_definition_with_a_matrix_square_root(distance):
    generator = torch.Generator().manual_seed(3)
    x, y = torch.randn(2, 900, 368, generator=generator, dtype=torch.float64)
    y = 0.3 + y * torch.linspace(0.5, 2, 368, dtype=torch.float64)
    fresh = distance.empty()
    fresh.add(x, y)
    assert fresh.compute() == pytest.approx(reference(x, y), rel=1e-9)


def test_distance_is_torchmetrics_value_for_the_same_network(distance):
    real, fake = images(20), images(20, seed=1)
    metric = FrechetInceptionDistance(frechet.RandomFeatures(0))
    metric.update(real, real=True)
    metric.update(fake, real=False)
    assert between(distance, real, fake) == pytest.approx(float(metric.compute()), rel=1e-9)


def test_distance_of_shifted_and_of_scaled_features_has_its_closed_form(distance):
    x = distance.embed(images(40))
    shifted, scaled = distance.empty(), distance.empty()
    shifted.add(x, x + 0.1)
    scaled.add(x, 2 * x)
    assert shifted.compute() == pytest.approx(368 * 0.1**2, rel=1e-5)
    # the mean moves by itself, the standard deviations double: |mu|^2 + tr S
    expected = (x.mean(0) ** 2).sum() + x.var(0).sum()
    assert scaled.compute() == pytest.approx(float(expected), rel=1e-5)


@pytest.mark.parametrize("count", [2, 5, 40])
def test_a_set_is_at_no_distance_from_itself_even_with_few_images(distance, count):
    x = images(count)
    assert 0 <= between(distance, x, x.flip(0)) < 1e-3


def test_distance_does_not_depend_on_batches_or_order(distance):
    real, fake = images(13), images(13, seed=1)
    whole, pieces = between(distance, real, fake), distance.empty()
    order = torch.randperm(13, generator=torch.Generator().manual_seed(0))
    for some in order.split(3):
        pieces.update(real[some], fake[some])
    assert pieces.count == 13
    assert pieces.compute() == pytest.approx(whole, rel=1e-5)


def test_distance_grows_with_the_hole_and_with_blur(distance):
    real = images(24, size=48)
    generator = torch.Generator().manual_seed(0)
    noise = torch.randint(-40, 41, real.shape, generator=generator)
    noisy = (real.int() + noise).clamp(0, 255).byte()
    values = []
    for side in (6, 12, 24, 48):
        fake = real.clone()
        fake[:, :, :side, :side] = noisy[:, :, :side, :side]
        values.append(between(distance, real, fake))
    assert values == sorted(values) and values[0] > 0
    flat = [
        nn.functional.avg_pool2d(noisy.float(), k, 1, k // 2).round().byte() for k in (3, 7, 13)
    ]
    blurred = [between(distance, noisy, fake) for fake in flat]
    assert blurred == sorted(blurred)


def test_random_features_depend_on_their_seed_and_on_nothing_else(distance):
    x = images(4)
    torch.manual_seed(1)
    state = torch.get_rng_state()
    again, other = FrechetDistance("random", seed=0), FrechetDistance("random", seed=1)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(distance.embed(x), again.embed(x))
    assert not torch.allclose(distance.embed(x), other.embed(x), rtol=0.1)


def test_random_features_are_the_channel_means_of_the_loss_network(distance):
    from aotgan.losses.features import VGG19Features

    x = images(3)
    with torch.no_grad():
        taps = VGG19Features("random", width=16, seed=0)(x.float() / 127.5 - 1)
    names = [f"relu{stage}_1" for stage in range(1, 6)]
    expected = torch.cat([taps[name].flatten(2).double().mean(2) for name in names], 1)
    torch.testing.assert_close(distance.embed(x), expected, rtol=1e-6, atol=1e-7)


def test_only_inception_is_called_fid(distance):
    assert distance.name == "Frechet distance, random features (seed 0)"
    assert FrechetDistance("random", seed=7).name.endswith("(seed 7)")
    assert "FID" not in str(distance.protocol)
    assert distance.protocol["resize"].startswith("none")


def test_features_are_float64_and_spared_the_callers_autocast(distance):
    x = images(2)
    expected = distance.embed(x)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(distance.embed(x), expected)
    assert expected.dtype == torch.float64 and not expected.requires_grad


def test_features_are_computed_without_tf32_and_the_callers_setting_returns(distance, monkeypatch):
    cudnn, seen = torch.backends.cudnn, []
    holder, switch, exact = (
        (cudnn.conv, "fp32_precision", "ieee")
        if hasattr(cudnn, "conv")
        else (cudnn, "allow_tf32", False)
    )
    before = getattr(holder, switch)
    network = distance.empty()
    monkeypatch.setattr(network, "_network", lambda x: seen.append(getattr(holder, switch)))
    network.embed(images(1))
    assert seen == [exact] and getattr(holder, switch) == before != exact


def test_empty_shares_the_network_and_no_images(distance):
    used = distance.empty()
    used.update(images(3), images(3, 1))
    value, fresh = used.compute(), used.empty()
    assert (used.count, fresh.count, distance.count) == (3, 0, 0)
    fresh.update(images(3, 2), images(3, 3))
    assert used.compute() == value != fresh.compute()
    assert fresh._network is used._network


@pytest.mark.parametrize("count", [0, 1])
def test_fewer_than_two_images_have_no_distance(distance, count):
    fresh = distance.empty()
    if count:
        fresh.update(images(count), images(count, 1))
    assert math.isnan(fresh.compute())


def test_computing_waits_for_no_other_process(distance, monkeypatch):
    def blocked(*args, **kwargs):
        raise AssertionError("a collective call hangs when only one process evaluates")

    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "barrier", blocked)
    monkeypatch.setattr(torch.distributed, "all_gather", blocked)
    assert between(distance, images(4), images(4, 1)) > 0


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (torch.rand(2, 3, 32, 32), "torch.float32"),
        (torch.zeros(2, 1, 32, 32, dtype=torch.uint8), "expected torch.uint8 of shape"),
        (torch.zeros(3, 32, 32, dtype=torch.uint8), "expected torch.uint8 of shape"),
        (torch.zeros(2, 3, 15, 32, dtype=torch.uint8), "at least 16 px"),
    ],
)
def test_images_of_another_kind_are_refused(distance, bad, message):
    with pytest.raises(InputError, match=message):
        distance.empty().update(bad, images(2))


def test_unknown_features_are_refused():
    with pytest.raises(InputError, match="inception"):
        FrechetDistance("clip")


def test_inception_without_a_network_names_the_file_and_the_way_out(tmp_path, monkeypatch):
    def offline(*args, **kwargs):
        raise urllib.error.URLError("no route to host")

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", offline)
    with pytest.raises(InputError) as caught:
        FrechetDistance()
    message = str(caught.value)
    assert "features='random'" in message and "not FID" in message
    assert str(tmp_path / "checkpoints" / "weights-inception-2015-12-05-6726825d.pth") in message


def test_damaged_inception_weights_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    path = tmp_path / "checkpoints" / "weights-inception-2015-12-05-6726825d.pth"
    path.parent.mkdir()
    path.write_bytes(b"half a download")
    with pytest.raises(InputError, match="damaged.*Delete"):
        FrechetDistance()


@pytest.fixture(scope="module")
def inception(tmp_path_factory):
    """The FID metric on Inception with random weights, and torch-fidelity's own network."""
    path = tmp_path_factory.mktemp("weights") / "inception.pth"
    with pytest.MonkeyPatch.context() as patch, torch.random.fork_rng():
        torch.manual_seed(0)
        patch.setattr(fidelity, "load_state_dict_from_url", lambda *a, **k: {})
        load = fidelity.FeatureExtractorInceptionV3.load_state_dict
        patch.setattr(fidelity.FeatureExtractorInceptionV3, "load_state_dict", lambda *a: None)
        original = fidelity.FeatureExtractorInceptionV3("inception-v3-compat", ["2048"])
        torch.save(original.state_dict(), path)
        patch.setattr(fidelity.FeatureExtractorInceptionV3, "load_state_dict", load)
        patch.setattr(frechet, "inception_weights", lambda: path)
        return FrechetDistance("inception"), original


def test_inception_features_are_those_of_the_original_fid(inception):
    distance, original = inception
    x = images(2, size=40)
    features = distance.embed(x)
    assert distance.name == distance.protocol["name"] == "FID"
    assert features.dtype == torch.float64
    assert features.shape == (2, distance.empty()._network.num_features)
    torch.testing.assert_close(features, original(x)[0].double(), rtol=1e-5, atol=1e-7)


def tensorflow_resize(image, size):
    """TensorFlow 1's bilinear rule: output i samples input i * n / size, unlike torch's."""
    for axis in (0, 1):
        n = image.shape[axis]
        where = np.arange(size) * n / size
        low = np.floor(where).astype(int)
        high = np.minimum(low + 1, n - 1)
        part = (where - low).reshape(-1, *[1] * (image.ndim - axis - 1))
        image = (1 - part) * image.take(low, axis) + part * image.take(high, axis)
    return image


@pytest.mark.parametrize("size", [40, 400])
def test_inception_sees_images_resized_as_the_protocol_says(inception, size):
    distance, _ = inception
    x, seen = images(1, size=size), []
    first = distance._network.network.Conv2d_1a_3x3
    handle = first.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    distance.embed(x)
    handle.remove()
    resized = tensorflow_resize(x[0].permute(1, 2, 0).double().numpy(), 299)
    expected = torch.from_numpy((resized - 128) / 128).permute(2, 0, 1)
    torch.testing.assert_close(seen[0][0].double(), expected, rtol=0, atol=1e-4)
    assert "299 x 299" in distance.protocol["resize"]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_cpu_and_gpu_agree(distance):
    real, fake = images(8), images(8, seed=1)
    cuda = FrechetDistance("random", seed=0, device="cuda")
    torch.testing.assert_close(cuda.embed(real).cpu(), distance.embed(real), rtol=1e-5, atol=1e-5)
    cuda.update(real, fake)
    assert cuda.compute() == pytest.approx(between(distance, real, fake), rel=1e-4)
