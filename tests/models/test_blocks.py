"""AOT block and residual connections against Eq. 1, Fig. 3 and the released code, in float64."""

import shutil

import numpy as np
import pytest
import torch
from tolerances import DOUBLE, FEW_BITS, LAST_BITS, SINGLE
from torch import nn
from torch.autograd import gradcheck
from torch.func import functional_call
from torch.utils.flop_counter import FlopCounterMode

from aotgan import InputError
from aotgan.models.blocks import (
    GATES,
    RESIDUALS,
    AOTBlock,
    GatedResidual,
    ResidualBlock,
    branch_widths,
    normalised_gate,
)
from aotgan.models.discriminator import receptive_field

RATES = [(1,), (2,), (1, 2), (1, 2, 4), (1, 2, 4, 8), (3, 1, 5, 2, 7)]
MERGES = [(residual, gate) for residual in RESIDUALS for gate in GATES]
MERGE_NAMES = ["-".join(merge) for merge in MERGES]


def randomised(module, scale=0.3):
    """Weights large enough that gates open and close and every branch counts; float64."""
    module.double()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_(0, scale)
    return module.eval()


# The reference: numpy, one image at a time, none of the operations under test.


def np_conv(x, weight, bias, rate=1):
    """3x3 convolution of (C, H, W), reflection at the border, by its definition."""
    height, width = x.shape[1:]
    padded = np.pad(x, [(0, 0), (rate, rate), (rate, rate)], mode="reflect")
    out = np.zeros((weight.shape[0], height, width)) + bias[:, None, None]
    for i in range(3):
        for j in range(3):
            tap = padded[:, i * rate : i * rate + height, j * rate : j * rate + width]
            out += np.einsum("oc,chw->ohw", weight[:, :, i, j], tap)
    return out


def np_sigmoid(x):
    return 1 / (1 + np.exp(-x))


def np_gate(logits, gate):
    if gate == "sigmoid":
        return np_sigmoid(logits)
    mean = logits.mean((1, 2), keepdims=True)
    std = logits.std((1, 2), ddof=1, keepdims=True) + 1e-9
    return np_sigmoid(5 * (2 * (logits - mean) / std - 1))


def np_merge(x1, x2, p, residual, gate):
    if residual == "identity":
        return x1 + x2
    weight, bias = p["merge.conv.weight"], p["merge.conv.bias"]
    if residual.startswith("concat1x1"):
        both = np.concatenate([x1, x2])
        mixed = np.einsum("oc,chw->ohw", weight[:, :, 0, 0], both) + bias[:, None, None]
        return x1 + mixed if residual == "concat1x1-added" else mixed
    if residual.startswith("gatedconv"):
        selected = x2 * np_sigmoid(np_conv(x1, weight, bias))
        return selected if residual == "gatedconv-only" else x1 + selected
    g = np_gate(np_conv(x1, weight, bias), gate)
    return x1 * (1 - g) + x2 * g if gate == "normalised" else x1 * g + x2 * (1 - g)


def np_block(x1, block, rates, residual, gate):
    p = {name: value.detach().numpy() for name, value in block.named_parameters()}
    views = [
        np.maximum(np_conv(x1, p[f"branches.{i}.weight"], p[f"branches.{i}.bias"], rate), 0)
        for i, rate in enumerate(rates)
    ]
    x2 = np_conv(np.concatenate(views), p["fuse.weight"], p["fuse.bias"])
    return np_merge(x1, x2, p, residual, gate)


@pytest.mark.parametrize("rates", RATES, ids=str)
@pytest.mark.parametrize(("residual", "gate"), MERGES, ids=MERGE_NAMES)
def test_block_equals_its_formula(rates, residual, gate):
    block = randomised(AOTBlock(6, rates, residual, gate))
    x = torch.randn(2, 6, 11, 14, dtype=torch.float64)
    expected = np.stack([np_block(one.numpy(), block, rates, residual, gate) for one in x])
    error = np.abs(block(x).detach().numpy() - expected).max()
    assert error <= DOUBLE * np.abs(expected).max()


