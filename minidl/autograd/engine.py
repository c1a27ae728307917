"""The backward pass: reverse-mode differentiation and gradients of gradients.

Nodes are numbered as they are created, outputs after their inputs, so a heap that returns the largest number first
visits each node after all of its consumers, without recursion (Baydin et al. 2018,
"Automatic Differentiation in Machine Learning: a Survey", section 3.2).
"""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heappop, heappush

import numpy as np

from ..backend import asarray, cuda, is_array, like
from ..typing import Array
from . import tape
from .tape import Leaf, Node, enable_grad, mode, no_grad, owner, writes
from .tensor import Tensor


def _check_unchanged(node):
    for name, value in zip(node.plan.names, node.saved):
        for array in _arrays(value):
            if writes.times.get(id(owner(array)), 0) > node.index:
                raise RuntimeError(
                    f"backward: {node.op.__name__} needs its {name!r} of shape {array.shape} unchanged, but it was "
                    "written in place after the forward pass; write to a copy (clone()) or out of place"
                )


def _arrays(value):
    """All arrays in a saved value, which may be a Tensor, an array, or a tuple of such things (an index)."""
    if isinstance(value, tuple | list):
        for v in value:
            yield from _arrays(v)
    elif isinstance(value, Tensor):
        yield value.data
    elif is_array(value):
        yield value


def _walk(roots, seeds, create_graph, retain_graph, targets=()):
    """Propagate the gradients `seeds` of `roots` backward: {node: gradient} of every Leaf, or of the `targets` if given."""
    useful = _ancestors(roots, targets) if targets else None
    pending = {}  # {creation number: [node, accumulated gradient, whether it is a sum that may be written to]}
    for root, seed in zip(roots, seeds):
        if root.index in pending:
            pending[root.index][1] = pending[root.index][1] + seed
        else:
            pending[root.index] = [root, seed, False]
    heap = sorted(-index for index in pending)
    reached = {}
    walking, mode.walking, waiting_calls, mode.at_end = mode.walking, True, mode.at_end, []
    try:
        with enable_grad() if create_graph else no_grad():
            while heap:
                node, g, _ = pending.pop(-heappop(heap))
                if type(node) is Leaf:
                    g = _in_dtype_of(node, g)
                if node.hooks:
                    g = _call_hooks(node, g)
                if node in targets or type(node) is Leaf:
                    reached[node] = g
                    if type(node) is Leaf:
                        continue
                plan, saved, edges, shapes = node.plan, node.saved, node.edges, node.shapes
                if saved is None or plan.out is not None or writes.last > node.index:
                    saved = _checked(node, create_graph)
                values = (g, *saved)
                if plan.joint:
                    values = (plan.joint(values),)
                for edge, k, rule, pick in plan.steps:
                    target = edges[edge]
                    if useful is not None and target not in useful:
                        continue
                    waiting = pending.get(target.index)
                    if plan.adds and waiting and waiting[2] and not tape.observer:
                        plan.adds(waiting[1].data, *pick(values))
                        continue
                    result = rule(*pick(values))
                    if result is None:
                        continue
                    if result.data.shape != shapes[edge]:
                        result = _fit(node, k, result, shapes[edge])
                    if tape.observer:
                        tape.observer.backward(node, k, result)
                    if waiting is None:
                        pending[target.index] = [target, result, bool(plan.adds) and not create_graph]
                        heappush(heap, -target.index)
                    elif waiting[2]:
                        waiting[1].data += result.data  # adds in place, without a new array for each contribution
                    else:
                        waiting[1:] = waiting[1] + result, not create_graph
                if not retain_graph:
                    node.saved = None
            for function in mode.at_end:
                function()
    finally:
        mode.walking, mode.at_end = walking, waiting_calls
    return reached


def _advance_leaves(root):
    """Renumber leaves with hooks just below their first consumers, so that they are visited right after all consumers."""
    first = dict.fromkeys(tape.hooked)
    seen, stack = {root}, [root]
    while stack:
        node = stack.pop()
        for k, target in enumerate(() if type(node) is Leaf else node.edges):
            if type(target) is not Leaf:
                if target not in seen:
                    seen.add(target)
                    stack.append(target)
            elif target in first:
                index = node.index - (k + 1) / (
                    len(node.edges) + 1
                )  # below `node`, and different for each of its leaves
                first[target] = index if first[target] is None else min(first[target], index)
    for leaf, index in first.items():
        leaf.index = leaf.index if index is None else index


def _in_dtype_of(leaf, g):
    tensor = leaf.tensor()
    return g if tensor is None or g.data.dtype == tensor.data.dtype else g.to(tensor.data.dtype)


def _call_hooks(node, g):
    for hook in node.hooks:
        changed = hook(g)
        if changed is None:
            continue
        if not isinstance(changed, Tensor) or changed.shape != g.shape or changed.dtype != g.dtype:
            what = f"{changed.dtype} of {changed.shape}" if isinstance(changed, Tensor) else type(changed).__name__
            raise RuntimeError(f"backward: a hook returned {what}; needed a Tensor, {g.dtype} of {g.shape}, or None")
        g = changed
    return g


