"""The choice of a convolution algorithm: the first row of a table whose rule applies.

A rule takes a layer and returns (whether it applies, reason). Its constants are the measured points where two algorithms take
equally long.
"""

import math
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from ...geometry import Geometry
from . import dilated, implicit_gemm, winograd_plan

MIN_CHANNELS = {1: 16, 2: 32}  # of a group, by stride: with fewer, Winograd's transforms cost more than they save
MAX_MULTIPLY_RATIO = {1: 0.75, 2: 0.6}  # Winograd's multiplications over those of the direct sum, by stride
LIVE_MULTIPLY_RATIO = {
    "few": 0.72,
    "many": 0.625,
    "weight": 0.5,
}  # the same over the live products of a dilated convolution
MAX_LIVE = 0.9  # share of the products of a dilated convolution without padding: above it, too few products are saved
SHORT_REDUCTION = 72  # length of a reduction: for shorter sums, transposing the result costs as much as the sum
MAX_ROWS = 4  # output channels per group for direct_pixels: they fill less than half of a vector
MANY_WEIGHTS = 1 << 18  # more weights than fit the second-level cache


@dataclass(frozen=True)
class Layer:
    """A convolution: shapes of the forward pass, and one of its three directions ("forward", "data" or "weight")."""

    x_shape: tuple  # (N, C, H, W)
    w_shape: tuple  # (O, C/groups, kh, kw)
    geometry: Geometry
    dtype: np.dtype
    direction: str

    @property
    def size(self):
        """(H, W) of the image."""
        return self.x_shape[2:]

    @property
    def channels(self):
        """(input channels, output channels) of a group."""
        return self.x_shape[1] // self.geometry.groups, self.w_shape[0] // self.geometry.groups

    @property
    def rows(self):
        """Channels of the result per group."""
        return self.channels[0 if self.direction == "data" else 1]

    @property
    def steps(self):
        """The length of the reduction."""
        return self.channels[1 if self.direction == "data" else 0] * math.prod(self.geometry.kernel)

    @property
    def pixels(self):
        """Pixels of the result, of all images."""
        size = self.size if self.direction == "data" else self.geometry.output_size(self.size)
        return self.x_shape[0] * math.prod(size)

    @property
    def is_2x2_upsample(self):
        """Whether a data gradient maps each pixel of y to a square of 2 x 2 pixels, without overlap."""
        g = self.geometry
        squares = g.kernel == g.stride == (2, 2) and g.padding == (0, 0) and g.dilation == (1, 1)
        return squares and self.direction == "data" and self.size[0] % 2 == self.size[1] % 2 == 0

    @cached_property
    def live(self):
        """The share of products without padding, where dilation puts taps on padding; else 1."""
        g = self.geometry
        if g.stride != (1, 1) or max(g.dilation) == 1:
            return 1
        sizes = self.size, g.output_size(self.size)
        return dilated.live_share(g, *(sizes[::-1] if self.direction == "data" else sizes), self.direction == "data")


def _depthwise(layer):
    C, O = layer.x_shape[1], layer.w_shape[0]
    if layer.geometry.groups != C or C != O or C == 1:
        return False, "not depthwise: groups, input and output channels differ"
    return True, "every channel is filtered on its own: rows are added up, there is no product"


def gemm_refusal(layer):
    """The reason why implicit GEMM does not support the layer, or None."""
    if layer.direction == "weight":
        return "implicit GEMM has no weight gradient"
    if layer.rows < implicit_gemm.MIN_ROWS:
        return f"fewer than {implicit_gemm.MIN_ROWS} output channels do not fill a panel"
    g = layer.geometry
    one = g.stride == (1, 1) or (g.kernel, g.padding) == ((1, 1), (0, 0))
    if layer.direction == "data" and not one and not layer.is_2x2_upsample:
        return "implicit GEMM has no phases of a result"
    return None


def _gemm_few_pixels(layer):
    if gemm_refusal(layer):
        return False, gemm_refusal(layer)
    if layer.pixels >= implicit_gemm.MIN_PIXELS or math.prod(layer.w_shape) <= MANY_WEIGHTS:
        return False, f"packing the weights amortises: {layer.pixels} pixels for {math.prod(layer.w_shape)} weights"
    return True, f"{layer.pixels} pixels: too few for packing so many weights to amortise"


def _gemm_1x1(layer):
    if gemm_refusal(layer):
        return False, gemm_refusal(layer)
    if layer.geometry.kernel != (1, 1):
        return False, "not a 1x1 kernel"
    return True, "a 1x1 kernel: im2col's matrix is the image"


def _gemm_2x2(layer):
    if gemm_refusal(layer):
        return False, gemm_refusal(layer)
    if not layer.is_2x2_upsample:
        return False, "not the gradient of a 2x2 kernel of stride 2"
    return True, "squares of 2x2 that do not overlap: a 1x1 kernel with four times the channels, then interleaved"


