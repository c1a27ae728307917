"""F.permutohedral_filter, F.bilateral_filter, F.gaussian_filter: adjoints, derivatives, meaning, errors."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minidl import backend, check_grads, grad, tensor
from minidl import functional as F
from minidl.functional.filter import NORMALIZATIONS, image_filter, make_kernel, position_kernel

rng = np.random.default_rng(0)
IMAGE = rng.random((2, 3, 7, 6)) * 255


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("normalization", NORMALIZATIONS)
@settings(deadline=None, max_examples=15)
@given(st.integers(1, 8), st.integers(1, 9), st.integers(1, 9), st.integers(1, 4))
def test_adjoint_of_every_normalisation(normalization, exact, d, H, W, C):
    rng = np.random.default_rng(d * H * W)
    kernel = make_kernel(rng.normal(size=(d, H * W)).astype(np.float32), normalization, exact, np.float64)
    a, b = rng.normal(size=(2, 1, C, H, W))
    forward = (a * image_filter(tensor(b), filters=[kernel], transpose=False).data).sum()
    backward = (image_filter(tensor(a), filters=[kernel], transpose=True).data * b).sum()
    assert abs(forward - backward) < 1e-10 * max(1, abs(forward))


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
@pytest.mark.parametrize("exact", [False, True])
def test_gradient_is_the_transposed_filter(normalization, exact):
    x = tensor(rng.normal(size=(2, 2, 7, 6)), requires_grad=True)
    g = rng.normal(size=x.shape)
    y = F.bilateral_filter(x, IMAGE, 3, 60, normalization, exact)
    (dx,) = grad(y, x, tensor(g))
    basis = np.eye(42).reshape(42, 1, 1, 7, 6)
    for n in range(2):
        K = np.stack(
            [F.bilateral_filter(e, IMAGE[n : n + 1], 3, 60, normalization, exact).data.ravel() for e in basis], 1
        )
        np.testing.assert_allclose(dx.data[n].reshape(2, -1), g[n].reshape(2, -1) @ K, atol=1e-12)


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
def test_derivatives_of_both_orders(normalization):
    x = rng.normal(size=(1, 2, 4, 3))
    features = rng.normal(size=(1, 3, 4, 3))
    check_grads(lambda x: F.permutohedral_filter(x, features, normalization) ** 2, [x])
    check_grads(lambda x: F.gaussian_filter(x, 1.5, normalization) ** 2, [x])


def test_normalisations_are_what_they_say():
    ones, mean = np.ones((1, 1, 7, 6)), lambda y: y.data.mean()
    f = {name: F.bilateral_filter(ones, IMAGE[:1], 3, 60, name) for name in NORMALIZATIONS}
    np.testing.assert_allclose(f["after"].data, 1, rtol=1e-12)  # weighted means
    assert abs(mean(f["mean"]) - 1) < 1e-12  # one factor that keeps the mean
    exact = F.bilateral_filter(ones, IMAGE[:1], 3, 60, "none", exact=True).data.ravel()
    y, x = np.indices((7, 6)).reshape(2, 1, -1) / 3
    colour = np.asarray(IMAGE[0], np.float64).reshape(len(IMAGE[0]), 1, -1) / 60
    square = sum((v - v.transpose(0, 2, 1)) ** 2 for v in (x[None], y[None], *colour[:, None]))[0]
    np.testing.assert_allclose(exact, np.exp(-square / 2).sum(1), rtol=1e-5)  # nothing applied
    x = tensor(rng.normal(size=ones.shape))
    np.testing.assert_allclose(
        F.bilateral_filter(x, IMAGE[:1], 3, 60, "before", exact=True).sum().data, x.sum().data, rtol=1e-6
    )  # mass is kept
    a, b = (tensor(v) for v in rng.normal(size=(2, *ones.shape)))
    symmetric = lambda v: F.bilateral_filter(v, IMAGE[:1], 3, 60, "symmetric", exact=True)
    np.testing.assert_allclose((a * symmetric(b)).sum().data, (symmetric(a) * b).sum().data, rtol=1e-10)


def test_gaussian_filter_is_near_scipys():
    ndimage = pytest.importorskip("scipy.ndimage")
    x = rng.random((1, 1, 40, 40))
    expected = ndimage.gaussian_filter(x[0, 0], 4, truncate=8)
    inner = np.s_[15:25, 15:25]
    exact = F.gaussian_filter(x, 4, "after", exact=True).data[0, 0]
    np.testing.assert_allclose(exact[inner], expected[inner], rtol=2e-3)
    lattice = F.gaussian_filter(x, 4, "after").data[0, 0]
    assert abs(lattice - exact).mean() < 0.01


def test_a_batch_is_its_images_and_columns_agree():
    x = rng.normal(size=(2, 3, 7, 6)).astype(np.float32)
    whole = F.bilateral_filter(x, IMAGE, 3, 60).data
    for n in range(2):
        np.testing.assert_array_equal(F.bilateral_filter(x[n : n + 1], IMAGE[n : n + 1], 3, 60).data[0], whole[n])
    shared = F.bilateral_filter(x, IMAGE[:1], 3, 60).data
    np.testing.assert_array_equal(shared[0], whole[0])
    with backend.use("reference"):
        np.testing.assert_allclose(F.bilateral_filter(x, IMAGE, 3, 60).data, whole, atol=1e-6)
    assert whole.dtype == np.float32


def test_bilateral_filter_keeps_edges_that_a_gaussian_blurs():
    step = np.zeros((1, 1, 16, 16))
    step[..., 8:] = 255
    kept = F.bilateral_filter(step, step, 4, 10, "after").data
    assert abs(kept - step).max() < 1
    assert abs(F.gaussian_filter(step, 4, "after").data - step).max() > 50


def test_position_lattices_are_kept_per_size():
    assert position_kernel((7, 6), 2.5) is position_kernel((7, 6), (2.5, 2.5))
    assert position_kernel((7, 6), 2.5) is not position_kernel((6, 7), 2.5)
    assert position_kernel((7, 6), 2.5, dtype=np.float64).before.dtype == np.float64


def test_directions_may_differ():
    x = np.zeros((1, 1, 9, 9))
    x[0, 0, 4, 4] = 1
    y = F.gaussian_filter(x, (3, 0.2), "after", exact=True).data[0, 0]
    assert y[4, 6] > 0.05 and y[6, 4] < 1e-6


@pytest.mark.parametrize(
    "call, error, message",
    [
        (lambda x: F.gaussian_filter(x, 0), ValueError, "sxy"),
        (lambda x: F.gaussian_filter(x, -1), ValueError, "sxy"),
        (lambda x: F.gaussian_filter(x, np.nan), ValueError, "sxy"),
        (lambda x: F.gaussian_filter(x, (1, 2, 3)), ValueError, "sxy"),
        (lambda x: F.gaussian_filter(x, 1, "both"), ValueError, "normalization"),
        (lambda x: F.gaussian_filter(x[0], 1), ValueError, "values"),
        (lambda x: F.gaussian_filter(x.astype(int), 1), ValueError, "values"),
        (lambda x: F.gaussian_filter(x, 1e-9), ValueError, "standard deviation"),
        (lambda x: F.bilateral_filter(x, IMAGE[:, :, :4]), ValueError, "image must be"),
        (lambda x: F.bilateral_filter(x, IMAGE[:1, :, ::-1], srgb=(1, 2)), ValueError, "srgb"),
        (lambda x: F.bilateral_filter(x, np.full(IMAGE.shape, np.nan)), ValueError, "finite"),
        (lambda x: F.bilateral_filter(x, np.full(IMAGE.shape, np.nan), exact=True), ValueError, "finite"),
        (lambda x: F.permutohedral_filter(x, np.zeros((1, 9, 7, 6))), ValueError, "1 to 8"),
        (lambda x: F.permutohedral_filter(x, np.zeros((3, 2, 7, 6))), ValueError, "features must be"),
        (
            lambda x: F.permutohedral_filter(x, tensor(IMAGE, requires_grad=True)),
            NotImplementedError,
            "not in features",
        ),
    ],
)
def test_errors_name_the_argument(call, error, message):
    with pytest.raises(error, match=message):
        call(np.ones((2, 1, 7, 6)))
