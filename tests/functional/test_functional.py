"""Every function: its derivatives to second order, both columns, both dtypes, and PyTorch's values and derivatives."""

import numpy as np
import pytest
from cases import CASES, inputs
from torch_functions import TorchFunctions

import minidl
from minidl import backend, grad
from minidl import functional as F

cases = pytest.mark.parametrize(("name", "function", "shapes"), CASES, ids=[case[0] for case in CASES])


def _run(function, arrays, library, constructor, differentiate, leaf):
    """Value, <u, J> and the derivative of <v, <u, J>> for fixed pseudo-random u and v."""
    xs = [leaf(a) for a in arrays]
    y = function(library, constructor, *xs)
    rng = np.random.default_rng(1)
    dtype = arrays[0].dtype
    u = leaf(rng.standard_normal(tuple(y.shape)).astype(dtype))
    first = differentiate([y], xs, [u])
    total = sum(
        (constructor(rng.standard_normal(tuple(g.shape)).astype(dtype)) * g).sum() for g in first if g is not None
    )
    second = differentiate([total], [*xs, u], None) if getattr(total, "requires_grad", False) else []
    return y, first, second


def _ours(function, arrays):
    return _run(
        function,
        arrays,
        F,
        minidl.tensor,
        lambda ys, xs, u: grad(ys, xs, u, create_graph=True, allow_unused=True),
        lambda a: minidl.tensor(a, requires_grad=True),
    )


@cases
@pytest.mark.parametrize("column", ["reference", "cpu"])
def test_derivatives(name, function, shapes, column):
    def f(*xs):
        return function(F, minidl.tensor, *xs)

    f.__name__ = name
    with backend.use(column):
        minidl.check_grads(f, inputs(name, shapes), order=2)


@cases
def test_float32(name, function, shapes):
    arrays = inputs(name, shapes)
    double, single = (_ours(function, [a.astype(d) for a in arrays]) for d in (np.float64, np.float32))
    for x in [single[0], *single[1]]:
        assert x is None or x.dtype == np.float32
    for a, b in zip([double[0], *double[1]], [single[0], *single[1]]):
        assert (a is None) == (b is None)
        if a is not None:
            np.testing.assert_allclose(b.data, a.data, rtol=2e-3, atol=2e-4)


@cases
@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
def test_equals_pytorch(name, function, shapes):
    torch = pytest.importorskip("torch")
    arrays = inputs(name, shapes)
    theirs = _run(
        function,
        arrays,
        TorchFunctions(),
        lambda data: torch.tensor(data),
        lambda ys, xs, u: torch.autograd.grad(ys, xs, u, create_graph=True, allow_unused=True),
        lambda a: torch.tensor(a, requires_grad=True),
    )
    for mine, other in zip(_ours(function, arrays), theirs, strict=True):
        mine, other = ([v] if hasattr(v, "shape") else v for v in (mine, other))
        for k in range(max(len(mine), len(other))):
            a = mine[k].data if k < len(mine) and mine[k] is not None else 0.0
            b = other[k].detach().numpy() if k < len(other) and other[k] is not None else 0.0
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-10)


KINKS = [
    ("relu", lambda F, x: F.relu(x)),
    ("relu6", lambda F, x: F.relu6(x)),
    ("leaky_relu", lambda F, x: F.leaky_relu(x)),
    ("elu", lambda F, x: F.elu(x)),
    ("hardswish", lambda F, x: F.hardswish(x)),
    ("abs", lambda F, x: F.abs(x)),
    ("clamp", lambda F, x: F.clamp(x, -3.0, 3.0)),
    ("maximum", lambda F, x: F.maximum(x, 0 * x)),
    ("minimum", lambda F, x: F.minimum(x, 0 * x)),
    ("amax", lambda F, x: F.amax(x)),
    ("max", lambda F, x: F.max(x)),
    ("max_dim", lambda F, x: F.max(x * 0, 0)[0]),
    ("smooth_l1", lambda F, x: F.smooth_l1_loss(x, 0 * x, beta=3.0)),
    ("pow0", lambda F, x: x**0),
    ("max_pool2d", lambda F, x: F.max_pool2d((x * x).reshape(1, 1, 3, 3), 2, 1)),
]


@pytest.mark.parametrize(("name", "function"), KINKS, ids=[k[0] for k in KINKS])
def test_kinks_and_ties_follow_pytorch(name, function):
    torch = pytest.importorskip("torch")
    values = np.array([0.0, 6.0, 3.0, -3.0, 1.0, 6.0, -0.0, -6.0, 2.0])
    x = minidl.tensor(values, requires_grad=True)
    function(F, x).sum().backward()
    t = torch.tensor(values, requires_grad=True)
    function(TorchFunctions(), t).sum().backward()
    np.testing.assert_allclose(x.grad.data, t.grad.numpy())


@pytest.mark.parametrize("key", [([0, 3, 1],), ([0, -1, 3],), ([0, 0, 2], [1, -1, 0]), ([0, 2, -2], [1, 2, 2])])
def test_an_index_that_names_a_place_twice_gathers_both_gradients(key):
    key = tuple(np.array(k) for k in key)
    x = minidl.tensor(np.zeros((4, 3)), requires_grad=True)
    y = x[key if len(key) > 1 else key[0]]
    g = np.arange(1.0, y.numel() + 1).reshape(y.shape)
    y.backward(minidl.tensor(g))
    wanted = np.zeros((4, 3))
    for n, place in enumerate(zip(*key)):
        wanted[place] += g[n]
    assert np.array_equal(x.grad.data, wanted)
