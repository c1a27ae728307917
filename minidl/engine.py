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

from . import cuda
from .backend import asarray, is_array, like
from .tensor import Tensor


class _Mode(threading.local):
    recording = True
    walking = False  # inside a backward pass


mode = _Mode()
observer = None  # of every operation and every gradient: detect_anomaly, or the receptive-field analysis
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

    __slots__ = ("edges", "hooks", "index", "plan", "saved", "shapes", "where")

    def __init__(self, plan, edges, shapes, saved):
        self.plan = plan  # the operation, which of its rules to call, and with what
        self.edges = edges  # the Node or Leaf of each argument that needs a gradient
        self.shapes = shapes  # of those arguments
        self.saved = saved  # the values that the rules need; None once freed
        self.hooks = None
        self.index = next(clock)

    @property
    def op(self):
        """The operation."""
        return self.plan.op


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
    while is_array(array.base):
        array = array.base
    return array


def _check_unchanged(node):
    for name, value in zip(node.plan.names, node.saved):
        array = value.data if isinstance(value, Tensor) else value
        if is_array(array) and _written.get(id(_owner(array)), 0) > node.index:
            raise RuntimeError(
                f"backward: {node.op.__name__} needs its {name!r} of shape {array.shape} as it was, but the array has been "
                "written in place since; work on a copy (clone()) or out of place"
            )


# -- the walk ------------------------------------------------------------------------------------------------------------


def _walk(roots, seeds, create_graph, retain_graph, targets=()):
    """Push `seeds` back from `roots`. Returns {node: gradient} for every Leaf, or for the `targets` if given."""
    useful = _ancestors(roots, targets) if targets else None
    pending = {}  # creation number -> [node, its gradient so far, whether that is a sum that can be written to]
    for root, seed in zip(roots, seeds):
        if root.index in pending:
            pending[root.index][1] = pending[root.index][1] + seed
        else:
            pending[root.index] = [root, seed, False]
    heap = sorted(-index for index in pending)
    reached = {}
    walking, mode.walking = mode.walking, True
    try:
        with enable_grad() if create_graph else no_grad():
            while heap:
                node, g, _ = pending.pop(-heappop(heap))
                if node.hooks:
                    g = _call_hooks(node, g)
                if node in targets or type(node) is Leaf:
                    reached[node] = g
                    if type(node) is Leaf:
                        continue
                plan, saved, edges, shapes = node.plan, node.saved, node.edges, node.shapes
                if saved is None or plan.out is not None or _last_write > node.index:
                    saved = _checked(node, create_graph)
                values = (g, *saved)
                if plan.joint:
                    values = (plan.joint(values),)
                for edge, k, rule, pick in plan.steps:
                    target = edges[edge]
                    if useful is not None and target not in useful:
                        continue
                    result = rule(*pick(values))
                    if result is None:
                        continue
                    if result.data.shape != shapes[edge]:
                        result = _fit(node, k, result, shapes[edge])
                    if observer:
                        observer.backward(node, k, result)
                    waiting = pending.get(target.index)
                    if waiting is None:
                        pending[target.index] = [target, result, False]
                        heappush(heap, -target.index)
                    elif waiting[2]:
                        waiting[1].data += result.data  # many may add to one gradient: no new array each time
                    else:
                        waiting[1:] = waiting[1] + result, not create_graph
                if not retain_graph:
                    node.saved = None
    finally:
        mode.walking = walking
    return reached


def _call_hooks(node, g):
    for hook in node.hooks:
        changed = hook(g)
        g = g if changed is None else changed
    return g


def _checked(node, create_graph):
    """What the rules of `node` need, checked to be still there and still the same."""
    saved, out = node.saved, node.plan.out
    if saved is None:
        raise RuntimeError(
            f"backward: the graph at {node.op.__name__} was freed by an earlier backward; "
            "pass retain_graph=True to the earlier one to walk it again"
        )
    if _last_write > node.index:
        _check_unchanged(node)
    if out is None:
        return saved
    tensor = Tensor(saved[out])
    tensor.node = node if create_graph else None
    return (*saved[:out], tensor, *saved[out + 1 :])


def _fit(node, k, g, shape):
    """Undo broadcasting: the one place where gradients are summed to the shape of their argument."""
    if not node.plan.broadcasts:
        raise RuntimeError(f"{node.op.__name__}: the rule for argument {k} returned shape {g.shape}; needed {shape}")
    return g.sum_to(shape)


def _ancestors(roots, targets):
    """The targets and all nodes above them that the roots depend on: where a gradient is worth computing."""
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
        raise RuntimeError(f"{function}: the tensor does not require grad and was not made from one that does")
    if given is None:
        if tensor.numel() != 1:
            raise RuntimeError(
                f"{function}: a gradient can be implied for a single element only, not for shape {tensor.shape}; "
                "pass the gradient of the loss in this tensor"
            )
        return Tensor(np.ones_like(tensor.data))
    given = (given if isinstance(given, Tensor) else Tensor(like(given, tensor.data))).to(tensor.dtype)
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
            g = leaf.grad + g if create_graph else Tensor(asarray(leaf.grad.data + g.data))
        elif not create_graph and (id(g.data) in handed_out or g.data.base is not None):
            g = Tensor(g.data.copy())
        handed_out.add(id(g.data))
        before, leaf.grad = leaf.grad, g
        if cuda.recording is not None:
            cuda.recording.gradient(leaf, before)


def grad(outputs, inputs, grad_outputs=None, retain_graph=None, create_graph=False, allow_unused=False):
    """Derivatives of `outputs` (summed, each times its `grad_outputs`) in each of `inputs`, as a tuple of Tensors.

    `create_graph=True` records the computation, so that the result can be differentiated again. An input on which the
    outputs do not depend is an error, or None with `allow_unused=True`. Nothing is added to `.grad`.
    """
    outputs, inputs = ([x] if isinstance(x, Tensor) else list(x) for x in (outputs, inputs))
    given = [grad_outputs] if isinstance(grad_outputs, Tensor | None) or is_array(grad_outputs) else list(grad_outputs)
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
