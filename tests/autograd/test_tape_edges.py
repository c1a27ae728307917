"""Writes, hooks, dtypes and modes at the edges of the tape: nothing is lost in silence."""

import copy
import time

import numpy as np
import pytest

import minidl
from minidl import functional as F
from minidl import nn, tensor
from minidl.functional import indexing

# -- in-place writes ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "write",
    [
        lambda b, w: b.__setitem__(0, w[0] * 2),
        lambda b, w: b.__setitem__(slice(0, 2), w),
        lambda b, w: b.copy_(w),
        lambda b, w: b.fill_(w[0]),
    ],
)
def test_writing_a_recorded_value_names_the_line(write):
    w, b = tensor([1.0, 2.0], requires_grad=True), tensor([0.0, 0.0])
    with pytest.raises(RuntimeError, match=r"recorded value at .*test_tape_edges\.py:\d+ in .*would be lost"):
        write(b, w)
    assert b.tolist() == [0, 0]
    with minidl.no_grad():
        write(b, w)
    assert b.data.any()


@pytest.mark.parametrize(
    "change", [lambda i: i.__imul__(1.5), lambda i: i.__itruediv__(2), lambda i: i.__iadd__(tensor(0.5))]
)
def test_integers_are_not_truncated_in_place(change):
    i = tensor([1, 2])
    with pytest.raises(RuntimeError, match=r"cannot be written into a tensor of int64"):
        change(i)
    assert i.tolist() == [1, 2]
    with pytest.raises(RuntimeError, match="bool"):
        b = tensor([True])
        b += 1
    i *= 2
    i += True
    assert i.tolist() == [3, 5]


def test_an_index_changed_before_backward():
    x, mask = tensor(np.arange(12.0).reshape(4, 3), requires_grad=True), np.array([True, False, True, False])
    rows = tensor([0, 2])
    for key in ((rows, slice(None)), (slice(None), rows), rows):
        y = x[key].sum()
        rows[0] = 1
        with pytest.raises(RuntimeError, match="written in place"):
            y.backward()
        rows[0] = 0
    plain, listed = np.array([0, 2]), [0, 2]
    for key in (plain, (plain, slice(None)), (..., plain), listed, mask, (mask, 0)):
        y = x[key]
        places = np.zeros((4, 3))
        places[key] = 1
        plain[0], listed[0], mask[1] = 1, 1, True  # the tape cannot see these, so it has copies
        (g,) = minidl.grad(y.sum(), x)
        assert np.array_equal(g.data, places)
        plain[0], listed[0], mask[1] = 0, 0, False


@pytest.mark.parametrize(
    "function",
    [
        lambda x, i: F.gather(x, 0, i),
        lambda x, i: F.scatter_add(tensor(np.zeros((2, 2))), 0, i, x),
        lambda x, i: F.where(i == 0, x, 0.0),
        lambda x, i: F.take(x, i),
    ],
)
def test_other_arrays_changed_before_backward(function):
    x, i = tensor(np.ones((2, 2)), requires_grad=True), np.zeros((2, 2), np.int64)
    (wanted,) = minidl.grad(function(x, i).sum(), x)
    y = function(x, i)
    i[0] = 1
    assert np.array_equal(minidl.grad(y.sum(), x)[0].data, wanted.data)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("function", [lambda x, a: x * a, lambda x, a: a * x, lambda x, a: x**a, F.div, F.maximum])
def test_plain_operands_changed_before_backward(function, dtype):
    x, a = tensor(np.full((2, 2), 3.0, dtype), requires_grad=True), np.full((2, 2), 2.0, dtype)
    (wanted,) = minidl.grad(function(x, a).sum(), x)
    y = function(x, a)
    a[:] = 7
    assert np.array_equal(minidl.grad(y.sum(), x)[0].data, wanted.data)


# -- dtypes ------------------------------------------------------------------------------------------------------------


def test_whole_numbers_are_off_the_tape():
    x = tensor([1.5, 0.0], requires_grad=True)
    for y in (x.long(), x.bool(), x.to(np.int32)):
        assert not y.requires_grad
    assert x.bool().tolist() == [True, False]
    (y := (x * x.long()).sum()).backward()
    assert y.item() == 1.5 and x.grad.tolist() == [1, 0]


