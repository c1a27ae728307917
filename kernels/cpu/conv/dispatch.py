"""The three convolutions of the CPU column, and the choice among their algorithms.

| algorithm | serves | is |
|---|---|---|
| winograd  | 3x3, 5x5, 4x4 of stride 2; float32 | a fraction of the multiplications (winograd_conv, winograd_weight) |
| depthwise | groups = channels in and out | rows added up, no product (depthwise) |
| product   | conv2d; stride 1, 1x1, 2x2 by 2 | one product, blocks of im2col's matrix: for 1x1, 2x2, few pixels (product) |
| channels  | everything | register tiles on cached copies, output channels in the vectors (channels, channels_weight) |
| zones     | stride 1 | the same, without the taps that see padding: for large dilations (zones, zones_weight) |
| tiled     | conv2d, conv_transpose2d | register tiles, pixels in the vectors: for few channels, dilation (tiled) |
| im2col    | everything | the reference column: the whole matrix of windows, then NumPy's product |

Float32 results lie within 1e-4 (winograd) or 1e-5 (the rest) of the exact ones, relative to the largest; a result is the same
bit for bit whenever the number of threads is the same.
"""

import math
from contextvars import ContextVar
from functools import lru_cache

import numpy as np

from ...reference import conv as im2col
from . import depthwise, winograd_plan, winograd_weight
from . import dilated as zones
from . import dilated_weight as zones_weight
from . import direct_channels as channels
from . import direct_channels_weight as channels_weight
from . import direct_pixels as tiled
from . import implicit_gemm as product
from . import winograd as winograd_conv

ALGORITHMS = ("auto", "winograd", "depthwise", "channels", "product", "zones", "tiled", "im2col")
override = ContextVar("algorithm", default="auto")

FEWEST_CHANNELS = {1: 16, 2: 32}  # of a group, by stride: with fewer, Winograd's transforms cost more than they save
FEW_STEPS = 72  # of a sum: to turn so short ones round, from channels to planes, takes as long as to add them
FEW_RESULTS = 4  # channels of the result, of a group: so few fill less than half of a vector
MANY_WEIGHTS = 1 << 18  # more than fit the second-level cache
MOST_MULTIPLICATIONS = {1: 0.75, 2: 0.6}  # of those of the sum itself, by stride: with more, the transforms do not pay
MOST_LIVE = 0.9  # of the products of a dilated convolution: with more, there is no padding worth leaving out
OF_THE_LIVE = {"few": 0.72, "many": 0.625, "weight": 0.5}  # of the live products: with more, zones are faster


def _winograd_serves(geometry, dtype, direction):
    """None, or why Winograd cannot serve."""
    if direction == "weight" and (geometry.kernel, geometry.stride) != ((3, 3), (1, 1)):
        return "Winograd's weight gradient needs a 3x3 kernel of stride 1"
    return winograd_plan.refusal(geometry, dtype)


def _depthwise_serves(geometry, C, O):
    if geometry.groups != C or C != O or C == 1:
        return "not depthwise: groups, input and output channels differ"


def _doubles(geometry, size):
    """Whether the data gradient makes a square of 2 x 2 pixels of `size` from each one of y, and no two overlap."""
    apart = geometry.kernel == geometry.stride == (2, 2) and geometry.padding == (0, 0) and geometry.dilation == (1, 1)
    return apart and size[0] % 2 == size[1] % 2 == 0


def _product_serves(geometry, size, results, direction):
    """None, or why the product cannot serve."""
    if direction == "weight":
        return "the product has no weight gradient"
    if results < product.LEAST_RESULTS:
        return f"fewer than {product.LEAST_RESULTS} output channels do not fill a panel"
    one = geometry.stride == (1, 1) or (geometry.kernel, geometry.padding) == ((1, 1), (0, 0))
    if direction == "data" and not one and not _doubles(geometry, size):
        return "the product has no phases of a result"


def _live(geometry, size, direction):
    """The share of products with pixels of the image, where dilation puts many taps on padding and zones serves; else 1."""
    if geometry.stride != (1, 1) or max(geometry.dilation) == 1:
        return 1
    ends = size, geometry.output_size(size)
    return zones.live_share(geometry, *(ends[::-1] if direction == "data" else ends), direction == "data")


def choose(x_shape, w_shape, geometry, dtype, direction="forward"):
    """(algorithm, reason) for one of the three convolutions; direction is "forward", "data" or "weight".

    x_shape is (N, C, H, W) and w_shape (O, C/groups, kh, kw) of the forward convolution, whatever the direction.
    """
    return _choose(override.get(), x_shape, w_shape, geometry, dtype, direction)


