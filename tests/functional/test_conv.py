"""The closed set: three inner products agree, special cases are identities, any geometry equals plain loops."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minidl
from minidl import backend, grad, tensor
from minidl import functional as F

rng = np.random.default_rng(0)


@st.composite
def geometries(draw):
    """(image size, kernel, stride, padding, dilation) along two axes, such that the window fits."""
    axes = []
    for _ in range(2):
        k, s, d, p = (draw(st.integers(a, b)) for a, b in ((1, 4), (1, 3), (1, 3), (0, 3)))
        least = max(1, d * (k - 1) + 1 - 2 * p)
        n = draw(st.integers(least, least + 8))
        axes.append((n, k, s, p, d))
    return [tuple(axis) for axis in zip(*axes)]


def _arrays(size, kernel, groups, batch=2):
    x = rng.standard_normal((batch, 2 * groups, *size))
    w = rng.standard_normal((3 * groups, 2, *kernel))
    return x, w


def loops(x, w, stride, padding, dilation, groups):
    """Convolution by its formula, one product at a time."""
    N, _, H, W = x.shape
    O, c, kh, kw = w.shape
    H_out = (H + 2 * padding[0] - dilation[0] * (kh - 1) - 1) // stride[0] + 1
    W_out = (W + 2 * padding[1] - dilation[1] * (kw - 1) - 1) // stride[1] + 1
    y = np.zeros((N, O, H_out, W_out))
    for o, i, j, m, k, l in itertools.product(*map(range, (O, H_out, W_out, c, kh, kw))):
        row = i * stride[0] + k * dilation[0] - padding[0]
        column = j * stride[1] + l * dilation[1] - padding[1]
        if 0 <= row < H and 0 <= column < W:
            y[:, o, i, j] += w[o, m, k, l] * x[:, o // (O // groups) * c + m, row, column]
    return y


@pytest.mark.parametrize("column", ["reference", "cpu"])
@settings(deadline=None, max_examples=40)
@given(geometry=geometries(), groups=st.integers(1, 2))
def test_three_inner_products_agree(column, geometry, groups):
    size, kernel, stride, padding, dilation = geometry
    x, w = (tensor(a) for a in _arrays(size, kernel, groups))
    options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    with backend.use(column):
        y = F.conv2d(x, w, **options)
        np.testing.assert_allclose(y.data, loops(x.data, w.data, stride, padding, dilation, groups), atol=1e-12)
        u = tensor(rng.standard_normal(y.shape))
        lost = [
            n - ((m - 1) * s - 2 * p + d * (k - 1) + 1)
            for n, m, k, s, p, d in zip(size, y.shape[2:], kernel, stride, padding, dilation)
        ]
        if all(0 <= rows < max(s, d) for rows, s, d in zip(lost, stride, dilation)):
            back = F.conv_transpose2d(u, w, output_padding=tuple(lost), **options)
        else:  # padding that no window reaches: only the derivative knows the size
            x.requires_grad = True
            (back,) = grad(F.conv2d(x, w, **options), x, u)
        taps = F.conv2d_weight(x.detach(), u, kernel, **options)
    products = [np.vdot(y.data, u.data), np.vdot(x.data, back.data), np.vdot(w.data, taps.data)]
    assert np.ptp(products) <= 1e-10 * np.linalg.norm(y.data) * np.linalg.norm(u.data) + 1e-12


def test_the_lost_row_is_passed_back():
    x, w = tensor(rng.standard_normal((1, 1, 8, 8)), requires_grad=True), tensor(rng.standard_normal((1, 1, 3, 3)))
    y = F.conv2d(x, w, stride=2, padding=1)
    assert y.shape == (1, 1, 4, 4)
    assert F.conv_transpose2d(y, w, stride=2, padding=1).shape == (1, 1, 7, 7)
    assert F.conv_transpose2d(y, w, stride=2, padding=1, output_padding=1).shape == (1, 1, 8, 8)
    assert grad(y.sum(), x)[0].shape == (1, 1, 8, 8)


def test_a_1x1_convolution_is_a_fully_connected_layer_at_every_pixel():
    x, w, b = (tensor(rng.standard_normal(s)) for s in ((2, 3, 4, 5), (6, 3), (6,)))
    dense = F.linear(x.permute(0, 2, 3, 1), w, b).permute(0, 3, 1, 2)
    np.testing.assert_allclose(F.conv2d(x, w.reshape(6, 3, 1, 1), b).data, dense.data, atol=1e-12)


def test_depthwise_is_one_convolution_per_channel():
    x, w = tensor(rng.standard_normal((2, 3, 5, 6))), tensor(rng.standard_normal((3, 1, 3, 3)))
    apart = [F.conv2d(x[:, c : c + 1], w[c : c + 1], padding=1) for c in range(3)]
    np.testing.assert_allclose(F.conv2d(x, w, padding=1, groups=3).data, F.cat(apart, 1).data, atol=1e-12)


def test_dilation_is_a_kernel_with_zeros_between_its_taps():
    x, w = tensor(rng.standard_normal((1, 2, 9, 9))), rng.standard_normal((3, 2, 3, 3))
    spread = np.zeros((3, 2, 7, 7))
    spread[:, :, ::3, ::3] = w
    np.testing.assert_allclose(
        F.conv2d(x, tensor(w), dilation=3, padding=3).data, F.conv2d(x, tensor(spread), padding=3).data, atol=1e-12
    )


def test_bilinear_upsampling_is_a_fixed_transposed_convolution():
    x = tensor(rng.standard_normal((1, 1, 5, 6)))
    ramp = np.array([1, 3, 3, 1]) / 4
    kernel = tensor(np.outer(ramp, ramp)[None, None])
    up = F.conv_transpose2d(x, kernel, stride=2, padding=1)
    expected = F.interpolate(x, scale_factor=2, mode="bilinear")
    np.testing.assert_allclose(up.data[:, :, 1:-1, 1:-1], expected.data[:, :, 1:-1, 1:-1], atol=1e-12)


def test_convolution_is_a_matrix_product_of_columns():
    x, w = tensor(rng.standard_normal((2, 3, 6, 5))), tensor(rng.standard_normal((4, 3, 3, 2)))
    columns = F.unfold(x, (3, 2), padding=1, stride=2)
    y = F.conv2d(x, w, padding=1, stride=2)
    np.testing.assert_allclose((w.reshape(4, -1) @ columns).reshape(y.shape).data, y.data, atol=1e-12)


def test_third_derivative_of_the_triple():
    minidl.check_grads(
        lambda x, w: F.conv2d(x, w, stride=2, padding=1) ** 2,
        [rng.standard_normal((1, 2, 4, 5)), rng.standard_normal((2, 2, 3, 3))],
        order=3,
        rtol=1e-4,
    )


@pytest.mark.parametrize("column", ["reference", "cpu"])
def test_empty_batch(column):
    with backend.use(column):
        y = F.conv2d(tensor(np.zeros((0, 3, 5, 5))), tensor(np.zeros((4, 3, 3, 3))))
    assert y.shape == (0, 4, 3, 3)


X, W = tensor(np.zeros((1, 4, 5, 5))), tensor(np.zeros((6, 4, 3, 3)))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: F.conv2d(X[0], W), r"conv2d: input has shape \(4, 5, 5\); needed four axes"),
        (lambda: F.conv2d(X, W[:, :3]), r"conv2d: weight \(6, 3, 3, 3\) with groups=1 needs 3 input channels"),
        (lambda: F.conv2d(X, W, groups=3), "conv2d: weight .* with groups=3 needs 12 input channels"),
        (lambda: F.conv2d(X, W, stride=0), "conv2d: stride must be an integer or a pair of integers of at least 1"),
        (lambda: F.conv2d(X, W, padding=(1, 1, 1)), "conv2d: padding must be"),
        (lambda: F.conv2d(X, W, dilation=3), r"conv2d: a window of \(7, 7\) does not fit into \(5, 5\)"),
        (
            lambda: F.conv2d(X, W, tensor(np.zeros(5))),
            r"conv2d: bias is float64 of shape \(5,\); needed float64 of \(6,\)",
        ),
        (lambda: F.conv2d(X.float(), W), "conv2d: one dtype is needed, not input float32, weight float64"),
        (lambda: F.conv2d(X.long(), W), "conv2d: input is int64; needed float32 or float64"),
        (lambda: F.conv2d(X, W, padding="same", stride=2), 'conv2d: padding="same" needs stride 1'),
        (lambda: F.conv_transpose2d(X, W), r"conv_transpose2d: weight .* needs 6 input channels"),
        (lambda: F.conv_transpose2d(X, W[:4], stride=2, output_padding=2), "conv_transpose2d: output_padding"),
        (lambda: F.conv_transpose2d(X, W[:4], padding=4), "conv_transpose2d: the output would have size"),
        (lambda: F.conv2d_weight(X, X, 3), "conv2d_weight: output has shape"),
        (lambda: F.unfold(X, 7), "unfold: a window"),
        (lambda: F.fold(tensor(np.zeros((1, 9, 4))), (5, 5), 3), "fold: input has shape"),
        (lambda: F.max_pool2d(X, 2, padding=2), "max_pool2d: padding"),
        (lambda: F.max_pool2d(X, 6), "max_pool2d: a window"),
        (lambda: F.max_unpool2d(X, X, 2), "max_unpool2d: indices"),
        (lambda: F.max_unpool2d(X, X.long() + 1000, 2), "max_unpool2d: index 1000..1000 leaves"),
        (lambda: F.adaptive_avg_pool2d(X, 0), "adaptive_avg_pool2d: output_size"),
        (lambda: F.interpolate(X), "interpolate: give either"),
        (lambda: F.interpolate(X, 3, mode="bicubic"), "interpolate: mode must be one of"),
        (lambda: F.interpolate(X, 3, align_corners=True), "interpolate: align_corners"),
        (lambda: F.pixel_shuffle(X, 3), "pixel_shuffle: the 4 channels"),
        (lambda: F.batch_norm(X, None, None), "batch_norm: without training"),
        (
            lambda: F.batch_norm(X[:, :, :1, :1], None, None, training=True),
            "batch_norm: more than one value per channel",
        ),
        (lambda: F.group_norm(X, 3), "group_norm: num_groups=3 does not divide"),
        (lambda: F.layer_norm(X, 4), "layer_norm: the end of input has shape"),
        (lambda: F.dropout(X, 2), "dropout: p must be a probability"),
        (lambda: F.cross_entropy(X, tensor([0])), "cross_entropy: target is int64 of shape"),
        (lambda: F.cross_entropy(X, X[:, 0].long() + 4), "label 4"),
        (lambda: F.nll_loss(X, X[:, 0].long() - 1), "nll_loss: label -1"),
        (lambda: F.mse_loss(X, W), "mse_loss: target has shape"),
        (lambda: F.mse_loss(X, X, reduction="max"), "mse_loss: reduction"),
    ],
)
def test_messages_name_function_and_argument(call, message):
    with pytest.raises((ValueError, TypeError, IndexError), match=message):
        call()


@pytest.mark.parametrize("name", ["reference", "cpu"])
@pytest.mark.parametrize("shape", [(0, 21, 3, 2), (2, 21, 0, 3), (2, 21, 3, 0), (2, 21, 0, 0)])
def test_empty_images_have_derivatives_of_both_orders(name, shape):
    def both(f, x):
        y = f(x)
        u = tensor(np.ones(y.shape), requires_grad=True)
        first = minidl.grad([y], [x, w], [u], create_graph=True, allow_unused=True)
        second = minidl.grad([sum((g * g).sum() for g in first if g is not None)], [x, w, u], allow_unused=True)
        assert first[0].shape == x.shape and all(g is None or not g.numpy().any() for g in second)

    with backend.use(name):
        w, x = tensor(np.ones((21, 3, 2, 2)), requires_grad=True), tensor(np.zeros(shape), requires_grad=True)
        both(lambda x: F.conv_transpose2d(x, w, None, 2, 0, 1, 3), x)
        both(lambda x: F.conv_transpose2d(x, w, None, (3, 2), 0, 1, 3, (4, 3)), x)
        both(lambda x: F.conv2d(x, w, None, 1, 2, groups=7), x)
        if shape[0]:
            both(lambda x: F.max_pool2d(x, 2, 1, 1, ceil_mode=True), x)
