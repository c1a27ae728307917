"""Tensor: dtypes, indexing, comparison, conversion, in-place writes."""

import copy
import itertools
import pickle

import numpy as np
import pytest

import minidl
from minidl import functional as F
from minidl import no_grad, tensor


def test_constructor_dtypes():
    assert tensor(1.5).dtype == np.float32
    assert tensor([1, 2]).dtype == np.int64
    assert tensor([[True]]).dtype == np.bool_
    assert tensor(np.arange(3.0)).dtype == np.float64
    assert tensor(np.float64(1)).dtype == np.float64
    assert tensor([1, 2], dtype=np.float32).dtype == np.float32
    assert tensor(tensor([1.0, 2.0])).dtype == np.float32


def test_constructor_copies():
    data = np.zeros(3)
    x = tensor(data)
    data[0] = 1
    assert x.data[0] == 0


@pytest.mark.parametrize("data", [[[1.0], [1.0, 2.0]], "text", None, [object()]])
def test_constructor_refuses(data):
    with pytest.raises((TypeError, ValueError), match="tensor: "):
        tensor(data)


def test_integers_have_no_gradient():
    with pytest.raises(RuntimeError, match="only floating tensors"):
        tensor([1, 2], requires_grad=True)


OPERANDS = {
    "bool": np.array([True, False]),
    "int32": np.array([1, 2], np.int32),
    "int64": np.array([1, 2]),
    "float32": np.array([1, 2], np.float32),
    "float64": np.array([1.0, 2.0]),
    "float64_0d": np.array(1.5),
    "int64_0d": np.array(3),
    "python_int": 2,
    "python_float": 2.5,
}


@pytest.mark.parametrize(("a", "b"), [*itertools.product(OPERANDS, OPERANDS)])
@pytest.mark.parametrize("operator", ["add", "mul", "div"])
def test_promotion_is_pytorchs(a, b, operator):
    torch = pytest.importorskip("torch")
    if a.startswith("python") and b.startswith("python"):
        a = "int64"
    x, y = OPERANDS[a], OPERANDS[b]
    ours = getattr(F, operator)(*(tensor(v) if isinstance(v, np.ndarray) else v for v in (x, y)))
    theirs = getattr(torch, operator)(*(torch.tensor(v) if isinstance(v, np.ndarray) else v for v in (x, y)))
    assert str(theirs.dtype) == f"torch.{ours.dtype}"
    np.testing.assert_allclose(ours.data, theirs.numpy(), rtol=1e-6)


def test_numpy_operands_on_either_side():
    x = tensor([1.0, 2.0], requires_grad=True)
    for y in (np.float32(2) * x, np.array([2.0, 2.0], np.float32) * x, x * np.float64(2)):
        assert isinstance(y, minidl.Tensor)
        assert y.requires_grad
        assert y.dtype == np.float32


def test_gradient_keeps_the_dtype_of_its_tensor():
    x, y = tensor([1.0], requires_grad=True), tensor(np.array([2.0]), requires_grad=True)
    (x * y).sum().backward()
    assert x.grad.dtype == np.float32
    assert y.grad.dtype == np.float64


def test_comparisons_are_boolean_and_constant():
    x = tensor([1.0, 2.0, 3.0], requires_grad=True)
    for result, expected in ((x > 2, [0, 0, 1]), (x >= 2, [0, 1, 1]), (x < 2, [1, 0, 0]), (x <= x, [1, 1, 1])):
        assert result.dtype == np.bool_
        assert not result.requires_grad
        assert result.tolist() == [bool(v) for v in expected]
    assert (x == 2).tolist() == [False, True, False]
    assert (x != 2).tolist() == [True, False, True]


def test_conversions():
    x = tensor([[1.0, 2.0]])
    assert float(x.sum()) == 3.0
    assert int(tensor(4)) == 4
    assert [10, 20, 30][tensor(1)] == 20
    assert np.asarray(x).tolist() == [[1.0, 2.0]]
    assert [row.tolist() for row in x] == [[1.0, 2.0]]
    assert len(x) == 1
    assert x.size() == (1, 2)
    assert x.size(1) == 2
    with pytest.raises(ValueError, match="single element"):
        x.item()
    with pytest.raises(ValueError, match="ambiguous"):
        bool(x)
    with pytest.raises(TypeError, match="integer"):
        [1][tensor(0.0)]
    with pytest.raises(RuntimeError, match="detach"):
        x.requires_grad_().numpy()


