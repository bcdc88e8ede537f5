"""Vectors of eight float32 numbers, for functions that numba compiles.

What numba makes of a loop over numbers depends on how a compiler happens to see it; the kernels need vectors
for certain. So these are values of a type of their own, and every function here is one or a few instructions
of LLVM, which turns them into what the processor has: one AVX register, or two of NEON or SSE.

Only modules of compiled functions import this one, and numba with it; ``compiled`` says when.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, models, register_model

LANES = 8

_INTEGER = ir.IntType(32)
_FLOATS, _INTEGERS = ir.VectorType(ir.FloatType(), LANES), ir.VectorType(_INTEGER, LANES)
_SHORTS = ir.VectorType(ir.IntType(16), LANES)
_NOTHING = ir.Constant(_FLOATS, ir.Undefined)

Value = Any
"""A value of LLVM; neither llvmlite nor numba has types to check."""


class Vector(types.Type):
    """Numba's type of a vector."""

    def __init__(self) -> None:
        super().__init__("Vector8")


@register_model(Vector)
class _Model(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, _FLOATS)


vector = Vector()


def _integers(number: int) -> Value:
    return ir.Constant(_INTEGERS, [number] * LANES)


def _pick(builder: Any, a: Value, b: Value, which: list[int]) -> Value:
    """Elements of two vectors, those of the second counted on."""
    return builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(_INTEGER, len(which)), which))


def _element(builder: Any, a: Value, index: int) -> Value:
    return builder.extract_element(a, ir.Constant(_INTEGER, index))


def _spread(builder: Any, number: Value) -> Value:
    first = builder.insert_element(_NOTHING, number, ir.Constant(_INTEGER, 0))
    return _pick(builder, first, _NOTHING, [0] * LANES)


def _address(context: Any, builder: Any, signature: Any, args: Any) -> Value:
    """Of the element ``args[1]`` of the flat array ``args[0]``."""
    array = context.make_array(signature.args[0])(context, builder, args[0])
    return builder.gep(array.data, [args[1]])


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


def _named(name: str, *promises: str) -> Callable[..., Value]:
    """A function that LLVM knows by name, and what it need not look out for."""

    def build(builder: Any, *args: Value) -> Value:
        kind = ir.FunctionType(_FLOATS, [_FLOATS] * len(args))
        function = cgutils.get_or_insert_function(builder.module, kind, name)
        return builder.call(function, args, fastmath=promises)

    return build


def _total(builder: Any, a: Value) -> Value:
    four = builder.fadd(_pick(builder, a, a, [0, 1, 2, 3]), _pick(builder, a, a, [4, 5, 6, 7]))
    two = builder.fadd(_pick(builder, four, four, [0, 1]), _pick(builder, four, four, [2, 3]))
    return builder.fadd(_element(builder, two, 0), _element(builder, two, 1))


def _totals(builder: Any, given: Sequence[Value]) -> Value:
    """The sums of four vectors, with a third of the operations that one after the other take."""

    def pair(a: Value, b: Value) -> Value:
        even, odd = [0, 8, 2, 10, 4, 12, 6, 14], [1, 9, 3, 11, 5, 13, 7, 15]
        return builder.fadd(_pick(builder, a, b, even), _pick(builder, a, b, odd))

    x, y = pair(given[0], given[1]), pair(given[2], given[3])
    low, high = [0, 1, 8, 9, 4, 5, 12, 13], [2, 3, 10, 11, 6, 7, 14, 15]
    z = builder.fadd(_pick(builder, x, y, low), _pick(builder, x, y, high))
    return builder.fadd(_pick(builder, z, z, [0, 1, 2, 3]), _pick(builder, z, z, [4, 5, 6, 7]))


def _two_to(builder: Any, a: Value) -> Value:
    exponent = builder.add(builder.fptosi(a, _INTEGERS), _integers(127))
    return builder.bitcast(builder.shl(exponent, _integers(23)), _FLOATS)


def _exponent(builder: Any, a: Value) -> Value:
    bits = builder.lshr(builder.bitcast(a, _INTEGERS), _integers(23))
    return builder.sitofp(builder.sub(bits, _integers(127)), _FLOATS)


def _mantissa(builder: Any, a: Value) -> Value:
    bits = builder.and_(builder.bitcast(a, _INTEGERS), _integers(0x007FFFFF))
    return builder.bitcast(builder.or_(bits, _integers(0x3F800000)), _FLOATS)


