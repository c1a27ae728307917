"""Optimiser steps: against the formulas element by element, and torch.optim where PyTorch is installed."""

import itertools

import numpy as np
import pytest
from minidl.kernels import reference

LR, STEPS = 0.05, 5
SGD = [
    {"momentum": m, "dampening": d, "weight_decay": w, "nesterov": n}
    for m, d, w, n in itertools.product([0, 0.9], [0, 0.3], [0, 0.01], [False, True])
    if (m or not d) and (not n or (m and not d))  # what torch.optim.SGD accepts
]
ADAM = [{"weight_decay": w, "decoupled": d} for w, d in [(0, False), (0.02, False), (0.02, True)]]


def gradients(dtype, shape=(4, 37)):
    rng = np.random.default_rng(0)
    return rng.standard_normal(shape).astype(dtype), list(rng.standard_normal((STEPS, *shape)).astype(dtype))


def run_sgd(column, dtype, momentum, dampening, weight_decay, nesterov):
    param, grads = gradients(dtype)
    velocity = np.zeros_like(param) if momentum else None
    for k, grad in enumerate(grads):
        kept = grad.copy()
        column.sgd_step(param, grad, velocity, LR, momentum, dampening if k else 0, weight_decay, nesterov)
        np.testing.assert_array_equal(grad, kept)
    return param


def run_adam(column, dtype, **options):
    param, grads = gradients(dtype)
    m, v = np.zeros((2, *param.shape), dtype)
    for k, grad in enumerate(grads):
        column.adam_step(param, grad, m, v, k + 1, LR, 0.9, 0.999, 1e-8, **options)
    return param


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("options", SGD, ids=str)
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
@pytest.mark.parametrize("options", ADAM, ids=str)
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


@pytest.mark.parametrize("options", SGD, ids=str)
def test_torch_sgd_agrees(column, options):
    torch = pytest.importorskip("torch")
    start, grads = gradients(np.float64)
    param = torch.from_numpy(start).requires_grad_()
    optimiser = torch.optim.SGD([param], LR, **options)
    for grad in grads:
        param.grad = torch.from_numpy(grad)
        optimiser.step()
    np.testing.assert_allclose(run_sgd(column, np.float64, **options), param.detach().numpy(), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("options", ADAM, ids=str)
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
        c.sgd_step(param, grad, velocity, 0.1, 0.9, 0, 0.01, True)
        c.adam_step(param, grad, m, v, 1, 0.1, 0.9, 0.999, 1e-8, 0.01, False)
        results.append((param, velocity, m, v))
    for mine, specified in zip(*results):
        np.testing.assert_allclose(mine, specified, rtol=1e-5, atol=1e-6)


def test_arrays_that_cannot_be_written_flat_are_refused():
    from minidl.kernels import cpu

    grad = np.ones((3, 4))
    for bad, told in (
        (np.ones((4, 3)).T, "not contiguous"),
        (np.ones((4, 3)), r"\(4, 3\)"),
        (np.ones((3, 4), "f4"), "float32"),
    ):
        with pytest.raises(ValueError, match=rf"sgd_step: param .*{told}"):
            cpu.sgd_step(bad, grad, None, 0.1, 0, 0, 0, False)
        with pytest.raises(ValueError, match=rf"adam_step: v .*{told}"):
            cpu.adam_step(grad.copy(), grad, grad.copy(), bad, 1, 0.1, 0.9, 0.999, 1e-8, 0, False)
