"""Exercises on batch normalisation, bilinear resizing and one mean-field step."""

import numpy as np

from .. import functional as F
from ..autograd.tensor import Tensor
from ..kernels import reference
from .exercise import Exercise, gradients, numbers

AXES = (0, 2, 3)


def _norm(x, weight, bias, eps):
    return F.batch_norm(x, None, None, weight, bias, training=True, eps=eps)


def _norm_parts(g, x, weight, bias, eps, ddof=0):
    scale = 1 / np.sqrt(x.var(AXES, ddof=ddof, keepdims=True) + eps)
    hat = (x - x.mean(AXES, keepdims=True)) * scale
    return g * weight[:, None, None], hat, scale


def _norm_with(mean, var, ddof=0):
    """The gradients, with or without what flows through the mean and through the variance."""

    def backward(g, x, weight, bias, eps):
        d, hat, scale = _norm_parts(g, x, weight, bias, eps, ddof)
        through = mean * d.mean(AXES, keepdims=True) + var * hat * (d * hat).mean(AXES, keepdims=True)
        return scale * (d - through), (g * hat).sum(AXES), g.sum(AXES)

    return backward


def _norm_no_batch(g, x, weight, bias, eps):
    _, hat, _ = _norm_parts(g, x, weight, bias, eps)
    return None, (g * hat).sum((2, 3)), g.sum((2, 3))


def _norm_averaged(g, x, weight, bias, eps):
    _, hat, _ = _norm_parts(g, x, weight, bias, eps)
    return None, (g * hat).mean(AXES), g.mean(AXES)


def _norm_case(seed, N, C, H, W):
    x = numbers(seed, N, C, H, W)
    return {
        "g": numbers(seed + 1, *x.shape),
        "x": x,
        "weight": numbers(seed + 2, C),
        "bias": numbers(seed + 3, C),
        "eps": 0.1,
    }


BATCH_NORM = Exercise(
    name="batch_norm_backward",
    signature="g, x, weight, bias, eps",
    lesson="03",
    title="the gradients of batch normalisation",
    task="""The gradients of sum(g * y) in x, weight and bias, where per channel y = weight (x - mean) / sqrt(var + eps) + bias.
mean and var (over n and the pixels, divided by their number) are functions of x, so x acts on y in three ways.
x is (N, C, H, W), weight and bias (C,).
Returns (gradient in x, gradient in weight, gradient in bias).""",
    cases=(_norm_case(0, 2, 1, 2, 2), _norm_case(10, 3, 2, 4, 3)),
    forward=_norm,
    expected=gradients(_norm, "x", "weight", "bias"),
    returns=("x", "weight", "bias"),
    mistakes={
        "mean and variance were treated as constants: they depend on x": _norm_with(0, 0),
        "the path through the variance is missing": _norm_with(1, 0),
        "the path through the mean is missing": _norm_with(0, 1),
        "the variance was divided by one less than the number of values": _norm_with(1, 1, ddof=1),
        "a missing sum over the batch: weight and bias serve every image": _norm_no_batch,
        "the gradient is averaged over the batch and the pixels: it must be summed": _norm_averaged,
    },
    draws="x",
    hints=(
        "Let hat = (x - mean) / sqrt(var + eps). Then the gradient in bias is the sum of g, in weight that of g * hat.",
        "With d = g * weight: d flows to x directly, through the mean, and through the variance.",
        "dx = (d - mean(d) - hat * mean(d * hat)) / sqrt(var + eps), means over n and the pixels.",
    ),
)


def _resize(x, size):
    return F.interpolate(Tensor(x), size=size, mode="bilinear", align_corners=False).data


def _along(x, at, axis, clamp=True):
    """Linear interpolation at positions `at`, continued beyond the ends as a straight line unless clamped."""
    n = x.shape[axis]
    at = np.clip(at, 0, n - 1) if clamp else at
    low = np.clip(np.floor(at).astype(int), 0, max(n - 2, 0))
    f = (at - low).reshape([-1 if d == axis else 1 for d in range(x.ndim)])
    return (1 - f) * x.take(low, axis) + f * x.take(np.minimum(low + 1, n - 1), axis)


def _resize_at(position, clamp=True):
    def resize(x, size):
        for axis, m in zip((2, 3), size):
            x = _along(x, position(np.arange(m), x.shape[axis], m), axis, clamp)
        return x

    return resize