def _checked(node, create_graph):
    """The values that the rules of `node` need; RuntimeError where they were freed or overwritten."""
    saved, out = node.saved, node.plan.out
    if saved is None:
        raise RuntimeError(
            f"backward: the graph at {node.op.__name__} was freed by an earlier backward; "
            "pass retain_graph=True to the earlier one to keep it"
        )
    if writes.last > node.index:
        _check_unchanged(node)
    if out is None:
        return saved
    tensor = Tensor(saved[out])
    tensor.node = node if create_graph else None
    return (*saved[:out], tensor, *saved[out + 1 :])


def _fit(node, k, g, shape):
    """Undo broadcasting: sum a gradient to the shape of its argument."""
    if not node.plan.broadcasts:
        raise RuntimeError(f"{node.op.__name__}: the rule for argument {k} returned shape {g.shape}; needed {shape}")
    return g.sum_to(shape)


def _ancestors(roots, targets):
    """The targets and the nodes between them and the roots: the nodes whose gradients are needed."""
    seen, stack = set(roots), list(roots)
    while stack:
        node = stack.pop()
        if isinstance(node, Node):
            new = set(node.edges) - seen
            seen |= new
            stack += new
    useful = set(targets)
    for node in sorted(seen, key=lambda node: node.index):
        if isinstance(node, Node) and not useful.isdisjoint(node.edges):
            useful.add(node)
    return useful


def _seed(tensor, given, function):
    if not tensor.requires_grad:
        raise RuntimeError(f"{function}: the tensor does not require grad and was not computed from one that does")
    if given is None:
        if tensor.numel() != 1:
            raise RuntimeError(
                f"{function}: the gradient may be omitted for a single element only, not for shape {tensor.shape}; "
                "pass the gradient of the loss in this tensor"
            )
        return Tensor(np.ones_like(tensor.data))
    given = (given if isinstance(given, Tensor) else Tensor(like(given, tensor.data))).to(tensor.dtype)
    if given.shape != tensor.shape:
        raise ValueError(f"{function}: the gradient has shape {given.shape}; needed {tensor.shape}")
    return given


def backward(
    tensor: Tensor, gradient: Tensor | Array | None = None, retain_graph: bool | None = None, create_graph: bool = False
) -> None:
    """Add to the `.grad` of every leaf that requires grad the derivative of <gradient, tensor> in that leaf."""
    retain_graph = create_graph if retain_graph is None else retain_graph
    seed = _seed(tensor, gradient, "backward")
    if tape.hooked and not mode.walking:
        _advance_leaves(tensor.node)
    handed_out = {id(seed.data)}  # leaves must not share a gradient's memory
    for node, g in _walk([tensor.node], [seed], create_graph, retain_graph).items():
        leaf = node.tensor()
        if leaf is None:
            continue
        if leaf.grad is not None:
            g = leaf.grad + g if create_graph else Tensor(asarray(leaf.grad.data + g.data))
        elif not create_graph and (id(g.data) in handed_out or g.data.base is not None):
            g = Tensor(g.data.copy())
        handed_out.add(id(g.data))
        before, leaf.grad = leaf.grad, g
        if cuda.recording is not None:
            cuda.recording.gradient(leaf, before)


def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Tensor | Sequence[Tensor],
    grad_outputs: Tensor | Array | Sequence[Tensor | Array | None] | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    allow_unused: bool = False,
) -> tuple[Tensor, ...]:
    """Derivatives of `outputs` (summed, each times its `grad_outputs`) in each of `inputs`, as a tuple of Tensors.

    `create_graph=True` records the computation, so that the result can be differentiated again. An input on which the
    outputs do not depend is an error, or None with `allow_unused=True`. Nothing is added to `.grad`.
    """
    outputs, inputs = ([x] if isinstance(x, Tensor) else list(x) for x in (outputs, inputs))
    given = [grad_outputs] if isinstance(grad_outputs, Tensor | None) or is_array(grad_outputs) else list(grad_outputs)
    given = given * len(outputs) if grad_outputs is None else given
    if len(given) != len(outputs):
        raise ValueError(f"grad: {len(given)} grad_outputs given for {len(outputs)} outputs; needed one each")
    for k, x in enumerate(inputs):
        if not x.requires_grad:
            raise RuntimeError(f"grad: input {k} of shape {x.shape} does not require grad")
    retain_graph = create_graph if retain_graph is None else retain_graph
    seeds = [_seed(y, g, "grad") for y, g in zip(outputs, given)]
    targets = [x.node for x in inputs]
    reached = _walk([y.node for y in outputs], seeds, create_graph, retain_graph, set(targets))
    for k, node in enumerate(targets):
        if node not in reached and not allow_unused:
            raise RuntimeError(f"grad: the outputs do not depend on input {k}; allow_unused=True returns None for it")
    return tuple(reached.get(node) for node in targets)


Tensor.backward = backward  # type: ignore[method-assign, assignment]
