"""Initial values: their distribution, their dependence on the seed, and that bilinear weights interpolate."""

import math

import numpy as np
import pytest

import minidl
from minidl import functional as F
from minidl import nn
from minidl.nn import init


def weight(*shape, dtype=np.float32):
    return nn.Parameter(np.full(shape, np.nan, dtype))


SHAPE = (40, 30, 3, 4)  # fan_in 360, fan_out 480


@pytest.mark.parametrize(
    "fill, std, bound",
    [
        (lambda w: init.uniform_(w, -1, 3), 4 / math.sqrt(12), 2.0),
        (lambda w: init.normal_(w, 1, 2), 2.0, None),
        (init.xavier_uniform_, math.sqrt(2 / 840), math.sqrt(6 / 840)),
        (lambda w: init.xavier_normal_(w, gain=3), 3 * math.sqrt(2 / 840), None),
        (init.kaiming_uniform_, math.sqrt(2 / 360), math.sqrt(6 / 360)),
        (lambda w: init.kaiming_normal_(w, mode="fan_out", nonlinearity="relu"), math.sqrt(2 / 480), None),
        (lambda w: init.kaiming_normal_(w, a=2), math.sqrt(2 / 5 / 360), None),
        (lambda w: init.kaiming_uniform_(w, a=math.sqrt(5)), 1 / math.sqrt(3 * 360), 1 / math.sqrt(360)),
    ],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_distribution(fill, std, bound, dtype):
    minidl.manual_seed(0)
    w = weight(*SHAPE, dtype=dtype)
    assert fill(w) is w and w.dtype == dtype and w.requires_grad
    x = w.data.ravel().astype(np.float64)
    n = x.size
    mean = round(x.mean())
    assert abs(x.mean() - mean) < 5 * std / math.sqrt(n)
    assert x.std() == pytest.approx(std, rel=0.02)
    kurtosis = np.mean((x - x.mean()) ** 4) / x.var() ** 2
    assert kurtosis == pytest.approx(3.0 if bound is None else 1.8, abs=0.15)
    if bound is not None:
        assert bound * 0.999 < np.abs(x - mean).max() <= bound * (1 + 1e-6)
    assert abs(np.corrcoef(x[:-1], x[1:])[0, 1]) < 5 / math.sqrt(n)


def test_constants():
    w = weight(2, 3)
    assert (init.constant_(w, 0.5).data == 0.5).all()
    assert (init.zeros_(w).data == 0).all()
    assert (init.ones_(w).data == 1).all()


def test_draws_come_from_the_library_generator():
    minidl.manual_seed(3)
    a, state = init.normal_(weight(5)).data, minidl.get_rng_state()
    b = init.uniform_(weight(5)).data
    minidl.set_rng_state(state)
    np.testing.assert_array_equal(init.uniform_(weight(5)).data, b)
    minidl.manual_seed(3)
    np.testing.assert_array_equal(init.normal_(weight(5)).data, a)


def test_writes_are_noted_by_the_tape():
    w = init.ones_(weight(2))
    y = (w * w).sum()
    init.zeros_(w)
    with pytest.raises(RuntimeError, match="written in place"):
        y.backward()


def test_errors():
    with pytest.raises(ValueError, match=r"at least two axes, this one has shape \(3,\)"):
        init.kaiming_normal_(weight(3))
    with pytest.raises(ValueError, match='mode must be "fan_in" or "fan_out", not'):
        init.kaiming_normal_(weight(3, 3), mode="fan")
    with pytest.raises(ValueError, match="nonlinearity must be one of"):
        init.calculate_gain("swish")
    with pytest.raises(ValueError, match=r"bilinear_: the weight has shape \(3, 2, 4, 4\)"):
        init.bilinear_(weight(3, 2, 4, 4))


@pytest.mark.parametrize("name, param", [("relu", None), ("leaky_relu", 0.3), ("leaky_relu", None), ("tanh", None)])
def test_gains_as_in_pytorch(name, param):
    torch = pytest.importorskip("torch")
    assert init.calculate_gain(name, param) == torch.nn.init.calculate_gain(name, param)


@pytest.mark.parametrize("groups", [1, 3])
@pytest.mark.parametrize("factor", [2, 3, 4, 8])
def test_bilinear_weight_interpolates(factor, groups):
    kernel = 2 * factor - factor % 2
    w = init.bilinear_(weight(3, 3 // groups, kernel, kernel))
    x = minidl.tensor(np.random.default_rng(0).standard_normal((2, 3, 5, 6)).astype(np.float32))
    y = F.conv_transpose2d(x, w, stride=factor, padding=(kernel - factor + 1) // 2, groups=groups)
    expected = F.interpolate(x, scale_factor=factor, mode="bilinear")
    if factor % 2:  # an odd kernel is centred on a pixel
        assert y.shape[2:] == tuple((n - 1) * factor + 1 + 2 * (factor // 2) for n in (5, 6)) == expected.shape[2:]
    inside = (..., slice(factor, -factor), slice(factor, -factor))
    np.testing.assert_allclose(y.data[inside], expected.data[inside], atol=1e-5)


@pytest.mark.parametrize("factor", [2, 3, 8, 16])
def test_bilinear_weight_formula(factor):
    kernel = 2 * factor - factor % 2
    centre = (kernel - 1) / 2
    w = init.bilinear_(weight(2, 2, kernel, kernel, dtype=np.float64)).data
    tap = 1 - np.abs(np.arange(kernel) - centre) / factor
    np.testing.assert_allclose(w[1, 1], np.outer(tap, tap))
    assert (w[0, 1] == 0).all()
    assert w[0, 0].sum() == pytest.approx(factor**2)


def test_default_initialisation_of_layers():
    minidl.manual_seed(0)
    for layer, fan_in in (
        (nn.Conv2d(8, 600, 3, groups=2), 36),
        (nn.ConvTranspose2d(600, 8, 3), 72),  # PyTorch counts the weight's second axis
        (nn.Linear(50, 1000), 50),
    ):
        for p in (layer.weight, layer.bias):
            bound = 1 / math.sqrt(fan_in)
            assert np.abs(p.data).max() <= bound * (1 + 1e-6)
            if p.numel() > 500:
                assert np.abs(p.data).max() > 0.98 * bound
                assert p.data.std() == pytest.approx(bound / math.sqrt(3), rel=0.06)
    norm = nn.BatchNorm2d(3)
    assert norm.weight.data.tolist() == [1, 1, 1] and norm.bias.data.tolist() == [0, 0, 0]
    init.zeros_(norm.weight)
    norm.reset_parameters()
    assert norm.weight.data.tolist() == [1, 1, 1]
    assert nn.PReLU().weight.data.tolist() == [0.25]
