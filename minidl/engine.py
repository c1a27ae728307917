"""The tape, walked back: reverse-mode differentiation, gradients of gradients, and the modes of recording.

Every node carries a creation number. Outputs are younger than their inputs, so a heap that always serves the youngest
node visits each one after all of its consumers, without recursion (Baydin et al. 2018, "Automatic Differentiation in
Machine Learning: a Survey", section 3.2). How an operation comes onto the tape is in `primitive`.
"""

import functools
import itertools
import threading
import weakref
from heapq import heappop, heappush

import numpy as np

from .tensor import Tensor


class _Mode(threading.local):
    recording = True
    walking = False  # inside a backward pass
    anomaly = None  # set by detect_anomaly: sees every result and every gradient


mode = _Mode()
clock = itertools.count(1)


class no_grad:
    """Context manager or decorator: operations inside are not recorded."""

    recording = False

    def __enter__(self):
        self.before = mode.recording
        mode.recording = self.recording

    def __exit__(self, *error):
        mode.recording = self.before

    def __call__(self, function):
        @functools.wraps(function)
        def wrapper(*args, **kwargs):
            with type(self)():
                return function(*args, **kwargs)

        return wrapper


class enable_grad(no_grad):
    """Context manager or decorator: operations inside are recorded, also within `no_grad`."""

    recording = True


def is_grad_enabled():
    """Whether operations are being recorded in this thread."""
    return mode.recording


class Leaf:
    """The end of the tape at a tensor that was not computed and requires a gradient."""

    __slots__ = ("hooks", "index", "tensor")

    def __init__(self, tensor):
        self.tensor = weakref.ref(tensor)
        self.hooks = None
        self.index = next(clock)


class Node:
    """One recorded operation."""

    __slots__ = ("edges", "hooks", "index", "op", "plan", "saved", "shapes", "where")

    def __init__(self, op, plan, edges, saved, shapes):
        self.op = op
        self.plan = plan  # which rules to call, with what
        self.edges = edges  # the Node or Leaf of each argument, None if it needs no gradient
        self.saved = saved  # the values that the rules need; None once freed
        self.shapes = shapes  # of the arguments
        self.hooks = None
        self.index = next(clock)


# -- in-place writes ----------------------------------------------------------------------------------------------------

_written = {}  # id of an array -> time of its last in-place write
_last_write = 0


def touch(array):
    """Note an in-place write to `array`, so that a backward pass which needs the old values can refuse."""
    global _last_write
    array = _owner(array)
    if id(array) not in _written:
        weakref.finalize(array, _written.pop, id(array), None)
    _written[id(array)] = _last_write = next(clock)


def _owner(array):
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def _check_unchanged(node):
    for name, value in zip(node.plan.names, node.saved):
        array = value.data if isinstance(value, Tensor) else value
        if isinstance(array, np.ndarray) and _written.get(id(_owner(array)), 0) > node.index:
            raise RuntimeError(
                f"backward: {node.op.__name__} needs its {name!r} of shape {array.shape} as it was, but the array has been "
                "written in place since; work on a copy (clone()) or out of place"
            )


# -- the walk ------------------------------------------------------------------------------------------------------------


def _walk(roots, seeds, create_graph, retain_graph, targets=None):
    """Push `seeds` back from `roots`. Returns {node: gradient} for every Leaf, or for the `targets` if given."""
    pending, heap, reached = {}, [], {}
    useful = None if targets is None else _ancestors(roots, targets)

    def deliver(edge, g):
        index = edge.index
        if index in pending:
            pending[index] = (edge, pending[index][1] + g)
        else:
            pending[index] = (edge, g)
            heappush(heap, -index)

    walking, mode.walking = mode.walking, True
    try:
        with enable_grad() if create_graph else no_grad():
            for root, seed in zip(roots, seeds):
                if useful is None or root in useful:
                    deliver(root, seed)
            while heap:
                node, g = pending.pop(-heappop(heap))
                for hook in node.hooks or ():
                    changed = hook(g)
                    g = g if changed is None else changed
                if isinstance(node, Leaf) or (targets is not None and node in targets):
                    reached[node] = g
                if isinstance(node, Node):
                    _step(node, g, create_graph, deliver, useful)
                    if not retain_graph:
                        node.saved = None
    finally:
        mode.walking = walking
    return reached


