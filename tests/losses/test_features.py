"""VGG-19 taps equal torchvision's own layers; the random network is seeded and normalised."""

import urllib.error
import urllib.request

import pytest
import torch
from tolerances import SINGLE_NET, SINGLE_SUM, TWO_PERCENT
from torch import nn
from torchvision.models import VGG19_Weights
from torchvision.models.vgg import cfgs, make_layers
from torchvision.transforms import Normalize

from aotgan.errors import InputError
from aotgan.losses import PERCEPTUAL_LAYERS, STYLE_LAYERS, VGG19Features
from aotgan.losses.features import calibration_images

# positions of the ReLUs in torchvision's vgg19().features, counted by hand
RELU_INDEX = {
    "relu1_1": 1,
    "relu2_1": 6,
    "relu2_2": 8,
    "relu3_1": 11,
    "relu3_4": 17,
    "relu4_1": 20,
    "relu4_4": 26,
    "relu5_1": 29,
    "relu5_2": 31,
}


@pytest.fixture(scope="module")
def torchvision_layers():
    torch.manual_seed(0)
    layers = make_layers(cfgs["E"])
    for layer in layers:
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight)
            nn.init.normal_(layer.bias, std=0.1)
    return layers


@pytest.fixture
def trained(monkeypatch, torchvision_layers):
    """VGG19Features("imagenet") whose downloaded weights are those of `torchvision_layers`."""
    state = {f"features.{k}": v.clone() for k, v in torchvision_layers.state_dict().items()}
    monkeypatch.setattr(VGG19_Weights, "get_state_dict", lambda self, **kwargs: state)
    return VGG19Features()


@pytest.fixture(scope="module")
def random():
    return VGG19Features("random", width=8)


def test_taps_equal_torchvision(trained, torchvision_layers):
    images = torch.rand(2, 3, 32, 48) * 2 - 1
    x = Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])((images + 1) / 2)
    expected = []
    with torch.no_grad():
        for layer in torchvision_layers:
            x = layer(x.clone())  # torchvision's ReLUs overwrite their input
            expected.append(x)
    taps = trained(images)
    assert set(taps) == set(PERCEPTUAL_LAYERS) | set(STYLE_LAYERS) == set(RELU_INDEX)
    for name, tap in taps.items():
        torch.testing.assert_close(
            tap, expected[RELU_INDEX[name]].clamp_min(0), rtol=SINGLE_NET, atol=SINGLE_NET
        )


def test_shapes_and_names(trained, random):
    assert trained.name == "vgg19-imagenet"
    assert random.name == "random-8-seed0"
    taps = random(torch.zeros(1, 3, 48, 32))
    assert taps["relu1_1"].shape == (1, 8, 48, 32)
    assert taps["relu3_4"].shape == (1, 32, 12, 8)
    assert taps["relu5_2"].shape == (1, 64, 3, 2)
    assert trained(torch.zeros(1, 3, 16, 16))["relu5_2"].shape == (1, 512, 1, 1)


@pytest.mark.parametrize("seed", [0, 1])
def test_random_taps_have_unit_second_moment(seed):
    net = VGG19Features("random", width=16, seed=seed)
    for name, tap in net(calibration_images(seed)).items():
        assert tap.square().mean().item() == pytest.approx(1, abs=TWO_PERCENT), name


def test_random_taps_stay_near_unit_on_other_images(random):
    for name, tap in random(calibration_images(99)).items():
        assert 0.5 < tap.square().mean().item() < 2, name


def test_calibration_images_have_a_photograph_like_spectrum():
    images = calibration_images(0)
    assert images.shape == (4, 3, 128, 128)
    assert images.abs().max() <= 1
    power = torch.fft.fft2(images).abs().square().mean((0, 1))[0]  # along the x axis
    low, high = power[4:8].mean(), power[16:32].mean()
    assert 8 < (low / high).item() < 32  # 1 / f amplitude: four times the frequency, 1/16


def test_random_network_is_a_function_of_its_seed():
    first, again, other = (VGG19Features("random", width=8, seed=s) for s in (3, 3, 4))
    for a, b in zip(first.parameters(), again.parameters(), strict=True):
        assert torch.equal(a, b)
    assert not torch.equal(first.convs["relu1_1"].weight, other.convs["relu1_1"].weight)


def test_random_network_does_not_depend_on_the_thread_count(random):
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(2 if threads == 1 else 1)
        other = VGG19Features("random", width=8)
    finally:
        torch.set_num_threads(threads)
    for a, b in zip(random.parameters(), other.parameters(), strict=True):
        assert torch.equal(a, b)


def test_construction_leaves_the_global_seed_alone(trained):
    before = torch.random.get_rng_state()
    VGG19Features("random", width=4)
    VGG19Features()
    assert torch.equal(before, torch.random.get_rng_state())


def test_gradient_reaches_the_image_and_not_the_weights(random):
    image = calibration_images(0)[:1, :, :32, :32].clone().requires_grad_()
    sum(tap.mean() for tap in random(image).values()).backward()
    assert image.grad.abs().sum() > 0
    assert all(not p.requires_grad and p.grad is None for p in random.parameters())


def test_gradient_is_right_with_in_place_relu():
    net = VGG19Features("random", width=2).double()
    image = calibration_images(5)[:1, :, :16, :16].double().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: tuple(net(x).values()), image, fast_mode=True)


def test_channels_last_gives_the_same_taps(random):
    image = calibration_images(0)[:, :, :32, :32]
    last = VGG19Features("random", width=8).to(memory_format=torch.channels_last)
    for name, tap in last(image.contiguous(memory_format=torch.channels_last)).items():
        torch.testing.assert_close(tap, random(image)[name], rtol=SINGLE_NET, atol=SINGLE_SUM)


def test_missing_download_is_a_named_error(monkeypatch, tmp_path):
    def offline(*args, **kwargs):
        raise urllib.error.URLError("no network")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(urllib.request, "urlopen", offline)
    monkeypatch.setattr(torch.hub, "urlopen", offline)
    with pytest.raises(InputError, match='features="random"') as caught:
        VGG19Features()
    assert str(tmp_path / "hub" / "checkpoints" / "vgg19-dcbb9e9d.pth") in str(caught.value)


def test_damaged_download_is_a_named_error(monkeypatch, tmp_path):
    path = tmp_path / "hub" / "checkpoints" / "vgg19-dcbb9e9d.pth"
    path.parent.mkdir(parents=True)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    for damage in (b"", b"not a checkpoint", b"PK\x03\x04 cut"):
        path.write_bytes(damage)
        with pytest.raises(InputError, match=r"vgg19-dcbb9e9d\.pth is damaged.*delete it"):
            VGG19Features()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"features": "resnet"}, "imagenet"),
        ({"features": "imagenet", "width": 16}, "leave it at 64"),
        ({"features": "random", "width": 0}, "width >= 1"),
        ({"features": "random", "seed": -1}, "seed >= 0"),
    ],
)
def test_networks_that_do_not_exist_are_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        VGG19Features(**arguments)


@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 1, 32, 32), (1, 3, 15, 32)])
def test_images_that_do_not_fit_are_refused(random, shape):
    with pytest.raises(InputError, match="at least 16"):
        random(torch.zeros(shape))
