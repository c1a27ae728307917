"""Pooling and resizing over random geometries, against PyTorch and against their own adjoints."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import minidl
from minidl import backend, tensor
from minidl import functional as F

rng = np.random.default_rng(0)
few = settings(deadline=None, max_examples=60)


@few
@given(
    size=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    kernel=st.integers(1, 4),
    stride=st.integers(1, 4),
    padding=st.integers(0, 2),
    dilation=st.integers(1, 2),
    ceil_mode=st.booleans(),
)
def test_max_pool2d(size, kernel, stride, padding, dilation, ceil_mode):
    torch = pytest.importorskip("torch")
    assume(2 * padding <= kernel and all(n + 2 * padding > dilation * (kernel - 1) for n in size))
    x = rng.integers(0, 4, (2, 2, *size)).astype(np.float32)  # many ties
    options = (kernel, stride, padding, dilation, ceil_mode)
    y, index = F.max_pool2d(tensor(x), *options, return_indices=True)
    expected, where = torch.nn.functional.max_pool2d(torch.tensor(x), *options, return_indices=True)
    np.testing.assert_array_equal(y.data, expected.numpy())
    empty = np.isinf(y.data)  # a dilated window may miss the image altogether: PyTorch's index then leaves the plane
    np.testing.assert_array_equal(index.data, np.where(empty, -1, where.numpy()))


@few
@given(
    size=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    kernel=st.integers(1, 4),
    stride=st.integers(1, 4),
    padding=st.integers(0, 2),
    ceil_mode=st.booleans(),
    count_include_pad=st.booleans(),
)
def test_avg_pool2d(size, kernel, stride, padding, ceil_mode, count_include_pad):
    torch = pytest.importorskip("torch")
    assume(2 * padding <= kernel and all(n + 2 * padding >= kernel for n in size))
    x = rng.standard_normal((2, 2, *size))
    options = (kernel, stride, padding, ceil_mode, count_include_pad)
    expected = torch.nn.functional.avg_pool2d(torch.tensor(x), *options)
    np.testing.assert_allclose(F.avg_pool2d(tensor(x), *options).data, expected.numpy(), atol=1e-12)


@few
@given(
    size=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    target=st.tuples(st.integers(1, 20), st.integers(1, 20)),
    mode=st.sampled_from(["nearest", "nearest-exact", "bilinear", "corners"]),
)
def test_interpolate(size, target, mode):
    torch = pytest.importorskip("torch")
    x = rng.standard_normal((1, 2, *size)).astype(np.float32)
    options = {"mode": "bilinear", "align_corners": True} if mode == "corners" else {"mode": mode}
    mine = F.interpolate(tensor(x), target, **options)
    np.testing.assert_allclose(
        mine.data, torch.nn.functional.interpolate(torch.tensor(x), target, **options).numpy(), atol=1e-5
    )
    factor = tuple(m / n for m, n in zip(target, size))
    theirs = torch.nn.functional.interpolate(torch.tensor(x), scale_factor=factor, **options)
    np.testing.assert_allclose(F.interpolate(tensor(x), scale_factor=factor, **options).data, theirs.numpy(), atol=1e-5)


def test_unpooling_overlapping_windows_overwrites():
    x = np.zeros((1, 1, 3, 5))
    x[0, 0, 1, 2] = 7
    y, index = F.max_pool2d(tensor(x), 3, 1, return_indices=True)
    np.testing.assert_array_equal(F.max_unpool2d(y, index, 3, 1, output_size=(3, 5)).data, x)
    minidl.check_grads(lambda v: F.max_unpool2d(v, index, 3, 1, output_size=(3, 5)), [y.data])


def test_nan_wins():
    x = np.array([[[[1.0, np.nan], [3.0, 2.0]]]])
    assert np.isnan(F.max_pool2d(tensor(x), 2).item())
    assert np.isnan(F.amax(tensor(x)).item())


def test_running_statistics_follow_pytorch():
    torch = pytest.importorskip("torch")
    x = rng.standard_normal((4, 3, 5, 5)).astype(np.float32) * 3 + 100
    for ours, theirs in ((F.batch_norm, torch.nn.functional.batch_norm), (F.instance_norm, None)):
        mean, var = tensor(np.zeros(3, np.float32)), tensor(np.ones(3, np.float32))
        t_mean, t_var = torch.zeros(3), torch.ones(3)
        if theirs:
            ours(tensor(x), mean, var, training=True)
            theirs(torch.tensor(x), t_mean, t_var, training=True)
        else:
            ours(tensor(x), mean, var)
            torch.nn.functional.instance_norm(torch.tensor(x), t_mean, t_var)
        np.testing.assert_allclose(mean.data, t_mean.numpy(), rtol=1e-5)
        np.testing.assert_allclose(var.data, t_var.numpy(), rtol=1e-4)


def test_instance_norm_of_empty_planes_is_empty_and_leaves_the_statistics():
    x, mean, var = tensor(np.zeros((2, 3, 0, 4))).requires_grad_(), tensor(np.zeros(3)), tensor(np.ones(3))
    y = F.instance_norm(x, mean, var, tensor(np.ones(3)), tensor(np.ones(3)))
    y.sum().backward()
    assert y.shape == x.grad.shape == (2, 3, 0, 4)
    assert mean.data.tolist() == [0, 0, 0] and var.data.tolist() == [1, 1, 1]


@pytest.mark.parametrize("column", ["cpu", "reference"])
def test_a_window_between_whose_taps_the_image_lies_has_no_gradient(column):
    with backend.use(column):
        x = tensor(np.ones((1, 2, 1, 6))).requires_grad_()
        y, index = F.max_pool2d(x, 2, 2, 1, 2, return_indices=True)  # rows -1 and 1 of an image that has row 0 alone
        y.backward(np.ones(y.shape))
    assert np.isneginf(y.data).all() and (index.data == -1).all() and not x.grad.data.any()


def test_fused_relu_equals_two_steps():
    x, w, b = (rng.standard_normal(s) for s in ((3, 4, 3, 2), (4,), (4,)))
    for statistics in ((None, None, True), (tensor(np.ones(4)), tensor(np.full(4, 2.0)), False)):
        mean, var, training = statistics
        for ceiling in (np.inf, 0.75):

            def fused(x, w, b, mean=mean, var=var, training=training, ceiling=ceiling):
                return F.batch_norm(x, mean, var, w, b, training, relu=True, ceiling=ceiling)

            minidl.check_grads(fused, [x, w, b])
            apart = F.batch_norm(tensor(x), mean, var, tensor(w), tensor(b), training).data.clip(0, ceiling)
            np.testing.assert_allclose(fused(tensor(x), tensor(w), tensor(b)).data, apart, atol=1e-12)


def test_dropout():
    x = tensor(np.ones((50, 40, 2, 2)), requires_grad=True)
    minidl.manual_seed(0)
    y = F.dropout(x, 0.25)
    assert set(np.unique(y.data.round(6))) == {0, round(1 / 0.75, 6)}
    assert y.data.mean() == pytest.approx(1, abs=0.05)
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.data, y.data)
    channels = F.dropout2d(x, 0.5).data
    assert (np.ptp(channels, axis=(2, 3)) == 0).all()
    assert 0.4 < (channels[:, :, 0, 0] > 0).mean() < 0.6
    assert F.dropout(x, 0.5, training=False) is x
    assert (F.dropout(x, 1.0).data == 0).all()
    state = minidl.get_rng_state()
    first = F.dropout(x, 0.5).data
    minidl.set_rng_state(state)
    np.testing.assert_array_equal(F.dropout(x, 0.5).data, first)


def test_dice_and_focal_by_their_formulas():
    x = rng.standard_normal((2, 3, 4))
    t = np.array([[0, 1, 2, -100], [2, 2, 0, 1]])
    p = np.exp(x) / np.exp(x).sum(1, keepdims=True)
    kept = t >= 0
    hot = (np.maximum(t, 0)[:, None] == np.arange(3)[:, None]) * kept[:, None]
    p_kept = p * kept[:, None]
    dice = (2 * (p_kept * hot).sum((0, 2)) + 1) / (p_kept.sum((0, 2)) + hot.sum((0, 2)) + 1)
    assert F.dice_loss(tensor(x), t).item() == pytest.approx(1 - dice.mean())
    p_t = (p * hot).sum(1)[kept]
    assert F.focal_loss(tensor(x), t, gamma=1.5).item() == pytest.approx((-((1 - p_t) ** 1.5) * np.log(p_t)).mean())
    minidl.check_grads(lambda v: F.dice_loss(v, t), [x])
    minidl.check_grads(lambda v: F.focal_loss(v, t, weight=np.arange(1.0, 4)), [x])


def test_one_hot():
    assert F.one_hot(tensor([2, 0])).tolist() == [[0, 0, 1], [1, 0, 0]]
    assert F.one_hot(tensor([1]), 4).dtype == np.int64


@pytest.mark.parametrize("size", [1, 3, 4, 5, 7, 10])
@pytest.mark.parametrize("factor", [0.7, 1.0, 1.05, 1.19, 1.5, 1.9, 2, 2.05, 2.19, 2.3, 3])
def test_nearest_by_factor_is_pytorchs(size, factor):
    """Where the output is as large as the input, or twice as large, PyTorch looks at the sizes and not at the factor."""
    x = np.arange(size, dtype=np.float32).reshape(1, 1, 1, size)
    if int(size * factor) < 1:
        return
    got = F.interpolate(tensor(x), scale_factor=(1.0, factor)).data.ravel()
    out = int(size * factor)
    rule = {size: 1, 2 * size: 2}.get(out)
    wanted = np.arange(out) // rule if rule else np.floor(np.arange(out, dtype=np.float32) * np.float32(1 / factor))
    np.testing.assert_array_equal(got, np.minimum(wanted, size - 1))
    try:
        import torch
    except ImportError:
        return
    theirs = torch.nn.functional.interpolate(torch.tensor(x), scale_factor=(1.0, factor)).numpy().ravel()
    np.testing.assert_array_equal(got, theirs)
