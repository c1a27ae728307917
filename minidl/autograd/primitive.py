"""Declaration of operations: one forward on arrays and, next to it, one derivative rule per argument.

    @primitive
    def multiply(a, b):
        return a * b

    multiply.rules(a=lambda g, b: g * b,
                   b=lambda g, a: g * a)

A rule maps `g`, the derivative of the loss in the output, to the derivative in one argument. The names of its
parameters select the values that it needs, and the tape keeps no others: `g`, `out`, any argument, any metadata (keyword-only
parameter of the forward), NAME_shape for the shape of an argument, or the name of an auxiliary output. Rules receive Tensors
and use differentiable functions of Tensors, so that a gradient can be differentiated again. The rule of an argument that needs
no gradient is never called.
"""

from __future__ import annotations

import functools
import inspect
import itertools
from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any, ParamSpec, Protocol, overload

import numpy as np

from ..backend import asarray
from . import tape
from .engine import grad
from .promotion import promote, to_common_device
from .tape import Node, enable_grad, mode
from .tensor import Tensor

_FLOAT32 = np.dtype(np.float32)

P = ParamSpec("P")


class Operation(Protocol[P]):
    """A differentiable operation: called with Tensors, arrays, numbers or None, it returns a Tensor."""

    __name__: str
    adds: Callable[..., None] | None  # (array, *arguments of the rule): add what the rule would return to an array

    def __call__(self, *args: P.args, **metadata: P.kwargs) -> Tensor:
        """The result, recorded on the tape if an argument requires a gradient."""

    def rules(self, **by_argument: Callable[..., Tensor | None] | None) -> None:
        """Declare the derivative in each argument; None for an argument that is constant by definition."""

    def joint_rule(self, rule: Callable[..., tuple[Tensor | None, ...]]) -> None:
        """Declare one rule that returns the derivatives in all arguments, where they share most of their work."""


class Plan:
    """For one operation and one set of arguments that need gradients: the values to keep and the rules to call."""

    def __init__(
        self,
        op: Callable[..., Any],
        wanted: Sequence[tuple[int, str]],
        rules: Mapping[str, Any],
        layout: Sequence[str],
        variadic: Sequence[str],
        broadcasts: bool,
    ) -> None:
        steps = []
        for edge, (k, name) in enumerate(wanted):
            if name not in rules:
                raise NotImplementedError(f"{op.__name__}: not differentiable in argument {name!r}")
            if rules[name]:
                rule = rules[name]
                needs = list(inspect.signature(rule).parameters)
                if needs[0] == "i":  # a rule for every variadic argument starts with its position
                    rule, needs = functools.partial(rule, k), needs[1:]
                steps.append((edge, k, rule, needs))
        self.names = sorted({n for *_, needs in steps for n in needs} - {"g"}, key=layout.index)
        self.keep = _pick([layout.index(n) for n in self.names])
        self.plain = not variadic and all(layout.index(n) <= layout.index("out") for n in self.names)
        self.out = self.names.index("out") if "out" in self.names else None
        values = ["g", *self.names]
        self.steps = [(edge, k, rule, _pick([values.index(n) for n in needs])) for edge, k, rule, needs in steps]
        self.adds = op.adds  # type: ignore[attr-defined]
        self.joint = None
        if "joint" in rules:  # one rule returns all derivatives; each step takes its own from the tuple
            _, _, rule, pick = self.steps[0]
            self.joint = lambda values: rule(*pick(values))
            self.steps = [(edge, k, itemgetter(k), lambda results: results) for edge, k, _, _ in self.steps]
        self.broadcasts = broadcasts
        self.op = op


def _pick(positions):
    """A function from a tuple to the tuple of its entries at `positions`."""
    if len(positions) > 1:
        return itemgetter(*positions)
    first = positions[0] if positions else 0
    return itemgetter(slice(first, first + len(positions)))