def _step(node, g, create_graph, deliver, useful):
    """Call the rules of one node and hand on what they return."""
    plan, saved = node.plan, node.saved
    if saved is None:
        raise RuntimeError(
            f"backward: the graph at {node.op.__name__} was freed by an earlier backward; "
            "pass retain_graph=True to the earlier one to walk it again"
        )
    if _last_write > node.index:
        _check_unchanged(node)
    if plan.out is not None:
        out = Tensor(saved[plan.out])
        out.node = node if create_graph else None
        saved = (*saved[: plan.out], out, *saved[plan.out + 1 :])
    values = (g, *saved)
    steps = plan.steps if useful is None else [step for step in plan.steps if node.edges[step[0]] in useful]
    if plan.joint:
        results = steps[0][1](*steps[0][2](values)) if steps else ()
        for k, _, _ in steps:
            _hand_on(node, k, results[k], deliver)
    else:
        for k, rule, pick in steps:
            _hand_on(node, k, rule(*pick(values)), deliver)


def _hand_on(node, k, g, deliver):
    if g is None:
        return
    if g.data.shape != node.shapes[k]:
        if not node.plan.broadcasts:
            raise RuntimeError(
                f"{node.op.__name__}: the rule for argument {k} returned shape {g.shape}; needed {node.shapes[k]}"
            )
        g = g.sum_to(node.shapes[k])
    if mode.anomaly:
        mode.anomaly.backward(node, k, g)
    deliver(node.edges[k], g)


def _ancestors(roots, targets):
    """The targets and all nodes above them that the roots depend on: where a gradient is worth computing."""
    seen, stack = set(roots), list(roots)
    while stack:
        node = stack.pop()
        if isinstance(node, Node):
            new = {edge for edge in node.edges if edge is not None} - seen
            seen |= new
            stack += new
    useful = set(targets)
    for node in sorted(seen, key=lambda node: node.index):
        if isinstance(node, Node) and not useful.isdisjoint(node.edges):
            useful.add(node)
    return useful


def _seed(tensor, given, function):
    if not tensor.requires_grad:
        raise RuntimeError(f"{function}: the tensor does not require grad and was not made from one that does")
    if given is None:
        if tensor.numel() != 1:
            raise RuntimeError(
                f"{function}: a gradient can be implied for a single element only, not for shape {tensor.shape}; "
                "pass the gradient of the loss in this tensor"
            )
        return Tensor(np.ones_like(tensor.data))
    given = (given if isinstance(given, Tensor) else Tensor(np.asarray(given))).to(tensor.dtype)
    if given.shape != tensor.shape:
        raise ValueError(f"{function}: the gradient has shape {given.shape}; needed {tensor.shape}")
    return given


def backward(tensor, gradient=None, retain_graph=None, create_graph=False):
    """Add the derivative of `tensor` (times `gradient`) in every leaf that requires one to that leaf's `.grad`."""
    retain_graph = create_graph if retain_graph is None else retain_graph
    seed = _seed(tensor, gradient, "backward")
    handed_out = {id(seed.data)}  # two leaves must not share one buffer: writing to one would change the other
    for node, g in _walk([tensor.node], [seed], create_graph, retain_graph).items():
        leaf = node.tensor()
        if leaf is None:
            continue
        if leaf.grad is not None:
            g = leaf.grad + g if create_graph else Tensor(leaf.grad.data + g.data)
        elif not create_graph and (id(g.data) in handed_out or g.data.base is not None):
            g = Tensor(g.data.copy())
        handed_out.add(id(g.data))
        leaf.grad = g


def grad(outputs, inputs, grad_outputs=None, retain_graph=None, create_graph=False, allow_unused=False):
    """Derivatives of `outputs` (summed, each times its `grad_outputs`) in each of `inputs`, as a tuple of Tensors.

    `create_graph=True` records the computation, so that the result can be differentiated again. An input on which the
    outputs do not depend is an error, or None with `allow_unused=True`. Nothing is added to `.grad`.
    """
    outputs, inputs = ([x] if isinstance(x, Tensor) else list(x) for x in (outputs, inputs))
    given = [grad_outputs] if isinstance(grad_outputs, Tensor | np.ndarray | None) else list(grad_outputs)
    given = given * len(outputs) if grad_outputs is None else given
    if len(given) != len(outputs):
        raise ValueError(f"grad: {len(given)} grad_outputs came for {len(outputs)} outputs")
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