@pytest.mark.parametrize("gate", GATES)
def test_linear_interpolation_is_eq_1_and_the_released_line(gate):
    merge = randomised(GatedResidual(4, gate))
    x1, x2 = torch.randn(2, 3, 4, 9, 7, dtype=torch.float64)
    g = merge.gate_map(x1)
    literal = x1 * g + x2 * (1 - g) if gate == "sigmoid" else x1 * (1 - g) + x2 * g
    torch.testing.assert_close(merge(x1, x2), literal, rtol=0, atol=LAST_BITS)
    update = merge.update_map(x1)
    torch.testing.assert_close(merge(x1, x2), x1 + update * (x2 - x1), rtol=0, atol=LAST_BITS)


def test_an_open_gate_keeps_the_input_in_the_paper_and_replaces_it_in_the_released_code():
    x1, x2 = torch.randn(2, 1, 4, 9, 7, dtype=torch.float64)
    paper = randomised(GatedResidual(4, "sigmoid"))
    nn.init.constant_(paper.conv.bias, 1000.0)
    assert torch.equal(paper(x1, x2), x1)
    released = randomised(GatedResidual(4, "normalised"))
    changed = (released(x1, x2) - x1).abs() > 0.5 * (x2 - x1).abs()
    assert torch.equal(changed, released.gate_map(x1) > 0.5)


@pytest.mark.parametrize(
    ("branches", "widths"),
    [(1, [256]), (2, [128, 128]), (3, [86, 85, 85]), (4, [64] * 4), (5, [52, 51, 51, 51, 51])],
)
def test_the_256_channels_are_split_over_any_number_of_branches(branches, widths):
    assert branch_widths(256, branches) == widths
    rates = range(1, branches + 1)
    block = AOTBlock(256, rates)
    assert [branch.out_channels for branch in block.branches] == widths
    assert [branch.dilation for branch in block.branches] == [(r, r) for r in rates]


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


def flops(module):
    with FlopCounterMode(display=False) as counter:
        module(torch.zeros(1, 256, 9, 10))
    return counter.get_total_flops()


@pytest.mark.parametrize("rates", RATES, ids=str)
def test_splitting_adds_no_parameter_and_no_arithmetic_to_a_residual_block(rates):
    split, plain = AOTBlock(256, rates, residual="identity"), ResidualBlock(256)
    assert count(split) == count(plain) == 2 * (256 * 256 * 9 + 256)
    assert flops(split) == flops(plain) == 2 * 2 * 256 * 256 * 9 * 9 * 10


@pytest.mark.parametrize(
    ("residual", "extra"),
    [
        ("identity", 0),
        ("gated", 256 * 256 * 9 + 256),
        ("gatedconv", 256 * 256 * 9 + 256),
        ("concat1x1", 512 * 256 + 256),
    ],
)
def test_parameters_of_each_connection(residual, extra):
    assert count(AOTBlock(256, residual=residual)) == count(ResidualBlock(256)) + extra


def test_residual_block_equals_its_formula():
    block = randomised(ResidualBlock(4, rate=2))
    p = {name: value.detach().numpy() for name, value in block.named_parameters()}
    x = torch.randn(1, 4, 9, 8, dtype=torch.float64)
    hidden = np.maximum(np_conv(x[0].numpy(), p["dilated.weight"], p["dilated.bias"], 2), 0)
    expected = x[0].numpy() + np_conv(hidden, p["conv.weight"], p["conv.bias"])
    np.testing.assert_allclose(block(x)[0].detach().numpy(), expected, rtol=0, atol=DOUBLE)


@pytest.mark.parametrize(("residual", "gate"), MERGES, ids=MERGE_NAMES)
def test_gradients(residual, gate):
    block = randomised(AOTBlock(2, (1, 2), residual, gate))
    names, values = zip(*block.named_parameters(), strict=True)
    x = torch.randn(1, 2, 4, 5, dtype=torch.float64, requires_grad=True)

    def of_input_and_weights(x, *values):
        return functional_call(block, dict(zip(names, values, strict=True)), (x,))

    assert gradcheck(of_input_and_weights, (x, *values))


def test_normalised_gate_opens_at_half_a_standard_deviation():
    logits = 3 + 7 * torch.randn(2, 3, 256, 256, dtype=torch.float64)
    g = normalised_gate(logits)
    assert torch.equal(
        g > 0.5, logits > (logits.mean((2, 3)) + logits.std((2, 3)) / 2)[..., None, None]
    )
    assert abs((g > 0.5).double().mean().item() - 0.3085) < 0.005  # P(z > 0.5), normal z
    torch.testing.assert_close(normalised_gate(5 * logits - 2), g, rtol=0, atol=SINGLE)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_gate_statistics_are_computed_in_float32(dtype):
    logits = (20 + torch.randn(1, 4, 64, 64)).to(dtype)
    gate = normalised_gate(logits)
    assert gate.dtype == dtype
    assert torch.equal(gate, normalised_gate(logits.double()).float().to(dtype))


