"""VGG-16's poolings equal torchvision's; raw images reach a VGG as they are."""

import pytest
import torch
from tolerances import SINGLE_NET, TENTH
from torch import nn
from torchvision.models import VGG16_Weights
from torchvision.models.vgg import cfgs, make_layers
from torchvision.transforms import Normalize

from aotgan.errors import InputError
from aotgan.losses import VGG19Features
from aotgan.losses.vgg16 import POOLS, VGG16Features

POOL_INDEX = {"pool1": 4, "pool2": 9, "pool3": 16}  # in torchvision's vgg16().features, by hand


@pytest.fixture(scope="module")
def torchvision_layers():
    torch.manual_seed(0)
    layers = make_layers(cfgs["D"])[:17]
    for layer in layers:
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight)
            nn.init.normal_(layer.bias, std=0.1)
    return layers


@pytest.fixture
def download(monkeypatch, torchvision_layers):
    state = {f"features.{k}": v.clone() for k, v in torchvision_layers.state_dict().items()}
    monkeypatch.setattr(VGG16_Weights, "get_state_dict", lambda self, **kwargs: state)


@pytest.mark.parametrize("raw", [False, True])
def test_poolings_equal_torchvision(download, torchvision_layers, raw):
    images = torch.rand(2, 3, 32, 48) * 2 - 1
    x = (images + 1) / 2
    if not raw:
        x = Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])(x)
    expected = []
    with torch.no_grad():
        for layer in torchvision_layers:
            x = layer(x.clone())  # torchvision's ReLUs overwrite their input
            expected.append(x)
    network = VGG16Features(raw=raw)
    assert network.name == ("vgg16-imagenet-raw" if raw else "vgg16-imagenet")
    taps = network(images)
    assert tuple(taps) == POOLS == tuple(POOL_INDEX)
    for name, tap in taps.items():
        torch.testing.assert_close(
            tap, expected[POOL_INDEX[name]], rtol=SINGLE_NET, atol=SINGLE_NET
        )


def test_random_networks_of_equal_seed_share_their_first_layers():
    """Both are drawn layer by layer from one stream, and up to relu3_3 they have equal layers."""
    small, large = VGG16Features("random", 4, seed=2), VGG19Features("random", 4, seed=2)
    assert small.name == "random-vgg16-4-seed2"
    assert len(small.convs) == 7
    for name, conv in small.convs.items():
        assert torch.equal(conv.weight, large.convs[name].weight)
    images = torch.rand(1, 3, 16, 24) * 2 - 1
    assert small(images)["pool3"].shape == (1, 16, 2, 3)


def test_raw_images_are_those_of_zero_to_one():
    plain, raw = VGG19Features("random", 4), VGG19Features("random", 4, raw=True)
    images = torch.rand(1, 3, 16, 16) * 2 - 1
    assert raw.name == "random-4-seed0-raw"
    torch.testing.assert_close(raw.prepare(images), (images + 1) / 2)
    assert not torch.allclose(plain.prepare(images), (images + 1) / 2, atol=TENTH)


def test_gradient_reaches_the_image_and_not_the_weights():
    network = VGG16Features("random", 2).double()
    image = (torch.rand(1, 3, 16, 16, dtype=torch.float64) * 2 - 1).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: tuple(network(x).values()), image, fast_mode=True)
    assert all(not p.requires_grad and p.grad is None for p in network.parameters())


def test_images_that_do_not_fit_are_refused():
    with pytest.raises(InputError, match="at least 16"):
        VGG16Features("random", 2)(torch.zeros(1, 3, 15, 32))
    with pytest.raises(InputError, match="leave it at 64"):
        VGG16Features("imagenet", 2)
