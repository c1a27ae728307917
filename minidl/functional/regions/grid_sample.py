"""Sampling an image at given points, differentiable in the image and in the points.

Jaderberg et al. 2015, "Spatial transformer networks", section 3. Bilinear sampling is linear in the image, which gives a
pair of adjoint functions; between pixels it is linear in each coordinate, and its slope is the third function.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...autograd.primitive import differentiate_through, primitive
from ...autograd.tensor import Tensor
from ...backend import kernels, like
from ..conv import check_images
from ..elementwise import where
from ..join import stack
from ..pool import _plane_gather
from ..reduce import sum
from ..shape import unsqueeze


@primitive
def _sample(x, points):
    return kernels(x).grid_sample(x, points)


@primitive
def _sample_adjoint(y, points, *, size):
    return kernels(y).grid_sample_adjoint(y, points, size)


@primitive
def _sample_slope(y, x, points):
    return kernels(y).grid_sample_slope(y, x, points)


_sample.rules(
    x=lambda g, points, x_shape: _sample_adjoint(g, points, size=x_shape[2:]),
    points=lambda g, x, points: _sample_slope(g, x, points),
)
_sample_adjoint.rules(
    y=lambda g, points: _sample(g, points),
    points=lambda g, y, points: _sample_slope(y, g, points),
)
_sample_slope.joint_rule(lambda g, y, x, points: differentiate_through(_slope, (y, x, points), g))


def _neighbours(x, points):
    """Values of the four pixels around each point, (N, C, Ho, Wo) each, and the weights of the right and the lower ones."""
    H, W = x.shape[2:]
    at = points.data
    near = (at >= -1).all(-1) & (at[..., 0] < W) & (at[..., 1] < H)
    corner = np.floor(np.where(near[..., None], at, 0))
    left, top = corner[..., 0].astype(np.int64), corner[..., 1].astype(np.int64)
    values = []
    for h in (top, top + 1):
        for w in (left, left + 1):
            inside = near & (h >= 0) & (h < H) & (w >= 0) & (w < W)
            values.append(_gather(x, np.where(inside, h * W + w, -1)))
    inner = where(near[..., None], points - Tensor(corner), 0.0)
    return values, unsqueeze(inner[..., 0], 1), unsqueeze(inner[..., 1], 1)


def _gather(x, index):
    """x[n, c].flat[index[n, i, j]]; 0 where the index is -1."""
    return _plane_gather(x, index=np.repeat(index.astype(np.int32)[:, None], x.shape[1], 1))


def _slope(y, x, points):
    """`_sample_slope` in differentiable functions, for its derivatives."""
    (a, b, c, d), u, v = _neighbours(x, points)
    in_x = sum(y * ((1 - v) * (b - a) + v * (d - c)), 1)
    in_y = sum(y * ((1 - u) * (c - a) + u * (d - b)), 1)
    return stack([in_x, in_y], -1)


@primitive(aux=("slope",))
def _fold(points, *, size, mode, align_corners):
    """Points moved into the image, to its border or by reflection, and the derivative of this map (-1, 0 or 1)."""
    most = like(np.array(size[::-1], points.dtype), points) - 1  # (W - 1, H - 1)
    slope = np.ones_like(points)
    if mode == "reflection":
        start = np.zeros_like(most) if align_corners else most * 0 - points.dtype.type(0.5)
        span = most - 2 * start
        off = points - start
        slope = np.where(off < 0, -slope, slope)
        flips, extra = np.divmod(np.abs(off), np.where(span > 0, span, 1))
        odd = flips % 2 == 1
        points = np.where(span > 0, start + np.where(odd, span - extra, extra), 0).astype(points.dtype)
        slope = np.where(span > 0, np.where(odd, -slope, slope), 0)
    inside = (points > 0) & (points < most)
    return np.clip(points, 0, most), np.where(inside, slope, 0).astype(points.dtype)


_fold.rules(points=lambda g, slope: g * slope)

_PADDINGS = ("zeros", "border", "reflection")


def grid_sample(
    input: Tensor, grid: Tensor, mode: str = "bilinear", padding_mode: str = "zeros", align_corners: bool = False
) -> Tensor:
    """y[n, c, i, j] = input[n, c] at the point grid[n, i, j] = (x, y): (N, C, Ho, Wo).

    input (N, C, H, W), grid (N, Ho, Wo, 2) from -1 to 1: with `align_corners` these are the centres of the corner pixels,
    otherwise the corners of the image. Modes: "bilinear", or "nearest" (half to even; no gradient in the grid).
    Outside: "zeros", the "border" pixel, or "reflection" at the border. At kinks the gradient in the grid is PyTorch's:
    0 on the border, otherwise that on the far side.
    """
    check_images("grid_sample", input=input, grid=grid)
    N, _, H, W = input.shape
    if grid.shape[0] != N or grid.shape[3] != 2:
        raise ValueError(f"grid_sample: grid has shape {grid.shape}; needed ({N}, Ho, Wo, 2) for {input.shape}")
    if mode not in ("bilinear", "nearest"):
        raise ValueError(f"grid_sample: mode must be 'bilinear' or 'nearest', not {mode!r}")
    if padding_mode not in _PADDINGS:
        raise ValueError(f"grid_sample: padding_mode must be one of {_PADDINGS}, not {padding_mode!r}")
    if not H or not W:
        raise ValueError(f"grid_sample: input of shape {input.shape} has no pixels")
    if np.isnan(grid.data).any():
        raise ValueError("grid_sample: grid contains NaN; needed numbers")
    size = Tensor(like(np.array([W, H], grid.dtype), grid.data))
    points = (grid + 1) * 0.5 * (size - 1) if align_corners else ((grid + 1) * size - 1) * 0.5
    if padding_mode != "zeros":
        points = _fold(points, size=(H, W), mode=padding_mode, align_corners=align_corners)[0]
    if mode == "bilinear":
        return _sample(input, points)
    x, y = np.moveaxis(np.rint(points.data), -1, 0)
    inside = (x >= 0) & (x < W) & (y >= 0) & (y < H)
    return _gather(input, np.where(inside, np.where(inside, y, 0) * W + np.where(inside, x, 0), -1))


def affine_grid(theta: Tensor, size: Sequence[int], align_corners: bool = False) -> Tensor:
    """The grid for `grid_sample` that transforms image n by the matrix theta[n] (2, 3): (N, H, W, 2).

    Point (x, y) of the output, from -1 to 1, is sampled at theta (x, y, 1). `size` is (N, C, H, W) of the output.
    """
    if theta.ndim != 3 or theta.shape[1:] != (2, 3) or theta.dtype.kind != "f":
        raise ValueError(f"affine_grid: theta must be floating and (N, 2, 3), not {theta.dtype} of {theta.shape}")
    if len(size) != 4 or size[0] != theta.shape[0] or min(size[2:]) < 1:
        raise ValueError(f"affine_grid: size must be ({theta.shape[0]}, C, H, W), not {tuple(size)}")
    N, _, H, W = size
    y, x = (_centres(n, align_corners, theta.dtype) for n in (H, W))
    base = np.stack([*np.broadcast_arrays(x, y[:, None]), np.ones((H, W), theta.dtype)], -1)  # (H, W, 3)
    return (Tensor(like(base.reshape(1, H * W, 3), theta.data)) @ theta.mT).reshape(N, H, W, 2)


def _centres(n, align_corners, dtype):
    """The positions of the n pixel centres of an axis, from -1 to 1."""
    at = np.linspace(-1, 1, n) if n > 1 else np.zeros(1)
    return (at if align_corners else at * (n - 1) / n).astype(dtype)
