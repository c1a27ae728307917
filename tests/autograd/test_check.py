"""The gradient checker: wrong gradients fail, and the message names the element."""

import numpy as np
import pytest

import minidl
from minidl import functional as F
from minidl.autograd.primitive import primitive

rng = np.random.default_rng(0)


def _wrong(change):
    """x^3 whose derivative has been tampered with."""

    @primitive
    def cube(x):
        return x**3

    cube.rules(x=lambda g, x: change(g * 3 * x * x))
    return cube


def test_right_derivatives_pass():
    minidl.check_grads(_wrong(lambda g: g), [rng.standard_normal((3, 2))], order=3)


@pytest.mark.parametrize("size", [1e-3, 1.0, -2.0])
def test_scaled_derivative_fails(size):
    with pytest.raises(minidl.GradientError, match="cube: the first derivative in argument 0"):
        minidl.check_grads(_wrong(lambda g: g * (1 + size)), [rng.standard_normal((3, 2))])


def test_the_guilty_element_is_named():
    def spoil(g):
        return g + F.where(np.arange(6).reshape(3, 2) == 3, 1.0, 0.0)

    with pytest.raises(minidl.GradientError) as error:
        minidl.check_grads(_wrong(spoil), [rng.standard_normal((3, 2))])
    assert error.value.index == (1, 1)
    assert error.value.argument == 0
    assert error.value.analytic == pytest.approx(error.value.numerical + 1, abs=1e-5)


def test_the_guilty_argument_is_named():
    @primitive
    def product(a, b):
        return a * b

    product.rules(a=lambda g, b: g * b, b=lambda g, a: -g * a)
    with pytest.raises(minidl.GradientError) as error:
        minidl.check_grads(product, [rng.standard_normal(3), rng.standard_normal(3)])
    assert error.value.argument == 1


def test_a_rule_made_of_arrays_fails_at_second_order():
    cube = _wrong(lambda g: minidl.Tensor(g.data))
    minidl.check_grads(cube, [rng.standard_normal(3)], order=1)
    with pytest.raises(minidl.GradientError, match="second derivative"):
        minidl.check_grads(cube, [rng.standard_normal(3)], order=2)


def test_missing_sum_over_the_batch_fails():
    @primitive
    def add_bias(x, b):
        return x + b

    add_bias.rules(x=lambda g: g, b=lambda g: g[0])
    with pytest.raises(minidl.GradientError) as error:
        minidl.check_grads(add_bias, [rng.standard_normal((4, 3)), rng.standard_normal(3)])
    assert error.value.argument == 1


def test_float32_is_refused():
    with pytest.raises(TypeError, match="float64"):
        minidl.check_grads(F.exp, [np.ones(3, np.float32)])


def test_adjoint():
    A = rng.standard_normal((4, 3))
    minidl.check_adjoint(lambda x: A @ x, lambda y: A.T @ y, rng.standard_normal(3))
    minidl.check_adjoint(lambda x: F.pad(x, (1, 1)), lambda y: y[1:-1], minidl.tensor(rng.standard_normal(3)))
    B = A.T.copy()
    B[2, 1] += 1
    with pytest.raises(AssertionError, match=r"check_adjoint: .* input element \(2,\)"):
        minidl.check_adjoint(lambda x: A @ x, lambda y: B @ y, rng.standard_normal(3))
    with pytest.raises(AssertionError, match="shape"):
        minidl.check_adjoint(lambda x: A @ x, lambda y: y, rng.standard_normal(3))
