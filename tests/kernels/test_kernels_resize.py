"""Resizing kernels: against loops, their adjoint, and PyTorch where it is installed."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from minidl.kernels import reference

sweep = settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
lengths = st.integers(1, 12)


def bilinear(n, m, align_corners=False):
    """Taps of PyTorch's bilinear: half-pixel centres clamped at 0, or corners on corners."""
    i = np.arange(m)
    at = i * ((n - 1) / max(m - 1, 1)) if align_corners else np.maximum((i + 0.5) * (n / m) - 0.5, 0)
    lo = np.minimum(np.floor(at), n - 1).astype(np.int32)
    return lo, np.minimum(lo + 1, n - 1).astype(np.int32), at - lo


def nearest(n, m):
    lo = (np.arange(m) * n // m).astype(np.int32)
    return lo, lo, np.zeros(m)


def random_taps(rng, n, m):
    """No order at all: the kernels do not assume one."""
    f = rng.uniform(0, 1, m) * (rng.uniform(0, 1, m) < 0.8)
    return rng.integers(0, n, m).astype(np.int32), rng.integers(0, n, m).astype(np.int32), f


@given(st.integers(0, 2), st.integers(1, 3), st.tuples(lengths, lengths), st.tuples(lengths, lengths), st.data())
@sweep
def test_resize_is_the_loop_and_has_an_adjoint(column, N, C, size, output, data):
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    kind = data.draw(st.sampled_from(["bilinear", "aligned", "nearest", "random", "mixed"]))
    make = {
        "bilinear": [bilinear] * 2,
        "aligned": [lambda n, m: bilinear(n, m, True)] * 2,
        "nearest": [nearest] * 2,
        "random": [lambda n, m: random_taps(rng, n, m)] * 2,
        "mixed": [nearest, bilinear],
    }[kind]
    rows, cols = (f(n, m) for f, n, m in zip(make, size, output))
    dtype = data.draw(st.sampled_from([np.float32, np.float64]))
    x = rng.standard_normal((N, C, *size)).astype(dtype)
    y = column.resize2d(x, rows, cols)
    assert y.dtype == dtype and y.shape == (N, C, *output)
    wanted = np.zeros(y.shape)
    for i, (a, b, s) in enumerate(zip(*rows)):
        for j, (c, d, t) in enumerate(zip(*cols)):
            upper = (1 - t) * x[:, :, a, c] + t * x[:, :, a, d]
            wanted[:, :, i, j] = (1 - s) * upper + s * ((1 - t) * x[:, :, b, c] + t * x[:, :, b, d])
    np.testing.assert_allclose(y, wanted, atol=1e-6 if dtype == np.float32 else 1e-13)
    g = rng.standard_normal(y.shape).astype(dtype)
    dx = column.resize2d_adjoint(g, rows, cols, size)
    assert dx.dtype == dtype and dx.shape == x.shape
    error = abs((y.astype(float) * g).sum() - (x.astype(float) * dx).sum())
    assert error < (1e-10 if dtype == np.float64 else 1e-3)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [(1, 16), (2, 17), (5, 31), (40, 64), (3, 3)])
@pytest.mark.parametrize("make", [nearest, bilinear])
@pytest.mark.parametrize("change", [None, 0, 5, -1])
def test_twice_the_size(column, size, make, change, dtype):
    """It has a loop of its own; a table that differs in one place is not that of twice the size."""
    rows, cols = (make(n, 2 * n) for n in size)
    if change is not None:
        cols[0][change] = cols[1][change] = 1
    rng = np.random.default_rng(0)
    x, y = (rng.standard_normal((2, 3, *n)).astype(dtype) for n in (size, (2 * size[0], 2 * size[1])))
    if make is nearest:  # one infinity must not reach its neighbours
        x[0, 1, size[0] // 2, size[1] // 2] = y[1, 0, size[0], size[1]] = np.inf
    tolerance = 1e-5 if dtype == np.float32 else 1e-12
    wanted = reference.resize2d(x, rows, cols), reference.resize2d_adjoint(y, rows, cols, size)
    np.testing.assert_allclose(column.resize2d(x, rows, cols), wanted[0], atol=tolerance)
    np.testing.assert_allclose(column.resize2d_adjoint(y, rows, cols, size), wanted[1], atol=tolerance)


def test_nearest_copies_infinity_and_nan(column):
    x = np.array([[[[1, np.inf], [np.nan, -np.inf]]]], np.float32)
    y = column.resize2d(x, nearest(2, 5), nearest(2, 4))
    np.testing.assert_array_equal(y, x[:, :, [0, 0, 0, 1, 1]][..., [0, 0, 1, 1]])


def test_views_are_accepted(column):
    x = np.random.default_rng(0).standard_normal((2, 5, 7, 3)).transpose(0, 3, 1, 2)
    rows, cols = bilinear(5, 9), bilinear(7, 4)
    copy = np.ascontiguousarray(x)
    np.testing.assert_array_equal(column.resize2d(x, rows, cols), column.resize2d(copy, rows, cols))
    back = [column.resize2d_adjoint(a, bilinear(8, 5), bilinear(6, 7), (8, 6)) for a in (x, copy)]
    np.testing.assert_array_equal(*back)


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("output", [(16, 24), (13, 5), (1, 1), (8, 12), (33, 30)])
def test_torch_agrees(column, align_corners, output):
    torch = pytest.importorskip("torch")
    x = np.random.default_rng(0).standard_normal((2, 3, 8, 12))
    leaf = torch.from_numpy(x).requires_grad_()
    y = torch.nn.functional.interpolate(leaf, output, mode="bilinear", align_corners=align_corners)
    g = np.random.default_rng(1).standard_normal(y.shape)
    y.backward(torch.from_numpy(g))
    rows, cols = bilinear(8, output[0], align_corners), bilinear(12, output[1], align_corners)
    np.testing.assert_allclose(column.resize2d(x, rows, cols), y.detach().numpy(), atol=1e-12)
    np.testing.assert_allclose(column.resize2d_adjoint(g, rows, cols, (8, 12)), leaf.grad.numpy(), atol=1e-12)