@pytest.mark.parametrize(("residual", "gate"), MERGES, ids=MERGE_NAMES)
def test_autocast_agrees_with_float32(residual, gate):
    block = randomised(AOTBlock(8, residual=residual, gate=gate), scale=0.1).float()
    x = torch.randn(2, 8, 16, 16)
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = block(x)  # x1 is float32 here, the convolutions' results are bfloat16
    expected = block(x)
    error = (mixed.float() - expected).norm() / expected.norm()
    assert error < 0.01  # bfloat16 rounds by up to 0.004


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler")
def test_compiled_code_agrees():
    block = randomised(AOTBlock(4, (1, 2), gate="normalised"))
    x = torch.randn(1, 4, 10, 9, dtype=torch.float64)
    with torch.no_grad():
        compiled = torch.compile(block, fullgraph=True)(x)
        torch.testing.assert_close(compiled, block(x), rtol=0, atol=DOUBLE)


@pytest.mark.parametrize("gate", GATES)
def test_layout_in_memory_changes_nothing_and_is_kept(gate):
    block = randomised(AOTBlock(8, gate=gate))
    x = torch.randn(2, 8, 12, 16, dtype=torch.float64)
    expected = block(x)
    block.to(memory_format=torch.channels_last)
    last = block(x.to(memory_format=torch.channels_last))
    torch.testing.assert_close(last, expected, rtol=0, atol=FEW_BITS)
    assert last.is_contiguous(memory_format=torch.channels_last)


def reach(module, side):
    """How far from a central output position the gradient reaches, rows and columns."""
    module.double()
    with torch.no_grad():
        for parameter in module.parameters():  # positive: no ReLU closes, no path cancels
            fan_in = parameter[0].numel() if parameter.ndim == 4 else parameter.numel()
            parameter.uniform_(0.5 / fan_in, 1 / fan_in)
    x = torch.rand(1, 6, side, side, dtype=torch.float64, requires_grad=True)
    centre = side // 2
    module(x)[0, :, centre, centre].sum().backward()
    seen = (x.grad[0] != 0).any(0).nonzero()
    assert (seen.amax(0) - centre).tolist() == (centre - seen.amin(0)).tolist()
    return (centre - seen.amin(0)).tolist()


@pytest.mark.parametrize("rates", RATES, ids=str)
@pytest.mark.parametrize("residual", RESIDUALS)
def test_rates_determine_what_a_block_sees(rates, residual):
    expected = max(rates) + 1
    assert reach(AOTBlock(6, rates, residual), 4 * expected) == [expected, expected]
    assert receptive_field([(3, 1, max(rates)), (3, 1)]) == 2 * expected + 1


def test_the_papers_stack_sees_145_positions():
    stack = nn.Sequential(*(AOTBlock(6) for _ in range(8)))
    assert reach(stack, 160) == [72, 72]
    assert receptive_field([(3, 1, 8), (3, 1)] * 8) == 145


def test_the_released_gate_sees_the_whole_image():
    block = AOTBlock(4, (1,), gate="normalised").double()
    x = torch.randn(1, 4, 32, 32, dtype=torch.float64, requires_grad=True)
    block(x)[0, :, 16, 16].sum().backward()
    assert (x.grad != 0).any(1).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"residual": "none"}, "residual='none': choose one of identity, gated, gatedconv"),
        ({"gate": "tanh"}, "gate='tanh': choose one of sigmoid, normalised"),
        ({"rates": ()}, "0 dilation rates for 8 channels"),
        ({"rates": range(1, 10)}, "9 dilation rates for 8 channels: give between 1 and 8"),
        ({"rates": (1, 0)}, r"\[1, 0\]: each must be an integer of at least 1"),
        ({"rates": (1, 2.0)}, r"\[1, 2.0\]: each must be an integer"),
        ({"rates": "1248"}, "each must be an integer"),
    ],
)
def test_bad_options_are_named(options, message):
    with pytest.raises(InputError, match=message):
        AOTBlock(8, **options)
