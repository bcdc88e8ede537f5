"""Vectors of eight float32 numbers, for functions that numba compiles.

What numba makes of a loop over numbers depends on how a compiler happens to see it; the kernels need vectors
for certain. So these are values of a type of their own, and every function here is one or a few instructions
of LLVM, which turns them into what the processor has: one AVX register, or two of NEON or SSE.

Only modules of compiled functions import this one, and numba with it; ``numba_gate`` says when.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from napari_construct.crf.kernels.llvm import (
    FLOATS,
    INTEGER,
    INTEGERS,
    SHORTS,
    Value,
    Vector,
    address_of,
    integers,
    named,
    pick,
    spread,
)

vector = Vector("Vector8")


def _unary(build: Callable[[Any, Value], Value], given: Any = vector, result: Any = vector) -> Any:
    @intrinsic
    def operation(_typing: Any, _a: Any) -> Any:
        return result(given), lambda _context, builder, _signature, args: build(builder, *args)

    return operation


def _binary(build: Callable[[Any, Value, Value], Value]) -> Any:
    @intrinsic
    def operation(_typing: Any, _a: Any, _b: Any) -> Any:
        return vector(vector, vector), lambda _context, builder, _signature, args: build(builder, *args)

    return operation


def _total(builder: Any, a: Value) -> Value:
    four = builder.fadd(pick(builder, a, a, [0, 1, 2, 3]), pick(builder, a, a, [4, 5, 6, 7]))
    two = builder.fadd(pick(builder, four, four, [0, 1]), pick(builder, four, four, [2, 3]))
    return builder.fadd(*(builder.extract_element(two, ir.Constant(INTEGER, i)) for i in range(2)))


def _totals(builder: Any, given: Sequence[Value]) -> Value:
    """The sums of four vectors, with a third of the operations that one after the other take."""

    def pair(a: Value, b: Value) -> Value:
        even, odd = [0, 8, 2, 10, 4, 12, 6, 14], [1, 9, 3, 11, 5, 13, 7, 15]
        return builder.fadd(pick(builder, a, b, even), pick(builder, a, b, odd))

    x, y = pair(given[0], given[1]), pair(given[2], given[3])
    low, high = [0, 1, 8, 9, 4, 5, 12, 13], [2, 3, 10, 11, 6, 7, 14, 15]
    z = builder.fadd(pick(builder, x, y, low), pick(builder, x, y, high))
    return builder.fadd(pick(builder, z, z, [0, 1, 2, 3]), pick(builder, z, z, [4, 5, 6, 7]))


def _two_to(builder: Any, a: Value) -> Value:
    exponent = builder.add(builder.fptosi(a, INTEGERS), integers(127))
    return builder.bitcast(builder.shl(exponent, integers(23)), FLOATS)


def _exponent(builder: Any, a: Value) -> Value:
    bits = builder.lshr(builder.bitcast(a, INTEGERS), integers(23))
    return builder.sitofp(builder.sub(bits, integers(127)), FLOATS)


def _mantissa(builder: Any, a: Value) -> Value:
    bits = builder.and_(builder.bitcast(a, INTEGERS), integers(0x007FFFFF))
    return builder.bitcast(builder.or_(bits, integers(0x3F800000)), FLOATS)


def _bfloat16(builder: Any, a: Value) -> Value:
    """The upper halves of the bits, rounded to the nearest and ties to even."""
    bits = builder.bitcast(a, INTEGERS)
    odd = builder.and_(builder.lshr(bits, integers(16)), integers(1))
    rounded = builder.add(bits, builder.add(odd, integers(0x7FFF)))
    return builder.trunc(builder.lshr(rounded, integers(16)), SHORTS)


add = _binary(lambda builder, a, b: builder.fadd(a, b))
subtract = _binary(lambda builder, a, b: builder.fsub(a, b))
multiply = _binary(lambda builder, a, b: builder.fmul(a, b))
divide = _binary(lambda builder, a, b: builder.fdiv(a, b))
larger = _binary(named("llvm.maxnum.v8f32", "nnan", "nsz"))
floor = _unary(named("llvm.floor.v8f32"))
two_to = _unary(_two_to)
"""Two to the power of integers from -126 to 127, given as floats."""

exponent = _unary(_exponent)
"""The whole part of the logarithm to base two of positive numbers."""

mantissa = _unary(_mantissa)
"""Positive numbers divided by two to the power of their exponent: from 1 to 2."""

every = _unary(spread, types.float32)
"""One number in all places."""

total = _unary(_total, result=types.float32)
"""The sum of a vector."""


@intrinsic
def multiply_add(_typing: Any, _a: Any, _b: Any, _c: Any) -> Any:
    """A times b plus c, in one instruction where the processor has it."""
    build = named("llvm.fmuladd.v8f32")
    return vector(vector, vector, vector), lambda _context, builder, _signature, args: build(builder, *args)


@intrinsic
def store_totals(_typing: Any, array: Any, _at: Any, _a: Any, _b: Any, _c: Any, _d: Any) -> Any:
    """Write the sums of four vectors, one after the other, to a flat float32 array from some place on."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Value:
        four = ir.VectorType(ir.FloatType(), 4).as_pointer()
        address = builder.bitcast(address_of(context, builder, signature.args[0], *args[:2]), four)
        builder.store(_totals(builder, args[2:]), address, align=4)
        return context.get_dummy_value()

    return types.void(array, types.intp, *[vector] * 4), generate


@intrinsic
def load(_typing: Any, array: Any, _at: Any) -> Any:
    """Eight numbers of a flat array from some place on: float32, or bfloat16 given as uint16."""
    short = array.dtype == types.uint16

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Value:
        address = address_of(context, builder, signature.args[0], *args[:2])
        if not short:
            return builder.load(builder.bitcast(address, FLOATS.as_pointer()), align=4)
        bits = builder.load(builder.bitcast(address, SHORTS.as_pointer()), align=2)
        return builder.bitcast(builder.shl(builder.zext(bits, INTEGERS), integers(16)), FLOATS)

    return vector(array, types.intp), generate


@intrinsic
def load_every(_typing: Any, array: Any, _at: Any) -> Any:
    """One number of a flat float32 array in all places."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Value:
        return spread(
            builder, builder.load(address_of(context, builder, signature.args[0], *args[:2]), align=4)
        )

    return vector(array, types.intp), generate


@intrinsic
def store(_typing: Any, array: Any, _at: Any, _value: Any) -> Any:
    """Write a vector to a flat array from some place on: float32, or bfloat16 (rounded) given as uint16."""
    short = array.dtype == types.uint16

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Value:
        address = address_of(context, builder, signature.args[0], *args[:2])
        kind, value = (SHORTS, _bfloat16(builder, args[2])) if short else (FLOATS, args[2])
        builder.store(value, builder.bitcast(address, kind.as_pointer()), align=2 if short else 4)
        return context.get_dummy_value()

    return types.void(array, types.intp, vector), generate


@intrinsic
def fetch(_typing: Any, array: Any, _at: Any) -> Any:
    """Ask for the part of a flat array around some place, to be in the cache when it is read."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Value:
        pointer = ir.IntType(8).as_pointer()
        kind = ir.FunctionType(ir.VoidType(), [pointer, *[INTEGER] * 3])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0i8")
        place = builder.bitcast(address_of(context, builder, signature.args[0], *args[:2]), pointer)
        builder.call(function, [place, *(ir.Constant(INTEGER, n) for n in (0, 3, 1))])
        return context.get_dummy_value()

    return types.void(array, types.intp), generate
