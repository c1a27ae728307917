"""Smooth functions keep their digits over the whole range: float32 against the formula in 60 digits, to second order."""

import math
import shutil

import numpy as np
import pytest

import minidl
from minidl import functional as F

mpmath = pytest.importorskip("mpmath")
mp = mpmath.mp.clone()
mp.dps = 60


needs_compiler = pytest.mark.skipif(
    not (shutil.which("g++") or shutil.which("clang++")), reason="cudasim needs g++ or clang++; neither is installed"
)


def softplus(x):
    return mp.log1p(mp.exp(x))


def sigmoid(x):
    return 1 / (1 + mp.exp(-x))


def density(x):
    return mp.exp(-x * x / 2) / mp.sqrt(2 * mp.pi)


def distribution(x):
    return mp.erfc(-x / mp.sqrt(2)) / 2


def gelu_tanh(x):
    u = mp.sqrt(2 / mp.pi) * (x + mp.mpf(0.044715) * x**3)
    return x * sigmoid(2 * u)


WIDE = [-80, -40, -20.5, -17, -8, -3.5, -1, -1e-3, -1e-20, 0, 1e-20, 1e-3, 1, 3.5, 8, 17, 20.5, 40, 80]
NEAR = [v for v in WIDE if abs(v) <= 8]

# name, ours, the formula (its derivatives by differentiation of it in 60 digits), points
CASES = [
    ("sigmoid", F.sigmoid, sigmoid, WIDE),
    ("tanh", F.tanh, mp.tanh, [v for v in WIDE if abs(v) <= 40]),
    ("softplus", F.softplus, softplus, WIDE),
    ("softplus_beta", lambda x: F.softplus(x, 3.0), lambda x: softplus(3 * x) / 3, [v / 4 for v in WIDE]),
    ("logsigmoid", F.logsigmoid, lambda x: -softplus(-x), WIDE),
    ("log1p", F.log1p, mp.log1p, [-0.9, -1e-3, -1e-20, 0, 1e-20, 1e-3, 1, 80]),
    ("expm1", F.expm1, mp.expm1, WIDE),
    ("elu", F.elu, lambda x: x if x > 0 else mp.expm1(x), [v for v in WIDE if abs(v) > 1e-9]),
    ("gelu", F.gelu, lambda x: x * distribution(x), NEAR),
    ("gelu_tanh", lambda x: F.gelu(x, "tanh"), gelu_tanh, [v for v in NEAR if abs(v) < 5]),
    ("bce_0", lambda x: F.binary_cross_entropy_with_logits(x, x.detach() * 0, reduction="none"), softplus, WIDE),
    (
        "bce_1",
        lambda x: F.binary_cross_entropy_with_logits(
            x, x.detach() * 0 + 1, reduction="none", pos_weight=minidl.tensor(3.0)
        ),
        lambda x: 3 * softplus(-x),
        WIDE,
    ),
    (
        "bce_soft",
        lambda x: F.binary_cross_entropy_with_logits(x, x.detach() * 0 + 0.25, reduction="none"),
        lambda x: softplus(-x) / 4 + softplus(x) * 3 / 4,
        WIDE,
    ),
    ("logsumexp", lambda x: F.logsumexp(two_classes(x), 1), softplus, WIDE),
    (
        "logsumexp_of_all",
        lambda x: F.stack([F.logsumexp(c, (0, 1)) for c in two_classes(x)[:, :, None]]),
        softplus,
        WIDE,
    ),
    ("softmax", lambda x: F.softmax(two_classes(x), 1)[:, 0], sigmoid, WIDE),
    ("log_softmax", lambda x: -F.log_softmax(two_classes(x), 1)[:, 0], lambda x: softplus(-x), WIDE),
    (
        "cross_entropy",
        lambda x: F.cross_entropy(two_classes(x), zeros(x), reduction="none"),
        lambda x: softplus(-x),
        WIDE,
    ),
    (
        "nll_loss",
        lambda x: F.nll_loss(F.log_softmax(two_classes(x), 1), zeros(x), reduction="none"),
        lambda x: softplus(-x),
        WIDE,
    ),
    (
        "certain_target",
        lambda x: F.cross_entropy(two_classes(x), F.stack([x.detach() * 0 + 1, x.detach() * 0], 1), reduction="none"),
        lambda x: softplus(-x),
        WIDE,
    ),
]


