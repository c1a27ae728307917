"""Arithmetic and memory traffic of a case: the flops of its definition, and the least number of bytes to move.

Flops count a multiply-add as two and are those of the direct method: an algorithm with fewer multiplications, such as
Winograd's, may exceed the machine's peak by this count. Bytes count every input and every output once.
"""

import math
from itertools import pairwise

from ..models.backbones.inverted_residual import SETTING
from .cases import BACKWARD, FORWARD, conv
from .inputs import geometry

FLOAT = 4


def cost(case):
    """(flops, bytes) of one call, divided by the operations in it."""
    flops, moved = _OPS[case.op](case.params, case.part)
    return flops / case.count, moved / case.count


def conv_cost(p, part=FORWARD):
    """Forward and both gradients have the same number of multiplications and the same three arrays."""
    Ho, Wo = geometry(p).output_size((p["H"], p["W"]))
    x, y = p["N"] * p["C"] * p["H"] * p["W"], p["N"] * p["O"] * Ho * Wo
    w = p["O"] * (p["C"] // p["groups"]) * math.prod(geometry(p).kernel)
    return 2 * y * w // p["O"], FLOAT * (x + y + w)


def _separable(p, part):
    depth = conv_cost(p | {"O": p["C"]})
    point = conv_cost(conv(p["N"], (p["C"], p["O"]), p["H"], 1))
    times = 2 if part == BACKWARD else 1  # two gradients each
    return times * (depth[0] + point[0]), times * (depth[1] + point[1])


def _pixels(p):
    return p["N"] * p["C"] * p["H"] * p["W"]


def _pooled(p):
    return p["N"] * p["C"] * math.prod(geometry(p).output_size((p["H"], p["W"])))


def _max_pool(p, part):
    """Forward x to y and an index, backward y and the index to x: the same bytes, and a comparison per tap."""
    return (_pooled(p) * p["kernel"] ** 2 if part == FORWARD else _pooled(p)), FLOAT * (_pixels(p) + 2 * _pooled(p))


def _max_unpool(p, part):
    return _pooled(p), FLOAT * (_pixels(p) + 2 * _pooled(p))


def _avg_pool(p, part):
    return _pooled(p) * p["kernel"] ** 2, FLOAT * (_pixels(p) + _pooled(p))


def _resized(p):
    return p["N"] * p["C"] * p["size"] ** 2


def _bilinear(p, part):
    return 8 * _resized(p), FLOAT * (_pixels(p) + _resized(p))  # four taps


def _nearest(p, part):
    return 0 if part == FORWARD else _resized(p), FLOAT * (_pixels(p) + _resized(p))


def _batch_norm_relu(p, part):
    """Forward reads x for the statistics, reads it again, writes y; backward reads g and x twice, writes dx."""
    passes, flops = (3, 8) if part == FORWARD else (5, 16)
    return flops * _pixels(p), passes * FLOAT * _pixels(p)


def _cross_entropy(p, part):
    """Forward reads the logits; backward reads them again and writes the gradient. An exponential counts as one."""
    passes, flops = (1, 4) if part == FORWARD else (3, 9)
    return flops * _pixels(p), passes * FLOAT * _pixels(p)


def _optimizer(flops, moved):
    def count(p, part):
        size = sum(math.prod(shape) for shape in p["shapes"])
        return flops * size, moved * FLOAT * size

    return count


def unet_convs(p):
    """Parameters of the convolutions of U-Net, the transposed ones as the convolutions that they transpose."""
    widths = [p["base"] * 2**k for k in range(p["depth"] + 1)]
    sizes = [p["H"] // 2**k for k in range(p["depth"] + 1)]
    for (inputs, width), S in zip(pairwise([p["C"], *widths]), sizes):
        yield conv(p["N"], (inputs, width), S, 3, padding=1)
        yield conv(p["N"], (width, width), S, 3, padding=1)
    for width, S in zip(widths[:-1], sizes):
        yield conv(p["N"], (width, 2 * width), S, 2, 2)
        yield conv(p["N"], (2 * width, width), S, 3, padding=1)
        yield conv(p["N"], (width, width), S, 3, padding=1)
    yield conv(p["N"], (widths[0], p["classes"]), sizes[0], 1)


def fcn8s_convs(p):
    """Parameters of the convolutions of FCN-8s, likewise."""
    N, C, S, classes = p["N"], p["C"], p["H"], p["classes"]
    for k, block in enumerate(p["blocks"]):
        for width in block:
            yield conv(N, (C, width), S, 3, padding=1)
            C = width
        S //= 2
        if k in (2, 3):  # pool3 and pool4 are scored
            yield conv(N, (C, classes), S, 1)
    yield conv(N, (C, p["hidden"]), S, 7, padding=3)
    yield conv(N, (p["hidden"], p["hidden"]), S, 1)
    yield conv(N, (p["hidden"], classes), S, 1)
    yield conv(N, (classes, classes), 2 * S, 4, 2, 1)
    yield conv(N, (classes, classes), 4 * S, 4, 2, 1)
    yield conv(N, (classes, classes), 32 * S, 16, 8, 4)


def deeplab_convs(p):
    """Parameters of the convolutions of DeepLabv3+ on MobileNetV2 at output stride 16, likewise."""
    N, S, C = p["N"], p["H"] // 2, 32

    def separable(C, O, S, rate=1):
        yield conv(N, (C, C), S, 3, 1, rate, rate, groups=C)
        yield conv(N, (C, O), S, 1)

    yield conv(N, (p["C"], C), p["H"], 3, 2, 1)
    for t, width, count, step in SETTING:
        for k in range(count):
            stride = step if k == 0 and p["H"] // 16 < S else 1
            if t > 1:
                yield conv(N, (C, t * C), S, 1)
            yield conv(N, (t * C, t * C), S, 3, stride, 1, groups=t * C)  # dilation does not change the count
            S //= stride
            yield conv(N, (t * C, width), S, 1)
            C = width
        if width == 24:
            yield conv(N, (C, 48), S, 1)
    yield conv(N, (C, 256), S, 1)
    for rate in (6, 12, 18):
        yield from separable(C, 256, S, rate)
    yield conv(N, (C, 256), 1, 1)  # the image's average
    yield conv(N, (5 * 256, 256), S, 1)
    yield from separable(256 + 48, 256, p["H"] // 4)
    yield from separable(256, 256, p["H"] // 4)
    yield conv(N, (256, p["classes"]), p["H"] // 4, 1)


def _roi_align(p, part):
    """Four taps a sample; backward reads and writes as much as forward."""
    aligned, times = p["boxes"] * p["C"] * p["bins"] ** 2, 1 if part == FORWARD else 2
    return times * 8 * p["samples"] ** 2 * aligned, times * FLOAT * (_pixels(p) + aligned)


def _crf(p, part):
    """Splats to simplices of 3 corners (position) and of 6, and slices; without the blurs, whose cost depends on the image."""
    beliefs = p["iterations"] * p["C"] * p["H"] * p["W"]
    return 2 * 2 * (3 + 6) * beliefs, 3 * FLOAT * beliefs  # reads the unary and the beliefs, writes the beliefs


def _network(convs):
    def count(p, part):
        """Convolutions only; a training step adds both gradients, except that of the image."""
        costs = [conv_cost(c) for c in convs(p)]
        flops, moved = (sum(column) for column in zip(*costs))
        if part != "inference":
            flops, moved = 3 * flops - costs[0][0], 3 * moved - costs[0][1]
        return flops, moved

    return count


def _tape(p, part):
    return p["length"] * (4 * (3 if p["both"] else 2)), 0


_OPS = {
    "conv": conv_cost,
    "conv_transpose": conv_cost,
    "separable": _separable,
    "max_pool": _max_pool,
    "max_unpool": _max_unpool,
    "avg_pool": _avg_pool,
    "bilinear": _bilinear,
    "nearest": _nearest,
    "batch_norm_relu": _batch_norm_relu,
    "cross_entropy": _cross_entropy,
    "sgd": _optimizer(5, 5),  # reads p, g, v; writes p, v
    "adam": _optimizer(13, 7),  # reads p, g, m, v; writes p, m, v
    "unet": _network(unet_convs),
    "fcn8s": _network(fcn8s_convs),
    "deeplab": _network(deeplab_convs),
    "tape": _tape,
    "roi_align": _roi_align,
    "crf": _crf,
}