@pytest.mark.parametrize(
    "function",
    [
        lambda x, w: F.cat([x, w]),
        lambda x, w: F.stack([x, w]),
        lambda x, w: F.where(np.array([True, False, True]), x, w),
        lambda x, w: F.clamp(x, np.float64(-0.5), np.array(0.5)) * w,
        lambda x, w: F.batch_norm(F.stack([x, x * 2]), None, None, w, w, True),
        lambda x, w: F.group_norm(F.stack([x, x * x]), 1, w, w),
        lambda x, w: F.layer_norm(x, 3, w, w),
        lambda x, w: F.matmul(x, w),
    ],
)
def test_gradients_have_the_dtype_of_their_leaf(function):
    x = tensor(np.array([0.1, 0.7, -1.0], np.float32), requires_grad=True)
    w = tensor(np.array([1.0, 2.0, 3.0]), requires_grad=True)
    function(x, w).sum().backward()
    assert (x.grad.dtype, w.grad.dtype) == (np.float32, np.float64)


@pytest.mark.parametrize("make", [lambda g: g.to(np.float64), lambda g: g.sum(), lambda g: 1.0])
def test_a_hook_that_returns_something_else_is_an_error(make):
    x = tensor([1.0, 2.0], requires_grad=True)
    x.register_hook(make)
    with pytest.raises(RuntimeError, match=r"a hook returned .*; needed a Tensor, float32 of \(2,\), or None"):
        (x * 2).sum().backward()


def test_foreign_byte_orders_and_half_precision_are_one_line():
    with pytest.raises(ValueError, match=r"tensor: >f4 has a foreign byte order; convert with astype\('float32'\)"):
        tensor(np.ones(2, ">f4"))
    for dtype in (">f4", np.float16):
        with pytest.raises(TypeError, match="needed float32 or float64"):
            F.relu(minidl.Tensor(np.ones(2, dtype)))


# -- gradients of non-leaves, modes, copies ----------------------------------------------------------------------------


def test_retain_grad_accumulates_in_an_array_of_its_own():
    x = tensor([1.0, 2.0], requires_grad=True)
    y = x + 0
    y.retain_grad()
    y.retain_grad()
    y.register_hook(lambda g: g * 10)
    y.sum().backward(retain_graph=True)
    assert y.grad.tolist() == [10, 10]
    y.sum().backward()
    assert y.grad.tolist() == [20, 20] and x.grad.tolist() == [20, 20]
    assert not np.shares_memory(y.grad.data, x.grad.data)


def test_generator_functions_run_each_step_in_their_mode():
    @minidl.no_grad()
    def steps():
        sent = yield minidl.is_grad_enabled()
        with minidl.enable_grad():
            yield minidl.is_grad_enabled()
        try:
            yield sent
        except KeyError:
            yield "caught"

    def is_on():
        assert minidl.is_grad_enabled()
        return True

    g = steps()
    assert next(g) is False and is_on()
    assert g.send("x") is True and is_on()
    assert next(g) == "x" and is_on()
    assert g.throw(KeyError()) == "caught" and is_on()
    g.close()
    assert list(minidl.enable_grad()(lambda: (v for v in [1]))()) == [1]


def test_one_mode_object_may_be_entered_twice():
    off = minidl.no_grad()
    with off, off:
        assert not minidl.is_grad_enabled()
    assert minidl.is_grad_enabled()


def test_deepcopy_keeps_the_gradient():
    for x in (tensor([1.0], requires_grad=True), nn.Parameter(np.ones(1))):
        (x * 3).sum().backward()
        y = copy.deepcopy(x)
        assert type(y) is type(x) and y.grad.tolist() == [3] and y.requires_grad
        assert not np.shares_memory(y.grad.data, x.grad.data)
    model = copy.deepcopy(nn.Linear(2, 1))
    assert model.weight.grad is None


@pytest.mark.parametrize("join", [F.cat, F.stack])
def test_joining_many_pieces_takes_linear_time(join):
    def seconds(n):
        pieces = [tensor([1.0], requires_grad=True) for _ in range(n)]
        start = time.perf_counter()
        join(pieces).sum().backward()
        assert all(p.grad.tolist() == [1] for p in pieces)
        return time.perf_counter() - start

    seconds(500)
    assert min(seconds(8000) for _ in range(3)) < 12 * min(seconds(2000) for _ in range(3))


@pytest.mark.parametrize("pieces", [lambda x: F.split(x, 1), lambda x: F.chunk(x, len(x)), list])
def test_splitting_into_many_pieces_takes_linear_time(pieces, monkeypatch):
    """The gradients of all pieces are added to one array: `xp` is called for each array of the size of x that is made."""
    made = []
    monkeypatch.setattr(indexing, "xp", lambda a: made.append(a) or np)
    x = tensor(np.zeros((300, 1)), requires_grad=True)
    F.cat([3 * p for p in reversed(pieces(x))]).sum().backward()
    assert (x.grad.data == 3).all() and len(made) == 1


