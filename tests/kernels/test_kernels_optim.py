"""Optimiser steps: against the formulas element by element, and torch.optim where PyTorch is installed."""

import itertools

import numpy as np
import pytest
from minidl.kernels import reference
from minidl.kernels.settings import SGD, Adam

LR, STEPS = 0.05, 5
SGD_OPTIONS = [
    {"momentum": m, "dampening": d, "weight_decay": w, "nesterov": n}
    for m, d, w, n in itertools.product([0, 0.9], [0, 0.3], [0, 0.01], [False, True])
    if (m or not d) and (not n or (m and not d))  # what torch.optim.SGD accepts
]
ADAM_OPTIONS = [{"weight_decay": w, "decoupled": d} for w, d in [(0, False), (0.02, False), (0.02, True)]]


def gradients(dtype, shape=(4, 37)):
    rng = np.random.default_rng(0)
    return rng.standard_normal(shape).astype(dtype), list(rng.standard_normal((STEPS, *shape)).astype(dtype))


def run_sgd(column, dtype, momentum, dampening, weight_decay, nesterov):
    param, grads = gradients(dtype)
    velocity = np.zeros_like(param) if momentum else None
    for k, grad in enumerate(grads):
        kept = grad.copy()
        column.sgd_step(param, grad, velocity, SGD(LR, momentum, dampening if k else 0, weight_decay, nesterov))
        np.testing.assert_array_equal(grad, kept)
    return param


def run_adam(column, dtype, **options):
    param, grads = gradients(dtype)
    m, v = np.zeros((2, *param.shape), dtype)
    for k, grad in enumerate(grads):
        column.adam_step(param, grad, m, v, Adam(k + 1, LR, **options))
    return param


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("options", SGD_OPTIONS, ids=str)
def test_sgd(column, dtype, options):
    param = run_sgd(column, dtype, **options)
    assert param.dtype == dtype
    momentum, decay = options["momentum"], options["weight_decay"]
    start, grads = gradients(dtype)
    wanted = start.astype(float)
    for at in np.ndindex(start.shape):
        p, v = wanted[at], None
        for grad in grads:
            d = grad[at] + decay * p
            if momentum:
                v = d if v is None else momentum * v + (1 - options["dampening"]) * d
                d = d + momentum * v if options["nesterov"] else v
            p -= LR * d
        wanted[at] = p
    np.testing.assert_allclose(param, wanted, rtol=1e-5 if dtype == np.float32 else 1e-12, atol=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("options", ADAM_OPTIONS, ids=str)
def test_adam(column, dtype, options):
    param = run_adam(column, dtype, **options)
    assert param.dtype == dtype
    decay, decoupled = options["weight_decay"], options["decoupled"]
    start, grads = gradients(dtype)
    wanted = start.astype(float)
    for at in np.ndindex(start.shape):
        p, m, v = wanted[at], 0.0, 0.0
        for t, grad in enumerate(grads, 1):
            d = grad[at] + (0 if decoupled else decay * p)
            p *= 1 - LR * decay if decoupled else 1
            m, v = 0.9 * m + 0.1 * d, 0.999 * v + 0.001 * d * d
            p -= LR * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
        wanted[at] = p
    np.testing.assert_allclose(param, wanted, rtol=1e-4 if dtype == np.float32 else 1e-10, atol=1e-5)


@pytest.mark.parametrize("options", SGD_OPTIONS, ids=str)
def test_torch_sgd_agrees(column, options):
    torch = pytest.importorskip("torch")
    start, grads = gradients(np.float64)
    param = torch.from_numpy(start).requires_grad_()
    optimiser = torch.optim.SGD([param], LR, **options)
    for grad in grads:
        param.grad = torch.from_numpy(grad)
        optimiser.step()
    np.testing.assert_allclose(run_sgd(column, np.float64, **options), param.detach().numpy(), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("options", ADAM_OPTIONS, ids=str)
def test_torch_adam_agrees(column, options):
    torch = pytest.importorskip("torch")
    start, grads = gradients(np.float64)
    param = torch.from_numpy(start).requires_grad_()
    make = torch.optim.AdamW if options["decoupled"] else torch.optim.Adam
    optimiser = make([param], LR, weight_decay=options["weight_decay"])
    for grad in grads:
        param.grad = torch.from_numpy(grad)
        optimiser.step()
    np.testing.assert_allclose(run_adam(column, np.float64, **options), param.detach().numpy(), rtol=1e-12, atol=1e-13)


def test_sizes_that_share_threads(column):
    """Large enough for all threads, and not a multiple of anything."""
    rng = np.random.default_rng(0)
    start, grad = rng.standard_normal((2, 100003)).astype(np.float32)
    results = []
    for c in (column, reference):
        param, velocity, m, v = start.copy(), *np.zeros((3, start.size), np.float32)
        c.sgd_step(param, grad, velocity, SGD(0.1, 0.9, 0, 0.01, True))
        c.adam_step(param, grad, m, v, Adam(1, 0.1, weight_decay=0.01))
        results.append((param, velocity, m, v))
    for mine, specified in zip(*results):
        np.testing.assert_allclose(mine, specified, rtol=1e-5, atol=1e-6)


def test_arrays_of_another_shape_or_dtype_are_refused(column):
    grad = np.ones((3, 4))
    for bad, told in ((np.ones((4, 3)), r"\(4, 3\)"), (np.ones((3, 4), "f4"), "float32")):
        with pytest.raises(ValueError, match=rf"sgd_step: param .*{told}"):
            column.sgd_step(bad, grad, None, SGD(0.1))
        with pytest.raises(ValueError, match=rf"adam_step: v .*{told}"):
            column.adam_step(grad.copy(), grad, grad.copy(), bad, Adam(1, 0.1))


@pytest.mark.parametrize("layout", ["transposed", "strided", "reversed"])
def test_arrays_of_any_layout_are_written_in_place(column, layout):
    views = {"transposed": lambda a: a.T, "strided": lambda a: a[::2, 1:], "reversed": lambda a: a[::-1, ::-1]}
    drawn = np.random.default_rng(0).standard_normal((5, 6, 7)).astype(np.float32)
    param, grad, velocity, m, v = (views[layout](a) for a in drawn.copy())
    dense = [np.ascontiguousarray(views[layout](a)) for a in drawn.copy()]
    np.square(v, out=v), np.square(dense[4], out=dense[4])
    column.sgd_step(param, grad, velocity, SGD(0.1, 0.9))
    column.adam_step(param, grad, m, v, Adam(3, 0.1))
    column.sgd_step(dense[0], dense[1], dense[2], SGD(0.1, 0.9))
    column.adam_step(dense[0], dense[1], dense[3], dense[4], Adam(3, 0.1))
    for a, b in zip((param, grad, velocity, m, v), dense):
        np.testing.assert_array_equal(a, b)


def test_adam_without_a_first_moment_keeps_the_gradient_itself(column):
    """beta1 = 0: m is the gradient, to the last bit, as in PyTorch."""
    grad = np.random.default_rng(0).standard_normal(50).astype(np.float32)
    m = np.full(50, 1e8, np.float32)
    column.adam_step(np.zeros_like(grad), grad, m, np.zeros_like(grad), Adam(1, 0.1, beta1=0.0))
    np.testing.assert_array_equal(m, grad)
