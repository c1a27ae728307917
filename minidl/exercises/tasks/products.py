"""Exercises on the gradients of products."""

import numpy as np

from ... import functional as F
from ..exercise import Exercise, gradients, numbers


def _fit(d, shape, leading, inner):
    """A gradient of the broadcast shape reduced to `shape`: `leading` reduces leading axes, `inner` those of size 1."""
    extra = d.ndim - len(shape)
    for _ in range(extra):
        d = leading(d)
    for axis, n in enumerate(shape):
        if d.ndim == len(shape) and n == 1 != d.shape[axis]:
            d = inner(d, axis)
    return d


def _total(d):
    return d.sum(0)


def _keep(d, axis=None):
    return d


def _total_along(d, axis):
    return d.sum(axis, keepdims=True)


def _way(leading, inner=None):
    """(reduction of leading axes, of those of size 1) from one function of (array, axis) that keeps the axis."""
    return (lambda d: leading(d, 0)[0]), inner or leading


WAYS = {
    "sum": (_total, _total_along),
    "none": (_keep, _keep),
    "leading": (_total, _keep),
    "inner": (_keep, _total_along),
    "mean": _way(lambda d, axis: d.mean(axis, keepdims=True)),
    "max": _way(lambda d, axis: d.max(axis, keepdims=True)),
    "first": _way(lambda d, axis: d.take([0], axis)),
    "last": _way(lambda d, axis: d.take([-1], axis)),
    "first inner": (_total, lambda d, axis: d.take([0], axis)),
    "first leading": (lambda d: d[0], _total_along),
    "mean inner": (_total, lambda d, axis: d.mean(axis, keepdims=True)),
    "mean leading": (lambda d: d.mean(0), _total_along),
}


def _inner_extra(d, shape):
    """Axes of size 1 are found from the left, although the missing axes are leading ones."""
    for axis in [a for a, n in enumerate(shape) if n == 1]:
        d = d.sum(axis, keepdims=True)
    return d


def _without_axis(d, shape):
    """The axes of size 1 are summed and not kept."""
    d = d.sum(tuple(range(d.ndim - len(shape))))
    return d.sum(tuple(axis for axis, n in enumerate(shape) if n == 1 != d.shape[axis]))


RIGHT = {"way": "sum", "by_a": lambda g, a, b: b, "by_b": lambda g, a, b: a, "with_g": True, "of_a": None, "of_b": None}


def _backward(g, a, b, **slips):
    """The gradients of a product with mistakes."""
    way = RIGHT | slips
    factor = g if way["with_g"] else np.ones_like(g)
    da, db = factor * way["by_a"](g, a, b), factor * way["by_b"](g, a, b)
    to_a, to_b = way["of_a"] or way["way"], way["of_b"] or way["way"]
    return tuple(
        to(d, part.shape) if callable(to) else _fit(d, part.shape, *WAYS[to])
        for d, part, to in ((da, a, to_a), (db, b, to_b))
    )


def _total_then_repeated(d, shape):
    """The sum over all, in every cell."""
    return np.full(shape, d.sum()) if d.shape != shape else d


def _case(seed, ga, sa, sb):
    return {"g": numbers(seed, *ga), "a": numbers(seed + 1, *sa), "b": numbers(seed + 2, *sb)}


def _draw(rng):
    return {"g": numbers(rng, 3, 2, 5), "a": numbers(rng, 2, 1), "b": numbers(rng, 3, 1, 5)}


MULTIPLY = Exercise(
    name="multiply_backward",
    signature="g, a, b",
    lesson="01",
    title="the gradient of a product whose arguments were broadcast",
    task="""The gradients of sum(g * (a * b)) in a and in b.
g has the shape of a * b. An argument that NumPy broadcast is used several times, so its gradient is a sum, and has the
shape of the argument.
Returns (gradient in a, gradient in b).""",
    cases=(
        {"g": numbers(0, 3, 4), "a": numbers(1, 3, 4), "b": numbers(2, 4)},
        {"g": numbers(3, 2, 4, 3), "a": numbers(4, 2, 1, 3), "b": numbers(5, 4, 1)},
        {"g": numbers(6, 2, 3), "a": numbers(7), "b": numbers(8, 2, 3)},
        _case(9, (3, 3), (3, 1), (1, 3)),
        _case(12, (2, 3), (2, 3), (2, 3)),
        _case(15, (2, 3, 4), (4,), (2, 3, 4)),
    ),
    draw_case=_draw,
    forward=F.mul,
    expected=gradients(lambda a, b: F.mul(a, b), "a", "b"),
    made=_backward,
    returns=("a", "b"),
    mistakes={
        "a forgotten unbroadcast: an argument that is repeated needs the sum over the axes along which it is": [
            {"way": "none"},
            {"of_a": "none"},
            {"of_b": "none"},
        ],
        "the broadcast is undone in the leading axes only: sum also over the axes of size 1, with keepdims=True": {
            "way": "leading"
        },
        "the broadcast is undone in the axes of size 1 only: sum also over the leading axes": [
            {"way": "inner"},
            {"way": _inner_extra},
        ],
        "a slice is taken where the broadcast must be undone: every copy counts, so take the sum": [
            {"way": "first"},
            {"way": "last"},
        ],
        "a slice is taken of the axes of size 1: every copy counts, so take the sum": {"way": "first inner"},
        "a slice is taken of the leading axes: every copy counts, so take the sum": {"way": "first leading"},
        "the axes of size 1 are summed but not kept: use keepdims=True": {"way": _without_axis},
        "the sum over all cells is put everywhere: sum only over the axes along which the argument is repeated": {
            "way": _total_then_repeated
        },
        "the arguments are exchanged: the derivative of a b in a is b": {
            "by_a": lambda g, a, b: a,
            "by_b": lambda g, a, b: b,
        },
        "the gradient is averaged over the repeated axes: every use counts fully, so take the sum": {"way": "mean"},
        "the gradient is averaged over the leading axes: every use counts fully, so take the sum": {
            "way": "mean leading"
        },
        "the gradient is averaged over the axes of size 1: every use counts fully, so take the sum": {
            "way": "mean inner"
        },
        "the maximum is taken over the repeated axes: every use counts, so take the sum": {"way": "max"},
        "the incoming gradient g is left out: the chain rule multiplies by it": {"with_g": False},
        "the product a b stands where the other argument is needed": {
            "by_a": lambda g, a, b: a * b,
            "by_b": lambda g, a, b: a * b,
        },
        "g alone is passed on: it must be multiplied by the other argument": {
            "by_a": lambda g, a, b: np.ones_like(g),
            "by_b": lambda g, a, b: np.ones_like(g),
        },
        "it is divided by the other argument; needed a product": {
            "by_a": lambda g, a, b: 1 / b,
            "by_b": lambda g, a, b: 1 / a,
        },
    },
    hints=(
        "Look at the shapes first: what does the gradient in an argument look like without broadcasting?",
        "If b is repeated along an axis, each copy receives its own gradient. What does b itself receive?",
        "The gradients are g * b and g * a. Sum first over the leading axes that the argument does not have, then, with "
        "keepdims=True, over those where it has size 1.",
    ),
)


