"""A table of a network's layers in the order of execution, with shapes, parameters, cost and receptive field."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..autograd.tensor import Tensor


@dataclass
class Row:
    """One call of one module. Parameters and multiply-adds are its own, without those of the modules inside it.

    `output_shape` is a tuple of shapes if the module returns several Tensors; the receptive field is None then, and after an
    operation that selects positions by value.
    """

    name: str
    label: str  # the name below that of the row above it
    kind: str
    depth: int
    parameters: int
    output_shape: tuple = ()
    multiply_adds: int = 0
    receptive_field: object = None  # a ReceptiveField


@dataclass
class Summary:
    """The rows of the table and their totals; `str()` gives the table as text."""

    rows: list
    total_parameters: int
    trainable_parameters: int
    multiply_adds: int = 0
    unknown: list = field(default_factory=list)  # operations after which the receptive field is not known

    def __str__(self) -> str:
        table = [("layer", "output shape", "parameters", "multiply-adds", "receptive field")]
        for row in self.rows:
            seen = "x".join(map(str, dict.fromkeys(row.receptive_field.size))) if row.receptive_field else "?"
            name = "  " * row.depth + (f"{row.label}: {row.kind}" if row.label else row.kind)
            cost = (
                f"{row.parameters:,}" if row.parameters else "",
                f"{row.multiply_adds:,}" if row.multiply_adds else "",
            )
            table.append((name, _shape(row.output_shape), *cost, seen))
        widths = [max(map(len, column)) for column in zip(*table)]
        lines = [
            "  ".join(v.rjust(w) if k > 1 else v.ljust(w) for k, (v, w) in enumerate(zip(r, widths))) for r in table
        ]
        lines.insert(1, "-" * len(lines[0]))
        fixed = self.total_parameters - self.trainable_parameters
        lines += [
            lines[1],
            f"{self.total_parameters:,} parameters" + (f" ({fixed:,} of them fixed)" if fixed else ""),
            f"{self.multiply_adds:,} multiply-adds",
        ]
        if self.unknown:
            lines.append(f"?: the receptive field is not known after {', '.join(dict.fromkeys(self.unknown))}")
        return "\n".join(lines)

    __repr__ = __str__


def _shape(shape):
    if shape and isinstance(shape[0], tuple):
        return ", ".join(map(_shape, shape))
    return "x".join(map(str, shape))


def _tensors(output):
    """All Tensors in an output, which may be nested."""
    if isinstance(output, Tensor):
        return [output]
    parts = output.values() if isinstance(output, dict) else output if isinstance(output, tuple | list) else ()
    return [t for part in parts for t in _tensors(part)]


def summary(model: Any, input_shape: Sequence[int]) -> Summary:
    """A Summary of `model` for images of `input_shape`, (N, C, H, W) or (C, H, W): run once, in evaluation mode.

    Multiply-adds are those of convolutions and matrix products (one product and one sum count as one), for the N images
    given. Parameters that several modules share are counted where they first run.
    """
    from .receptive_field import FieldTracer, run_once  # imported here since only this function needs it

    parameters = list(model.parameters())
    result = Summary([], sum(p.numel() for p in parameters), sum(p.numel() for p in parameters if p.requires_grad))
    names = {module: name for name, module in model.named_modules()}
    running, counted = [], set()

    class Counter(FieldTracer):
        def forward(self, op, args, metadata, out):
            super().forward(op, args, metadata, out)
            if running:
                running[-1].multiply_adds += multiply_adds(op, args, out)

    def begin(module, args):
        own = {id(p): p.numel() for p in module.parameters(recurse=False) if id(p) not in counted}
        counted.update(own)
        name, above = names[module], running[-1].name + "." if running and running[-1].name else ""
        running.append(Row(name, name.removeprefix(above), type(module).__name__, len(running), sum(own.values())))
        result.rows.append(running[-1])

    def end(module, args, output):
        row = running.pop()
        outputs = _tensors(output)
        row.output_shape = outputs[0].shape if len(outputs) == 1 else tuple(t.shape for t in outputs)
        if len(outputs) == 1 and id(outputs[0]) in tracer.fields:
            row.receptive_field = tracer.of(outputs[0])

    with contextlib.ExitStack() as stack:
        for module in names:
            stack.enter_context(module.register_forward_pre_hook(begin))
            stack.enter_context(module.register_forward_hook(end))
        tracer = stack.enter_context(Counter(strict=False))
        run_once(model, input_shape, tracer)
    result.multiply_adds, result.unknown = sum(row.multiply_adds for row in result.rows), tracer.unknown
    return result


def multiply_adds(op: Callable[..., Any], args: Sequence[Any], out: Tensor) -> int:
    """Multiply-adds of one operation: each output of a convolution is a sum over C / groups channels and all taps."""
    from ..functional.conv import _conv, _conv_transpose
    from ..functional.matmul import _matmul

    if op is _conv:
        return out.numel() * math.prod(args[1].shape[1:])
    if op is _conv_transpose:
        return args[0].numel() * math.prod(args[1].shape[1:])
    return out.numel() * args[0].shape[-1] if op is _matmul else 0
