"""The exercise on the gradients of batch normalisation."""

import numpy as np

from ... import functional as F
from ..exercise import Exercise, gradients, numbers

AXES = (0, 2, 3)


def _norm(x, weight, bias, eps):
    return F.batch_norm(x, None, None, weight, bias, training=True, eps=eps)


RIGHT = {
    "ddof": 0,
    "axes": AXES,  # of the statistics
    "scale": lambda var, eps: 1 / np.sqrt(var + eps),
    "weigh": lambda weight: weight,
    "mean": 1.0,  # how much of the path through the mean counts
    "var": 1.0,
    "join": lambda d, axes: d.mean(axes, keepdims=True),
    "hat": lambda x, hat: hat,  # in the gradient of weight
    "hat_x": lambda x, hat, scale: hat,  # in the gradient of x
    "total": lambda d: d.sum(AXES),
    "of_bias": lambda g, weight: g,
    "outer": lambda scale: scale,
}


def _made(g, x, weight, bias, eps, **slips):
    way = RIGHT | slips
    axes, count = way["axes"], x[:, 0].size
    var = x.var(axes, keepdims=True) * count / (count - way["ddof"])
    scale = way["scale"](var, eps)
    centred = x - x.mean(axes, keepdims=True)
    hat = centred * scale
    d = g * way["weigh"](weight)[:, None, None]
    turn = way["hat_x"](x, hat, scale)
    through = way["mean"] * way["join"](d, axes) + way["var"] * turn * way["join"](d * turn, axes)
    of_weight = g * way["hat"](x, hat)
    return (
        way["outer"](scale) * (d - through),
        way["total"](of_weight),
        way["total"](way["of_bias"](g, weight[:, None, None])),
    )


def _case(seed, N, C, H, W, eps=0.1):
    x = numbers(seed, N, C, H, W)
    parts = {"g": numbers(seed + 1, *x.shape), "x": x, "weight": numbers(seed + 2, C), "bias": numbers(seed + 3, C)}
    return parts | {"eps": eps}


def _draw(rng):
    g, x = numbers(rng, 3, 2, 3, 5), numbers(rng, 3, 2, 3, 5) / 4 + 2
    return {"g": g, "x": x, "weight": numbers(rng, 2), "bias": numbers(rng, 2), "eps": 0.01}


