"""Pooling kernels: against loops, against each other's adjoint, and PyTorch where it is installed."""

import itertools

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from minidl.kernels import reference
from minidl.kernels.geometry import Geometry

sweep = settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
pairs = st.tuples(st.integers(1, 3), st.integers(1, 3))
sizes = st.tuples(st.integers(0, 2), st.integers(1, 3), st.integers(1, 11), st.integers(1, 11))


@st.composite
def windows(draw, dilated=True):
    """(shape, geometry, output size), ceil_mode or not, as the floor above would pass them."""
    shape, kernel = draw(sizes), draw(pairs)
    padding = tuple(draw(st.integers(0, k // 2)) for k in kernel)
    geometry = Geometry(kernel, draw(pairs), padding, draw(pairs) if dilated else (1, 1))
    ceil_mode = draw(st.booleans())
    output = []
    for n, s, p, e in zip(shape[2:], geometry.stride, padding, geometry.extent):
        span = n + 2 * p - e
        o = -(-span // s) + 1 if ceil_mode else span // s + 1
        if ceil_mode and (o - 1) * s >= n + p:  # a window may hang over the edge, but has to start inside
            o -= 1
        assume(o > 0)
        output.append(o)
    return shape, geometry, tuple(output)


def normal(shape, dtype=np.float64, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def taps(i, n, axis, geometry):
    """Input positions of output i along one axis that lie in the image."""
    start = i * geometry.stride[axis] - geometry.padding[axis]
    return [q for k in range(geometry.kernel[axis]) if 0 <= (q := start + k * geometry.dilation[axis]) < n]


@given(windows(), st.sampled_from([np.float32, np.float64]), st.booleans())
@sweep
def test_max_pool_is_the_loop(column, window, dtype, ties):
    shape, geometry, output = window
    x = np.round(normal(shape)).astype(dtype) if ties else normal(shape, dtype)
    y, index = column.max_pool2d(x, geometry, output)
    assert y.dtype == dtype and index.dtype == np.int32 and y.shape == index.shape == (*shape[:2], *output)
    for n, c, i, j in np.ndindex(y.shape):
        places = itertools.product(taps(i, shape[2], 0, geometry), taps(j, shape[3], 1, geometry))
        best, at = -np.inf, -1
        for h, w in places:
            if at < 0 or x[n, c, h, w] > best:
                best, at = x[n, c, h, w], h * shape[3] + w
        assert (y[n, c, i, j], index[n, c, i, j]) == (best, at)


@given(windows(), st.integers(0, 99))
@sweep
def test_cpu_max_pool_is_the_reference_with_nan_and_infinity(window, seed):
    from minidl.kernels import cpu

    shape, geometry, output = window
    rng = np.random.default_rng(seed)
    x = rng.choice(np.array([-np.inf, -1, 0, 1, np.inf, np.nan]), shape)
    for mine, specified in zip(cpu.max_pool2d(x, geometry, output), reference.max_pool2d(x, geometry, output)):
        np.testing.assert_array_equal(mine, specified)
    size = rng.integers(1, 5, 2)
    for mine, specified in zip(cpu.adaptive_max_pool2d(x, size), reference.adaptive_max_pool2d(x, size)):
        np.testing.assert_array_equal(mine, specified)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [(8, 8), (9, 11), (5, 16), (7, 35), (64, 70), (1, 2)])
def test_max_pool_by_halves(column, size, dtype):
    """2x2 stride 2 has its own loop; -inf and ties everywhere, NaN in one corner of each window in turn."""
    x = np.round(normal((2, 2, *size), dtype))
    x[:, :, ::3] = -np.inf
    for corner in range(4):
        x[0, 0, corner // 2 :: 4, corner % 2 :: 4] = np.nan
    geometry = Geometry((2, 2), (2, 2))
    Ho, Wo = size[0] // 2, size[1] // 2
    if Ho == 0:
        return
    y, index = column.max_pool2d(x, geometry, (Ho, Wo))
    blocks = x[:, :, : 2 * Ho, : 2 * Wo].reshape(2, 2, Ho, 2, Wo, 2)
    np.testing.assert_array_equal(y, blocks.max((3, 5)))
    np.testing.assert_array_equal(column.plane_gather(x, index), y)
    np.testing.assert_array_equal(index, reference.max_pool2d(x, geometry, (Ho, Wo))[1])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [(8, 36), (9, 37), (2, 40), (7, 52), (64, 70), (1, 36), (5, 8)])
@pytest.mark.parametrize("values", [(-1, 0, 1), (-np.inf, 0), (0, 1, np.nan)])
def test_overlapping_max_pool(column, size, dtype, values):
    """3x3 stride 2 padding 1 has its own loop; rows and columns beyond the image, ties, -inf and NaN."""
    x = np.random.default_rng(0).choice(np.array(values, dtype), (2, 2, *size))
    geometry = Geometry((3, 3), (2, 2), (1, 1))
    output = geometry.output_size(size)
    for mine, specified in zip(column.max_pool2d(x, geometry, output), reference.max_pool2d(x, geometry, output)):
        np.testing.assert_array_equal(mine, specified)


@given(windows(), st.integers(0, 99))
@sweep
def test_gather_and_scatter_are_adjoint(column, window, seed):
    shape, _, output = window
    rng = np.random.default_rng(seed)
    x, y = rng.standard_normal(shape), rng.standard_normal((*shape[:2], *output))
    index = rng.integers(-1, shape[2] * shape[3], y.shape).astype(np.int32)
    gathered, scattered = column.plane_gather(x, index), column.plane_scatter(y, index, shape[2:])
    assert scattered.shape == shape
    assert abs((gathered * y).sum() - (x * scattered).sum()) < 1e-10
    wanted = np.zeros(shape)
    for n, c, i, j in np.ndindex(y.shape):
        if index[n, c, i, j] >= 0:
            wanted[n, c].flat[index[n, c, i, j]] += y[n, c, i, j]
    np.testing.assert_allclose(scattered, wanted, atol=1e-14)


@pytest.mark.parametrize("size", [(6, 8), (7, 9), (7, 8), (5, 16), (6, 34), (7, 47)])
def test_gather_and_scatter_of_pooled_positions(column, size):
    """The layout of 2x2 stride 2 pooling, with and without one position that breaks the pattern."""
    x = normal((2, 3, *size), np.float32)
    Ho, Wo = size[0] // 2, size[1] // 2
    _, index = column.max_pool2d(x, Geometry((2, 2), (2, 2)), (Ho, Wo))
    g = normal(index.shape, np.float32, 1)
    for place in (None, -1, 0, size[0] * size[1] - 1):
        if place is not None:
            index[1, 2, -1, 0] = place
            index[0, 0, 0, -1] = place
        wanted = reference.plane_scatter(g, index, size)
        np.testing.assert_allclose(column.plane_scatter(g, index, size), wanted, rtol=1e-6)
        np.testing.assert_array_equal(column.plane_gather(x, index), reference.plane_gather(x, index))


@pytest.mark.parametrize("wrong", [-2, 12, 2**31 - 1])
def test_positions_outside_the_plane_are_named(column, wrong):
    index = np.zeros((1, 2, 2, 2), np.int32)
    index[0, 1, 1, 0] = wrong
    with pytest.raises(IndexError, match=rf"plane_scatter: index holds {wrong}, the plane has 12 "):
        column.plane_scatter(np.ones(index.shape), index, (3, 4))
    with pytest.raises(IndexError, match=rf"plane_gather: index holds {wrong}"):
        column.plane_gather(np.ones((1, 2, 3, 4)), index)


@given(windows(), st.sampled_from([np.float32, np.float64]), st.integers(0, 99))
@sweep
def test_avg_pool_is_the_loop_and_has_an_adjoint(column, window, dtype, seed):
    shape, geometry, output = window
    rng = np.random.default_rng(seed)
    x, scale = rng.standard_normal(shape).astype(dtype), rng.uniform(0.1, 1, output).astype(dtype)
    y = column.avg_pool2d(x, geometry, scale)
    assert y.dtype == dtype and y.shape == (*shape[:2], *output)
    wanted = np.zeros(y.shape)
    for i, j in np.ndindex(output):
        rows, cols = taps(i, shape[2], 0, geometry), taps(j, shape[3], 1, geometry)
        wanted[:, :, i, j] = scale[i, j] * x[:, :, rows][..., cols].sum((2, 3))
    tolerance = 1e-5 if dtype == np.float32 else 1e-12
    np.testing.assert_allclose(y, wanted, atol=tolerance)
    g = rng.standard_normal(y.shape).astype(dtype)
    dx = column.avg_pool2d_adjoint(g, geometry, scale, shape[2:])
    assert dx.dtype == dtype and dx.shape == shape
    if dtype == np.float64:
        assert abs((y * g).sum() - (x * dx).sum()) < 1e-10
    np.testing.assert_allclose(dx, reference.avg_pool2d_adjoint(g, geometry, scale, shape[2:]), atol=tolerance)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [(16, 32), (2, 34), (6, 50), (4, 8), (17, 33), (64, 140)])
@pytest.mark.parametrize("geometry", [Geometry((2, 2), (2, 2)), Geometry((3, 3), (2, 2), (1, 1))], ids=["2x2", "3x3"])
def test_avg_pool_of_planes_that_it_halves(column, size, geometry, dtype):
    """They have a loop of their own, where even one infinity must not reach a window that does not hold it."""
    rng, output = np.random.default_rng(0), geometry.output_size(size)
    x, y = rng.standard_normal((2, 3, *size)).astype(dtype), rng.standard_normal((2, 3, *output)).astype(dtype)
    scale = rng.uniform(0.1, 1, output).astype(dtype)
    x[0, 1, size[0] // 2, size[1] // 2], y[0, 1, output[0] // 2, output[1] // 2] = np.inf, -np.inf
    tolerance = 1e-5 if dtype == np.float32 else 1e-12
    wanted = reference.avg_pool2d(x, geometry, scale)
    np.testing.assert_allclose(column.avg_pool2d(x, geometry, scale), wanted, atol=tolerance)
    wanted = reference.avg_pool2d_adjoint(y, geometry, scale, size)
    np.testing.assert_allclose(column.avg_pool2d_adjoint(y, geometry, scale, size), wanted, atol=tolerance)


@given(sizes, pairs | st.tuples(st.integers(1, 14), st.integers(1, 14)), st.integers(0, 99))
@sweep
def test_adaptive_pools(column, shape, output, seed):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(shape)
    y, (m, index) = column.adaptive_avg_pool2d(x, output), column.adaptive_max_pool2d(x, output)
    for i, j in np.ndindex(output):
        top, bottom = (int(np.floor(i * shape[2] / output[0])), int(np.ceil((i + 1) * shape[2] / output[0])))
        left, right = (int(np.floor(j * shape[3] / output[1])), int(np.ceil((j + 1) * shape[3] / output[1])))
        window = x[:, :, top:bottom, left:right]
        np.testing.assert_allclose(y[:, :, i, j], window.mean((2, 3)), atol=1e-12)
        np.testing.assert_array_equal(m[:, :, i, j], window.max((2, 3)))
    np.testing.assert_array_equal(column.plane_gather(x, index), m)
    g = rng.standard_normal(y.shape)
    assert abs((y * g).sum() - (x * column.adaptive_avg_pool2d_adjoint(g, shape[2:])).sum()) < 1e-10


def test_views_are_accepted(column):
    x = normal((2, 3, 8, 12), np.float32)
    view = x.transpose(0, 1, 3, 2)
    geometry, scale = Geometry((2, 2), (2, 2)), np.full((6, 4), 0.25, np.float32)
    copy = np.ascontiguousarray(view)
    np.testing.assert_array_equal(
        column.max_pool2d(view, geometry, (6, 4))[1], column.max_pool2d(copy, geometry, (6, 4))[1]
    )
    np.testing.assert_array_equal(column.avg_pool2d(view, geometry, scale), column.avg_pool2d(copy, geometry, scale))


@given(windows(), st.integers(0, 99))
@sweep
def test_torch_agrees(column, window, seed):
    torch = pytest.importorskip("torch")
    shape, geometry, output = window
    assume(shape[0] > 0)
    # PyTorch reads outside the plane where a dilated window holds no pixel at all
    assume(all(taps(i, shape[2], 0, geometry) for i in range(output[0])))
    assume(all(taps(j, shape[3], 1, geometry) for j in range(output[1])))
    x = np.random.default_rng(seed).choice(np.array([-np.inf, 0, 0.5, 1, np.nan]), shape)
    floor_mode = output == geometry.output_size(shape[2:])
    y, index = torch.nn.functional.max_pool2d(
        torch.from_numpy(x),
        geometry.kernel,
        geometry.stride,
        geometry.padding,
        geometry.dilation,
        ceil_mode=not floor_mode,
        return_indices=True,
    )
    mine, at = column.max_pool2d(x, geometry, output)
    np.testing.assert_array_equal(mine, y.numpy())
    np.testing.assert_array_equal(at, index.numpy())
    y, index = torch.nn.functional.adaptive_max_pool2d(torch.from_numpy(x), output, return_indices=True)
    mine, at = column.adaptive_max_pool2d(x, output)
    np.testing.assert_array_equal(mine, y.numpy())
    np.testing.assert_array_equal(at, index.numpy())