@overload
def primitive(forward: Callable[P, Any]) -> Operation[P]: ...
@overload
def primitive(
    *, broadcasts: bool = False, floating: bool = False, aux: Sequence[str] = ()
) -> Callable[[Callable[P, Any]], Operation[P]]: ...
def primitive(
    forward: Callable[..., Any] | None = None,
    *,
    broadcasts: bool = False,
    floating: bool = False,
    aux: Sequence[str] = (),
) -> Any:
    """Decorator: a differentiable operation on Tensors from a function of arrays.

    Positional parameters are arguments (Tensors, arrays, numbers or None), keyword-only ones metadata. `broadcasts`:
    dtypes are promoted as in PyTorch and gradients summed over broadcast axes. `floating`: integer arguments become
    float32. `aux`: names of further outputs, which are constant Tensors. `op.rules(argument=rule, ...)` then
    declares the derivatives (None: constant by definition), or `op.joint_rule(rule)` one rule that returns all of them,
    where they share most of their work.
    """
    if forward is None:
        return functools.partial(primitive, broadcasts=broadcasts, floating=floating, aux=aux)
    signature = inspect.signature(forward)
    parameters = signature.parameters.values()
    names = [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    variadic = [p.name for p in parameters if p.kind is p.VAR_POSITIONAL]
    keywords = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY]
    layout = [
        *names,
        *variadic,
        "out",
        *aux,
        *keywords,
        *[f"{n}_shape" for n in names],
        *[f"{n}_shape" for n in variadic],
    ]
    rule_of, plans = {}, {}
    promotes = broadcasts or floating

    def plan_for(mask, count):
        """The plan for the set of arguments whose bits are set in `mask`."""
        wanted = [k for k in range(count) if mask >> (count - 1 - k) & 1]
        plans[mask] = Plan(
            op, [(k, variadic[0] if variadic else names[k]) for k in wanted], rule_of, layout, variadic, broadcasts
        )
        return plans[mask]

    @functools.wraps(forward)
    def run(*args, **metadata):
        arrays = [a.data if isinstance(a, Tensor) else a for a in args]
        try:
            out = forward(*arrays, **metadata)
        except TypeError:
            moved = to_common_device(forward.__name__, args)
            if moved is None:
                raise
            return op(*moved, **metadata)
        extra = ()
        if aux:
            out, *extra = out
            extra = tuple(map(Tensor, extra))
        if promotes and out.dtype is not _FLOAT32:
            for a in arrays:
                if getattr(a, "dtype", out.dtype) is not out.dtype:
                    promoted = promote(args, floating)
                    if any(a is not b for a, b in zip(args, promoted)):
                        return op(*promoted, **metadata)
        result = Tensor(out if isinstance(out, np.ndarray) else asarray(out))
        if mode.recording:
            edges, shapes, mask = [], [], 1
            for a in args:
                node = a.node if isinstance(a, Tensor) else None
                mask += mask
                if node is not None:
                    mask += 1
                    edges.append(node)
                    shapes.append(a.data.shape)
            if edges:
                plan = plans.get(mask) or plan_for(mask, len(args))
                args = [a.copy() if type(a) is np.ndarray else a for a in args]  # no write to them would be seen
                if plan.plain:
                    saved = plan.keep((*args, out))
                else:
                    sizes = [getattr(a, "shape", ()) for a in arrays]
                    given = ((args,) if variadic else args, (out,), extra, [metadata[k] for k in keywords])
                    saved = plan.keep((*itertools.chain(*given), *((sizes,) if variadic else sizes)))
                result.node = Node(plan, edges, shapes, saved)
        if tape.observer:
            tape.observer.forward(op, args, metadata, result, *extra)
        return (result, *extra) if aux else result

    def pair(a, b):
        """`op` for two arguments without metadata, with its loops unrolled, since these dominate the time on small arrays.

        It handles float32, the usual dtype of networks; other dtypes take the general path.
        """
        x, p = (a.data, a.node) if isinstance(a, Tensor) else (a, None)
        y, q = (b.data, b.node) if isinstance(b, Tensor) else (b, None)
        try:
            out = forward(x, y)
        except TypeError:  # NumPy and CuPy arrays do not mix
            return general(a, b)
        if type(out) is not np.ndarray or out.dtype is not _FLOAT32 or tape.observer:
            return general(a, b)
        result = Tensor(out)
        if (p or q) and mode.recording:
            if q is None:
                mask, edges, shapes = 0b110, (p,), (x.shape,)
                b = b.copy() if type(b) is np.ndarray else b  # no write to it would be seen
            elif p is None:
                mask, edges, shapes = 0b101, (q,), (y.shape,)
                a = a.copy() if type(a) is np.ndarray else a
            else:
                mask, edges, shapes = 0b111, (p, q), (x.shape, y.shape)
            plan = plans.get(mask) or plan_for(mask, 2)
            if not plan.plain:
                return general(a, b)
            result.node = Node(plan, edges, shapes, plan.keep((a, b, out)))
        return result

    general: Any = run
    op = general
    if len(names) == 2 and broadcasts and not (keywords or aux):
        op = functools.wraps(forward)(pair)

    def rules(**by_argument):
        if not by_argument.keys() <= {*names, *variadic}:
            raise TypeError(f"{forward.__name__}.rules: arguments are {names + variadic}, not {sorted(by_argument)}")
        rule_of.update(by_argument)

    def joint_rule(rule):
        rule_of.update(dict.fromkeys([*names, "joint"], rule))

    op.__name__ = forward.__name__.lstrip("_")  # the name in messages: "conv" for `_conv`
    op.__signature__ = signature if aux else signature.replace(return_annotation="Tensor")  # for `help`
    op.adds = None
    op.rules = rules
    op.joint_rule = joint_rule
    return op


def differentiate_through(
    definition: Callable[..., Any], inputs: Sequence[Tensor | None], g: Tensor
) -> tuple[Tensor | None, ...]:
    """Recorded derivatives of <g, definition(*inputs)>, by which a fused operation is differentiated more than once.

    When the derivative itself has to be recorded, a rule whose kernel works on arrays calls this with the definition of
    its operation in differentiable functions. The result is None for inputs that are None or need no gradient.
    """
    with enable_grad():
        copies = [x if x is None else _alias(x) for x in inputs]
        wanted = [x for x in copies if x is not None and x.requires_grad]
        results = iter(grad(definition(*copies), wanted, g, create_graph=True))
    return tuple(next(results) if x is not None and x.requires_grad else None for x in copies)


@primitive
def _alias(x):
    return x.view()


_alias.rules(x=lambda g: g)
