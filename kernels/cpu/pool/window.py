"""Windows as the pooling kernels take them: named tuples, which Numba compiles."""

from typing import NamedTuple


class Window(NamedTuple):
    """Kernel, stride, padding and dilation of a sliding window, each vertical then horizontal.

    A parallel loop of Numba's takes no tuple of tuples.
    """

    kh: int
    kw: int
    sh: int
    sw: int
    ph: int
    pw: int
    dh: int
    dw: int


class Axis(NamedTuple):
    """A window along one axis."""

    kernel: int
    stride: int
    padding: int
    dilation: int


class Sizes(NamedTuple):
    """Height and width of a plane of pixels, and of its plane of windows."""

    H: int
    W: int
    Ho: int
    Wo: int


def window_of(geometry):
    """The `Window` of a `Geometry`."""
    return Window(*geometry.kernel, *geometry.stride, *geometry.padding, *geometry.dilation)


def sizes_of(pixels, windows):
    """The `Sizes` of an array of pixels (..., H, W) and one of windows (..., Ho, Wo)."""
    return Sizes(*pixels.shape[-2:], *windows.shape[-2:])
