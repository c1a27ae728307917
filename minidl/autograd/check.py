"""Comparison of derivatives with finite differences; errors name the wrong element.

The centred difference (phi(x + h v) - phi(x - h v)) / 2h has an error of order h^2 from the function's curvature and of
order (machine precision / h) from rounding; in float64 h = 1e-6 balances them at about 1e-10. The relative error is
|a - n| / max(|a|, |n|): above 1e-2 the derivative is wrong, below 1e-7 it is right; values between them come from
kinks and loss of digits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..typing import Array, TensorLike
from .engine import grad
from .tape import enable_grad, is_grad_enabled, no_grad
from .tensor import Tensor


class GradientError(AssertionError):
    """A derivative disagrees with its numerical value. Attributes: argument, index, analytic, numerical, order."""

    def __init__(
        self, name: str, order: int, argument: int | str, index: tuple[int, ...], analytic: float, numerical: float
    ) -> None:
        self.argument, self.index, self.order = argument, index, order
        self.analytic, self.numerical = analytic, numerical
        error = abs(analytic - numerical) / max(abs(analytic), abs(numerical), 1e-300)
        which = {1: "first", 2: "second"}.get(order, f"order {order}")
        super().__init__(
            f"{name}: the {which} derivative in argument {argument} is wrong at element {index}: "
            f"analytic {analytic:.9g}, numerical {numerical:.9g} (relative error {error:.1e})"
        )


def _inner(u, y):
    return sum(float(np.vdot(a, b)) for a, b in zip(u, y))


def _outputs(result):
    return list(result) if isinstance(result, tuple | list) else [result]


def _value(f, arrays):
    with no_grad():
        return [y.data for y in _outputs(f(*map(Tensor, arrays)))]


def _vjp(f, xs, u, create_graph=False):
    """Derivatives of <u, f(xs)> in every x, zero where f does not depend on it."""
    with enable_grad():
        xs = [x if x.requires_grad else x.detach().requires_grad_() for x in xs]
        ys = _outputs(f(*xs))
    pairs = [(y, g) for y, g in zip(ys, u) if y.requires_grad]
    zeros = [Tensor(np.zeros_like(x.data)) for x in xs]
    if not pairs:
        return zeros
    ys, u = zip(*pairs)
    results = grad(ys, xs, u, create_graph=create_graph, allow_unused=True)
    return [zero if r is None else r for r, zero in zip(results, zeros)]


def check_grads(
    f: Callable[..., Any],
    inputs: Sequence[Tensor | Array],
    order: int = 2,
    eps: float = 1e-6,
    rtol: float = 1e-5,
    atol: float = 1e-7,
    directions: int = 3,
    seed: int = 0,
) -> None:
    """Check the derivatives of `f(*inputs)` up to `order` against centred differences.

    `inputs` are float64 Tensors or arrays; each is an argument to differentiate in. In each of a few random
    directions v the product <v, J^T u> is compared with the difference quotient of <u, f>; where they disagree, each element
    is compared, and a GradientError names the argument, the element, the analytic and the numerical value. The second order
    checks the derivative of the derivative in the same way, in the inputs and in u.
    """
    arrays = [np.array(x.data if isinstance(x, Tensor) else x) for x in inputs]
    for k, x in enumerate(arrays):
        if x.dtype != np.float64:
            raise TypeError(f"check_grads: input {k} is {x.dtype}; finite differences need float64")
    how = _How(order, eps, rtol, atol, directions, np.random.default_rng(seed), len(arrays))
    _check(f, arrays, 1, how)


class _How(NamedTuple):
    """Options of the comparison; `named` is the number of arguments of the user's function."""

    order: int
    eps: float
    rtol: float
    atol: float
    directions: int
    rng: np.random.Generator
    named: int


def _check(f, arrays, level, how):
    order, eps, rtol, atol, directions, rng, named = how
    u = [rng.standard_normal(y.shape) for y in _value(f, arrays)]
    xs = [Tensor(x.copy()).requires_grad_() for x in arrays]
    analytic = [g.data for g in _vjp(f, xs, [Tensor(v) for v in u])]

    def quotient(k, v):
        sides = [[x + sign * eps * v if i == k else x for i, x in enumerate(arrays)] for sign in (1, -1)]
        plus, minus = (_inner(u, _value(f, side)) for side in sides)
        return (plus - minus) / (2 * eps)

    def agrees(a, n, scale):
        return abs(a - n) <= atol * max(scale, 1) + rtol * max(abs(a), abs(n))

    for k, x in enumerate(arrays):
        if analytic[k].shape != x.shape:
            raise AssertionError(
                f"check_grads: the derivative in argument {k} has shape {analytic[k].shape}; needed {x.shape}"
            )
        for _ in range(directions):
            v = rng.standard_normal(x.shape)
            a, n = float(np.vdot(v, analytic[k])), quotient(k, v)
            if not agrees(a, n, np.sqrt(np.sum((v * analytic[k]) ** 2))):
                raise GradientError(_name(f), level, _argument(k, named), *_guilty(analytic[k], quotient, k))
    if level < order:

        def derivative(*values):
            return _vjp(f, values[: len(arrays)], values[len(arrays) :], create_graph=is_grad_enabled())

        derivative.__name__ = _name(f)
        _check(derivative, arrays + u, level + 1, how)


def _argument(k, named):
    return k if k < named else f"{k - named} of the cotangents"


def _name(f):
    return getattr(f, "__name__", type(f).__name__)


def _guilty(analytic, quotient, k):
    """The element where analytic and numerical derivative differ most."""
    worst = (-1.0, (), 0.0, 0.0)
    for index in np.ndindex(analytic.shape):
        v = np.zeros(analytic.shape)
        v[index] = 1
        a, n = float(analytic[index]), quotient(k, v)
        worst = max(worst, (abs(a - n), index, a, n))
    return worst[1:]


def check_adjoint(
    f: Callable[..., Any],
    f_adjoint: Callable[..., Any],
    x: TensorLike,
    y: TensorLike | None = None,
    rtol: float = 1e-10,
    seed: int = 0,
) -> None:
    """Check <f(x), y> = <x, f_adjoint(y)> for the linear function f; without `y`, a random one is drawn.

    x is float64; f and f_adjoint take Tensors if x is a Tensor, arrays if it is an array. Raises AssertionError with the input
    element where the two sides differ most.
    """
    tensors = isinstance(x, Tensor)
    x = _array(x)
    wrap = Tensor if tensors else np.asarray

    def forward(v):
        return _array(f(wrap(v)))

    fx = forward(x)
    y = np.random.default_rng(seed).standard_normal(fx.shape) if y is None else _array(y)
    back = _array(f_adjoint(wrap(y)))
    if back.shape != x.shape:
        raise AssertionError(f"check_adjoint: the adjoint returned shape {back.shape}; needed {x.shape}")
    left, right = float(np.vdot(fx, y)), float(np.vdot(x, back))
    scale = np.sqrt(np.sum(fx**2) * np.sum(y**2)) + 1e-300
    if abs(left - right) > rtol * scale:

        def quotient(_, v):
            return float(np.vdot(forward(v), y))

        index, a, n = _guilty(back, quotient, 0)
        raise AssertionError(
            f"check_adjoint: <f(x), y> = {left:.12g} but <x, f*(y)> = {right:.12g}; they differ most at input element "
            f"{index}: f* gives {a:.9g}, f implies {n:.9g}"
        )


def _array(v):
    return v.data if isinstance(v, Tensor) else np.asarray(v)