def _matmul(g, a, b, ga=None, gb=None):
    right_b = np.einsum("nik,nij->kj", a, g)
    return (g @ b.T if ga is None else ga(g, a, b)), (right_b if gb is None else gb(g, a, b))


def _each(g, a, b):
    return a.swapaxes(1, 2) @ g


def _batch(change):
    """A mistake in the gradient of b: something else than the sum over the batch."""
    return {"gb": lambda g, a, b: change(_each(g, a, b))}


def _matmul_case(seed, N, I, K, J):
    return {"g": numbers(seed, N, I, J), "a": numbers(seed + 1, N, I, K), "b": numbers(seed + 2, K, J)}


MATMUL = Exercise(
    name="matmul_backward",
    signature="g, a, b",
    lesson="01",
    title="the gradient of a matrix product",
    task="""The gradients of sum(g * (a @ b)) in a and in b.
a is a batch of matrices (N, I, K), b one matrix (K, J) for all of them, g is (N, I, J).
Returns (gradient in a, gradient in b).""",
    cases=(
        _matmul_case(0, 2, 3, 3, 3),
        _matmul_case(3, 3, 2, 5, 4),
        _matmul_case(6, 4, 4, 3, 3),
    ),
    draw_case=lambda rng: {"g": numbers(rng, 5, 2, 3), "a": numbers(rng, 5, 2, 4), "b": numbers(rng, 4, 3)},
    forward=F.matmul,
    expected=gradients(lambda a, b: F.matmul(a, b), "a", "b"),
    made=_matmul,
    terms={
        "a": lambda g, a, b: (np.einsum("nij,kj->nikj", g, b), "nikj", "nik"),
        "b": lambda g, a, b: (np.einsum("nik,nij->nikj", a, g), "nikj", "kj"),
    },
    returns=("a", "b"),
    mistakes={
        "a missing sum over the batch: b is used for every matrix of a": _batch(lambda d: d),
        "only the last matrix of the batch counts: += became =": _batch(lambda d: d[-1]),
        "only the first matrix of the batch counts: sum over all": _batch(lambda d: d[0]),
        "the gradient is averaged over the batch: it must be summed": _batch(lambda d: d.mean(0)),
        "the gradients of the batch are multiplied or maximised: they must be summed": [
            _batch(lambda d: d.max(0)),
            _batch(lambda d: d.prod(0)),
        ],
        "a missing transpose in the gradient of a: the shapes fit only because the matrices are square": {
            "ga": lambda g, a, b: g @ b
        },
        "a missing transpose in the gradient of b: the shapes fit only because the matrices are square": {
            "gb": lambda g, a, b: (a @ g).sum(0)
        },
        "the gradient of b is transposed: a comes first, a.T @ g": {
            "gb": lambda g, a, b: np.einsum("nik,nij->jk", a, g)
        },
        "the gradient of a is transposed: needed g @ b.T": {"ga": lambda g, a, b: (g @ b.T).swapaxes(1, 2)},
        "the factors are exchanged: the order of a matrix product counts": [
            {"ga": lambda g, a, b: b.T @ g},
            {"gb": lambda g, a, b: (g @ a.swapaxes(1, 2)).sum(0)},
        ],
        "the incoming gradient g is left out: the chain rule multiplies by it": [
            {"ga": lambda g, a, b: np.ones_like(g) @ b.T},
            {"gb": lambda g, a, b: (a.swapaxes(1, 2) @ np.ones_like(g)).sum(0)},
        ],
        "a is averaged or summed over the batch before the product: multiply first, then sum": [
            {"gb": lambda g, a, b: a.sum(0).T @ g.sum(0)},
            {"gb": lambda g, a, b: a.mean(0).T @ g.sum(0)},
            {"gb": lambda g, a, b: a.mean(0).T @ g.mean(0)},
        ],
    },
    cost=lambda g, a, b: 2 * a.size * b.shape[1],
    draws="b",
    hints=(
        "Look at the shapes: only one product of g with b has the shape of a. Which?",
        "b is shared by the batch, so every matrix of the batch contributes to its gradient. What joins contributions?",
        "For one matrix the answers are g @ b.T and a.T @ g. Sum a[n].T @ g[n] over n: the einsum is 'nik,nij->kj'.",
    ),
)

EXERCISES = (MULTIPLY, MATMUL)
