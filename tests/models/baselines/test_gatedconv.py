"""GatedConv against a plain walk through the published table of layers."""

import pytest
import torch
from tolerances import ROUNDED, SINGLE_NET
from two_stage_reference import example, parameters, plain

from aotgan.errors import InputError
from aotgan.models.baselines.gatedconv import GatedConv
from aotgan.models.registry import build


def gated(y, f):
    half = y.shape[1] // 2
    return f(y[:, :half]) / (1 + torch.exp(-y[:, half:]))


def strong(model):
    """With weights that do not fade and with biases."""
    for p in model.parameters():
        torch.nn.init.normal_(p, 0, 0.3)
    return model


@pytest.mark.parametrize(
    ("width", "count", "millions"),
    [(48, 4_052_478, 4.05), (24, 1_017_954, 1.02), (12, 256_908, 0.26)],
)
def test_size_is_the_published_one(width, count, millions):
    assert parameters(GatedConv(width)) == count
    assert round(count / 1e6, 2) == millions


def test_the_prediction_is_that_of_the_table():
    model = strong(GatedConv(4).double())
    image, mask = (x.double() for x in example())
    made = model.stages(image, mask)
    coarse, refined = plain(model, image, mask, gated, torch.tanh, False)
    torch.testing.assert_close(made.coarse, coarse)
    torch.testing.assert_close(made.refined, refined)
    torch.testing.assert_close(model(image, mask), refined)
    assert coarse.std() > 0.05 and refined.std() > 0.05


def test_every_weight_has_a_gradient():
    model = strong(GatedConv(8))
    made = model.stages(*example())
    (made.coarse.square().sum() + made.refined.square().sum()).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
    assert all((p.grad != 0).any() for p in model.parameters())


def test_a_batch_is_its_images():
    model = strong(GatedConv(4))
    image, mask = example(batch=3)
    alone = [model(image[i : i + 1], mask[i : i + 1]) for i in range(3)]
    torch.testing.assert_close(model(image, mask), torch.cat(alone), atol=SINGLE_NET, rtol=ROUNDED)


@pytest.mark.parametrize("size", [8, 64, 128])
def test_sizes(size):
    image, mask = example((size, size), 1)
    with torch.no_grad():
        assert GatedConv(4)(image, mask).shape == image.shape


@pytest.mark.parametrize("width", [0, -4, 6])
def test_a_width_that_cannot_be_quartered_is_refused(width):
    with pytest.raises(InputError, match="multiple of 4"):
        GatedConv(width)


def test_config_builds_the_same_network():
    again = build(GatedConv(4).config)
    assert isinstance(again, GatedConv) and parameters(again) == parameters(GatedConv(4))
