"""3x3 convolutions of stride 1 on the CPU, several times as fast as PyTorch's (see `kernels`).

Drop-ins for `nn.Conv2d` and for the split of an AOT block. Where the fast path cannot run,
PyTorch's own convolutions do: another device or type, autocast, a graph that is being traced or
counted, layers with hooks or parametrised weights, few positions, no numba, or `AOTGAN_WINOGRAD=0`
in the environment (`winograd(False)` inside a program). Both paths have the same parameters, and
results that differ by rounding.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrize import is_parametrized
from torch.utils._python_dispatch import _get_current_dispatch_mode

SWITCH = "AOTGAN_WINOGRAD"
MULTIPLE = 16  # channels that the kernels take at a time
FEWEST, SMALLEST = 8, 256  # channels, and positions of a batch; with fewer PyTorch is faster
MODES = ("reflect", "zeros")

_installed = find_spec("numba") is not None
_enabled = _installed and os.environ.get(SWITCH, "1") != "0"


@contextmanager
def winograd(enabled: bool) -> Iterator[None]:
    """Turns the fast path on, where numba is installed, or off for a while."""
    global _enabled
    before, _enabled = _enabled, enabled and _installed
    try:
        yield
    finally:
        _enabled = before


class Conv2d(nn.Conv2d):
    """`nn.Conv2d`; fast where it is 3x3, of stride 1, and padded to keep the size."""

    def forward(self, x: Tensor) -> Tensor:
        """Maps (B, C, H, W) to (B, K, H', W')."""
        if not _can_run([self], x):
            return super().forward(x)
        outputs = self.out_channels
        more_in, more_out = -self.in_channels % MULTIPLE, -outputs % MULTIPLE
        weight, bias = self.weight, self.bias
        if more_in or more_out:
            x = F.pad(x, (0, 0, 0, 0, 0, more_in))
            weight = F.pad(weight, (0, 0, 0, 0, 0, more_in, 0, more_out))
            bias = None if bias is None else F.pad(bias, (0, more_out))
        y = _convolve(self, x, [(self.dilation[0], outputs + more_out, 0)], False, weight, bias)[0]
        return y[:, :outputs] if more_out else y


def split(
    x: Tensor, branches: Iterable[nn.Module], beside: nn.Conv2d | None = None
) -> tuple[Tensor, Tensor | None]:
    """Several convolutions of one input.

    Args:
        x: (B, C, H, W).
        branches: layers that a ReLU follows.
        beside: another layer, which shares the transformed input with a branch of its dilation.

    Returns:
        The branches' outputs, concatenated, (B, sum of K, H, W), and the other layer's output.
    """
    layers = [cast(nn.Conv2d, branch) for branch in branches]
    every = [*layers, *([] if beside is None else [beside])]
    if not (_alike(every) and _can_run(every, x)):
        views = torch.cat([F.relu(layer(x)) for layer in layers], dim=1)
        return views, None if beside is None else beside(x)
    banks, order, rest = [], [], beside
    for layer in layers:
        order.append(layer)
        shared = 0
        if rest is not None and rest.dilation == layer.dilation:
            order.append(rest)
            shared, rest = rest.out_channels, None
        banks.append((layer.dilation[0], layer.out_channels, shared))
    if rest is not None:
        order.append(rest)
        banks.append((rest.dilation[0], 0, rest.out_channels))
    parameters = [value for layer in order for value in (layer.weight, layer.bias)]
    views, other = _convolve(layers[0], x, banks, True, *parameters)
    return views, None if beside is None else other


def _convolve(
    layer: nn.Conv2d,
    x: Tensor,
    banks: Sequence[tuple[int, int, int]],
    relu: bool,
    *parameters: Tensor | None,
) -> tuple[Tensor, Tensor]:
    from aotgan.winograd.function import Bank, Convolutions  # numba takes a second to import

    reflect = layer.padding_mode == "reflect"
    last = x.permute(0, 2, 3, 1).contiguous()
    y, y2 = Convolutions.apply(last, tuple(map(Bank._make, banks)), reflect, relu, *parameters)
    return y.permute(0, 3, 1, 2), y2.permute(0, 3, 1, 2)


def _alike(layers: Sequence[nn.Conv2d]) -> bool:
    """Whether layers of one input can be computed at once, without padding their channels."""
    channels = {count for layer in layers for count in (layer.in_channels, layer.out_channels)}
    modes = {layer.padding_mode for layer in layers}
    return len(modes) == 1 and not any(count % MULTIPLE for count in channels)


def _can_run(layers: Sequence[nn.Conv2d], x: Tensor) -> bool:
    """Whether the kernels compute these layers, with this input, here and now."""
    return (
        _enabled
        and type(x) is Tensor
        and x.device.type == "cpu"
        and x.dtype == torch.float32
        and x.ndim == 4
        and x[:, 0].numel() >= SMALLEST
        and not torch.is_autocast_enabled("cpu")
        and not torch.compiler.is_compiling()
        and _get_current_dispatch_mode() is None
        and all(_is_covered(layer, x) for layer in layers)
    )


def _is_covered(layer: nn.Conv2d, x: Tensor) -> bool:
    rate = layer.dilation[0]
    return (
        layer.kernel_size == (3, 3)
        and layer.stride == (1, 1)
        and layer.dilation == layer.padding == (rate, rate)
        and layer.groups == 1
        and layer.padding_mode in MODES
        and min(layer.in_channels, layer.out_channels) >= FEWEST
        and not is_parametrized(layer)  # reading such a weight may change it
        and layer.weight.dtype == torch.float32
        and x.shape[1] == layer.in_channels
        and min(x.shape[2:]) > rate  # else reflection has nothing to show
        and not (layer._forward_hooks or layer._forward_pre_hooks)
    )
