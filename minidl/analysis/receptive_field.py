"""Receptive fields: the part of the image that one unit of a map depends on, for any network (Araujo, Norris, Sim 2019).

The network runs once, in evaluation mode; after each operation its rule for intervals of positions (`fields`) is applied.
"""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np

from ..autograd import tape
from ..autograd.tensor import Tensor
from ..nn import Module
from .field_rules import JOINS, RULES
from .fields import Field


@dataclass(frozen=True)
class Misaligned:
    """A sum or concatenation of branches whose fields have different centres: `shift` is their mean distance (y, x)."""

    op: str
    shape: tuple
    shift: tuple


@dataclass(frozen=True)
class ReceptiveField:
    """The receptive field of the units of a map, in pixels, as (vertical, horizontal) pairs.

    size     of the largest field of any unit
    stride   from one unit to the next; a fraction where a map is finer than the image, 0 where all units have one field
    start    the first row and column of the field of unit (0, 0); negative if they lie in the padding
    misaligned   a Misaligned for every sum or concatenation whose branches are shifted against each other
    """

    size: tuple
    stride: tuple
    start: tuple
    misaligned: tuple
    ends: tuple = field(repr=False)  # of rows and of columns, each (2, H, W): first positions, last ones negated

    @property
    def centre(self) -> tuple[float, float]:
        """Centre (y, x) of the field of unit (0, 0)."""
        top, left, bottom, right = self.box(0, 0)
        return (top + bottom - 1) / 2, (left + right - 1) / 2

    def box(self, i: int, j: int) -> tuple[int, int, int, int]:
        """(top, left, bottom, right) of the field of unit (i, j); bottom and right are one past the last pixel."""
        (top, bottom), (left, right) = (tuple(map(int, ends[:, i, j])) for ends in self.ends)
        return top, left, 1 - bottom, 1 - right

    def __str__(self) -> str:
        size, stride = (f"{y}" if y == x else f"{y}x{x}" for y, x in (self.size, self.stride))
        return f"receptive field {size}, stride {stride}, from {self.start}" + (
            f", {len(self.misaligned)} misaligned joins" if self.misaligned else ""
        )


class FieldTracer:
    """Context manager: while it is active, it computes the fields of every tensor that depends on a watched one."""

    def __init__(self, strict: bool = True) -> None:
        self.strict, self.fields, self.misaligned, self.unknown = strict, {}, [], []

    def __enter__(self) -> Self:
        self.before, tape.observer = tape.observer, self
        return self

    def __exit__(self, *error: object) -> None:
        tape.observer = self.before

    def watch(self, tensor: Tensor) -> None:
        """Start from a tensor (N, C, H, W) as the image."""
        self._store(tensor, tuple(Field.of_input(tensor.shape, axis) for axis in (-2, -1)))

    def _store(self, tensor, fields):
        self.fields[id(tensor)] = fields
        weakref.finalize(tensor, self.fields.pop, id(tensor), None)

    def forward(self, op: Callable[..., Any], args: Sequence[Any], metadata: Mapping[str, Any], result: Tensor) -> None:
        """Called by the tape after every operation."""
        known = [self.fields.get(id(a), ()) if isinstance(a, Tensor) else () for a in args]
        if not any(f is None or f for f in known):
            return
        fields = None
        if op not in RULES:
            if self.strict:
                raise NotImplementedError(f"receptive_field: the operation {op.__name__} has no rule")
            self.unknown.append(op.__name__)
        elif all(f is not None for f in known):
            if op in JOINS:
                self._compare(op, [f for f in known if f], result.shape)
            per_axis = ([f[k] if f else None for f in known] for k in (0, 1))
            fields = tuple(RULES[op](f, args, metadata, result).settle(result.shape) for f in per_axis)
        self._store(result, fields)

    def _compare(self, op, known, shape):
        """Record branches whose fields are all shifted to the same side."""
        for other in known[1:]:
            shift = [0.0, 0.0]
            for k, (a, b) in enumerate(zip(known[0], other)):
                if a.length == b.length and a.jump and b.jump:  # else all units of one branch have the same field
                    distance = (b.centres() - a.centres()) / 2
                    if np.nanmin(distance) > 0 or np.nanmax(distance) < 0:
                        shift[k] = float(np.nanmean(distance))
            if any(shift):
                self.misaligned.append(Misaligned(op.__name__, shape, tuple(shift)))

    def of(self, tensor: Tensor) -> ReceptiveField | None:
        """The ReceptiveField of a tensor's units, or None after an operation without a rule."""
        if id(tensor) not in self.fields:
            raise ValueError(f"receptive_field: the tensor of shape {tensor.shape} was not computed from the input")
        fields = self.fields[id(tensor)]
        if fields is None:
            return None
        H, W = tensor.shape[2:] if tensor.ndim == 4 else (1, 1)
        ends = [f.ends.min((1, 2)) if tensor.ndim == 4 else f.ends.reshape(2, -1).min(1)[:, None, None] for f in fields]
        ends = tuple(np.broadcast_to(e, (2, H, W)) for e in ends)
        return ReceptiveField(
            size=tuple(int((1 - e.sum(0)).max()) for e in ends),
            stride=tuple(int(f.jump) if f.jump.denominator == 1 else float(f.jump) for f in fields),
            start=tuple(int(e[0, 0, 0]) for e in ends),
            misaligned=tuple(self.misaligned),
            ends=ends,
        )


def receptive_field(model: Any, input_shape: Sequence[int]) -> Any:
    """The ReceptiveField of the output of `model`, a Module or any function of a Tensor, for images of `input_shape`.

    `input_shape` is (N, C, H, W) or (C, H, W). Fields are those in an unbounded image: padding counts as image, and the
    field of a unit near the border, or of a large kernel, may be larger than the image. Statistics of normalisation
    layers, which depend on whole images, are ignored; global pooling is not. Operations that select positions by
    value (gather) raise NotImplementedError. If the model returns a tuple, list or dictionary, so does this function.
    """
    with FieldTracer() as tracer:
        return _map(tracer.of, run_once(model, input_shape, tracer))


def run_once(model: Any, input_shape: Sequence[int], tracer: FieldTracer) -> Any:
    """The output of `model` in evaluation mode on a blank image, which `tracer` watches; nothing is recorded."""
    shape = tuple(input_shape) if len(input_shape) == 4 else (1, *input_shape)
    if len(shape) != 4:
        raise ValueError(f"input_shape is {tuple(input_shape)}; needed (N, C, H, W) or (C, H, W)")
    modules = list(model.modules()) if isinstance(model, Module) else []
    dtypes = [p.dtype for p in model.parameters()] if modules else []
    image = Tensor(np.zeros(shape, dtypes[0] if dtypes else np.float32))
    tracer.watch(image)
    with contextlib.ExitStack() as stack:
        for module in modules:
            stack.callback(setattr, module, "training", module.training)
            module.training = False
        stack.enter_context(tape.no_grad())
        return model(image)


def _map(f, value):
    if isinstance(value, dict):
        return {key: _map(f, v) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_map(f, v) for v in value)
    return f(value)