def test_parts_of_one_tensor_add_up_whatever_else_is_made_of_it():
    """Parts that overlap, repeated indices, a use of the whole before and after them, hooks, and both orders of derivative."""
    x = tensor(np.arange(6.0), requires_grad=True)
    seen = []
    x.register_hook(lambda g: seen.append(g.tolist()))
    parts = [x[1:4], x * 2, x[np.array([0, 0, 5])], x[2], x[x.data > 3], F.narrow(x, 0, 3, 3)]
    wanted = [2 + 2, 2 + 1, 2 + 1 + 1, 2 + 1 + 1, 2 + 1 + 1, 2 + 1 + 1 + 1]
    sum((p.sum() for p in parts), tensor(0.0, dtype=np.float64)).backward(retain_graph=True)
    assert x.grad.tolist() == wanted and seen == [wanted]
    total = sum(((p * p).sum() for p in parts), tensor(0.0, dtype=np.float64))
    (first,) = minidl.grad(total, x, create_graph=True)
    (second,) = minidl.grad(first.sum(), x)
    factors = np.array([4 + 2, 4 + 1, 4 + 1 + 1, 4 + 1 + 1, 4 + 1 + 1, 4 + 1 + 1 + 1])
    assert first.tolist() == (2 * factors * np.arange(6)).tolist() and second.tolist() == (2 * factors).tolist()


# -- axes and tensors without them -------------------------------------------------------------------------------------

WITH_AXIS = {
    "softmax": lambda x, d: F.softmax(x, d),
    "log_softmax": lambda x, d: F.log_softmax(x, d),
    "sum": lambda x, d: F.sum(x, d),
    "mean": lambda x, d: F.mean(x, (d,)),
    "var": lambda x, d: F.var(x, d),
    "std": lambda x, d: F.std(x, d),
    "amax": lambda x, d: F.amax(x, d),
    "max": lambda x, d: F.max(x, d),
    "min": lambda x, d: F.min(x, d),
    "argmax": lambda x, d: x.argmax(d),
    "argmin": lambda x, d: x.argmin(d),
    "logsumexp": lambda x, d: F.logsumexp(x, d),
    "transpose": lambda x, d: F.transpose(x, 0, d),
    "permute": lambda x, d: F.permute(x, (0, d)),
    "flatten": lambda x, d: F.flatten(x, 0, d),
    "squeeze": lambda x, d: F.squeeze(x, d),
    "flip": lambda x, d: F.flip(x, d),
    "roll": lambda x, d: F.roll(x, 1, d),
    "cat": lambda x, d: F.cat([x, x], d),
    "split": lambda x, d: F.split(x, 1, d),
    "chunk": lambda x, d: F.chunk(x, 1, d),
    "narrow": lambda x, d: F.narrow(x, d, 0, 1),
    "gather": lambda x, d: F.gather(x, d, np.zeros((1, 1), np.int64)),
    "scatter_add": lambda x, d: F.scatter_add(x, d, np.zeros((1, 1), np.int64), x),
    "size": lambda x, d: x.size(d),
}


@pytest.mark.parametrize("name", WITH_AXIS)
@pytest.mark.parametrize("dim", [2, -3, 7])
def test_an_axis_out_of_range_is_an_index_error(name, dim):
    with pytest.raises(IndexError, match=None if name == "size" else name):
        WITH_AXIS[name](tensor(np.ones((2, 3))), dim)


@pytest.mark.parametrize("name", ["unsqueeze", "stack"])
@pytest.mark.parametrize("dim", [3, -4])
def test_a_new_axis_out_of_range_is_an_index_error(name, dim):
    x = tensor(np.ones((2, 3)))
    with pytest.raises(IndexError, match=name):
        F.unsqueeze(x, dim) if name == "unsqueeze" else F.stack([x, x], dim)


@pytest.mark.parametrize("kind", [np.int32, np.int64, np.uint8])
def test_integers_of_numpy_serve_as_axes_and_sizes(kind):
    x, one, two = tensor(np.ones((2, 3, 4, 4), np.float32)), kind(1), kind(2)
    for name, function in WITH_AXIS.items():
        if name not in ("permute", "gather", "scatter_add"):
            function(x, one)
    assert x.reshape(two, 48).shape == x.reshape((two, -1)).shape == (2, 48)
    assert x[one].shape == (3, 4, 4) and x.expand(two, 3, 4, 4).shape == x.shape
    assert F.roll(x, two, one).shape == x.shape
    assert F.conv2d(x, tensor(np.ones((3, 1, 2, 2), np.float32)), None, two, one, one, kind(3)).shape == (2, 3, 3, 3)
    assert F.max_pool2d(x, two).shape == F.interpolate(x, (two, two)).shape == F.adaptive_avg_pool2d(x, two).shape
    assert nn.Conv2d(kind(3), kind(3), two, groups=kind(3))(x).shape == (2, 3, 3, 3)
    assert F.layer_norm(x, kind(4)).shape == nn.LayerNorm(kind(4))(x).shape == x.shape