RESIZE = Exercise(
    name="bilinear_resize",
    signature="x, size",
    lesson="05",
    title="bilinear resizing",
    task="""Resizes x (N, C, H, W) to size = (Ho, Wo) by linear interpolation along rows and along columns.
Pixels are squares, and the corners of the two images coincide: output pixel i, whose centre is at i + 1/2, looks at position
(i + 1/2) H / Ho - 1/2 of the input, clamped to 0 ... H - 1 (PyTorch's align_corners=False).
Returns an array (N, C, Ho, Wo).""",
    cases=(
        {"x": numbers(0, 1, 1, 3, 3), "size": (6, 6)},
        {"x": numbers(1, 2, 2, 4, 5), "size": (7, 9)},
        {"x": numbers(2, 1, 2, 6, 8), "size": (4, 3)},
    ),
    expected=_resize,
    mistakes={
        "the corner pixels' centres were aligned (align_corners=True): the images' corners must be": (
            _resize_at(lambda i, n, m: i * (n - 1) / max(m - 1, 1))
        ),
        "the half pixel is missing: centres lie at i + 1/2, so subtract 1/2 after scaling": (
            _resize_at(lambda i, n, m: i * n / m)
        ),
        "positions outside are not clamped: the border would be extrapolated": (
            _resize_at(lambda i, n, m: (i + 0.5) * n / m - 0.5, clamp=False)
        ),
        "the nearest pixel was taken": _resize_at(lambda i, n, m: np.floor((i + 0.5) * n / m)),
        "rows and columns are swapped": lambda x, size: _resize(x.swapaxes(2, 3), size),
    },
    hints=(
        "Resizing is separable: first along rows, then along columns, by the same function.",
        "at = np.clip((np.arange(Ho) + 0.5) * H / Ho - 0.5, 0, H - 1); low = floor(at); f = at - low.",
        "The result is (1 - f) * x[low] + f * x[min(low + 1, H - 1)] along that axis.",
    ),
)


def _mean_field(q, unary, features, weight, own=0.0, sign=1.0, axis=0, unaries=1.0):
    messages = reference.gaussian_sum(q, features) - (1 - own) * q
    score = -unaries * unary + sign * weight * messages
    e = np.exp(score - score.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


def _beliefs(seed, K, N, d):
    unary = np.abs(numbers(seed, K, N))
    q = np.exp(-unary)
    return {"q": q / q.sum(0), "unary": unary, "features": numbers(seed + 1, d, N) / 2, "weight": 0.7}


MEAN_FIELD = Exercise(
    name="mean_field_step",
    signature="q, unary, features, weight",
    lesson="10",
    title="one mean-field step of a dense CRF",
    task="""One iteration of algorithm 1 of Krähenbühl and Koltun 2011, summed exactly, with Potts compatibility.
q (K, N) are the beliefs of K labels at N pixels, unary (K, N) energies, features (d, N) what pixels are compared by.
The message that pixel i receives for a label is the sum over all OTHER pixels j of
exp(-|features_i - features_j|^2 / 2) q_j; the new beliefs are the softmax over labels of -unary + weight * message.
(The paper charges differing labels; crediting equal ones, as here, differs by a constant per pixel that softmax forgets.)
Returns the new beliefs (K, N).""",
    cases=(_beliefs(0, 2, 4, 1), _beliefs(5, 3, 12, 2)),
    expected=_mean_field,
    mistakes={
        "a pixel listens to itself: leave out j = i, where the kernel is 1": (lambda **k: _mean_field(own=1.0, **k)),
        "the sign of the message: equal labels must be credited": lambda **k: _mean_field(sign=-1.0, **k),
        "the unary energies are left out": lambda **k: _mean_field(unaries=0.0, **k),
        "the sign of the unary energies: high energy means low belief": lambda **k: _mean_field(unaries=-1.0, **k),
        "softmax runs over the pixels: it must run over the labels, axis 0": lambda **k: _mean_field(axis=1, **k),
        "the 2 in the exponent is missing": lambda features, **k: _mean_field(features=features * np.sqrt(2), **k),
    },
    hints=(
        "Build the N x N kernel matrix with broadcasting: features[:, :, None] - features[:, None, :].",
        "np.fill_diagonal(kernel, 0) leaves a pixel's own belief out. The messages are q @ kernel.",
        "Subtract the maximum over axis 0 before exp, and divide by the sum over axis 0.",
    ),
)

EXERCISES = (BATCH_NORM, RESIZE, MEAN_FIELD)
