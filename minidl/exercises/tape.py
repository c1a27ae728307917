"""Exercises on gradients of products, and on the loss."""

import numpy as np

from .. import functional as F
from ..autograd.tensor import Tensor
from .exercise import Exercise, gradients, numbers


def _to(array, shape):
    return Tensor(array).sum_to(shape).data


def _mean_to(array, shape):
    return _to(array, shape) * (np.prod(shape) / array.size)


MULTIPLY = Exercise(
    name="multiply_backward",
    signature="g, a, b",
    lesson="01",
    title="the gradient of a product whose arguments were broadcast",
    task="""The gradients of sum(g * (a * b)) in a and in b.
g has the shape of a * b. An argument that NumPy broadcast was used several times, so its gradient is a sum, and has the
shape of the argument.
Returns (gradient in a, gradient in b).""",
    cases=(
        {"g": numbers(0, 3, 4), "a": numbers(1, 3, 4), "b": numbers(2, 4)},
        {"g": numbers(3, 2, 4, 3), "a": numbers(4, 2, 1, 3), "b": numbers(5, 4, 1)},
        {"g": numbers(6, 2, 3), "a": numbers(7), "b": numbers(8, 2, 3)},
    ),
    forward=F.mul,
    expected=gradients(lambda a, b: F.mul(a, b), "a", "b"),
    returns=("a", "b"),
    mistakes={
        "a forgotten unbroadcast: an argument that was repeated needs the sum over the axes along which it was": (
            lambda g, a, b: (g * b, g * a)
        ),
        "the arguments are swapped: the derivative of a b in a is b": (
            lambda g, a, b: (_to(g * a, a.shape), _to(g * b, b.shape))
        ),
        "the gradient is averaged over the repeated axes: every use counts fully, so take the sum": (
            lambda g, a, b: (_mean_to(g * b, a.shape), _mean_to(g * a, b.shape))
        ),
        "the incoming gradient g is left out: the chain rule multiplies by it": (
            lambda g, a, b: (_to(b + 0 * g, a.shape), _to(a + 0 * g, b.shape))
        ),
    },
    hints=(
        "Without broadcasting the answers are g * b and g * a.",
        "If b was repeated along an axis, each copy receives its own gradient. What does b itself receive?",
        "Sum first over the leading axes that the argument does not have, then, with keepdims=True, over those where "
        "it has size 1.",
    ),
)

MATMUL = Exercise(
    name="matmul_backward",
    signature="g, a, b",
    lesson="01",
    title="the gradient of a matrix product",
    task="""The gradients of sum(g * (a @ b)) in a and in b.
a is a batch of matrices (N, I, K), b one matrix (K, J) for all of them, g is (N, I, J).
Returns (gradient in a, gradient in b).""",
    cases=(
        {"g": numbers(0, 2, 3, 3), "a": numbers(1, 2, 3, 3), "b": numbers(2, 3, 3)},
        {"g": numbers(3, 3, 2, 4), "a": numbers(4, 3, 2, 5), "b": numbers(5, 5, 4)},
    ),
    forward=F.matmul,
    expected=gradients(lambda a, b: F.matmul(a, b), "a", "b"),
    returns=("a", "b"),
    mistakes={
        "a missing sum over the batch: b was used for every matrix of a": lambda g, a, b: (
            g @ b.T,
            a.swapaxes(1, 2) @ g,
        ),
        "only the last matrix of the batch counts: += became =": lambda g, a, b: (g @ b.T, a[-1].T @ g[-1]),
        "the gradient is averaged over the batch: it must be summed": (
            lambda g, a, b: (g @ b.T, (a.swapaxes(1, 2) @ g).mean(0))
        ),
        "a missing transpose: the shapes fit only because the matrices are square": (
            lambda g, a, b: (g @ b, (a @ g).sum(0))
        ),
    },
    cost=lambda g, a, b: 2 * a.size * b.shape[1],
    draws="b",
    hints=(
        "Only one product of g with b has the shape of a. Which?",
        "For one matrix the answers are g @ b.T and a.T @ g.",
        "b is shared by the batch: sum a[n].T @ g[n] over n. One einsum does it: 'nik,nij->kj'.",
    ),
)


def _softmax(x, axis=1):
    e = np.exp(x - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


def _softmax_loss(x, target, probabilities=None, scale=1.0):
    p = _softmax(x) if probabilities is None else probabilities
    rows = np.arange(len(x))
    return -np.log(p[rows, target]).mean(), scale * (p - np.eye(x.shape[1])[target]) / len(x)


def _expected_loss(x, target):
    leaf = Tensor(x).requires_grad_()
    loss = F.cross_entropy(leaf, Tensor(target))
    loss.backward()
    return loss.data, leaf.grad.data


SOFTMAX = Exercise(
    name="softmax_cross_entropy",
    signature="x, target",
    lesson="01",
    title="softmax and cross-entropy, and their gradient",
    task="""The mean of -log softmax(x[n])[target[n]] over n, and its gradient in x.
x (N, K) holds scores, target (N,) the right class of each row. Scores may be as large as 1000.
Returns (loss, gradient in x).""",
    cases=(
        {"x": numbers(0, 4, 3), "target": np.array([0, 2, 1, 1])},
        {"x": numbers(1, 3, 5), "target": np.array([4, 0, 2])},
        {"x": numbers(2, 2, 3) + 1000, "target": np.array([1, 0])},
    ),
    expected=_expected_loss,
    returns=("loss", "x"),
    mistakes={
        "exp overflows for large scores: subtract the largest score of each row first": (
            lambda x, target: _softmax_loss(x, target, np.exp(x) / np.exp(x).sum(1, keepdims=True))
        ),
        "the loss is summed over the rows: it must be their mean": (
            lambda x, target: (_softmax_loss(x, target)[0] * len(x), None)
        ),
        "the gradient is not divided by the number of rows, as the mean is": (
            lambda x, target: _softmax_loss(x, target, scale=len(x))
        ),
        "softmax runs over the rows: it must run over the classes, axis 1": (
            lambda x, target: _softmax_loss(x, target, _softmax(x, 0))
        ),
        "the 1 at the right class is not subtracted: the gradient is softmax minus one-hot": (
            lambda x, target: (_softmax_loss(x, target)[0], _softmax(x) / len(x))
        ),
    },
    hints=(
        "log softmax(x) = x - log(sum(exp(x))). Adding a constant to a row changes nothing.",
        "Subtract each row's maximum before exp. Pick the right class with x[np.arange(N), target].",
        "The gradient is (softmax(x) - one_hot(target)) / N.",
    ),
)

EXERCISES = (MULTIPLY, MATMUL, SOFTMAX)