def two_classes(x):
    """Logits (N, 2) whose first class has the probability sigmoid(x)."""
    return F.stack([x, 0 * x], 1)


def zeros(x):
    return np.zeros(x.shape, np.int64)


def derivatives(function, points, dtype):
    x = minidl.tensor(np.array(points), dtype=dtype, requires_grad=True)
    y = function(x)
    (first,) = minidl.grad(y.sum(), x, create_graph=True)
    (second,) = minidl.grad(first.sum(), x)
    return y.detach(), first.detach(), second


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("name", "function", "formula", "points"), CASES, ids=[c[0] for c in CASES])
def test_values_and_derivatives_have_all_their_digits(name, function, formula, points, dtype):
    points = [float(dtype(v)) for v in points]
    info = np.finfo(dtype)
    for order, got in enumerate(derivatives(function, points, dtype)):
        assert got.dtype == dtype
        for at, value in zip(points, got.tolist()):
            wanted = mp.diff(formula, mp.mpf(at), order, h=mp.mpf("1e-15"))
            bound = 16 * info.eps * (1 + abs(at)) * abs(wanted) + 4 * info.tiny
            # where two terms of one size and opposite sign meet, their rounding is what can be asked for
            bound += 4 * info.eps * 1e-3 if order and name in ("bce_soft", "gelu", "gelu_tanh") else 0
            bound += 8 * info.eps if order == 2 and "gelu" in name and abs(at) > 1 else 0
            bound += info.eps if order == 2 and name == "softmax" and abs(at) < 0.1 else 0  # p (1 - p) (1 - 2 p)
            assert abs(value - wanted) <= max(bound, mp.mpf("1e-24")), (order, at, value, mp.nstr(wanted, 12))


def test_a_head_that_starts_at_zero_learns_from_negatives_and_positives():
    x = minidl.tensor(np.zeros(2), requires_grad=True)
    F.binary_cross_entropy_with_logits(x, minidl.tensor([0.0, 1.0]), reduction="sum").backward()
    assert x.grad.tolist() == [0.5, -0.5]


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 1.5, 2.0, 5.0])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_focal_loss_keeps_its_digits(gamma, dtype):
    points = [-30, -5, -0.5, 0, 0.5, 5, 17, 30]

    def function(z):
        x = F.stack([z, 0 * z], 1)
        return F.focal_loss(x, np.zeros(len(points), np.int64), gamma, reduction="none")

    def formula(z):
        return sigmoid(-z) ** gamma * softplus(-z)

    for order, got in enumerate(derivatives(function, points, dtype)):
        for at, value in zip(points, got.tolist()):
            wanted = mp.diff(formula, mp.mpf(at), order, h=mp.mpf("1e-15"))
            bound = 100 * np.finfo(dtype).eps * (1 + abs(at)) * max(abs(wanted), mp.mpf("1e-2") * order * formula(at))
            assert abs(value - wanted) <= bound + np.finfo(dtype).tiny, (order, at, value, mp.nstr(wanted, 12))


@pytest.mark.parametrize("gamma", [0.5, 1.0, 1.5, 2.0])
def test_focal_loss_of_a_certain_pixel_has_no_slope(gamma):
    x = minidl.tensor(np.array([[500.0, -500.0]]), requires_grad=True)
    loss = F.focal_loss(x, np.array([0]), gamma)
    (first,) = minidl.grad(loss, x, create_graph=True)
    assert loss.item() == 0 and not first.data.any()
    if gamma > 1:
        (second,) = minidl.grad(first.sum(), x)
        assert not second.data.any()


def test_dice_loss_keeps_the_digits_of_a_good_prediction():
    z = 15.0
    x = minidl.tensor(np.array([[[z, 0.0]], [[0.0, z]]]).transpose(1, 0, 2), dtype=np.float32, requires_grad=True)
    loss = F.dice_loss(x, np.array([[0, 1]]), smooth=0)  # per class: 2 (1 - p) / 2
    missed = math.exp(-z) / (1 + math.exp(-z))
    assert loss.item() == pytest.approx(missed, rel=1e-5)


