"""The smooth surface as a graph of ONNX, node by node.

PyTorch's exporter follows sizes as formulas; halving any size twelve times, with some sixty sweeps
between, takes it minutes. Here the exporter sees one operation, and what it stands for is said
directly. `aotgan.models.surface` is the definition, and says why.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from aotgan.models.surface import LEVELS, STEPS, smooth_surface

FLOAT = 1  # ONNX's number of float32
NEIGHBOURS = np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]], np.float32) / 4


@torch.library.custom_op("aotgan::smooth_surface", mutates_args=())
def surface_operation(image: Tensor, mask: Tensor) -> Tensor:
    """`smooth_surface` as one operation that the exporter does not look into."""
    return smooth_surface(image, mask)


@surface_operation.register_fake
def _shape_alone(image: Tensor, mask: Tensor) -> Tensor:
    return torch.empty_like(image)


def surface_graph(image: Any, mask: Any) -> Any:
    """Adds the nodes of `smooth_surface` to the graph that is being built, and returns the result.

    Args:
        image: value of the graph, float32 (B, 3, H, W).
        mask: value of the graph, float32 (B, 1, H, W).
    """
    from onnxscript import opset18 as op  # of the extra "onnx"

    zero = op.Constant(value_float=0.0)
    hole = op.Greater(mask, zero)
    pyramid = [(op.Where(hole, zero, image), op.Cast(op.Not(hole), to=FLOAT))]
    for _ in range(LEVELS):
        pyramid.append(tuple(_halved(op, x) for x in pyramid[-1]))
    # zeros of a shape that is known only when the graph runs
    surface = op.Mul(pyramid[-1][0], zero)
    for sums, share in reversed(pyramid[:-1]):
        unknown = op.Equal(share, zero)
        free = op.Cast(unknown, to=FLOAT)
        # a share of 0 becomes 1, as nothing is divided by 0
        mean = op.Div(sums, op.Add(share, free))
        surface = _relaxed(op, op.Where(unknown, _doubled(op, surface, share), mean), free)
    low, high = (op.Constant(value_float=end) for end in (-1.0, 1.0))
    return op.Where(hole, op.Clip(surface, low, high), image)


def _halved(op: Any, x: Any) -> Any:
    return op.AveragePool(x, kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1)


def _doubled(op: Any, x: Any, like: Any) -> Any:
    """`x` at twice the size, or one less where `like` has an odd side."""
    scales = op.Constant(value_floats=[1.0, 1.0, 2.0, 2.0])
    twice = op.Resize(
        x, None, scales, None, mode="linear", coordinate_transformation_mode="half_pixel"
    )
    first, axes = (op.Constant(value_ints=ints) for ints in ([0, 0], [2, 3]))
    return op.Slice(twice, first, op.Shape(like, start=2), axes)


def _relaxed(op: Any, x: Any, free: Any) -> Any:
    around = op.Constant(value_ints=[0, 0, 1, 1, 0, 0, 1, 1])
    kernel = op.Reshape(
        op.Constant(value_floats=np.tile(NEIGHBOURS.ravel(), 3).tolist()),
        op.Constant(value_ints=[3, 1, 3, 3]),
    )
    for step in STEPS:
        mean = op.Conv(op.Pad(x, around, mode="edge"), kernel, group=3)
        move = op.Mul(free, op.Constant(value_float=step))
        x = op.Add(x, op.Mul(move, op.Sub(mean, x)))
    return x
