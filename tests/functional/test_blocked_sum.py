"""Sums of many float32 terms, over any axes and of any layout, against sums in float64."""

import numpy as np
import pytest

import minidl
from minidl import functional as F
from minidl.functional.blocked_sum import blocked_sum

SHAPES = [
    ((1_000_000, 3), (0,)),
    ((3, 300_001), (1,)),
    ((500, 3, 700), (0, 2)),
    ((700, 500, 2), (0, 1)),
    ((9, 2, 300, 300), (0, 2, 3)),
]


@pytest.mark.parametrize("shape, axes", SHAPES)
@pytest.mark.parametrize("layout", ["C", "F", "strided"])
def test_no_digits_are_lost(shape, axes, layout):
    x = np.random.default_rng(0).random(shape, np.float32) + np.float32(0.5)
    x = np.asfortranarray(x) if layout == "F" else x[..., ::2, :] if layout == "strided" and len(shape) > 2 else x
    wanted = x.sum(axes, dtype=np.float64)
    for came in (blocked_sum(x, axes), F.sum(minidl.tensor(x), axes).numpy()):
        assert came.dtype == np.float32
        np.testing.assert_allclose(came, wanted, rtol=2e-6)


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0,), (2, 0, 3), (129,), (128,), (1,)])
def test_shapes_are_numpys(shape):
    x = np.ones(shape)
    for axes in [(k,) for k in range(len(shape))] + [tuple(range(len(shape)))]:
        np.testing.assert_array_equal(blocked_sum(x, axes), x.sum(axes), strict=True)


@pytest.mark.parametrize("n", [3, 41, 49, 1000, 99_991])
def test_the_mean_of_ones_is_one(n):
    assert F.mean(minidl.tensor(np.ones(n, np.float32))).item() == 1
    np.testing.assert_array_equal(F.mean(minidl.tensor(np.ones((n, 2), np.float32)), 0).numpy(), 1)


def test_the_gradient_of_a_bias_over_a_million_rows():
    bias = minidl.tensor(np.zeros(2, np.float32), requires_grad=True)
    x = minidl.tensor(np.full((1_000_000, 2), 0.1, np.float32))
    ((x + bias) * 0.1).sum().backward()
    np.testing.assert_allclose(bias.grad.numpy(), 1e5, rtol=1e-5)


def test_products_with_one_row_or_column_and_sums_into_one_place():
    """A million terms: the weight gradient of one unit, a dot product, and gradients that meet at one index."""
    n = 1_000_003
    tenth = np.full(n, 0.1, np.float32)
    w = minidl.tensor(np.ones((2, 1), np.float32), requires_grad=True)
    (F.linear(minidl.tensor(np.ones((n, 1), np.float32)), w) * 0.1).sum().backward()
    dot = F.matmul(minidl.tensor(tenth), minidl.tensor(np.ones(n, np.float32)))
    row = F.matmul(minidl.tensor(tenth[None]), minidl.tensor(np.ones((n, 3), np.float32)))
    x = minidl.tensor(np.zeros(2, np.float32), requires_grad=True)
    (x[np.zeros(n, np.int64)] * minidl.tensor(tenth)).sum().backward()
    added = F.scatter_add(minidl.tensor(np.zeros(1, np.float32)), 0, np.zeros(n, np.int64), minidl.tensor(tenth))
    exact = n * float(np.float32(0.1))
    for got in (w.grad.data, dot.data, row.data, x.grad.data[0], added.data):
        assert got.dtype == np.float32
        np.testing.assert_allclose(got, exact, rtol=2e-5)
