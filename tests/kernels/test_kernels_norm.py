"""Normalisation kernels: against plain formulas, finite precision traps, and PyTorch where it is installed."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from minidl.kernels import reference

sweep = settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
shapes = st.tuples(st.integers(1, 3), st.integers(1, 4), st.integers(1, 40))
ceilings = st.sampled_from([None, np.inf, 1.5])  # no rectifier, ReLU, one with a ceiling as ReLU6 has
EPS = 1e-5


def near(y, ceiling, distance):
    """Where y lies close to a kink."""
    kinks = () if ceiling is None else (0, ceiling)
    return np.any([np.abs(y - kink) < distance for kink in kinks], 0)


def draw(shape, seed, affine=True, dtype=np.float64):
    rng = np.random.default_rng(seed)
    x, g = rng.standard_normal((2, *shape)).astype(dtype)
    weight, bias = rng.standard_normal((2, shape[1])).astype(dtype) if affine else (None, None)
    return 1 + 2 * x, g, weight, bias


@given(shapes, st.sampled_from([np.float32, np.float64]), st.integers(0, 99))
@sweep
def test_moments(column, shape, dtype, seed):
    x, *_ = draw(shape, seed, dtype=dtype)
    mean, var = column.moments(x)
    assert mean.dtype == var.dtype == np.float64
    np.testing.assert_allclose(mean, x.astype(float).mean((0, 2)), atol=1e-13)
    np.testing.assert_allclose(var, x.astype(float).var((0, 2)), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("shape", [(2, 3, 20000), (1, 2, 8193), (3, 1, 8192)])
@pytest.mark.parametrize("offset", [0, 1e4, -1e6])
def test_a_large_mean_does_not_cancel(column, shape, offset):
    x = (offset + np.random.default_rng(0).standard_normal(shape)).astype(np.float32)
    mean, var = column.moments(x)
    exact = x.astype(np.longdouble)
    np.testing.assert_allclose(mean, exact.mean((0, 2)).astype(float), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(var, exact.var((0, 2)).astype(float), rtol=1e-10)
    y = column.normalize(x, mean, 1 / np.sqrt(var + EPS), None, None, None)
    np.testing.assert_allclose(y, ((exact - exact.mean((0, 2))[:, None]) / np.sqrt(var + EPS)[:, None]), atol=1e-5)


def test_one_outlier_at_the_start(column):
    """The value that the sums are shifted by may be the worst one."""
    x = np.random.default_rng(0).standard_normal((1, 1, 5000))
    x[0, 0, 0] = 1e6
    _, var = column.moments(x)
    np.testing.assert_allclose(var, x.astype(np.longdouble).var((0, 2)).astype(float), rtol=1e-11)


def test_moments_of_a_constant_and_of_nothing(column):
    mean, var = column.moments(np.full((2, 2, 9000), 0.1, np.float32))
    np.testing.assert_allclose(mean, np.float32(0.1), rtol=1e-15)
    np.testing.assert_allclose(var, 0, atol=1e-30)
    for shape in ((0, 3, 4), (2, 3, 0)):
        x = np.empty(shape, np.float32)
        mean, var = column.moments(x)
        np.testing.assert_array_equal([mean, var], np.zeros((2, 3)))
        assert column.normalize(x, mean, var, None, None, 6).shape == shape
        dx, dweight, dbias = column.normalize_backward(x, x, mean, var, None, None, 6)
        assert dx.shape == shape
        np.testing.assert_array_equal([dweight, dbias], np.zeros((2, 3)))


def chain(column, x, weight, bias, ceiling):
    mean, var = column.moments(x)
    return column.normalize(x, mean, 1 / np.sqrt(var + EPS), weight, bias, ceiling)


@given(shapes, st.booleans(), ceilings, st.integers(0, 99))
@sweep
def test_backward_is_the_derivative(column, shape, affine, ceiling, seed):
    """<g, dy/dx v> by central differences, with the statistics moving along; away from the rectifier's kinks."""
    x, g, weight, bias = draw(shape, seed, affine)
    mean, var = column.moments(x)
    if (var < 0.05).any():  # one element per channel: 1 / sqrt(eps) makes differences useless
        return
    y = chain(column, x, weight, bias, None)
    g = np.where(near(y, ceiling, 1e-3), 0, g)  # elements near a kink do not take part
    v = np.random.default_rng(seed + 1).standard_normal(shape)
    dx, dweight, dbias = column.normalize_backward(g, x, mean, 1 / np.sqrt(var + EPS), weight, bias, ceiling)
    step = 1e-5
    ahead, behind = (chain(column, x + s * v, weight, bias, ceiling) for s in (step, -step))
    np.testing.assert_allclose((dx * v).sum(), (g * (ahead - behind)).sum() / (2 * step), rtol=1e-6, atol=1e-6)
    passed = g if ceiling is None else np.where((y > 0) & (y < ceiling), g, 0)
    standard = (x - mean[:, None]) / np.sqrt(var + EPS)[:, None]
    np.testing.assert_allclose(dbias, passed.sum((0, 2)), atol=1e-11)
    np.testing.assert_allclose(dweight, (passed * standard).sum((0, 2)), atol=1e-11)


