"""Memory shared with NumPy, PyTorch and CuPy through DLPack: both ways, every dtype, and what cannot be shared."""

import gc
import weakref

import numpy as np
import pytest

import minidl
from minidl import Tensor
from minidl import functional as F

DTYPES = [np.float16, np.float32, np.float64, np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.bool_]


def numbers(dtype=np.float32, shape=(3, 4)):
    return np.arange(np.prod(shape)).reshape(shape).astype(dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_numpy_shares_memory_both_ways(dtype):
    x = minidl.tensor(numbers(dtype))
    out = np.from_dlpack(x)
    back = minidl.from_dlpack(out)
    assert out.dtype == back.dtype == dtype and out.shape == back.shape == (3, 4)
    assert np.shares_memory(out, x.data) and np.shares_memory(back.data, x.data)
    back[0, 0] = 1
    assert out[0, 0] == x.data[0, 0] == 1 and not back.requires_grad and back.is_leaf


@pytest.mark.parametrize("dtype", DTYPES)
def test_pytorch_shares_memory_both_ways(dtype):
    torch = pytest.importorskip("torch")
    x = minidl.tensor(numbers(dtype))
    theirs = torch.from_dlpack(x)
    np.testing.assert_array_equal(theirs.numpy(), x.data)
    theirs[1, 2] = 1
    assert x.data[1, 2] == 1
    x[2, 3] = 0
    assert theirs[2, 3] == 0
    back = minidl.from_dlpack(theirs)
    back[0, 1] = 1
    assert theirs[0, 1] == 1 and x.data[0, 1] == 1 and back.dtype == dtype


@pytest.mark.parametrize("view", ["transposed", "strided", "one element", "no axes", "empty"])
def test_views_keep_their_strides(view):
    base = minidl.tensor(numbers())
    x = {
        "transposed": base.T, "strided": base[1:, ::2], "one element": base[1:2, 2:3],
        "no axes": base[1:2, 2:3].reshape(()), "empty": base[:0],
    }[view]  # fmt: skip
    out = np.from_dlpack(x)
    np.testing.assert_array_equal(out, x.data)
    assert out.shape == x.shape and np.shares_memory(out, base.data) == (x.numel() > 0)
    torch = pytest.importorskip("torch")
    theirs = torch.from_dlpack(x)
    assert tuple(theirs.shape) == x.shape and torch.equal(theirs, torch.from_numpy(np.array(x.data)))
    np.testing.assert_array_equal(minidl.from_dlpack(theirs).data, x.data)


def test_a_sum_is_exported_as_well():
    total = minidl.tensor(numbers()).sum()
    assert np.from_dlpack(total) == 66 and total.__dlpack_device__() == (1, 0)


def test_the_memory_lives_as_long_as_either_side():
    array = numbers()
    gone = weakref.ref(array)
    x = minidl.from_dlpack(array)
    del array
    gc.collect()
    assert gone() is not None and float(x.sum()) == 66
    del x
    gc.collect()
    assert gone() is None


def test_what_requires_grad_is_not_exported():
    x = minidl.tensor(numbers(), requires_grad=True)
    for y in (x, x * 2):
        with pytest.raises(BufferError, match=r"__dlpack__: the tensor requires grad; export detach\(\) of it"):
            np.from_dlpack(y)
    assert np.shares_memory(np.from_dlpack(x.detach()), x.data)
    torch = pytest.importorskip("torch")
    with pytest.raises(BufferError, match="requires grad"):
        torch.from_dlpack(x)
    with pytest.raises(BufferError, match=r"require gradient, use tensor.detach\(\)"):
        minidl.from_dlpack(torch.ones(3, requires_grad=True))


def test_negative_strides():
    """PyTorch ends the whole process at a negative stride (2.13), so a Tensor that has one is not exported."""
    reversed_ = Tensor(numbers()[::-1])
    with pytest.raises(BufferError, match=r"__dlpack__: the tensor is reversed in memory .* export clone\(\) of it"):
        np.from_dlpack(reversed_)
    np.testing.assert_array_equal(np.from_dlpack(reversed_.clone()), reversed_.data)
    array = numbers()
    np.testing.assert_array_equal(minidl.from_dlpack(array[::-1, ::-2]).data, array[::-1, ::-2])
    copied = reversed_.__dlpack__(copy=True, max_version=(1, 0))
    assert "dltensor" in repr(copied)


def test_read_only_memory_stays_read_only():
    array = numbers()
    array.flags.writeable = False
    x = minidl.from_dlpack(array)
    np.testing.assert_array_equal((F.relu(x) + x).data, 2 * array)
    with pytest.raises(ValueError, match="read-only"):
        x[0, 0] = 7
    assert not np.from_dlpack(x).flags.writeable
    with pytest.raises(BufferError, match="readonly"):
        x.__dlpack__()  # the form of the capsule that cannot say so


def test_elements_that_numpy_lacks_are_refused_by_name():
    with pytest.raises(TypeError, match=r"from_dlpack: dtype must be boolean, integer or floating, not complex64"):
        minidl.from_dlpack(np.ones(3, np.complex64))
    with pytest.raises(BufferError, match="native byte order"):
        minidl.from_dlpack(numbers(">f4" if np.little_endian else "<f4"))
    torch = pytest.importorskip("torch")
    for dtype in (torch.bfloat16, torch.float8_e4m3fn):
        with pytest.raises(TypeError, match=rf"from_dlpack: an array of {dtype} cannot be shared .* float32 first"):
            minidl.from_dlpack(torch.ones(3, dtype=dtype))
    with pytest.raises(BufferError, match="conjugate"):
        minidl.from_dlpack(torch.ones(3, dtype=torch.complex64).conj())


def test_what_is_no_array_is_refused():
    for value in ([1.0], 3.0, np.ones(2).__dlpack__()):
        with pytest.raises(
            TypeError, match=f"from_dlpack: an array with __dlpack__ is needed, not {type(value).__name__}"
        ):
            minidl.from_dlpack(value)


class Elsewhere:
    """An array on another device, as DLPack sees it."""

    def __init__(self, kind):
        self.kind = kind

    def __dlpack__(self, **asked):
        raise AssertionError

    def __dlpack_device__(self):
        return self.kind, 0


def test_other_devices():
    with pytest.raises(BufferError, match="device 10 of DLPack is neither the CPU nor an NVIDIA GPU"):
        minidl.from_dlpack(Elsewhere(10))
    if not minidl.cuda.is_available():
        with pytest.raises(RuntimeError, match="from_dlpack of an array on a GPU: CuPy"):
            minidl.from_dlpack(Elsewhere(2))
    with pytest.raises((RuntimeError, BufferError), match="stream"):
        minidl.tensor(numbers()).__dlpack__(stream=1)  # a stream of a GPU has no meaning for NumPy's memory


@pytest.mark.gpu
def test_cupy_shares_memory_both_ways():
    cupy = pytest.importorskip("cupy")
    if not minidl.cuda.is_available():
        pytest.skip("no NVIDIA GPU")
    array = cupy.arange(6, dtype=cupy.float32)
    x = minidl.from_dlpack(array)
    x[0] = 9
    assert float(array[0]) == 9 and x.device == "cuda:0" and x.__dlpack_device__() == (2, 0)
    cupy.from_dlpack(x)[1] = 8
    assert float(x[1]) == 8
    with cupy.cuda.Stream(non_blocking=True):
        np.testing.assert_array_equal(cupy.asnumpy(cupy.from_dlpack(x)), [9, 8, 2, 3, 4, 5])


def test_the_tape_sees_writes_through_this_library_only():
    x, array = minidl.tensor(numbers()), None
    w = minidl.tensor(numbers(), requires_grad=True)
    loss = (x * w).sum()
    array = np.from_dlpack(x)
    array[...] = 5.0  # unseen: the gradient is that of the new values
    loss.backward()
    np.testing.assert_array_equal(w.grad.data, 5.0)
    loss = (x * w).sum()
    x[0, 0] = 1.0
    with pytest.raises(RuntimeError, match="in place"):
        loss.backward()


def test_a_pytorch_network_by_name():
    """The three lines of models/README."""
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    theirs = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3, padding=1), torch.nn.BatchNorm2d(4), torch.nn.ReLU()).eval()
    theirs[1].running_mean += 0.5
    ours = minidl.nn.Sequential(minidl.nn.Conv2d(3, 4, 3, padding=1), minidl.nn.BatchNorm2d(4), minidl.nn.ReLU()).eval()
    ours.load_state_dict({name: minidl.from_dlpack(t) for name, t in theirs.state_dict().items()})
    images = torch.randn(2, 3, 8, 9)
    with torch.no_grad(), minidl.no_grad():
        np.testing.assert_allclose(
            np.from_dlpack(ours(minidl.from_dlpack(images))), theirs(images).numpy(), rtol=1e-4, atol=1e-5
        )
    theirs[0].weight.data.zero_()
    assert np.abs(ours[0].weight.data).max() > 0  # load_state_dict copies
