"""Shorter lists of steps: what is constant is computed once, and a convolution takes in what follows it.

fold    (w * x - mean) / sqrt(var + eps) * weight + bias  =  (w scale) * x + shift      (batch norm in evaluation mode)
fuse    min(max(w * x + b + residual, 0), ceiling)                                      in one step
prepare weights are packed or transformed once, at the first call
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ...backend import kernels
from ...functional.activation import rectify
from ...functional.conv import _conv, _conv_transpose
from ...functional.elementwise import add
from ...functional.norm import _affine
from ...functional.shape import _reshape
from ...kernels.geometry import prepared_conv
from .record import Recording, Step


class _Graph:
    """The steps of a recording, who uses each value, and which values are constant."""

    def __init__(self, recording: Recording, outputs: list[int]) -> None:
        self.values = recording.values
        self.variable = set(range(recording.inputs))
        self.steps: list[Step] = []
        for step in recording.steps:  # a step that depends on no input has been computed: by the recording
            if self.variable.intersection(step.inputs):
                self.variable.update(step.outputs)
                self.steps.append(step)
        self.users: dict[int, list[Any]] = {}
        for step in self.steps:
            for k in step.inputs:
                self.users.setdefault(k, []).append(step)
        for k in outputs:
            self.users.setdefault(k, []).append(None)

    def constant(self, k: int) -> Any:
        """The value number k."""
        return self.values[k]

    def next(self, step: Step, op: Any) -> Step | None:
        """The only step that uses this one's result, if its operation is `op`; its other arguments may be anything."""
        users = self.users.get(step.outputs[0], [])
        return users[0] if len(users) == 1 and users[0] is not None and users[0].op is op else None


def _walk(graph: _Graph, conv: Step) -> Iterator[Step]:
    """The steps reshape, affine, reshape after a convolution: batch norm in evaluation mode."""
    step: Step | None = conv
    for op in (_reshape, _affine, _reshape):
        step = graph.next(step, op) if step is not None else None
        if step is None:
            return
        yield step


def _norm_after(graph: _Graph, conv: Step) -> tuple[Step, Step] | None:
    """(the affine step, the last step) of a batch norm that follows a convolution and keeps its shape."""
    steps = list(_walk(graph, conv))
    if len(steps) < 3:
        return None
    constant = not graph.variable.intersection(steps[1].inputs[1:])
    kept = graph.values[steps[2].outputs[0]].shape == graph.values[conv.outputs[0]].shape
    return (steps[1], steps[2]) if constant and kept else None


def _scale_and_shift(graph: _Graph, affine: Step) -> tuple[Any, Any]:
    return graph.constant(affine.inputs[1]), graph.constant(affine.inputs[2])


def _folded(weight: Any, bias: Any, affine: tuple[Any, Any], axis: int) -> tuple[Any, Any]:
    """Weights and bias of a convolution whose result is scaled and shifted, computed in float64."""
    (scale, shift), shape = affine, [1] * weight.ndim
    shape[axis] = -1
    w = (weight.astype(np.float64) * scale.astype(np.float64).reshape(shape)).astype(weight.dtype)
    b = shift.astype(np.float64) if bias is None else shift + bias.astype(np.float64) * scale
    return w, b.astype(weight.dtype)


def _fuse_conv(graph: _Graph, conv: Step) -> list[Step]:
    """The steps that one step now stands for, from the convolution to the last; the last becomes that step."""
    x, w, b = conv.inputs
    weight, bias, geometry = graph.constant(w), graph.constant(b), conv.metadata["geometry"]
    taken, ceiling, residual, words = [conv], None, None, ["conv2d"]
    norm = _norm_after(graph, conv)
    if norm:
        affine, last = norm
        weight, bias = _folded(weight, bias, _scale_and_shift(graph, affine), axis=0)
        ceiling, taken, words = affine.metadata["ceiling"], [*taken, *_walk(graph, conv)], [*words, "batch_norm"]
        words += ["relu"] if ceiling is not None else []
    if ceiling is None:
        total = graph.next(taken[-1], add)
        if total is not None:
            others = [k for k in total.inputs if k != taken[-1].outputs[0]]
            shape = graph.values[taken[-1].outputs[0]].shape
            if len(others) == 1 and others[0] in graph.variable and graph.values[others[0]].shape == shape:
                residual, taken, words = others[0], [*taken, total], [*words, "add"]
        rectified = graph.next(taken[-1], rectify)
        if rectified is not None:
            ceiling, taken, words = rectified.metadata["ceiling"], [*taken, rectified], [*words, "relu"]
    K, layer = kernels(weight), prepared_conv(weight, bias, geometry, ceiling)
    for step in taken:  # no other convolution may take it as well
        step.op = None
    last = taken[-1]
    last.name, last.metadata = " + ".join(words), {}
    if residual is None:
        last.run, last.inputs = lambda x: K.conv2d_prepared(x, layer, None), [x]
    else:
        last.run, last.inputs = lambda x, r: K.conv2d_prepared(x, layer, r), [x, residual]
    return taken[:-1]


def _fold_transposed(graph: _Graph, conv: Step) -> list[Step]:
    """A transposed convolution with the batch norm that follows it; the norm's rectifier stays a step."""
    norm = _norm_after(graph, conv)
    geometry = conv.metadata["geometry"]
    if norm is None or geometry.groups > 1:
        return []
    affine, last = norm
    weight, bias = (graph.constant(k) for k in conv.inputs[1:])
    weight, bias = _folded(weight, bias, _scale_and_shift(graph, affine), axis=1)
    taken, size, ceiling = [conv, *_walk(graph, conv)], conv.metadata["size"], affine.metadata["ceiling"]
    K = kernels(weight)

    def run(y):
        x = K.conv_transpose2d(y, weight, bias, size, geometry)
        return x if ceiling is None else K.relu(x, ceiling)

    last.name, last.op, last.metadata, last.inputs = "conv_transpose2d + batch_norm", None, {}, [conv.inputs[0]]
    last.name += "" if ceiling is None else " + relu"
    last.run = run
    return taken[:-1]


def fuse(recording: Recording, outputs: list[int]) -> list[Step]:
    """The steps that compute the values `outputs`, as few as we know how to make of them."""
    graph, gone = _Graph(recording, outputs), set()
    for step in graph.steps:
        constant = not graph.variable.intersection(step.inputs[1:])
        if step.op is _conv and constant:
            gone.update(map(id, _fuse_conv(graph, step)))
        elif step.op is _conv_transpose and constant:
            gone.update(map(id, _fold_transposed(graph, step)))
    steps = [step for step in graph.steps if id(step) not in gone]
    return _without_unused(steps, outputs, graph.variable)


def _without_unused(steps: list[Step], outputs: list[int], variable: set[int]) -> list[Step]:
    """The steps whose results are used, each with the values that are dead after it."""
    needed, kept = set(outputs), []
    for step in reversed(steps):
        if needed.intersection(step.outputs):
            step.dead = [k for k in {*step.inputs, *step.outputs} if k in variable and k not in needed]
            needed.update(step.inputs)
            kept.append(step)
    return kept[::-1]
