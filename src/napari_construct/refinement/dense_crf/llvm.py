"""Pieces of functions that numba compiles, written as instructions of LLVM or of the processor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import binding, ir
from numba import config, types
from numba.core import cgutils
from numba.core.codegen import get_host_cpu_features
from numba.extending import models, register_model

from napari_construct.refinement.dense_crf.compiled import LANES

_FEATURES = "" if config.CPU_NAME or config.CPU_FEATURES else get_host_cpu_features()

PRODUCTS = {"+avx512bf16", "+avx512vl"}.issubset(_FEATURES.split(","))
"""Whether the processor multiplies bfloat16: sixteen in the time that eight float32 take."""

if PRODUCTS:  # by instructions that are written out, because their names in LLVM change with its version
    binding.initialize_native_asmparser()

INTEGER = ir.IntType(32)
FLOATS, INTEGERS = ir.VectorType(ir.FloatType(), LANES), ir.VectorType(INTEGER, LANES)
SHORTS = ir.VectorType(ir.IntType(16), LANES)
PAIRS, WIDE = ir.VectorType(ir.IntType(16), 2 * LANES), ir.VectorType(ir.FloatType(), 2 * LANES)
WIDE_PAIRS = ir.VectorType(ir.IntType(16), 4 * LANES)

Value = Any
"""A value of LLVM; neither llvmlite nor numba has types to check."""


class Lanes(types.Type):
    """Numba's type of a vector of LLVM."""

    def __init__(self, name: str, layout: Value) -> None:
        self.layout = layout
        super().__init__(name)


@register_model(Lanes)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, kind.layout)


def integers(number: int) -> Value:
    """One integer in all places."""
    return ir.Constant(INTEGERS, [number] * LANES)


def pick(builder: Any, a: Value, b: Value, which: list[int]) -> Value:
    """Elements of two vectors, those of the second counted on."""
    return builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(INTEGER, len(which)), which))


def element(builder: Any, a: Value, index: int) -> Value:
    """One number of a vector."""
    return builder.extract_element(a, ir.Constant(INTEGER, index))


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


def written(
    builder: Any, instruction: str, places: str, result: Value, args: Sequence[Value], **options: bool
) -> Value:
    """An instruction of the processor."""
    kind = ir.FunctionType(result, [value.type for value in args])
    return builder.call(ir.InlineAsm(kind, instruction, places, **options), args)