def _bfloat16(builder: Any, a: Value) -> Value:
    """The upper halves of the bits, rounded to the nearest and ties to even."""
    bits = builder.bitcast(a, _INTEGERS)
    odd = builder.and_(builder.lshr(bits, _integers(16)), _integers(1))
    rounded = builder.add(bits, builder.add(odd, _integers(0x7FFF)))
    return builder.trunc(builder.lshr(rounded, _integers(16)), _SHORTS)


add = _binary(lambda builder, a, b: builder.fadd(a, b))
subtract = _binary(lambda builder, a, b: builder.fsub(a, b))
multiply = _binary(lambda builder, a, b: builder.fmul(a, b))
divide = _binary(lambda builder, a, b: builder.fdiv(a, b))
larger = _binary(_named("llvm.maxnum.v8f32", "nnan", "nsz"))
floor = _unary(_named("llvm.floor.v8f32"))
two_to = _unary(_two_to)
"""Two to the power of integers from -126 to 127, given as floats."""

exponent = _unary(_exponent)
"""The whole part of the logarithm to base two of positive numbers."""

mantissa = _unary(_mantissa)
"""Positive numbers divided by two to the power of their exponent: from 1 to 2."""

every = _unary(_spread, types.float32)
"""One number in all places."""

total = _unary(_total, result=types.float32)
"""The sum of a vector."""


@intrinsic
def multiply_add(_typing: Any, _a: Any, _b: Any, _c: Any) -> Any:
    """A times b plus c, in one instruction where the processor has it."""
    build = _named("llvm.fmuladd.v8f32")
    return vector(vector, vector, vector), lambda _context, builder, _signature, args: build(builder, *args)


@intrinsic
def store_totals(_typing: Any, array: Any, _at: Any, _a: Any, _b: Any, _c: Any, _d: Any) -> Any:
    """Write the sums of four vectors, one after the other, to a flat float32 array from some place on."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Value:
        four = ir.VectorType(ir.FloatType(), 4).as_pointer()
        address = builder.bitcast(_address(context, builder, signature, args), four)
        builder.store(_totals(builder, args[2:]), address, align=4)
        return context.get_dummy_value()

    return types.void(array, types.intp, *[vector] * 4), generate


@intrinsic
def load(_typing: Any, array: Any, _at: Any) -> Any:
    """Eight numbers of a flat array from some place on: float32, or bfloat16 given as uint16."""
    short = array.dtype == types.uint16

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Value:
        address = _address(context, builder, signature, args)
        if not short:
            return builder.load(builder.bitcast(address, _FLOATS.as_pointer()), align=4)
        bits = builder.load(builder.bitcast(address, _SHORTS.as_pointer()), align=2)
        return builder.bitcast(builder.shl(builder.zext(bits, _INTEGERS), _integers(16)), _FLOATS)

    return vector(array, types.intp), generate


@intrinsic
def load_every(_typing: Any, array: Any, _at: Any) -> Any:
    """One number of a flat float32 array in all places."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Value:
        return _spread(builder, builder.load(_address(context, builder, signature, args), align=4))

    return vector(array, types.intp), generate


@intrinsic
def store(_typing: Any, array: Any, _at: Any, _value: Any) -> Any:
    """Write a vector to a flat array from some place on: float32, or bfloat16 (rounded) given as uint16."""
    short = array.dtype == types.uint16

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Value:
        address = _address(context, builder, signature, args)
        kind, value = (_SHORTS, _bfloat16(builder, args[2])) if short else (_FLOATS, args[2])
        builder.store(value, builder.bitcast(address, kind.as_pointer()), align=2 if short else 4)
        return context.get_dummy_value()

    return types.void(array, types.intp, vector), generate


@intrinsic
def fetch(_typing: Any, array: Any, _at: Any) -> Any:
    """Ask for the part of a flat array around some place, to be in the cache when it is read."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Value:
        pointer = ir.IntType(8).as_pointer()
        kind = ir.FunctionType(ir.VoidType(), [pointer, *[_INTEGER] * 3])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0i8")
        place = builder.bitcast(_address(context, builder, signature, args), pointer)
        builder.call(function, [place, *(ir.Constant(_INTEGER, n) for n in (0, 3, 1))])
        return context.get_dummy_value()

    return types.void(array, types.intp), generate
