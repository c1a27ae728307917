"""The tape: order, release of memory, hooks, gradients of gradients, error messages."""

import gc
import subprocess
import sys
import threading
import weakref

import numpy as np
import pytest

import minidl
from minidl import functional as F
from minidl import grad, no_grad, tensor
from minidl.autograd.primitive import primitive


def test_gradients_accumulate_over_paths_and_calls():
    x = tensor(3.0, requires_grad=True)
    y = x * x + x
    y.backward()
    assert x.grad.item() == 7
    (2 * x).backward()
    assert x.grad.item() == 9


def test_summing_gradients_leaves_those_alone_that_others_hold():
    x, seed, seen = tensor([1.0, 2.0], requires_grad=True), tensor([3.0, 4.0]), []
    y = x + 0  # its rule hands the seed on as it is
    y.register_hook(seen.append)
    (x + y + x + x).backward(seed)
    assert x.grad.tolist() == [12, 16]
    assert seed.tolist() == [3, 4] and seen[0].tolist() == [3, 4]


def test_gradient_of_a_scalar_stays_an_array():
    x = tensor(2.0, requires_grad=True)
    for _ in range(2):
        (x * x + x + x).backward()
        assert isinstance(x.grad.data, np.ndarray)
    assert x.grad.item() == 12


def test_long_chain_needs_no_recursion():
    x = tensor(1.0, requires_grad=True)
    y = x
    for _ in range(100_000):
        y = y + 1
    y.backward()
    assert x.grad.item() == 1
    del y


def test_diamond_visits_every_node_once():
    calls = []

    @primitive
    def double(x):
        return 2 * x

    double.rules(x=lambda g: calls.append(1) or 2 * g)
    x = tensor(1.0, requires_grad=True)
    for _ in range(20):
        x_next = double(x)
        y = x_next + x_next
        x = y
    y.backward()
    assert len(calls) == 20


def test_unneeded_gradient_is_never_computed():
    @primitive
    def product(a, b):
        return a * b

    def refuse(g, a):
        raise AssertionError("the derivative in b was computed")

    product.rules(a=lambda g, b: g * b, b=refuse)
    a, b = tensor(2.0, requires_grad=True), tensor(3.0)
    product(a, b).backward()
    assert a.grad.item() == 3
    b.requires_grad = True
    assert grad(product(a, b), a)[0].item() == 3


def test_only_what_rules_name_is_kept_alive():
    x = tensor(np.ones(4), requires_grad=True)
    sum_in, product_in = x * 1, x * 1
    alive = [weakref.ref(t) for t in (sum_in, product_in)]
    y = (sum_in + 1) * 1 + product_in * product_in
    del sum_in, product_in
    gc.collect()
    assert alive[0]() is None
    assert alive[1]() is not None
    y.sum().backward()
    assert alive[1]() is None


def test_freed_graph():
    x = tensor(2.0, requires_grad=True)
    y = x * x
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.item() == 8
    with pytest.raises(RuntimeError, match=r"graph at mul was freed.*retain_graph=True"):
        y.backward()


def test_higher_orders():
    x = tensor(np.array(2.0), requires_grad=True)
    y = x**5
    for expected in (80, 160, 240, 240, 120):
        (y,) = grad(y, x, create_graph=True)
        assert y.item() == pytest.approx(expected)


def test_grad_of_intermediate_and_unused():
    x = tensor(2.0, requires_grad=True)
    other = tensor(1.0, requires_grad=True)
    y = x * x
    z = y * 3
    gy, gx = grad(z, [y, x], retain_graph=True)
    assert (gy.item(), gx.item()) == (3, 12)
    assert x.grad is None
    assert grad(z, [x, other], allow_unused=True, retain_graph=True)[1] is None
    with pytest.raises(RuntimeError, match="do not depend on input 1"):
        grad(z, [x, other])
    with pytest.raises(RuntimeError, match=r"input 0 of shape .* does not require grad"):
        grad(z, tensor(1.0))


