"""What a list of steps must not hide: decisions by values, attributes that change, modules that count."""

import numpy as np
import pytest

import minidl
from minidl import nn


@pytest.fixture(autouse=True)
def column():
    with minidl.backend.use("reference"):
        yield


def layers():
    norm = nn.BatchNorm2d(4)
    norm.running_mean.copy_(np.linspace(-1, 1, 4))
    return nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), norm, nn.ReLU()).eval()


def image(scale=1.0):
    return minidl.tensor((scale * np.random.default_rng(0).standard_normal((1, 3, 6, 6))).astype(np.float32))


def check(frozen, model, x):
    with minidl.no_grad():
        expected = model(x).data
    for _ in range(3):
        found = frozen(x).data
        assert found.shape == expected.shape
        np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())


class Threshold(nn.Module):
    """Reads the array itself, and decides alike for most inputs."""

    def forward(self, x):
        return x * 2 if x.data.max() > 100 else x


def test_decisions_by_values_of_the_array():
    model = nn.Sequential(layers(), Threshold()).eval()
    frozen = minidl.freeze(model)
    for scale in (1, 1e4, 1):
        check(frozen, model, image(scale))


@pytest.mark.parametrize("change", ["padding", "eps", "factor", "forward"])
def test_attributes_that_change(change):
    class Factor(nn.Module):
        factor = 1.0

        def forward(self, x):
            return x * self.factor

    model = nn.Sequential(layers(), Factor()).eval()
    frozen, x = minidl.freeze(model), image()
    check(frozen, model, x)
    if change == "padding":
        model[0][0].padding = (0, 0)
    elif change == "eps":
        model[0][1].eps = 1.0
    elif change == "factor":
        model[1].factor = 3.0
    else:
        model[1].forward = lambda y: y - 1
    check(frozen, model, x)


def test_a_module_that_counts():
    class Counter(nn.Module):
        def __init__(self):
            super().__init__()
            self.calls = 0

        def forward(self, x):
            self.calls += 1
            return x * self.calls

    model = nn.Sequential(layers(), Counter()).eval()
    frozen, x = minidl.freeze(model), image()
    found = [np.abs(frozen(x).data).max() for _ in range(5)]
    assert all(np.diff(found) > 0)
    before = model[1].calls
    frozen(x)
    assert model[1].calls == before + 1
