"""One call of every row of the kernel table, large enough for all threads, with sums whose order could depend on them."""

import numpy as np
from minidl.kernels import reference
from minidl.kernels.geometry import Geometry, prepared_conv
from minidl.kernels.settings import SGD, Adam


def calls(t=np.float32):
    """{row: arguments}, the same at every call."""
    r = np.random.default_rng(0)
    draw = lambda *shape: r.standard_normal(shape).astype(t)
    x, w, y = draw(3, 16, 37, 41), draw(24, 16, 3, 3), draw(3, 24, 37, 41)
    same, half = Geometry((3, 3), padding=(1, 1)), Geometry((3, 3), (2, 2), (1, 1))
    small, index = draw(3, 16, 19, 21), r.integers(-1, 37 * 41, (3, 16, 19, 21)).astype(np.int32)
    taps = lambda n, m: (r.integers(0, n, m).astype(np.int32), r.integers(0, n, m).astype(np.int32), r.random(m))
    rows, cols = taps(37, 50), taps(41, 60)
    corner = r.uniform(-3, 25, (40, 2))
    images = r.integers(0, 3, 40)
    boxes = np.concatenate([images[:, None], corner, corner + r.uniform(1, 20, (40, 2))], 1).astype(t)
    box_index = r.integers(-1, 37 * 41, (40, 16, 7, 7)).astype(np.int32)
    points = r.uniform(-1, 40, (3, 50, 60, 2)).astype(t)
    scores, target = draw(3, 21, 5000), r.integers(0, 21, (3, 5000))
    channels = draw(5, 6, 30_000)
    mean, var = reference.moments(channels)
    norm = mean, 1 / np.sqrt(var), draw(6), draw(6), 6.0
    features = r.uniform(0, 12, (3, 6000)).astype(np.float32)
    lattice = reference.permutohedral_lattice(features)
    unary, scale = draw(4, 6000), r.random((2, 6000)).astype(t)
    flat = 100_003
    return {
        "im2col": (x, half),
        "col2im": (draw(3, 16 * 9, 19 * 21), (37, 41), half),
        "conv2d": (x, w, draw(24), same),
        "conv_transpose2d": (y, w, draw(16), (37, 41), same),
        "conv2d_prepared": (x, prepared_conv(w, draw(24), same, 6.0), y),
        "conv2d_weight": (x, y, same),
        "max_pool2d": (x, half, (19, 21)),
        "adaptive_max_pool2d": (x, (5, 7)),
        "plane_gather": (x, index),
        "plane_scatter": (small, index, (37, 41)),
        "avg_pool2d": (x, half, r.random((19, 21))),
        "avg_pool2d_adjoint": (small, half, r.random((19, 21)), (37, 41)),
        "adaptive_avg_pool2d": (x, (5, 7)),
        "adaptive_avg_pool2d_adjoint": (draw(3, 16, 5, 7), (37, 41)),
        "resize2d": (x, rows, cols),
        "resize2d_adjoint": (draw(3, 16, 50, 60), rows, cols, (37, 41)),
        "roi_align": (x, boxes, (7, 7), 1.0, -1, True),
        "roi_align_adjoint": (draw(40, 16, 7, 7), boxes, (3, 37, 41), 1.0, -1, True),
        "roi_align_max": (x, boxes, (7, 7), 1.0, 2, True),
        "roi_pool": (x, boxes, (7, 7), 1.0),
        "roi_gather": (x, images, box_index),
        "roi_scatter": (draw(40, 16, 7, 7), images, box_index, (3, 37, 41)),
        "nms": (boxes[:, 1:].copy(), draw(40), images, 0.3),
        "grid_sample": (x, points),
        "grid_sample_adjoint": (draw(3, 16, 50, 60), points, (37, 41)),
        "grid_sample_slope": (draw(3, 16, 50, 60), x, points),
        "moments": (channels,),
        "normalize": (channels, *norm),
        "normalize_backward": (draw(5, 6, 30_000), channels, *norm),
        "softmax": (scores,),
        "log_softmax": (scores,),
        "softmax_backward": (draw(3, 21, 5000), scores),
        "log_softmax_backward": (draw(3, 21, 5000), scores),
        "cross_entropy": (scores, target, r.random(21), 3),
        "cross_entropy_backward": (draw(3, 5000), scores, target, r.random(21), 3),
        "relu": (x, 6.0),
        "relu_backward": (draw(*x.shape), x, 6.0),
        "permutohedral_lattice": (features,),
        "permutohedral_filter": (unary, lattice, False),
        "gaussian_sum": (unary[:, :1500].copy(), features[:, :1500].astype(t)),
        "mean_field": (unary, [(lattice, *scale, np.eye(4, dtype=t))], 3, True),
        "sgd_step": (draw(flat), draw(flat), draw(flat), SGD(0.1, 0.9)),
        "adam_step": (draw(flat), draw(flat), draw(flat), draw(flat) ** 2, Adam(3, 0.1)),
    }


def convolutions(count):
    """(row, arguments) of `count` drawn convolutions with their two gradients: every algorithm that they choose."""
    r = np.random.default_rng(1)
    for k in range(count):
        dtype = (np.float32, np.float32, np.float64)[k % 3]
        kernel, stride, dilation = (int(r.choice(v)) for v in ((1, 2, 3, 3, 5, 7), (1, 1, 2, 4), (1, 1, 2, 6)))
        c_in, c_out = (int(r.choice((1, 3, 8, 16, 21, 48, 64))) for _ in "io")
        groups = int(r.choice((1, 1, c_in, 2 if c_in % 2 == 0 else 1)))
        c_out += -c_out % groups
        padding = int(r.integers(0, dilation * (kernel - 1) // 2 + 1))
        geometry = Geometry((kernel, kernel), (stride, stride), (padding, padding), (dilation, dilation), groups)
        n, (h, w) = int(r.choice((1, 2, 5))), r.integers(dilation * (kernel - 1) + 1, 45, 2)
        shapes = (n, c_in, h, w), (c_out, c_in // groups, kernel, kernel), (c_out,)
        x, weight, bias = (r.standard_normal(shape).astype(dtype) for shape in shapes)
        y = reference.conv2d(x, weight, None, geometry)
        yield "conv2d", (x, weight, bias, geometry)
        yield "conv_transpose2d", (y, weight, None, (int(h), int(w)), geometry)
        yield "conv2d_weight", (x, y, geometry)
