"""Interval arithmetic on positions: the input rows (or columns) that each element of a tensor depends on.

A Field keeps, for every element of a tensor, the first and the last input position along one axis of the image. Every
operation on tensors corresponds to the same operation on positions with a minimum in place of the sum: a convolution takes
the minimum over its taps, a reshape is a reshape. Positions outside the image (padding) continue the pattern inside, so
fields are those in an unbounded image.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from ..typing import Array, Shape

FAR = 1 << 40  # first position of an empty field


@dataclass(frozen=True)
class Field:
    """The field of each element of a tensor along `axis` of the image (-2: rows, -1: columns).

    `ends` is (2, *shape): first positions, and last positions negated, so that a minimum joins both. Axes along which
    nothing changes have size 1. `jump`: the increase of the positions from one unit of the map to the next.
    `length`: units of the map along `axis`.
    """

    ends: np.ndarray
    axis: int
    jump: Fraction
    length: int

    @classmethod
    def of_input(cls, shape: Shape, axis: int) -> Field:
        """The field of every pixel of an image (N, C, H, W): the pixel itself."""
        i = np.arange(shape[axis])
        size = (-1, 1) if axis == -2 else (1, -1)
        return cls(np.stack([i, -i]).reshape(2, 1, 1, *size), axis, Fraction(1), shape[axis])

    def settle(self, shape: Shape) -> Field:
        """The field with axes along which nothing changes reduced to size 1; `shape` is the tensor's."""
        ends = self.ends.reshape(2, *[1] * (len(shape) - self.ends.ndim + 1), *self.ends.shape[1:])
        for d in range(1, ends.ndim):
            first = ends[(slice(None),) * d + (slice(1),)]
            if ends.shape[d] > 1 and (ends == first).all():
                ends = first
        if len(shape) != 4:
            return replace(self, ends=ends)
        still = ends.shape[self.axis] == 1 < shape[self.axis]
        return replace(self, ends=ends, jump=Fraction(0) if still else self.jump, length=shape[self.axis])

    def at(self, d: int, positions: Array, mask: Array | None = None) -> Array:
        """Ends at integer `positions` (any array) along axis d, which they replace; empty where `mask` is False.

        The pattern continues outside the map: `jump` positions per unit, in whole periods of its denominator.
        """
        ends, jump = self.ends, self.jump if d == self.axis else Fraction(0)
        n, d = ends.shape[d], ends.ndim + d
        period = jump.denominator
        inside = np.where(positions < 0, -(positions // period) * period, 0)
        inside -= np.where(positions >= n, -((n - 1 - positions) // period) * period, 0)
        inside = np.clip(positions + inside, 0, n - 1)
        shift = np.stack(
            [(positions - inside) * jump.numerator // period, (inside - positions) * jump.numerator // period]
        )
        shift = shift if mask is None else shift + np.where(mask, 0, FAR)
        return ends.take(inside, axis=d) + shift.reshape(
            2, *[1] * (d - 1), *positions.shape, *[1] * (ends.ndim - d - 1)
        )

    def windows(self, d: int, positions: Array, mask: Array | None = None) -> Field:
        """The smallest interval that contains each row of `positions` (units, taps) along axis d."""
        if self.ends.shape[d] == 1 and d != self.axis:
            return self
        return replace(self, ends=self.at(d, positions, mask).min(self.ends.ndim + d + 1))

    def scaled(self, factor: int | Fraction) -> Field:
        """The field with the jump between units multiplied by `factor`."""
        return replace(self, jump=self.jump * factor)

    def channels(self, groups: int, outputs: int) -> Field:
        """Each of `outputs` channels has the union of the fields of its group's channels."""
        if self.ends.shape[2] == 1:
            return self
        _, N, C, *size = self.ends.shape
        grouped = self.ends.reshape(2, N, groups, C // groups, *size).min(3)
        return replace(self, ends=grouped.repeat(outputs // groups, axis=2))

    def hull(self, dims: Sequence[int]) -> Field:
        """The union over the axes `dims`, which remain with size 1."""
        return replace(self, ends=self.ends.min(tuple(d % (self.ends.ndim - 1) + 1 for d in dims), keepdims=True))

    def join(self, other: Field) -> Field:
        """The union of two fields, element by element."""
        a, b = self.ends, other.ends
        rank = max(a.ndim, b.ndim)
        a, b = (e.reshape(2, *[1] * (rank - e.ndim), *e.shape[1:]) for e in (a, b))
        wide = max(self, other, key=lambda f: (f.length, f.jump != 0))  # a map joined with a single value
        return replace(wide, ends=np.minimum(a, b))

    def centres(self) -> Array:
        """Twice the centre of each element's field, NaN where it is empty."""
        first, last = self.ends
        return np.where(first + last > FAR // 2, np.nan, first - last)

    def full(self, shape: Shape) -> Array:
        """The ends of all elements, broadcast to `shape`."""
        return np.broadcast_to(self.ends, (2, *shape))

    def reshape(self, old: Shape, new: Shape) -> Field:
        """The tensor's reshape from `old` to `new`."""
        same = 0
        while same < min(len(old), len(new)) and old[same] == new[same]:
            same += 1
        kept = self.ends.shape[1 : same + 1]
        ends = np.broadcast_to(self.ends, (2, *kept, *old[same:])).reshape(2, *kept, *new[same:])
        grown = Fraction(self.length, new[self.axis]) if len(new) == 4 and new[self.axis] else 1
        return replace(self, ends=ends, jump=self.jump * grown)


def window_positions(units: int, kernel: int, stride: int, padding: int, dilation: int) -> Array:
    """(units, taps): the positions under a sliding window."""
    return np.arange(units)[:, None] * stride - padding + np.arange(kernel) * dilation


def adaptive_positions(n: int, units: int) -> Array:
    """(units, taps): windows floor(i n / units) .. ceil((i + 1) n / units); short ones repeat their last position."""
    i = np.arange(units)
    start, stop = i * n // units, -(-(i + 1) * n // units)
    taps = np.arange(math.ceil(n / units) + 1)
    return np.minimum(start[:, None] + taps, stop[:, None] - 1)
