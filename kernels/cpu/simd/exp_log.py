"""exp and log that vectorise. LLVM calls libm once per element; these float32 polynomials run in vector lanes instead.

float64 goes to libm. Coefficients: Cephes, expf.c and logf.c (Moshier 1992).
"""

import math

import numpy as np
from numba import types
from numba.extending import intrinsic, overload

TWIN = {types.float32: types.int32, types.int32: types.float32}
MAGIC = np.float32(1.5 * 2**23)  # adding it leaves the nearest integer in the low bits of the mantissa
LOG2E = np.float32(1 / math.log(2))
LN2_HIGH, LN2_LOW = np.float32(0.693359375), np.float32(-2.12194440e-4)  # n * LN2_HIGH is exact for |n| < 2^15


@intrinsic
def _bits(typing, x):
    """The same 32 bits read as the other type: float32 as int32, int32 as float32."""

    def generate(context, builder, signature, args):
        return builder.bitcast(args[0], context.get_value_type(signature.return_type))

    return TWIN[x](x), generate


def expm1_near_zero(x):
    """exp(x) - 1 for |x| <= ln 2 / 2 or NaN; float32: relative error below 1.2e-7."""
    return math.expm1(x)


@overload(expm1_near_zero, jit_options={"fastmath": {"contract"}})
def _expm1(x):
    if x != types.float32:
        return lambda x: math.expm1(x)

    def expm1(x):
        p = np.float32(1.9875691500e-4) * x + np.float32(1.3981999507e-3)
        p = p * x + np.float32(8.3334519073e-3)
        p = p * x + np.float32(4.1665795894e-2)
        p = p * x + np.float32(1.6666665459e-1)
        p = p * x + np.float32(5.0000001201e-1)
        return p * (x * x) + x

    return expm1


def exp_below_zero(x):
    """exp(x) for x <= 0, NaN or -inf; float32: relative error below 9e-8, and 0 below -87.33 (no denormals).

    x = n ln 2 + r with |r| <= ln 2 / 2, exp(r) as a polynomial, times 2^n, whose exponent bits are written directly.
    """
    return math.exp(x)


@overload(exp_below_zero, jit_options={"fastmath": {"contract"}})
def _exp(x):
    if x != types.float32:
        return lambda x: math.exp(x)

    def exp(x):
        k = x * LOG2E + MAGIC
        n = k - MAGIC
        r = (x - n * LN2_HIGH) - n * LN2_LOW
        y = expm1_near_zero(r) + np.float32(1)
        power = _bits(np.int32((_bits(k) + 127) << 23))
        return np.float32(0) if x < np.float32(-87.33) else y * power

    return exp


def log_above_one(x):
    """log(x) for x >= 1 or NaN; float32: error below 1e-7 max(1, log x).

    x = 2^n m with m in [sqrt(1/2), sqrt(2)), log(m) as a polynomial in m - 1.
    """
    return math.log(x)


@overload(log_above_one, jit_options={"fastmath": {"contract"}})
def _log(x):
    if x != types.float32:
        return lambda x: math.log(x)

    def log(x):
        shifted = np.int32(_bits(x) - 0x3F3504F3)  # 0x3F3504F3 is sqrt(1/2)
        n = np.float32(np.int32(shifted >> 23))
        r = _bits(np.int32((shifted & 0x007FFFFF) + 0x3F3504F3)) - np.float32(1)
        p = np.float32(7.0376836292e-2) * r - np.float32(1.1514610310e-1)
        p = p * r + np.float32(1.1676998740e-1)
        p = p * r - np.float32(1.2420140846e-1)
        p = p * r + np.float32(1.4249322787e-1)
        p = p * r - np.float32(1.6668057665e-1)
        p = p * r + np.float32(2.0000714765e-1)
        p = p * r - np.float32(2.4999993993e-1)
        p = p * r + np.float32(3.3333331174e-1)
        square = r * r
        y = p * (r * square) + n * LN2_LOW - np.float32(0.5) * square + r + n * LN2_HIGH
        return y if x == x else x

    return log


def log1p_above_zero(x):
    """log(1 + x) for x >= 0 or NaN; float32: relative error below 4e-7.

    The logarithm of u = 1 + x as rounded, and what rounding took from x, divided by u.
    """
    return math.log1p(x)


@overload(log1p_above_zero, jit_options={"fastmath": {"contract"}})
def _log1p(x):
    if x != types.float32:
        return lambda x: math.log1p(x)

    def log1p(x):
        u = x + np.float32(1)
        return log_above_one(u) + (x - (u - np.float32(1))) / u

    return log1p