def test_repr():
    x = tensor([1.0, 2.0], requires_grad=True)
    assert repr(x) == "tensor([1., 2.], requires_grad=True)"
    assert repr(x * 2) == "tensor([2., 4.], grad_fn=<mul>)"
    assert repr(x[:1]) == "tensor([1.], grad_fn=<getitem>)"  # `_getitem` in the code, behind a public function
    assert repr(tensor(np.array([1.0]))) == "tensor([1.], dtype=float64)"


def test_copies_have_their_own_place_on_the_tape():
    x = tensor([1.0, 2.0], requires_grad=True)
    y = copy.deepcopy(x)
    (y * 3).sum().backward()
    assert x.grad is None
    assert y.grad.tolist() == [3.0, 3.0]
    assert not np.shares_memory(x.data, y.data)
    assert pickle.loads(pickle.dumps(x)).requires_grad
    with pytest.raises(RuntimeError, match="part of a tape"):
        copy.deepcopy(x * 2)


def test_setitem_and_versions():
    x = tensor([1.0, 2.0, 3.0])
    w = tensor([1.0, 1.0, 1.0], requires_grad=True)
    y = w * x
    x[tensor(0)] = 5.0
    with pytest.raises(RuntimeError, match=r"mul needs its 'b' of shape \(3,\).*written in place"):
        y.sum().backward()


def test_a_write_through_a_view_is_seen():
    x = tensor(np.arange(6.0).reshape(2, 3))
    w = tensor(np.ones((2, 3)), requires_grad=True)
    y = (w * x).sum()
    x.detach().reshape(6)[2:4].zero_()
    with pytest.raises(RuntimeError, match="written in place"):
        y.backward()


def test_a_write_that_backward_does_not_need_is_fine():
    x = tensor([1.0], requires_grad=True)
    other = tensor([1.0])
    y = (x + other).sum()
    other.fill_(9)
    y.backward()
    assert x.grad.tolist() == [1.0]


def test_in_place_rules():
    x = tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(RuntimeError, match="leaf that requires grad"):
        x += 1
    with pytest.raises(RuntimeError, match="result of mul"):
        (x * 2)[0] = 1.0
    with no_grad():
        before = x
        x -= 0.5
    assert x is before
    assert x.requires_grad
    assert x.tolist() == [0.5, 1.5]
    y = x * 2
    y += x
    y.sum().backward()
    assert x.grad.tolist() == [3.0, 3.0]
    z = tensor([1.0])
    same = z
    z *= 4
    z /= 2
    assert same.tolist() == [2.0]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: tensor([1.0, 2.0]).reshape(3), r"reshape: \(2,\) has 2 elements; cannot become \(3,\)"),
        (lambda: F.cat([tensor([[1.0]]), tensor([1.0])]), r"cat: tensor 1 has shape \(1,\)"),
        (lambda: F.cat([]), "cat: at least one"),
        (lambda: F.split(tensor([1.0, 2.0]), [1, 2]), "split: sizes"),
        (lambda: F.permute(tensor([[1.0]]), (0, 0)), "permute: dims"),
        (lambda: F.expand(tensor([1.0, 2.0]), (3,)), "expand: "),
        (lambda: F.sum(tensor([1.0]), 1), "sum: dim 1"),
        (lambda: F.mean(tensor([1])), "mean: a floating dtype"),
        (lambda: F.matmul(tensor([[1.0]]), tensor([[1.0], [2.0]])), "matmul: shapes"),
        (lambda: F.linear(tensor([[1.0]]), tensor([[1.0, 2.0]])), "linear: input"),
        (lambda: F.gather(tensor([1.0]), 0, tensor([1])), "gather: index 1..1 leaves"),
        (lambda: F.pad(tensor([[1.0]]), (1,)), "pad: 1 widths"),
        (lambda: F.pad(tensor([[1.0]]), (1, 0), mode="reflect"), "pad: widths"),
        (lambda: F.crop(tensor([[1.0]]), 0, 0, 2, 1), "crop: window 2x1"),
        (lambda: F.clamp(tensor([1.0])), "clamp: give min"),
        (lambda: F.one_hot(tensor([3]), 2), "one_hot: label 3"),
    ],
)
def test_messages_name_the_function(call, message):
    with pytest.raises((ValueError, TypeError, IndexError), match=message):
        call()
