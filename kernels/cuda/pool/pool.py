"""Pooling in CUDA C: one thread a pixel of the result, in both directions."""

from ...geometry import check_plane
from ..conv.im2col import window
from ..loader import Kernel, array_module, contiguous
from ..planes import over_planes
from ..tables import table

_max = Kernel("pool/max_pool.cu", "max_pool2d")
_adaptive_max = Kernel("pool/max_pool.cu", "adaptive_max_pool2d")
_avg = Kernel("pool/avg_pool.cu", "avg_pool2d")
_avg_adjoint = Kernel("pool/avg_pool.cu", "avg_pool2d_adjoint")
_adaptive_avg = Kernel("pool/avg_pool.cu", "adaptive_avg_pool2d")
_adaptive_avg_adjoint = Kernel("pool/avg_pool.cu", "adaptive_avg_pool2d_adjoint")


def _run(kernel, arrays, shape, result, output_size, *geometry):
    """Launch over the planes of `result`; shape is (N, C, H, W) of the side that has the windows."""
    planes, pixels = result.shape[0] * result.shape[1], result.shape[2] * result.shape[3]
    kernel(*arrays, (planes, *shape[2:], *output_size), *geometry, **over_planes(planes, pixels))
    return result


def _max_outputs(x, output_size):
    xp, shape = array_module(x), (*x.shape[:2], *output_size)
    return xp.empty(shape, x.dtype), xp.empty(shape, "int32")


def max_pool2d(x, geometry, output_size):
    """(y, index): the first maximum of every window and its flat position in the H x W plane."""
    x = contiguous(x)
    y, index = _max_outputs(x, output_size)
    _run(_max, (x, y, index), x.shape, y, output_size, window(geometry.reduced(output_size)))
    return y, index


def adaptive_max_pool2d(x, output_size):
    """(y, index) over windows floor(i H / Ho) .. ceil((i + 1) H / Ho)."""
    check_plane("adaptive_max_pool2d", x.shape[2:], output_size)
    x = contiguous(x)
    y, index = _max_outputs(x, output_size)
    _run(_adaptive_max, (x, y, index), x.shape, y, output_size)
    return y, index


def avg_pool2d(x, geometry, scale):
    """y[n,c,i,j] = scale[i,j] * the sum of the window."""
    x = contiguous(x)
    y = array_module(x).empty((*x.shape[:2], *scale.shape), x.dtype)
    return _run(
        _avg,
        (x, table(array_module(x), scale, x.dtype), y),
        x.shape,
        y,
        scale.shape,
        window(geometry.reduced(scale.shape)),
    )


def avg_pool2d_adjoint(y, geometry, scale, size):
    """x[n,c,h,v] = the sum of scale[i,j] y[n,c,i,j] over the windows that hold (h, v)."""
    y = contiguous(y)
    x = array_module(y).empty((*y.shape[:2], *size), y.dtype)
    arrays = y, table(array_module(y), scale, y.dtype), x
    return _run(_avg_adjoint, arrays, x.shape, x, scale.shape, window(geometry.reduced(scale.shape)))


def adaptive_avg_pool2d(x, output_size):
    """The mean over windows floor(i H / Ho) .. ceil((i + 1) H / Ho)."""
    check_plane("adaptive_avg_pool2d", x.shape[2:], output_size)
    x = contiguous(x)
    y = array_module(x).empty((*x.shape[:2], *output_size), x.dtype)
    return _run(_adaptive_avg, (x, y), x.shape, y, output_size)


def adaptive_avg_pool2d_adjoint(y, size):
    """Distributes every y[n,c,i,j] evenly over its window."""
    check_plane("adaptive_avg_pool2d_adjoint", size, y.shape[2:])
    y = contiguous(y)
    x = array_module(y).empty((*y.shape[:2], *size), y.dtype)
    return _run(_adaptive_avg_adjoint, (y, x), x.shape, x, y.shape[2:])