@pytest.mark.parametrize(("loss", "slope"), [(F.tversky_loss, 0.5), (F.lovasz_softmax, 0.75)])
def test_overlap_losses_keep_the_digits_of_a_good_prediction(loss, slope):
    """Two classes of one pixel each, both right: each class misses q = 1 - p of its own pixel and takes q of the other.

    In the Lovász loss the first of equal errors counts first: 1 in class 0, half in class 1.
    """
    z = 18.0
    x = minidl.tensor(np.array([[[[z, 0.0]], [[0.0, z]]]]), dtype=np.float32, requires_grad=True)
    options = {"smooth": 0} if loss is F.tversky_loss else {}
    y = loss(x, np.array([[[0, 1]]]), **options)
    y.backward()
    q = math.exp(-z)  # p is 1 to 8 digits
    assert y.item() == pytest.approx(q, rel=1e-5)
    assert x.grad.data[0, 0, 0, 0] == pytest.approx(-slope * q, rel=1e-5)


@pytest.mark.parametrize("column", ["cpu", "reference", pytest.param("cudasim", marks=needs_compiler)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("classes", [2, 3, 21, 300])
def test_cross_entropy_of_a_certain_pixel_among_many_classes(column, dtype, classes):
    rng = np.random.default_rng(0)
    values = rng.standard_normal((4, classes)).astype(dtype)
    values[:, 1] += [10, 20, 30, 50]
    rest = np.array([mp.fsum(mp.exp(mp.mpf(float(v)) - float(row[1])) for v in np.delete(row, 1)) for row in values])
    with minidl.backend.use(column):
        x = minidl.tensor(values, requires_grad=True)
        loss = F.cross_entropy(x, np.ones(4, np.int64), reduction="none")
        (first,) = minidl.grad(loss.sum(), x, create_graph=True)
        (second,) = minidl.grad(first[:, 1].sum(), x)
    for got, wanted in ((loss, rest), (-first[:, 1], rest), (second[:, 1], rest)):  # each is rest (1 + O(rest))
        np.testing.assert_allclose(
            got.data, wanted.astype(float), rtol=float(rest.max()) * 2 + 200 * np.finfo(dtype).eps
        )


# -- where PyTorch's value is a limit or a convention ------------------------------------------------------------------------


@pytest.mark.parametrize("function", [F.hardswish, F.gelu, lambda x: F.gelu(x, "tanh"), F.elu, F.softplus, F.relu])
def test_activations_at_infinity(function):
    x = minidl.tensor(np.array([-math.inf, math.inf]), requires_grad=True)
    y = function(x)
    (first,) = minidl.grad(y.sum(), x, create_graph=True)
    second = minidl.grad(first.sum(), x, allow_unused=True)[0] if first.requires_grad else None
    assert y.tolist() in ([0, math.inf], [-1, math.inf])
    assert first.tolist() == [0, 1]
    assert second is None or not second.data.any()


def test_std_of_a_constant_has_no_slope():
    x = minidl.tensor(np.full((2, 5), 2.0), requires_grad=True)
    y = F.std(x, 1)
    (first,) = minidl.grad(y.sum(), x, create_graph=True)
    (second,) = minidl.grad(first.sum(), x)
    assert not y.data.any() and not first.data.any() and not second.data.any()


def test_softplus_above_its_threshold_is_the_identity():
    x = minidl.tensor(np.array([-3.0, 2.0, 2.5, 2.6, 30.0]), requires_grad=True)
    y = F.softplus(x, beta=2, threshold=5)
    (first,) = minidl.grad(y.sum(), x, create_graph=True)
    (second,) = minidl.grad(first.sum(), x)
    below = np.array([True, True, True, False, False])  # beta x = 5 is not above
    np.testing.assert_allclose(y.data, np.where(below, np.log1p(np.exp(2 * x.data)) / 2, x.data))
    np.testing.assert_allclose(first.data, np.where(below, 1 / (1 + np.exp(-2 * x.data)), 1))
    assert second.data[below].all() and not second.data[~below].any()


@pytest.mark.parametrize("scale", [1e-25, 1.0, 1e12])
@pytest.mark.parametrize("shift", [0.0, 1e4])
def test_std_and_its_slope_keep_their_digits(scale, shift):
    values = (np.arange(7.0) ** 2 * scale + (shift if scale == 1 else 0)).astype(np.float32)
    x = minidl.tensor(values, requires_grad=True)
    y = F.std(x)
    y.backward()
    exact = values.astype(np.float64)
    assert y.item() == pytest.approx(exact.std(ddof=1), rel=1e-6)
    np.testing.assert_allclose(x.grad.data, (exact - exact.mean()) / (6 * exact.std(ddof=1)), rtol=2e-6, atol=1e-7)


@pytest.mark.parametrize("beta", [1e-45, 1e-30, 1e-3, 1.0])
def test_smooth_l1_with_a_tiny_beta(beta):
    d = np.array([-2.0, -1e-20, 0.0, 1e-20, 2.0], np.float32)
    x = minidl.tensor(d, requires_grad=True)
    y = F.smooth_l1_loss(x, np.zeros(5), reduction="none", beta=beta)
    y.sum().backward()
    exact, size = d.astype(np.float64), np.abs(d.astype(np.float64))
    np.testing.assert_allclose(y.data, np.where(size < beta, size * (size / beta) / 2, size - beta / 2), rtol=1e-5)
    np.testing.assert_allclose(x.grad.data, np.clip(exact / beta, -1, 1), rtol=1e-5)


def test_powers_at_zero_to_second_order():
    """At (0, 0), (0, 1), (0, 2) and (2, 0): d/da = b a^(b - 1), d/db = a^b log a, d2/da db = a^(b - 1) (1 + b log a)."""
    a = minidl.tensor(np.array([0.0, 0.0, 0.0, 2.0]), requires_grad=True)
    b = minidl.tensor(np.array([0.0, 1.0, 2.0, 0.0]), requires_grad=True)
    da, db = minidl.grad((a**b).sum(), [a, b], create_graph=True)
    assert da.tolist() == [0, 1, 0, 0]
    np.testing.assert_allclose(db.data, [0, 0, 0, math.log(2)])
    daa, dab = minidl.grad(da.sum(), [a, b], retain_graph=True)
    assert daa.tolist() == [0, 0, 2, 0]
    assert dab.data[3] == 0.5 and not np.isnan(daa.data).any()
    assert not np.isnan(minidl.grad(db.sum(), b)[0].data).any()


@pytest.mark.parametrize(("exponent", "second"), [(0, 0), (1, 0), (2, 2), (3, 0)])
def test_whole_powers_at_zero(exponent, second):
    x = minidl.tensor(np.zeros(1), requires_grad=True)
    (first,) = minidl.grad((x**exponent).sum(), x, create_graph=True)
    assert first.item() == (exponent == 1)
    assert exponent == 0 or minidl.grad(first.sum(), x)[0].item() == second


def test_logsumexp_over_nothing_and_of_minus_infinity():
    assert F.logsumexp(minidl.tensor(np.zeros((3, 0))), 1).tolist() == [-math.inf] * 3
    x = minidl.tensor(np.full((1, 3), -math.inf), requires_grad=True)
    y = F.logsumexp(x, 1)
    y.sum().backward()
    assert y.tolist() == [-math.inf] and not x.grad.data.any()
    assert F.logsumexp(minidl.tensor([1.0, math.inf]), 0).item() == math.inf
    assert math.isnan(F.logsumexp(minidl.tensor([1.0, math.nan]), 0).item())


def test_the_mean_of_ones_is_one():
    assert all(F.mean(minidl.tensor(np.ones(n, np.float32))).item() == 1 for n in range(1, 200))


def test_prelu_of_an_infinite_pixel_leaves_its_weight_alone():
    w = minidl.tensor([0.25], requires_grad=True)
    F.prelu(minidl.tensor([math.inf, -2.0]), w).sum().backward()
    assert w.grad.tolist() == [-2.0]
