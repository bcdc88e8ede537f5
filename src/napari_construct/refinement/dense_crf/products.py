"""Products of bfloat16, for functions that numba compiles: twice as many a time as of float32.

Only some processors have them. Where ``multiplies`` says no, the other functions compile, but must not be
called.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from napari_construct.refinement.dense_crf.compiled import LANES
from napari_construct.refinement.dense_crf.llvm import (
    PAIRS,
    PRODUCTS,
    WIDE,
    WIDE_PAIRS,
    Lanes,
    Value,
    address_of,
    pick,
    written,
)
from napari_construct.refinement.dense_crf.vectors import vector

wide = Lanes("Vector16", WIDE)
pairs, wide_pairs = Lanes("Pairs8", PAIRS), Lanes("Pairs16", WIDE_PAIRS)


@intrinsic
def multiplies(_typing: Any, array: Any) -> Any:
    """Whether a flat array is of bfloat16, given as uint16, and the processor multiplies them."""
    answer = PRODUCTS and array.dtype == types.uint16

    def generate(_context: Any, _builder: Any, _signature: Any, _args: Any) -> Value:
        return ir.Constant(ir.IntType(1), int(answer))

    return types.boolean(array), generate


@intrinsic
def load_pairs(_typing: Any, array: Any, _at: Any) -> Any:
    """Sixteen bfloat16, given as uint16, of a flat array from some place on."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Value:
        address = address_of(context, builder, signature.args[0], *args)
        return builder.load(builder.bitcast(address, PAIRS.as_pointer()), align=2)

    return pairs(array, types.intp), generate


@intrinsic
def load_interleaved(_typing: Any, array: Any, _at: Any, _other: Any) -> Any:
    """Sixteen bfloat16 of a flat array from some place on, each with one from another place next to it."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Value:
        flat, *places = args
        addresses = (address_of(context, builder, signature.args[0], flat, at) for at in places)
        a, b = (builder.load(builder.bitcast(at, PAIRS.as_pointer()), align=2) for at in addresses)
        return pick(builder, a, b, [i + j for i in range(2 * LANES) for j in (0, 2 * LANES)])

    return wide_pairs(array, types.intp, types.intp), generate


@intrinsic
def add_products(_typing: Any, so_far: Any, a: Any, b: Any) -> Any:
    """Products of bfloat16, two and two of them added to a vector."""

    def generate(_context: Any, builder: Any, _signature: Any, args: Any) -> Value:
        if not PRODUCTS:
            return args[0]
        return written(builder, "vdpbf16ps $3, $2, $0", "=v,0,v,v", args[0].type, args)

    return so_far(so_far, a, b), generate


@intrinsic
def add_products_with(_typing: Any, _sum: Any, _a: Any, array: Any, _at: Any) -> Any:
    """As ``add_products``, of a wide vector, with two bfloat16 of a flat array from some place on for all.

    Read by the product itself: LLVM's way to spread them takes half as long as the product again.
    """

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Value:
        so_far, a, *place = args
        if not PRODUCTS:
            return so_far
        given = [so_far, a, address_of(context, builder, signature.args[2], *place)]
        instruction = "vdpbf16ps ($3){1to16}, $2, $0"
        return written(builder, instruction, "=v,0,v,r,~{memory}", WIDE, given, side_effect=True)

    return wide(wide, wide_pairs, array, types.intp), generate


@intrinsic
def wide_zero(_typing: Any) -> Any:
    """Sixteen zeros."""
    return wide(), lambda *_: ir.Constant(WIDE, [0.0] * 2 * LANES)


def _half(start: int) -> Any:
    @intrinsic
    def operation(_typing: Any, _a: Any) -> Any:
        def generate(_context: Any, builder: Any, _signature: Any, args: Any) -> Value:
            return pick(builder, args[0], args[0], [*range(start, start + LANES)])

        return vector(wide), generate

    return operation


lower, upper = _half(0), _half(LANES)
"""Either half of a wide vector."""