BATCH_NORM = Exercise(
    name="batch_norm_backward",
    signature="g, x, weight, bias, eps",
    lesson="03",
    title="the gradients of batch normalisation",
    task="""The gradients of sum(g * y) in x, weight and bias, where per channel y = weight (x - mean) / sqrt(var + eps) +
bias. mean and var (over n and the pixels, divided by their number) are functions of x, so x acts on y in three ways. x is
(N, C, H, W), weight and bias (C,).
Returns (gradient in x, gradient in weight, gradient in bias).""",
    cases=(
        _case(0, 2, 1, 2, 2),
        _case(10, 3, 2, 4, 3),
        _case(20, 2, 3, 2, 5, 2.0),
        {**_case(30, 2, 2, 3, 2, 0.5), "x": numbers(30, 2, 2, 3, 2) / 10 + 1},
    ),
    draw_case=_draw,
    forward=_norm,
    expected=gradients(_norm, "x", "weight", "bias"),
    made=_made,
    terms={
        "weight": lambda g, x, weight, bias, eps: (
            g * (x - x.mean(AXES, keepdims=True)) / np.sqrt(x.var(AXES, keepdims=True) + eps),
            "ncij",
            "c",
        ),
        "bias": lambda g, x, weight, bias, eps: (g, "ncij", "c"),
    },
    returns=("x", "weight", "bias"),
    mistakes={
        "mean and variance are treated as constants: they depend on x": {"mean": 0.0, "var": 0.0},
        "the path through the variance is missing": {"var": 0.0},
        "the path through the mean is missing": {"mean": 0.0},
        "the path through the variance has the wrong sign": {"var": -1.0},
        "the path through the mean has the wrong sign": {"mean": -1.0},
        "the path through the variance counts twice or half: the 2 of the square and the 1/2 of the root cancel": [
            {"var": 2.0},
            {"var": 0.5},
        ],
        "the variance is divided by one less than the number of values (N - 1)": {"ddof": 1},
        "statistics per image: mean and variance run over the batch, too": [
            {"axes": (2, 3)},
            {"axes": (2, 3), "total": lambda d: d.sum(AXES)},
        ],
        "statistics per pixel: mean and variance run over the pixels, too": {"axes": (0,)},
        "statistics over all channels: mean and variance belong to one channel": {"axes": (0, 1, 2, 3)},
        "statistics over the channels: mean and variance belong to one channel": {"axes": (1,)},
        "a sum is taken where the path through mean and variance needs a mean": {
            "join": lambda d, axes: d.sum(axes, keepdims=True)
        },
        "the mean runs over the wrong number of values: divide by N H W": [
            {"join": lambda d, axes: d.sum(axes, keepdims=True) / len(d)},
            {"join": lambda d, axes: d.sum(axes, keepdims=True) / d[0, 0].size},
            {"join": lambda d, axes: d.sum(axes, keepdims=True) / d.size},
            {"join": lambda d, axes: d.sum(axes, keepdims=True) / (d.shape[0] * d.shape[1])},
            {"join": lambda d, axes: d.sum(axes, keepdims=True) / (d[:, 0].size - 1)},
        ],
        "eps is left out": {"scale": lambda var, eps: 1 / np.sqrt(var)},
        "eps stands outside the root: it is sqrt(var + eps)": {"scale": lambda var, eps: 1 / (np.sqrt(var) + eps)},
        "eps is squared: it is sqrt(var + eps)": {"scale": lambda var, eps: 1 / np.sqrt(var + eps**2)},
        "the root is missing: divide by sqrt(var + eps), not by var + eps": {"scale": lambda var, eps: 1 / (var + eps)},
        "it is multiplied by sqrt(var + eps): needed a division": {"scale": lambda var, eps: np.sqrt(var + eps)},
        "the division by sqrt(var + eps) at the end is missing": {"outer": lambda scale: 1.0},
        "the division by sqrt(var + eps) is made twice": {"outer": lambda scale: scale**2},
        "the weight is missing in the gradient of x": {"weigh": lambda weight: np.ones_like(weight)},
        "the weight is squared in the gradient of x: it counts once": {"weigh": lambda weight: weight**2},
        "it is divided by the weight in the gradient of x: needed a product": {"weigh": lambda weight: 1 / weight},
        "x stands for x-hat in the gradient of weight: needed the normalised x": {"hat": lambda x, hat: x},
        "x - mean stands for x-hat in the gradient of weight: divide by sqrt(var + eps)": {
            "hat": lambda x, hat: x - x.mean(AXES, keepdims=True)
        },
        "the gradient of weight leaves x-hat out": {"hat": lambda x, hat: np.ones_like(x)},
        "x stands for x-hat in the gradient of x: needed the normalised x": {"hat_x": lambda x, hat, scale: x},
        "x - mean stands for x-hat in the gradient of x: divide by sqrt(var + eps)": {
            "hat_x": lambda x, hat, scale: x - x.mean(AXES, keepdims=True)
        },
        "y without bias stands for x-hat: leave the weight out": [
            lambda g, x, weight, bias, eps: _made(
                g, x, weight, bias, eps, hat=lambda x, hat: hat * weight[:, None, None]
            ),
        ],
        "y stands for x-hat: leave weight and bias out": [
            lambda g, x, weight, bias, eps: _made(
                g, x, weight, bias, eps, hat=lambda x, hat: hat * weight[:, None, None] + bias[:, None, None]
            ),
        ],
        "the gradient of bias is multiplied by the weight: needed the sum of g": {
            "of_bias": lambda g, weight: g * weight
        },
        "a missing sum over the batch: weight and bias serve every image": {"total": lambda d: d.sum((2, 3))},
        "a missing sum over the pixels: weight and bias serve every pixel": {"total": lambda d: d.sum(0)},
        "weight and bias are summed over the channels, too: each channel has its own": {"total": lambda d: d.sum()},
        "the gradient is averaged over the batch and the pixels: it must be summed": {"total": lambda d: d.mean(AXES)},
        "the gradient is averaged over the batch: it must be summed": {"total": lambda d: d.sum((2, 3)).mean(0)},
        "the gradient is averaged over the pixels: it must be summed": {"total": lambda d: d.mean((2, 3)).sum(0)},
        "the gradient keeps axes of length 1: weight and bias are (C,)": [
            {"total": lambda d: d.sum(AXES, keepdims=True)},
            {"total": lambda d: d.sum(AXES)[:, None, None]},
        ],
    },
    draws="x",
    hints=(
        "Look at how often each parameter acts: weight and bias of a channel serve every image and every pixel.",
        "Let hat = (x - mean) / sqrt(var + eps) and d = g * weight: d flows to x directly, through the mean, and through the "
        "variance. The gradient in bias is the sum of g, in weight that of g * hat.",
        "dx = (d - mean(d) - hat * mean(d * hat)) / sqrt(var + eps), means over n and the pixels.",
    ),
)

EXERCISES = (BATCH_NORM,)
