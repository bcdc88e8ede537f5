"""Pieces of functions that numba compiles, written as instructions of LLVM."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import models, register_model

from napari_construct.crf.base.numba_gate import LANES

INTEGER = ir.IntType(32)
FLOATS, INTEGERS = ir.VectorType(ir.FloatType(), LANES), ir.VectorType(INTEGER, LANES)
SHORTS = ir.VectorType(ir.IntType(16), LANES)

Value = Any
"""A value of LLVM; neither llvmlite nor numba has types to check."""


class Vector(types.Type):
    """Numba's type of eight float32 numbers."""


@register_model(Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, FLOATS)


def integers(number: int) -> Value:
    """One integer in all places."""
    return ir.Constant(INTEGERS, [number] * LANES)


def pick(builder: Any, a: Value, b: Value, which: list[int]) -> Value:
    """Elements of two vectors, those of the second counted on."""
    return builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(INTEGER, len(which)), which))


def spread(builder: Any, number: Value) -> Value:
    """One number in all places."""
    nothing = ir.Constant(FLOATS, ir.Undefined)
    first = builder.insert_element(nothing, number, ir.Constant(INTEGER, 0))
    return pick(builder, first, nothing, [0] * LANES)


def address_of(context: Any, builder: Any, kind: Any, flat: Value, at: Value) -> Value:
    """The address of an element of a flat array of some type of numba's."""
    array = context.make_array(kind)(context, builder, flat)
    return builder.gep(array.data, [at])


def named(name: str, *promises: str) -> Callable[..., Value]:
    """A function that LLVM knows by name, and what it need not look out for."""

    def build(builder: Any, *args: Value) -> Value:
        kind = ir.FunctionType(FLOATS, [FLOATS] * len(args))
        function = cgutils.get_or_insert_function(builder.module, kind, name)
        return builder.call(function, args, fastmath=promises)

    return build