def test_grad_outputs():
    x = tensor([1.0, 2.0], requires_grad=True)
    y, z = x * x, x * 3
    (g,) = grad([y, z], x, [tensor([1.0, 10.0]), np.array([1.0, 0.0])])
    assert g.tolist() == [5.0, 40.0]
    with pytest.raises(ValueError, match="shape"):
        grad(x * x, x, tensor([1.0]))
    with pytest.raises(RuntimeError, match="single element"):
        (x * x).backward()
    with pytest.raises(RuntimeError, match="does not require grad"):
        tensor(1.0).backward()


def test_no_grad_and_enable_grad():
    x = tensor(1.0, requires_grad=True)
    with no_grad():
        assert not (x * 2).requires_grad
        with minidl.enable_grad():
            assert (x * 2).requires_grad

    @no_grad()
    def f():
        return x * 2

    assert not f().requires_grad
    assert minidl.is_grad_enabled()


def test_recording_is_per_thread():
    seen = []
    with no_grad():
        thread = threading.Thread(target=lambda: seen.append(minidl.is_grad_enabled()))
        thread.start()
        thread.join()
    assert seen == [True]


def test_hooks():
    x = tensor(2.0, requires_grad=True)
    y = x * 3
    seen = []
    remove = y.register_hook(lambda g: seen.append(g.item()))
    x.register_hook(lambda g: 10 * g)
    y.retain_grad()
    (y * y).backward(retain_graph=True)
    assert seen == [12.0]
    assert x.grad.item() == 360
    assert y.grad.item() == 12
    remove()
    (y * y).backward()
    assert seen == [12.0]


def test_hook_sees_the_total_gradient_once():
    x = tensor(2.0, requires_grad=True)
    seen = []
    x.register_hook(lambda g: seen.append(g.item()))
    (x * 2 + x * 3).backward()
    assert seen == [5.0]


def test_two_leaves_do_not_share_a_gradient_buffer():
    x, y = tensor([1.0], requires_grad=True), tensor([1.0], requires_grad=True)
    (x + y).sum().backward()
    x.grad.zero_()
    assert y.grad.item() == 1


def test_broadcast_gradients_are_summed():
    a, b = tensor(np.ones((2, 1, 3)), requires_grad=True), tensor(np.ones((4, 1)), requires_grad=True)
    (a * b).sum().backward()
    assert a.grad.tolist() == [[[4.0] * 3]] * 2
    assert b.grad.tolist() == [[6.0]] * 4


def test_a_rule_of_the_wrong_shape_is_named():
    @primitive
    def crop(x):
        return x[1:]

    crop.rules(x=lambda g: g)
    with pytest.raises(RuntimeError, match=r"crop: the rule for argument 0 returned shape \(2,\); needed \(3,\)"):
        crop(tensor([1.0, 2.0, 3.0], requires_grad=True)).sum().backward()


def test_an_argument_without_a_rule_is_named():
    @primitive
    def floor(x):
        return np.floor(x)

    with pytest.raises(NotImplementedError, match="floor: not differentiable in argument 'x'"):
        floor(tensor(1.0, requires_grad=True))


def test_anomaly_names_operation_and_line():
    x = tensor([1.0, 0.0], requires_grad=True)
    with pytest.raises(
        minidl.AnomalyError, match=r"log returned infinite at 1 of 2.*test_engine.py:\d+ in test_anomaly"
    ):
        with minidl.detect_anomaly():
            F.log(x)
    with pytest.raises(minidl.AnomalyError, match=r"derivative of \w+ in argument 0 .*test_engine.py:\d+"):
        with minidl.detect_anomaly():
            F.sqrt(x).sum().backward()
    F.log(x)


def test_graph_draws_every_operation():
    x = tensor([1.0, 2.0], requires_grad=True)
    text = minidl.graph((x * x).exp().sum(), {"weights": x})
    for word in ("digraph", "mul", "exp", "sum", "weights", "->"):
        assert word in text
    assert text.count('[label="mul"') == 1


def test_import_is_light():
    code = (
        "import sys, minidl; "
        "print([m for m in ('numba', 'scipy', 'matplotlib', 'PIL', 'tqdm', 'cupy', 'torch', 'pooch') if m in sys.modules])"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )
