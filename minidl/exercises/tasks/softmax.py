"""The exercise on softmax and cross-entropy."""

import numpy as np

from ... import functional as F
from ...autograd.tensor import Tensor
from ..exercise import Exercise, numbers


def _stable(x):
    return x - x.max(1, keepdims=True)


def _softmax(x, shift=_stable, axis=1):
    e = np.exp(shift(x))
    return e / e.sum(axis, keepdims=True)


def _log_softmax(x):
    return _stable(x) - np.log(np.exp(_stable(x)).sum(1, keepdims=True))


def _hot(p, t):
    return np.eye(p.shape[1])[t]


RIGHT = {
    "shift": _stable,
    "axis": 1,
    "logs": _log_softmax,
    "pick": lambda p, t: p[np.arange(len(t)), t],
    "join": np.mean,
    "sign": -1,
    "difference": lambda x, p, t: p - _hot(p, t),
    "scale": len,
}


def _made(x, target, **slips):
    way = RIGHT | slips
    p = _softmax(x, way["shift"], way["axis"])
    logs = np.log(p) if slips.keys() & {"shift", "axis"} and "logs" not in slips else way["logs"](x)
    loss = way["sign"] * way["join"](way["pick"](logs, target))
    return loss, way["difference"](x, p, target) / way["scale"](x)


def _bounded(small):
    """The logarithm of a softmax that an epsilon keeps from 0."""
    return {"logs": lambda x: np.log(small(_softmax(x)))}


EPSILONS = (1e-5, 1e-6, 1e-7, 1e-8, 1e-9, 1e-10, 1e-12, 1e-15, 1e-16, 1e-20, 1e-30, 1e-300)


def _expected(x, target):
    leaf = Tensor(x).requires_grad_()
    loss = F.cross_entropy(leaf, Tensor(target))
    loss.backward()
    return loss.data, leaf.grad.data


