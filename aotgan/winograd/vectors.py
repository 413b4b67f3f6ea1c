"""Vectors of eight float32 as a type of numba, so that kernels say which registers they mean.

Left to itself LLVM vectorises loops over channels badly: it cannot know that two slices of an array
do not overlap. These few operations map one to one to machine instructions (AVX2: one register;
NEON: two), need no compiler on the user's machine, and always multiply and add in one rounding, so
that results do not depend on the processor's width.
"""

import operator
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.imputils import lower_builtin
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import intrinsic, models, register_model

LANES = 8
_VECTOR = ir.VectorType(ir.FloatType(), LANES)


class Vector(types.Type):
    """Eight float32."""

    def __init__(self) -> None:
        super().__init__(name=f"float32x{LANES}")


@register_model(Vector)
class _Model(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: types.Type):
        super().__init__(manager, kind, _VECTOR)


vector = Vector()


def _define(operation: Callable, instruction: str) -> None:
    @infer_global(operation)
    class _Typing(AbstractTemplate):
        def generic(self, args: tuple, kws: dict) -> Any:
            return signature(vector, *args) if args == (vector, vector) else None

    @lower_builtin(operation, vector, vector)
    def _lower(context: Any, builder: Any, sig: Any, args: tuple) -> Any:
        return getattr(builder, instruction)(*args)


_define(operator.add, "fadd")
_define(operator.sub, "fsub")
_define(operator.mul, "fmul")


def _address(context: Any, builder: Any, sig: Any, args: tuple) -> Any:
    """Pointer to element args[1] of the flat array args[0]; negative positions do not wrap."""
    array = context.make_array(sig.args[0])(context, builder, args[0])
    return builder.gep(array.data, [args[1]])


def _spread(builder: Any, scalar: Any) -> Any:
    undefined = ir.Constant(_VECTOR, ir.Undefined)
    one = builder.insert_element(undefined, scalar, ir.Constant(ir.IntType(32), 0))
    zeros = ir.Constant(ir.VectorType(ir.IntType(32), LANES), None)
    return builder.shuffle_vector(one, undefined, zeros)


@intrinsic
def load(typing: Any, array: Any, position: Any) -> Any:
    """Returns the eight floats of a flat array from a position on."""

    def lower(context: Any, builder: Any, sig: Any, args: tuple) -> Any:
        pointer = _address(context, builder, sig, args)
        return builder.load(builder.bitcast(pointer, _VECTOR.as_pointer()), align=4)

    return vector(array, types.intp), lower


@intrinsic
def gather(typing: Any, array: Any, position: Any, step: Any) -> Any:
    """Returns eight floats of a flat array that lie `step` apart, from a position on."""

    def lower(context: Any, builder: Any, sig: Any, args: tuple) -> Any:
        pointer, value = _address(context, builder, sig, args), ir.Constant(_VECTOR, ir.Undefined)
        for lane in range(LANES):
            at = ir.Constant(ir.IntType(32), lane)
            value = builder.insert_element(value, builder.load(pointer), at)
            pointer = builder.gep(pointer, [args[2]])
        return value

    return vector(array, types.intp, types.intp), lower


@intrinsic
def scatter(typing: Any, array: Any, position: Any, step: Any, value: Any) -> Any:
    """Writes eight floats into a flat array, `step` apart, from a position on."""

    def lower(context: Any, builder: Any, sig: Any, args: tuple) -> Any:
        pointer = _address(context, builder, sig, args)
        for lane in range(LANES):
            at = ir.Constant(ir.IntType(32), lane)
            builder.store(builder.extract_element(args[3], at), pointer)
            pointer = builder.gep(pointer, [args[2]])
        return context.get_dummy_value()

    return types.void(array, types.intp, types.intp, vector), lower


@intrinsic
def store(typing: Any, array: Any, position: Any, value: Any) -> Any:
    """Writes eight floats into a flat array from a position on."""

    def lower(context: Any, builder: Any, sig: Any, args: tuple) -> Any:
        pointer = _address(context, builder, sig, args)
        builder.store(args[2], builder.bitcast(pointer, _VECTOR.as_pointer()), align=4)
        return context.get_dummy_value()

    return types.void(array, types.intp, vector), lower


@intrinsic
def spread(typing: Any, array: Any, position: Any) -> Any:
    """Returns one float of a flat array eight times."""

    def lower(context: Any, builder: Any, sig: Any, args: tuple) -> Any:
        return _spread(builder, builder.load(_address(context, builder, sig, args)))

    return vector(array, types.intp), lower


@intrinsic
def splat(typing: Any, value: Any) -> Any:
    """Returns a float32 eight times."""

    def lower(context: Any, builder: Any, sig: Any, args: tuple) -> Any:
        return _spread(builder, args[0])

    return vector(types.float32), lower


@intrinsic
def fma(typing: Any, a: Any, b: Any, c: Any) -> Any:
    """Returns a b + c, rounded once."""

    def lower(context: Any, builder: Any, sig: Any, args: tuple) -> Any:
        kind = ir.FunctionType(_VECTOR, [_VECTOR] * 3)
        name = f"llvm.fma.v{LANES}f32"
        return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), args)

    return vector(vector, vector, vector), lower


@intrinsic
def where_positive(typing: Any, sign: Any, value: Any) -> Any:
    """Returns the value where the sign is above 0, else 0."""

    def lower(context: Any, builder: Any, sig: Any, args: tuple) -> Any:
        zero = ir.Constant(_VECTOR, None)
        return builder.select(builder.fcmp_ordered(">", args[0], zero), args[1], zero)

    return vector(vector, vector), lower
