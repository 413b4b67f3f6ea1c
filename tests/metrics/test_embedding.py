"""Features of images for the distances: their networks, their names, and what they are spared."""

import urllib.error

import numpy as np
import pytest
import torch
from tolerances import SINGLE, SINGLE_FEW, SINGLE_NET, SINGLE_SUM, TENTH
from torch import nn
from torch_fidelity import feature_extractor_inceptionv3 as fidelity

from aotgan.errors import InputError
from aotgan.losses.features import VGG19Features
from aotgan.losses.lite0 import Lite0Features
from aotgan.metrics import Embedding, embedding


def images(count, seed=0, size=32):
    """Smooth random pictures, uint8 (N, 3, H, W)."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, 3, 5, 5, generator=generator)
    fine = nn.functional.interpolate(coarse, size=size, mode="bicubic").clamp(0, 1)
    return (fine * 255).round().byte()


@pytest.fixture(scope="module")
def embed():
    return Embedding("random", seed=0)


@pytest.fixture(scope="module")
def trained():
    return Embedding()


def test_random_features_depend_on_their_seed_and_on_nothing_else(embed):
    x = images(4)
    torch.manual_seed(1)
    state = torch.get_rng_state()
    again, other = Embedding("random", seed=0), Embedding("random", seed=1)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(embed(x), again(x))
    assert not torch.allclose(embed(x), other(x), rtol=TENTH)


def test_random_features_are_the_channel_means_of_the_loss_network(embed):
    x = images(3)
    with torch.no_grad():
        taps = VGG19Features("random", width=16, seed=0)(x.float() / 127.5 - 1)
    names = [f"relu{stage}_1" for stage in range(1, 6)]
    expected = torch.cat([taps[name].flatten(2).double().mean(2) for name in names], 1)
    torch.testing.assert_close(embed(x), expected, rtol=SINGLE_FEW, atol=SINGLE)


def test_trained_features_are_the_channel_means_of_one_layer_that_no_loss_compares(trained):
    x = images(3)
    with torch.no_grad():
        taps = Lite0Features(("expand4",))(x.float() / 127.5 - 1)
    assert "expand4" not in Lite0Features().perceptual_layers
    expected = taps["expand4"].flatten(2).double().mean(2)
    torch.testing.assert_close(trained(x), expected, rtol=SINGLE_FEW, atol=SINGLE)
    assert trained(x).shape == (3, 240)


def test_only_inception_has_the_names_fid_and_kid(embed, trained):
    names = {
        trained: "EfficientNet-Lite0 features",
        embed: "random features (seed 0)",
        Embedding("random", seed=7): "random features (seed 7)",
    }
    for one, features in names.items():
        assert one.protocol["frechet"]["name"] == f"Frechet distance, {features}"
        assert one.protocol["kernel"]["name"] == f"Kernel distance, {features}"
        for told in one.protocol.values():
            assert "FID" not in str(told) and "KID" not in str(told)
            assert told["resize"].startswith("none") and "200 resamples" in told["interval"]
            assert told["dimensions"] == one(images(1)).shape[1]


def test_features_are_float64_and_spared_the_callers_autocast(embed):
    x = images(2)
    expected = embed(x)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(embed(x), expected)
    assert expected.dtype == torch.float64 and not expected.requires_grad


def test_features_are_computed_without_tf32_and_the_callers_setting_returns(embed, monkeypatch):
    cudnn, seen = torch.backends.cudnn, []
    holder, switch, exact = (
        (cudnn.conv, "fp32_precision", "ieee")
        if hasattr(cudnn, "conv")
        else (cudnn, "allow_tf32", False)
    )
    before = getattr(holder, switch)
    monkeypatch.setattr(embed, "_network", lambda x: seen.append(getattr(holder, switch)))
    embed(images(1))
    assert seen == [exact] and getattr(holder, switch) == before != exact


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (torch.rand(2, 3, 32, 32), "torch.float32"),
        (torch.zeros(2, 1, 32, 32, dtype=torch.uint8), "expected torch.uint8 of shape"),
        (torch.zeros(3, 32, 32, dtype=torch.uint8), "expected torch.uint8 of shape"),
        (torch.zeros(2, 3, 15, 32, dtype=torch.uint8), "at least 16 px"),
    ],
)
def test_images_of_another_kind_are_refused(embed, bad, message):
    with pytest.raises(InputError, match=message):
        embed(bad)


def test_unknown_features_are_refused():
    with pytest.raises(InputError, match="inception"):
        Embedding("clip")


def test_inception_without_a_network_names_the_file_and_the_way_out(tmp_path, monkeypatch):
    def offline(*args, **kwargs):
        raise urllib.error.URLError("no route to host")

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", offline)
    (tmp_path / "checkpoints").mkdir()  # of other networks
    with pytest.raises(InputError) as caught:
        Embedding("inception")
    message = str(caught.value)
    assert "features='efficientnet-lite0'" in message and "not FID" in message
    assert "no route to host" in message
    assert str(tmp_path / "checkpoints" / "weights-inception-2015-12-05-6726825d.pth") in message


def test_damaged_inception_weights_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    path = tmp_path / "checkpoints" / "weights-inception-2015-12-05-6726825d.pth"
    path.parent.mkdir()
    path.write_bytes(b"half a download")
    with pytest.raises(InputError, match="damaged.*Delete"):
        Embedding("inception")


@pytest.fixture(scope="module")
def inception(tmp_path_factory):
    """Features of Inception with random weights, and torch-fidelity's own network."""
    path = tmp_path_factory.mktemp("weights") / "inception.pth"
    with pytest.MonkeyPatch.context() as patch, torch.random.fork_rng():
        torch.manual_seed(0)
        patch.setattr(fidelity, "load_state_dict_from_url", lambda *a, **k: {})
        load = fidelity.FeatureExtractorInceptionV3.load_state_dict
        patch.setattr(fidelity.FeatureExtractorInceptionV3, "load_state_dict", lambda *a: None)
        original = fidelity.FeatureExtractorInceptionV3("inception-v3-compat", ["2048"])
        torch.save(original.state_dict(), path)
        patch.setattr(fidelity.FeatureExtractorInceptionV3, "load_state_dict", load)
        patch.setattr(embedding, "inception_weights", lambda: path)
        return Embedding("inception"), original


def test_inception_features_are_those_of_the_original_fid(inception):
    embed, original = inception
    x = images(2, size=40)
    features = embed(x)
    assert [told["name"] for told in embed.protocol.values()] == ["FID", "KID"]
    assert features.dtype == torch.float64
    assert features.shape == (2, embed.protocol["frechet"]["dimensions"])
    torch.testing.assert_close(features, original(x)[0].double(), rtol=SINGLE_SUM, atol=SINGLE)


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
    embed, _ = inception
    x, seen = images(1, size=size), []
    first = embed._network.network.Conv2d_1a_3x3
    handle = first.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    embed(x)
    handle.remove()
    resized = tensorflow_resize(x[0].permute(1, 2, 0).double().numpy(), 299)
    expected = torch.from_numpy((resized - 128) / 128).permute(2, 0, 1)
    torch.testing.assert_close(seen[0][0].double(), expected, rtol=0, atol=SINGLE_NET)
    assert "299 x 299" in embed.protocol["frechet"]["resize"]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("features", ["random", "efficientnet-lite0"])
def test_cpu_and_gpu_agree(features):
    x, cpu, cuda = images(8), Embedding(features), Embedding(features, device="cuda")
    torch.testing.assert_close(cuda(x).cpu(), cpu(x), rtol=SINGLE_SUM, atol=SINGLE_SUM)