def _draw(rng):
    return {"x": numbers(rng, 5, 4) * 2, "target": rng.integers(0, 4, 5)}


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
        {"x": numbers(3, 3, 4) + np.array([[1000.0], [-900.0], [0.0]]), "target": np.array([3, 1, 0])},
        {
            "x": np.array([[1000.0, -1000, -990, -1000], [3.1, -2.2, 0.4, 1.7], [-999, 999, -980, -970]]),
            "target": np.array([2, 0, 1]),
        },
    ),
    draw_case=_draw,
    expected=_expected,
    made=_made,
    returns=("loss", "x"),
    mistakes={
        "exp overflows for large scores: subtract the largest score of each row first": [
            {"shift": lambda x: x},
            {"logs": lambda x: x - np.log(np.exp(x).sum(1, keepdims=True))},
        ],
        "softmax is stabilised by the largest score of all rows: a row of small scores becomes 0 / 0; take each row's": {
            "shift": lambda x: x - x.max()
        },
        "softmax is stabilised by the largest score of each column: take each row's": {"shift": lambda x: x - x.max(0)},
        "softmax is stabilised by the mean of each row: only the maximum keeps exp from overflowing": {
            "shift": lambda x: x - x.mean(1, keepdims=True)
        },
        "the loss is summed over the rows: it must be their mean": {"join": np.sum},
        "the loss is divided by the number of all scores, N K: divide by the rows, N": {
            "pick": lambda p, t: p[np.arange(len(t)), t] / p.shape[1]
        },
        "the loss is the mean of all logarithms: needed those of the right classes": {"pick": lambda p, t: p},
        "the loss is not averaged: one number is needed": {"join": lambda v: v},
        "the sign of the loss is wrong: it is minus the logarithm": {"sign": 1},
        "the logarithm of the loss is missing": {"logs": _softmax},
        "the logarithm has base 2: needed the natural one": [
            {"logs": lambda x: _log_softmax(x) / np.log(2)},
            {"logs": lambda x: np.log2(_softmax(x))},
            {"logs": lambda x: _stable(x) - np.log2(np.exp(_stable(x)).sum(1, keepdims=True))},
        ],
        "the logarithm has base 10: needed the natural one": [
            {"logs": lambda x: _log_softmax(x) / np.log(10)},
            {"logs": lambda x: np.log10(_softmax(x))},
            {"logs": lambda x: _stable(x) - np.log10(np.exp(_stable(x)).sum(1, keepdims=True))},
        ],
        "an epsilon inside the logarithm bounds the loss: use log softmax(x) = x - log(sum(exp(x))), which needs none": [
            _bounded(change)
            for e in EPSILONS
            for change in (
                lambda p, e=e: p + e,
                lambda p, e=e: np.maximum(p, e),
                lambda p, e=e: np.clip(p, e, 1 - e),
            )
        ],
        "the logarithm is taken of a softmax that has become 0: use log softmax(x) = x - log(sum(exp(x)))": {
            "logs": lambda x: np.log(_softmax(x))
        },
        "the row's maximum is subtracted in exp but not in the score: both need the same constant": {
            "logs": lambda x: x - np.log(np.exp(_stable(x)).sum(1, keepdims=True))
        },
        "the wrong scores are picked: x[np.arange(N), target] takes one of each row, x[:, target] all": [
            {"pick": lambda p, t: p[:, t]},
            {"pick": lambda p, t: p.max(1)},
            {"pick": lambda p, t: p[t, np.arange(len(t))]},
        ],
        "the classes are counted from 1: target 0 means the first column": [
            {"pick": lambda p, t: p[np.arange(len(t)), t - 1], "difference": lambda x, p, t: p - _hot(p, t - 1)},
            {"pick": lambda p, t: p[np.arange(len(t)), (t + 1) % p.shape[1]]},
        ],
        "the gradient is not divided by the number of rows, as the mean is": {"scale": lambda x: 1},
        "the gradient is divided by the number of classes: divide by the number of rows": {
            "scale": lambda x: x.shape[1]
        },
        "the gradient is divided by the number of all scores: divide by the number of rows": {
            "scale": lambda x: x.size
        },
        "softmax runs over the rows: it must run over the classes, axis 1": [
            {"axis": 0},
            {"axis": 0, "shift": lambda x: x - x.max(0)},
            {"axis": 0, "shift": lambda x: x - x.max()},
            {"axis": 0, "shift": lambda x: x},
        ],
        "softmax is divided by the sum over all rows: sum over the classes of one row": [
            {"axis": (0, 1)},
            {"axis": (0, 1), "shift": lambda x: x - x.max()},
        ],
        "the 1 at the right class is not subtracted: the gradient is softmax minus one-hot": {
            "difference": lambda x, p, t: p
        },
        "1 is subtracted in other cells, too: only the right class of each row gets it": [
            {"difference": lambda x, p, t: p - 1},
            {"difference": lambda x, p, t: p - np.isin(np.arange(p.shape[1]), t)},
        ],
        "the sign of the gradient is wrong: it is softmax minus one-hot": {
            "difference": lambda x, p, t: _hot(p, t) - p
        },
        "the gradient uses log softmax: needed softmax minus one-hot": [
            {"difference": lambda x, p, t: np.log(p) - _hot(p, t)},
            {"difference": lambda x, p, t: _log_softmax(x) - _hot(p, t)},
        ],
        "the gradient uses the scores: needed softmax minus one-hot": [
            {"difference": lambda x, p, t: x - _hot(p, t)},
            {"difference": lambda x, p, t: np.exp(_stable(x)) - _hot(p, t)},
        ],
        "the gradient is that at the right class alone: every class gets softmax, the right one minus 1": [
            {"difference": lambda x, p, t: (p - 1) * _hot(p, t)},
            {"difference": lambda x, p, t: -_hot(p, t)},
        ],
        "the gradient is that of a squared error, p (1 - p) (p - one-hot): the logarithm cancels p (1 - p)": [
            {"difference": lambda x, p, t: (p - _hot(p, t)) * p * (1 - p)},
            {"difference": lambda x, p, t: p * (1 - p)},
        ],
    },
    hints=(
        "Look at one row: what does adding a constant to all of its scores change?",
        "log softmax(x) = x - log(sum(exp(x))), and the row's maximum may be subtracted from x beforehand. The mean over n "
        "divides the gradient, too.",
        "Pick the right class with x[np.arange(N), target]. The gradient is (softmax(x) - one_hot(target)) / N.",
    ),
)

EXERCISES = (SOFTMAX,)