@given(shapes, st.booleans(), ceilings, st.integers(0, 99))
@sweep
def test_cpu_is_the_reference(shape, affine, ceiling, seed):
    from minidl.kernels import cpu

    x, g, weight, bias = draw(shape, seed, affine, np.float32)
    x[0, 0, 0] = np.nan if seed % 4 == 0 else 0
    mean, var = reference.moments(x)
    args = (mean, 1 / np.sqrt(var + EPS), weight, bias, ceiling)
    np.testing.assert_allclose(cpu.normalize(x, *args), reference.normalize(x, *args), rtol=1e-5, atol=1e-4)
    if not np.isnan(x).any():
        y = reference.normalize(x, *args[:4], None)
        g[near(y, ceiling, 1e-4)] = 0  # a rounding error may decide the mask there
        for mine, specified in zip(cpu.normalize_backward(g, x, *args), reference.normalize_backward(g, x, *args)):
            assert mine.dtype == np.float32
            np.testing.assert_allclose(mine, specified, rtol=1e-4, atol=1e-3 * max(1, np.abs(specified).max()))


def test_long_rows_and_views(column):
    x, g, weight, bias = draw((2, 3, 20001), 0)
    mean, var = column.moments(x)
    args = (mean, 1 / np.sqrt(var + EPS), weight, bias, 1.5)
    wanted = [reference.normalize(x, *args), *reference.normalize_backward(g, x, *args)]
    gv, xv = (np.asfortranarray(a) for a in (g, x))
    for mine, specified in zip([column.normalize(xv, *args), *column.normalize_backward(gv, xv, *args)], wanted):
        np.testing.assert_allclose(mine, specified, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("ceiling", [None, np.inf, 1.5])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_torch_agrees(column, ceiling, dtype):
    torch = pytest.importorskip("torch")
    x, g, weight, bias = draw((3, 5, 211), 7, dtype=dtype)
    leaves = [torch.from_numpy(a).requires_grad_() for a in (x, weight, bias)]
    y = torch.nn.functional.batch_norm(leaves[0], None, None, leaves[1], leaves[2], training=True, eps=EPS)
    y = y if ceiling is None else torch.nn.functional.hardtanh(y, 0, ceiling)
    y.backward(torch.from_numpy(g))
    mean, var = column.moments(x)
    args = (mean, 1 / np.sqrt(var + EPS), weight, bias, ceiling)
    mine = [column.normalize(x, *args), *column.normalize_backward(g, x, *args)]
    tolerance = 1e-11 if dtype == np.float64 else 1e-4
    for a, b in zip(mine, [y.detach(), *(leaf.grad for leaf in leaves)]):
        assert a.dtype == dtype
        np.testing.assert_allclose(a, b.numpy(), rtol=tolerance, atol=tolerance)