def winograd_refusal(layer):
    """The reason why Winograd does not support the layer, or None."""
    g = layer.geometry
    if layer.direction == "weight" and (g.kernel, g.stride) != ((3, 3), (1, 1)):
        return "Winograd's weight gradient needs a 3x3 kernel of stride 1"
    return winograd_plan.refusal(g, layer.dtype)


def _winograd(layer):
    if winograd_refusal(layer):
        return False, winograd_refusal(layer)
    stride = layer.geometry.stride[0]
    if min(layer.channels) < MIN_CHANNELS[stride]:
        return (
            False,
            f"fewer than {MIN_CHANNELS[stride]} channels: Winograd's transforms would cost more than they save",
        )
    ratio = winograd_plan.multiply_ratio(layer.geometry, layer.size, layer.direction == "data")
    most = MAX_MULTIPLY_RATIO[stride]
    if layer.live < MAX_LIVE:
        weights = "many" if math.prod(layer.w_shape) > MANY_WEIGHTS else "few"
        most = min(most, LIVE_MULTIPLY_RATIO["weight" if layer.direction == "weight" else weights] * layer.live)
    if ratio > most:
        return False, f"Winograd's tiles, partly empty, would take {ratio:.0%} of the multiplications, above {most:.0%}"
    return True, f"float32, square kernel: Winograd's tiles take {ratio:.0%} of the multiplications"


def _pixels_few_rows(layer):
    if layer.direction == "weight":
        return False, "direct_pixels has no weight gradient"
    if layer.rows > MAX_ROWS:
        return False, f"more than {MAX_ROWS} output channels"
    return True, f"pixels in the vectors, as there are only {layer.rows} output channels"


def _dilated(layer):
    if layer.geometry.stride != (1, 1):
        return False, "zones need a stride of 1"
    if layer.live >= MAX_LIVE:
        return False, f"only {1 - layer.live:.0%} of the products are with padding"
    return True, f"{1 - layer.live:.0%} of the products are with padding, and left out"


def _pixels_short(layer):
    if layer.direction == "weight":
        return False, "direct_pixels has no weight gradient"
    if layer.geometry.stride != (1, 1) or layer.steps > SHORT_REDUCTION:
        return False, f"stride above 1, or sums of more than {SHORT_REDUCTION} numbers"
    return True, f"pixels in the vectors: no transpose after sums of only {layer.steps} numbers"


def _channels(layer):
    return True, "output channels in the vectors: serves every layer"


# (algorithm, rule): the first rule that applies decides.
TABLE = (
    ("depthwise", _depthwise),
    ("implicit_gemm", _gemm_few_pixels),
    ("implicit_gemm", _gemm_1x1),
    ("implicit_gemm", _gemm_2x2),
    ("winograd", _winograd),
    ("direct_pixels", _pixels_few_rows),
    ("dilated", _dilated),
    ("direct_pixels", _pixels_short),
    ("direct_channels", _channels),
)

# {algorithm: function of a layer -> the reason why it does not support the layer, or None}, for `conv_algorithm`.
REFUSALS = {
    "winograd": winograd_refusal,
    "depthwise": lambda layer: None if _depthwise(layer)[0] else _depthwise(layer)[1],
    "direct_channels": lambda layer: None,
    "implicit_gemm": gemm_refusal,
    "dilated": lambda layer: None if layer.geometry.stride == (1, 1) else "zones need a stride of 1",
    "direct_pixels": lambda layer: "direct_pixels has no weight gradient" if layer.direction == "weight" else None,
    "im2col": lambda layer: None,
}


ALGORITHMS = ("auto", *REFUSALS)
FORMER_NAMES = {"channels": "direct_channels", "product": "implicit_gemm", "zones": "dilated", "tiled": "direct_pixels"}
override = ContextVar("algorithm", default="auto")


def choose(x_shape, w_shape, geometry, dtype, direction="forward"):
    """(algorithm, reason, refused rows) for one of the three convolutions; direction is "forward", "data" or "weight".

    x_shape is (N, C, H, W) and w_shape (O, C/groups, kh, kw) of the forward convolution, whatever the direction. Refused rows
    are (algorithm, reason) of the rows above the chosen one.
    """
    return _judge(override.get(), x_shape, w_shape, geometry, dtype, direction)


@lru_cache(1024)
def _judge(asked, *layer):
    """`choose` with `asked`: an algorithm to use wherever it supports the layer, or "auto"."""
    layer, refused = Layer(*layer), []
    if asked != "auto":
        why = REFUSALS[asked](layer)
        if why is None:
            return asked, "asked for by conv_algorithm", ()
        refused.append((asked, f"asked for by conv_algorithm, but cannot serve: {why}"))
    for algorithm, rule in TABLE:
        applies, why = rule(layer)
        if applies:
            return algorithm, why, tuple(refused)
        refused.append((algorithm, why))
    raise AssertionError("the last row serves every layer")