@lru_cache(1024)
def _choose(asked, x_shape, w_shape, geometry, dtype, direction):
    (N, C, H, W), O, G = x_shape, w_shape[0], geometry.groups
    results = (C if direction == "data" else O) // G
    no_product = _product_serves(geometry, (H, W), results, direction)
    no_winograd, no_depthwise = _winograd_serves(geometry, dtype, direction), _depthwise_serves(geometry, C, O)
    if asked in ("channels", "im2col") or (asked == "tiled" and direction != "weight"):
        return asked, "asked for by conv_algorithm"
    if asked == "product" and not no_product:
        return asked, "asked for by conv_algorithm"
    if asked == "zones" and geometry.stride == (1, 1):
        return asked, "asked for by conv_algorithm"
    if asked == "winograd" and not no_winograd:
        return asked, "asked for by conv_algorithm"
    if asked == "depthwise" and not no_depthwise:
        return asked, "asked for by conv_algorithm"
    if not no_depthwise:
        return "depthwise", "every channel is filtered on its own: rows are added up, there is no product"
    pixels = N * math.prod((H, W) if direction == "data" else geometry.output_size((H, W)))
    if not no_product and pixels < product.FEW_PIXELS and math.prod(w_shape) > MANY_WEIGHTS:
        return "product", f"{pixels} pixels: too few to work on copies of so many weights"
    if not no_product and geometry.kernel == (1, 1):
        return "product", "a 1x1 kernel: im2col's matrix is the image"
    if not no_product and direction == "data" and _doubles(geometry, (H, W)):
        return "product", "squares of 2x2 that do not overlap: a 1x1 kernel with four times the channels, then shuffled"
    live = _live(geometry, (H, W), direction)
    steps = (O if direction == "data" else C) // G * math.prod(geometry.kernel)
    if direction != "weight" and results <= FEW_RESULTS:
        direct = "tiled", f"pixels in the vectors, as there are only {results} output channels"
    elif live < MOST_LIVE:
        direct = "zones", f"{1 - live:.0%} of the products are with padding, and left out"
    elif direction != "weight" and geometry.stride == (1, 1) and steps <= FEW_STEPS:
        direct = "tiled", f"pixels in the vectors: nothing has to be turned round after sums of only {steps} numbers"
    elif direction != "weight" and max(geometry.dilation) > 1:
        direct = "tiled", "pixels in the vectors, and rows of taps that see only padding are left out"
    else:
        direct = "channels", "output channels in the vectors"
    if no_winograd:
        return direct[0], f"{no_winograd}; {direct[1]}"
    stride = geometry.stride[0]
    if min(C, O) // G < FEWEST_CHANNELS[stride]:
        few = f"fewer than {FEWEST_CHANNELS[stride]} channels: Winograd's transforms would cost more than they save"
        return direct[0], f"{few}; {direct[1]}"
    share = winograd_plan.share(geometry, (H, W), direction == "data")
    most = MOST_MULTIPLICATIONS[stride]
    if live < MOST_LIVE:
        weights = "many" if math.prod(w_shape) > MANY_WEIGHTS else "few"
        most = min(most, OF_THE_LIVE["weight" if direction == "weight" else weights] * live)
    if share > most:
        return direct[0], f"Winograd's tiles, partly empty, would take {share:.0%} of the multiplications; {direct[1]}"
    return "winograd", f"float32, square kernel: Winograd's tiles take {share:.0%} of the multiplications"


FORWARD = {
    "winograd": winograd_conv.conv2d,
    "depthwise": depthwise.conv2d,
    "channels": channels.conv2d,
    "product": product.conv2d,
    "zones": zones.conv2d,
    "tiled": tiled.conv2d,
    "im2col": im2col.conv2d,
}
DATA = {
    "winograd": winograd_conv.conv_transpose2d,
    "depthwise": depthwise.conv_transpose2d,
    "channels": channels.conv_transpose2d,
    "product": product.conv_transpose2d,
    "zones": zones.conv_transpose2d,
    "tiled": tiled.conv_transpose2d,
    "im2col": im2col.conv_transpose2d,
}
WEIGHT = {
    "winograd": winograd_weight.conv2d_weight,
    "depthwise": depthwise.conv2d_weight,
    "channels": channels_weight.conv2d_weight,
    "zones": zones_weight.conv2d_weight,
    "im2col": im2col.conv2d_weight,
}


def conv2d(x, w, bias, geometry):
    """y[n,o,i,j] = b[o] + sum_ckl w[o,c,k,l] x[n, c, i s + k d - p, j s + l d - p]."""
    x, w = np.ascontiguousarray(x), np.ascontiguousarray(w)
    algorithm, _ = choose(x.shape, w.shape, geometry, x.dtype)
    return FORWARD[algorithm](x, w, bias, geometry)


def conv_transpose2d(y, w, bias, size, geometry):
    """x[n,c,h,v] = b[c] + sum of w[o,c,k,l] y[n,o,i,j] over all (i, k), (j, l) with h = i s + k d - p, v = j s + l d - p."""
    y, w = np.ascontiguousarray(y), np.ascontiguousarray(w)
    shape = y.shape[0], w.shape[1] * geometry.groups, *size
    algorithm, _ = choose(shape, w.shape, geometry, y.dtype, "data")
    return DATA[algorithm](y, w, bias, size, geometry)


def conv2d_weight(x, y, geometry):
    """w[o,c,k,l] = sum_nij y[n,o,i,j] x[n, c, i s + k d - p, j s + l d - p]."""
    x, y = np.ascontiguousarray(x), np.ascontiguousarray(y)
    shape = y.shape[1], x.shape[1] // geometry.groups, *geometry.kernel
    algorithm, _ = choose(x.shape, shape, geometry, x.dtype, "weight")
    return WEIGHT[algorithm](x, y, geometry)
