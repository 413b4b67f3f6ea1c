"""The fast convolutions against PyTorch's in float64."""

import pytest
import torch
import torch.nn.functional as F
from tolerances import SINGLE_FEW
from torch import nn

from aotgan.winograd.convolution import Conv2d, split, winograd

pytest.importorskip("numba")
TOLERANCE = 5e-6  # relative; direct float32 convolutions reach 3e-7
CASES = [  # channels, outputs, height, width, batch
    (64, 64, 32, 36, 2),
    (3, 16, 33, 35, 1),
    (16, 32, 17, 20, 2),
    (64, 22, 20, 20, 3),
    (32, 8, 9, 31, 9),
    (256, 64, 17, 24, 1),
]


def relative(value, reference):
    return ((value.double() - reference).norm() / reference.norm()).item()


def layers(channels, outputs, rate=1, mode="reflect", bias=True):
    """The same layer in float32 by the fast path, and in float64 by PyTorch."""
    options = {"padding": rate, "dilation": rate, "padding_mode": mode, "bias": bias}
    fast = Conv2d(channels, outputs, 3, **options)
    slow = nn.Conv2d(channels, outputs, 3, dtype=torch.float64, **options)
    slow.load_state_dict({name: value.double() for name, value in fast.state_dict().items()})
    return fast, slow


@pytest.fixture
def calls(monkeypatch):
    """Counts the calls of the fast path."""
    from aotgan.winograd import function

    counted = []
    apply = function.Convolutions.apply
    monkeypatch.setattr(
        function.Convolutions, "apply", lambda *args: counted.append(1) or apply(*args)
    )
    return counted


@pytest.mark.parametrize("mode", ["reflect", "zeros"])
@pytest.mark.parametrize("rate", [1, 2, 4, 8])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_outputs_and_gradients_are_those_of_float64(case, rate, mode, calls, monkeypatch):
    channels, outputs, height, width, batch = case
    monkeypatch.setattr("aotgan.winograd.convolution.FEWEST", 3)
    fast, slow = layers(channels, outputs, rate, mode)
    x = torch.randn(batch, channels, height, width)
    ours, theirs = x.requires_grad_(), x.detach().double().requires_grad_()
    y, reference = fast(ours), slow(theirs)
    g = torch.randn_like(y)
    y.backward(g)
    reference.backward(g.double())
    assert calls
    assert relative(y, reference) < TOLERANCE
    assert relative(ours.grad, theirs.grad) < TOLERANCE
    assert relative(fast.weight.grad, slow.weight.grad) < TOLERANCE
    assert relative(fast.bias.grad, slow.bias.grad) < TOLERANCE


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_memory_layout_changes_no_bit(layout):
    fast, _ = layers(32, 48)
    x = torch.randn(2, 32, 20, 24)
    y = fast(x)
    fast.to(memory_format=layout)
    assert torch.equal(fast(x.contiguous(memory_format=layout)), y)
    fast(x).sum().backward()
    assert fast.weight.grad.is_contiguous(memory_format=layout)


def test_gradients_are_the_transposes_of_a_linear_map():
    """<g, f(x)> = <f^T g, x>, in x and in the weights."""
    fast, _ = layers(32, 16, rate=2, bias=False)
    x = torch.randn(2, 32, 21, 30, requires_grad=True)
    y = fast(x)
    g = torch.randn_like(y)
    y.backward(g)
    whole = (g.double() * y.double()).sum()
    size = g.double().norm() * y.double().norm()
    assert abs((x.grad.double() * x.double()).sum() - whole) < SINGLE_FEW * size
    assert abs((fast.weight.grad.double() * fast.weight.double()).sum() - whole) < SINGLE_FEW * size


