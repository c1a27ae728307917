"""A pixel to ignore adds exactly nothing, to a loss and to its derivatives of every order, whatever its logits are."""

import math

import numpy as np
import pytest

import minidl
from minidl import functional as F
from minidl import optim

WEIGHT = np.array([0.5, 1.0, 2.0])
LOSSES = {
    "cross_entropy": F.cross_entropy,
    "cross_entropy_weight": lambda x, t, **k: F.cross_entropy(x, t, WEIGHT, **k),
    "cross_entropy_smooth": lambda x, t, **k: F.cross_entropy(x, t, label_smoothing=0.1, **k),
    "cross_entropy_smooth_weight": lambda x, t, **k: F.cross_entropy(x, t, WEIGHT, label_smoothing=0.1, **k),
    "nll_loss": F.nll_loss,
    "nll_loss_weight": lambda x, t, **k: F.nll_loss(x, t, WEIGHT, **k),
    "nll_loss_of_log_softmax": lambda x, t, **k: F.nll_loss(F.log_softmax(x, 1), t, **k),
    "focal": F.focal_loss,
    "focal_weight": lambda x, t, **k: F.focal_loss(x, t, 0.5, WEIGHT, **k),
    "dice": F.dice_loss,
    "dice_not_smooth": lambda x, t, **k: F.dice_loss(x, t, smooth=0.0, **k),
    "tversky": F.tversky_loss,
    "tversky_not_smooth": lambda x, t, **k: F.tversky_loss(x, t, smooth=0.0, **k),
    "lovasz": F.lovasz_softmax,
}
OVERLAP = ("dice", "tversky", "lovasz")  # these have no reduction
LOGITS = {name: loss for name, loss in LOSSES.items() if name != "nll_loss_of_log_softmax"}  # log_softmax of NaN is NaN


def results(loss, x, target, **options):
    """The loss, its gradient and the gradient of the gradient's squared length."""
    x = minidl.tensor(x, requires_grad=True)
    y = loss(x, target, **options)
    (plain,) = minidl.grad(y.sum(), x, retain_graph=True)
    (first,) = minidl.grad(y.sum(), x, create_graph=True)
    (second,) = minidl.grad((first * first).sum(), x) if first.requires_grad else (first * 0,)
    return [v.detach().data for v in (y, plain, first, second)]


@pytest.mark.parametrize("column", ["reference", "cpu"])
@pytest.mark.parametrize("bad", [math.nan, -math.inf, math.inf])
@pytest.mark.parametrize("name", LOGITS)
def test_what_stands_at_an_ignored_pixel_reaches_nothing(name, bad, column):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, 3, 2, 3))
    target = rng.integers(0, 3, (2, 2, 3))
    target[0, 1, 2] = target[1, 0, 0] = 9
    broken = x.copy()
    broken[0, :, 1, 2] = bad
    broken[1, 1, 0, 0] = bad
    for reduction in ("mean", "sum", "none") if not name.startswith(OVERLAP) else ("mean",):
        options = {"ignore_index": 9} | ({} if name.startswith(OVERLAP) else {"reduction": reduction})
        with minidl.backend.use(column), np.errstate(invalid="ignore"):
            wanted, got = results(LOGITS[name], x, target, **options), results(LOGITS[name], broken, target, **options)
        for a, b in zip(wanted, got):
            np.testing.assert_array_equal(a, b)
        for derivative in got[1:]:
            assert not derivative[0, :, 1, 2].any() and not derivative[1, :, 0, 0].any()


@pytest.mark.parametrize("bad", [0.0, math.nan, -math.inf])
@pytest.mark.parametrize("name", LOGITS)
def test_a_batch_of_ignored_pixels_adds_nothing(name, bad):
    for value in results(LOGITS[name], np.full((2, 3, 4), bad), np.full((2, 4), 7), ignore_index=7):
        assert not value.any()


@pytest.mark.parametrize("name", LOSSES)
def test_an_optimiser_is_left_alone_by_ignored_pixels(name):
    w = minidl.tensor(np.ones((2, 3, 4), np.float32), requires_grad=True)
    sgd = optim.SGD([w], 0.1)
    LOSSES[name](w * 2, np.full((2, 4), 7), ignore_index=7).backward()
    sgd.step()
    assert (w.data == 1).all()


def test_a_weight_of_zero_counts_as_ignored():
    x = minidl.tensor(np.ones((1, 2, 1)), requires_grad=True)
    loss = F.cross_entropy(x, np.array([[1]]), np.array([1.0, 0.0]))
    loss.backward()
    assert loss.item() == 0 and not x.grad.data.any()


def test_no_label_at_all_is_nan_as_in_pytorch():
    assert math.isnan(F.cross_entropy(minidl.tensor(np.zeros((0, 3))), np.zeros(0, np.int64)).item())


@pytest.mark.parametrize("column", ["reference", "cpu"])
def test_large_logits_keep_the_digits_of_their_differences(column):
    x = np.array([[1000.0, 999.0]], np.float32)
    with minidl.backend.use(column):
        loss = F.cross_entropy(minidl.tensor(x), np.array([0])).item()
        log = F.log_softmax(minidl.tensor(x), 1).data
    assert loss == pytest.approx(math.log1p(math.exp(-1)), rel=1e-6)
    np.testing.assert_allclose(log, [[-loss, -loss - 1]], rtol=1e-6)