def test_tensors_without_axes_as_in_pytorch():
    def z():
        return tensor(np.array(3.0), requires_grad=True)

    for name in ("sum", "mean", "amax", "logsumexp", "log_softmax", "squeeze", "flip"):
        for dim in (0, -1):
            y = WITH_AXIS[name](x := z(), dim)
            y.backward()
            assert y.shape == () and x.grad.shape == ()
    assert F.softmax(z(), 0).item() == 1 and F.max(z(), 0)[0].item() == 3 and F.max(z(), -1)[1].item() == 0
    assert F.flatten(z()).shape == F.unsqueeze(z(), -1).shape == (1,) and F.stack([z(), z()]).tolist() == [3, 3]
    assert F.gather(z(), 0, np.array([0, 0])).tolist() == [3, 3] and F.gather(z(), 0, np.array(0)).shape == ()
    assert F.scatter_add(z(), 0, np.array(0), z()).item() == 6 and F.transpose(z(), 0, -1).item() == 3
    for function in (F.relu, F.relu6, F.hardswish, F.gelu, F.softplus):
        y = function(x := z())
        y.backward()
        assert y.shape == x.grad.shape == ()
    for function in (lambda x: F.cat([x, x]), lambda x: F.split(x, 1), lambda x: F.narrow(x, 0, 0, 1)):
        with pytest.raises(ValueError):
            function(z())
    x = z().detach()
    total = x.sum()
    total += 1
    assert x.item() == 3


def test_narrow_and_scatter_add_refuse_what_does_not_fit():
    x = tensor(np.arange(5.0))
    assert F.narrow(x, 0, -2, 2).tolist() == [3, 4] and F.narrow(x, 0, 5, 0).shape == (0,)
    wrong = {(-6, 1): IndexError, (6, 0): IndexError, (-2, 3): ValueError, (0, 6): ValueError, (0, -1): ValueError}
    for (start, length), error in wrong.items():
        with pytest.raises(error, match="narrow"):
            F.narrow(x, 0, start, length)
    index = np.array([[0, 1], [1, 0]])
    for source in (np.ones((1, 2)), np.ones((2, 1)), np.ones(2), np.ones((2, 2), np.float32)):
        with pytest.raises(ValueError, match="scatter_add: src is"):
            F.scatter_add(tensor(np.zeros((2, 2))), 0, index, tensor(source))


# -- empty arrays ------------------------------------------------------------------------------------------------------


def test_statistics_stay_where_they_are_on_an_empty_batch():
    layer = nn.BatchNorm2d(3)
    y = layer(tensor(np.zeros((0, 3, 2, 2), np.float32)))
    y.sum().backward()
    assert y.shape == (0, 3, 2, 2) and not layer.weight.grad.data.any()
    assert layer.running_mean.tolist() == [0, 0, 0] and layer.running_var.tolist() == [1, 1, 1]


def test_linear_without_features_is_its_bias():
    x, w = (tensor(np.zeros(s, np.float32), requires_grad=True) for s in ((2, 3, 0), (4, 0)))
    b = tensor([1.0, 2.0, 3.0, 4.0], requires_grad=True)
    y = F.linear(x, w, b)
    y.sum().backward()
    assert y.shape == (2, 3, 4) and (y.data == b.data).all()
    assert x.grad.shape == (2, 3, 0) and w.grad.shape == (4, 0) and b.grad.tolist() == [6, 6, 6, 6]


@pytest.mark.parametrize("stride", [100, 10**12])
def test_a_stride_beyond_the_image_costs_nothing(stride):
    x = tensor(np.arange(25.0).reshape(1, 1, 5, 5), requires_grad=True)
    w = tensor(np.ones((1, 1, 2, 2)))
    for y in (
        F.conv2d(x, w, stride=stride),
        F.max_pool2d(x, 2, stride) - 3,
        F.avg_pool2d(x, 2, stride) * 4 - 9,
        F.unfold(x, 2, stride=stride).sum(1),
    ):
        assert y.shape[2:] in ((1, 1), ()) and y.sum().item() in (12, 3)
        y.sum().backward()
    one = F.conv_transpose2d(tensor(np.ones((1, 1, 1, 1))), w, stride=stride)
    assert one.tolist() == [[[[1, 1], [1, 1]]]]