@pytest.mark.parametrize("rates", [(1, 2, 4, 8), (2, 8), (1, 1)])
def test_a_split_is_its_convolutions(rates, calls):
    branches = [Conv2d(64, 32, 3, padding=r, dilation=r, padding_mode="reflect") for r in rates]
    beside = Conv2d(64, 64, 3, padding=1, padding_mode="reflect")
    x = torch.randn(2, 64, 24, 28, requires_grad=True)
    views, logits = split(x, branches, beside)
    assert calls == [1]
    assert torch.equal(logits, beside(x))
    for branch, view in zip(branches, views.chunk(len(rates), dim=1), strict=True):
        assert torch.equal(view, F.relu(branch(x)))

    g, g2 = torch.randn_like(views), torch.randn_like(logits)
    parameters = [x, *(p for layer in (*branches, beside) for p in layer.parameters())]
    ours = torch.autograd.grad([views, logits], parameters, [g, g2])
    apart = torch.cat([branch(x) for branch in branches], dim=1) * (views > 0)
    theirs = torch.autograd.grad([apart, beside(x)], parameters, [g, g2])
    for mine, other in zip(ours, theirs, strict=True):
        assert relative(mine, other.double()) < TOLERANCE


def test_a_split_that_the_kernels_do_not_cover_is_the_plain_one():
    branches = [Conv2d(64, 21, 3, padding=r, dilation=r, padding_mode="reflect") for r in (1, 2)]
    x = torch.randn(1, 64, 16, 16)
    views, nothing = split(x, branches)
    assert nothing is None
    assert torch.equal(views, torch.cat([F.relu(branch(x)) for branch in branches], dim=1))


@pytest.mark.parametrize("batch", [1, 5, 9])
def test_results_do_not_depend_on_the_number_of_threads(batch):
    fast, _ = layers(64, 48, rate=2)
    x = torch.randn(batch, 64, 36, 32, requires_grad=True)
    before, results = torch.get_num_threads(), []
    try:
        for threads in (1, 2, 5):
            torch.set_num_threads(threads)
            y = fast(x)
            results.append([y, *torch.autograd.grad(y.square().sum(), [x, *fast.parameters()])])
    finally:
        torch.set_num_threads(before)
    for other in results[1:]:
        assert all(map(torch.equal, results[0], other))


def test_gradients_that_nobody_wants_are_not_computed():
    fast, slow = layers(32, 32)
    fast.requires_grad_(False)
    x = torch.randn(1, 32, 20, 20, requires_grad=True)
    fast(x).sum().backward()
    assert fast.weight.grad is None
    y = x.detach().double().requires_grad_()
    slow(y).sum().backward()
    assert relative(x.grad, y.grad) < TOLERANCE

    fast.requires_grad_()
    still = x.detach()
    fast(still).sum().backward()
    slow.zero_grad()
    slow(still.double()).sum().backward()
    assert relative(fast.weight.grad, slow.weight.grad) < TOLERANCE
    assert still.grad is None


def test_an_image_too_small_for_its_reflection_is_refused_as_by_pytorch():
    fast, _ = layers(64, 64, rate=8)
    with pytest.raises(RuntimeError, match="[Pp]adding size should be less"):
        fast(torch.randn(8, 64, 8, 40))


def test_a_training_follows_the_plain_one_within_the_spread_of_rounding():
    from aotgan.models.generator import Generator

    def train(fast, nudge=0.0):
        torch.manual_seed(0)
        generator = Generator(width=16, blocks=2)
        with torch.no_grad():
            for parameter in generator.parameters():
                parameter += nudge * torch.randn_like(parameter)
        optimiser = torch.optim.Adam(generator.parameters(), 1e-4)
        data = torch.Generator().manual_seed(1)
        losses = []
        with winograd(fast):
            for _ in range(50):
                image = torch.rand(2, 3, 64, 64, generator=data) * 2 - 1
                mask = torch.zeros(2, 1, 64, 64)
                mask[..., 16:40, 20:44] = 1
                loss = (generator(image * (1 - mask), mask) - image).abs().mean()
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
                losses.append(loss.item())
        return torch.tensor(losses)

    plain, fast, nudged = train(False), train(True), train(False, nudge=1e-7)
    assert not torch.equal(plain, fast)
    assert (fast - plain).abs().max() < 10 * (nudged - plain).abs().max()
