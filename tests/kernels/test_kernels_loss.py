"""Softmax, cross-entropy and ReLU kernels: against formulas, derivatives, and PyTorch where it is installed."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from minidl.kernels import reference

sweep = settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
shapes = st.tuples(st.integers(0, 4), st.integers(1, 6), st.sampled_from([0, 1, 2, 31, 256, 300]))
dtypes = st.sampled_from([np.float32, np.float64])
ROWS = ["softmax", "log_softmax"]


def normal(shape, seed, dtype=np.float64):
    return (3 * np.random.default_rng(seed).standard_normal(shape)).astype(dtype)


@given(shapes, dtypes, st.sampled_from([1, 30]), st.integers(0, 99))
@sweep
def test_softmax(column, shape, dtype, stretch, seed):
    x = stretch * normal(shape, seed, dtype)
    wide = x.astype(np.longdouble)
    exact = wide - np.log(np.exp(wide).sum(1, keepdims=True))
    tolerance = 2e-6 if dtype == np.float32 else 1e-14
    y, logy = column.softmax(x), column.log_softmax(x)
    assert y.dtype == logy.dtype == dtype and y.shape == logy.shape == shape
    np.testing.assert_allclose(y, np.exp(exact).astype(float), rtol=10 * tolerance, atol=1e-37)
    np.testing.assert_allclose(logy, exact.astype(float), rtol=tolerance, atol=tolerance * 10)
    g = normal(shape, seed + 1, dtype)
    for name, out in zip(ROWS, (y, logy)):
        dx, wanted = (getattr(c, f"{name}_backward")(g, out) for c in (column, reference))
        assert dx.dtype == dtype
        np.testing.assert_allclose(dx, wanted, rtol=tolerance * 10, atol=tolerance * 10)


@pytest.mark.parametrize("name", ROWS)
def test_softmax_derivative(column, name):
    forward, backward = getattr(column, name), getattr(column, f"{name}_backward")
    x, g, v = (normal((2, 5, 40), s) for s in range(3))
    slope = (g * (forward(x + 1e-5 * v) - forward(x - 1e-5 * v))).sum() / 2e-5
    np.testing.assert_allclose((backward(g, forward(x)) * v).sum(), slope, rtol=1e-7)


def test_softmax_of_extremes(column):
    """A shift changes nothing, a class at -inf has probability 0, NaN stays in its pixel."""
    x = normal((1, 4, 300), 0, np.float32)
    x[:, 1] = -np.inf
    np.testing.assert_allclose(column.softmax(x + np.float32(1e4)), column.softmax(x), atol=2e-3)
    assert (column.softmax(x)[:, 1] == 0).all() and np.isneginf(column.log_softmax(x)[:, 1]).all()
    x[0, 2, 7] = np.nan
    for y in (column.softmax(x), column.log_softmax(x)):
        assert np.isnan(y[0, :, 7]).all() and np.isnan(y).sum() == 4


@st.composite
def losses(draw):
    N, C, L = draw(shapes)
    rng, dtype = np.random.default_rng(draw(st.integers(0, 99))), draw(dtypes)
    ignore = draw(st.sampled_from([-100, 255, 0]))
    x, g = (3 * rng.standard_normal((N, C, L))).astype(dtype), rng.standard_normal((N, L)).astype(dtype)
    target = rng.integers(0, C, (N, L))
    target[rng.uniform(size=(N, L)) < 0.2] = ignore
    weight = rng.uniform(0.1, 2, C).astype(dtype) if draw(st.booleans()) else None
    return g, x, target, weight, ignore


@given(losses())
@sweep
def test_cross_entropy(column, case):
    g, x, target, weight, ignore = case
    N, C, L = x.shape
    loss, dx = column.cross_entropy(x, *case[2:]), column.cross_entropy_backward(*case)
    assert loss.dtype == dx.dtype == x.dtype and loss.shape == (N, L) and dx.shape == x.shape
    logp = reference.log_softmax(x.astype(float))
    wanted, slope = np.zeros((N, L)), np.zeros(x.shape)
    for n, l in np.ndindex(N, L):
        t = target[n, l]
        if t != ignore:
            w = 1 if weight is None else weight[t]
            wanted[n, l] = -w * logp[n, t, l]
            slope[n, :, l] = g[n, l] * w * (np.exp(logp[n, :, l]) - (np.arange(C) == t))
    tolerance = 3e-6 if x.dtype == np.float32 else 1e-13
    np.testing.assert_allclose(loss, wanted, rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(dx, slope, rtol=tolerance, atol=tolerance)
    assert (loss[target == ignore] == 0).all() and (np.moveaxis(dx, 1, 2)[target == ignore] == 0).all()


@pytest.mark.parametrize("wrong", [-1, 5, 255, -100])
@pytest.mark.parametrize("L", [1, 700])
def test_labels_out_of_range_are_named(column, wrong, L):
    x, target = normal((3, 5, L), 0), np.zeros((3, L), np.int64)
    target[2, L // 2] = wrong
    with pytest.raises(IndexError, match=rf"cross_entropy: target has label {wrong}; x has 5 classes"):
        column.cross_entropy(x, target, None, 254)
    with pytest.raises(IndexError, match=rf"label {wrong};"):
        column.cross_entropy_backward(np.ones((3, L)), x, target, None, 254)
    assert column.cross_entropy(x, target, None, wrong)[2, L // 2] == 0


def test_views_are_accepted(column):
    x, target = normal((2, 300, 4), 0).transpose(0, 2, 1), np.random.default_rng(0).integers(0, 4, (300, 2)).T
    for row in ("softmax", "log_softmax"):
        np.testing.assert_array_equal(getattr(column, row)(x), getattr(column, row)(np.ascontiguousarray(x)))
    one = column.cross_entropy(x, target, None, -100)
    np.testing.assert_array_equal(one, column.cross_entropy(x.copy(), target.copy(), None, -100))


@given(losses())
@sweep
def test_torch_cross_entropy_agrees(column, case):
    torch = pytest.importorskip("torch")
    g, x, target, weight, ignore = case
    leaf = torch.from_numpy(x).requires_grad_()
    loss = torch.nn.functional.cross_entropy(
        leaf,
        torch.from_numpy(target),
        None if weight is None else torch.from_numpy(weight),
        ignore_index=ignore,
        reduction="none",
    )
    loss.backward(torch.from_numpy(g))
    tolerance = 3e-6 if x.dtype == np.float32 else 1e-13
    mine = column.cross_entropy(x, *case[2:])
    np.testing.assert_allclose(mine, loss.detach().numpy(), rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(column.cross_entropy_backward(*case), leaf.grad.numpy(), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("ceiling", [np.inf, 1.5])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_relu(column, dtype, ceiling):
    x = normal((2, 3, 5, 7), 0, dtype)
    x[0, 0, 0] = [0, np.nan, np.inf, -np.inf, 1.5, -1.5, 9]
    g = normal(x.shape, 1, dtype)
    y = column.relu(x.transpose(0, 1, 3, 2), ceiling).transpose(0, 1, 3, 2)
    np.testing.assert_array_equal(y, np.where(x < 0, 0, np.where(x > ceiling, dtype(ceiling), x)))
    assert y.dtype == dtype
    for kept in (x, y):
        dx = column.relu_backward(g, kept, ceiling)
        assert dx.dtype == dtype
        wanted = np.where((x > 0) & ((x < ceiling) | (ceiling == np.inf)), g, 0)
        np.testing.assert_array_equal(dx[~np.isnan(x)], wanted[~np.isnan(x)])
    assert column.relu(np.empty((0, 3), dtype), ceiling).shape == (0, 3)
