"""Tensor: an array, its gradient, and operators that the tape records."""

import numpy as np

from .. import backend
from ..backend import cuda
from .tape import Leaf, Node, is_grad_enabled, touch

_DEFAULTS = {"f": np.float32, "i": np.int64}


class Tensor:
    """An N-dimensional array that remembers how it was made.

    `data` is the array, `grad` the accumulated derivative (a Tensor or None), `node` its place on the tape: the operation
    that made it, a Leaf if it was not computed but requires a gradient, else None. Operators broadcast and promote
    dtypes as PyTorch's do.

    This class holds what needs no differentiable function: the rest (`+`, `reshape`, `to`, indexing, ...) is attached to it
    by `functional.operators`, and `backward` by `engine`, so that imports run one way.
    """

    __slots__ = ("__weakref__", "data", "grad", "node")
    __array_ufunc__ = None  # array * tensor defers to Tensor.__rmul__

    def __init__(self, data):
        self.data = data
        self.grad = None
        self.node = None

    # -- what it is ------------------------------------------------------------------------------------------------

    @property
    def shape(self):
        return self.data.shape

    @property
    def ndim(self):
        return self.data.ndim

    @property
    def dtype(self):
        return self.data.dtype

    @property
    def device(self):
        """ "cpu", or "cuda:0" and so on."""
        return cuda.device_of(self.data)

    @property
    def requires_grad(self):
        """Whether operations on this tensor are recorded; True can be assigned to make it a leaf of the tape."""
        return self.node is not None

    @requires_grad.setter
    def requires_grad(self, value):
        if value and self.dtype.kind != "f":
            raise RuntimeError(f"requires_grad: only floating tensors have gradients, not {self.dtype}")
        if not value and not self.is_leaf:
            raise RuntimeError("requires_grad: only a leaf can stop requiring grad; use detach()")
        if bool(value) != self.requires_grad:
            self.node = Leaf(self) if value else None

    @property
    def is_leaf(self):
        """Whether no recorded operation made it."""
        return not isinstance(self.node, Node)

    def size(self, dim=None):
        """The shape, or its entry `dim`."""
        return self.shape if dim is None else self.shape[dim]

    def numel(self):
        """The number of elements."""
        return self.data.size

    def dim(self):
        """The number of axes."""
        return self.data.ndim

    def item(self):
        """The only element, as a Python number."""
        if self.data.size != 1:
            raise ValueError(f"item: the tensor has shape {self.shape}; needed a single element")
        return self.data.item()

    def numpy(self):
        """The NumPy array itself (not a copy); an error if a gradient is required, since writing to it would go unseen."""
        if self.requires_grad:
            raise RuntimeError("numpy: the tensor requires grad; call detach().numpy()")
        if self.device != "cpu":
            raise TypeError(f"numpy: the tensor is on {self.device}; call cpu().numpy()")
        return self.data

    def tolist(self):
        """Nested lists of Python numbers."""
        return self.data.tolist()

    def __array__(self, dtype=None, copy=None):
        return np.array(self.numpy(), dtype=dtype, copy=copy)

    def __len__(self):
        if not self.ndim:
            raise TypeError("len: a 0-d tensor has no length")
        return len(self.data)

    def __iter__(self):
        return (self[i] for i in range(len(self)))

    def __bool__(self):
        if self.data.size != 1:
            raise ValueError(
                f"bool: the truth of a tensor of shape {self.shape} is ambiguous; use any() or all() of .data"
            )
        return bool(self.data)

    def __float__(self):
        return float(self.item())

    def __int__(self):
        return int(self.item())

    def __index__(self):
        if self.dtype.kind not in "iu":
            raise TypeError(f"index: an integer tensor is needed, not {self.dtype}")
        return int(self.item())

    def __repr__(self):
        body = np.array2string(cuda.to_host(self.data), separator=", ", prefix="tensor(", precision=4, threshold=200)
        dtype = "" if self.dtype in (np.float32, np.int64, np.bool_) else f", dtype={self.dtype}"
        dtype += "" if self.device == "cpu" else f", device={self.device!r}"
        made = ", requires_grad=True" if self.requires_grad else ""
        if not self.is_leaf:
            made = f", grad_fn=<{self.node.op.__name__}>"
        return f"tensor({body}{dtype}{made})"

    def __reduce__(self):  # a copy, or a pickle for another process, is a leaf with its own place on the tape
        if not self.is_leaf:
            raise RuntimeError(
                f"copy: the result of {self.node.op.__name__} is part of a tape; use detach() or clone()"
            )
        return _rebuild, (self.data, self.requires_grad)

    # -- the tape --------------------------------------------------------------------------------------------------

    def detach(self):
        """The same array, cut off from the tape."""
        return Tensor(self.data)

    def requires_grad_(self, requires_grad=True):
        """Start or stop recording what is done with this leaf; returns it."""
        self.requires_grad = requires_grad
        return self

    def register_hook(self, hook):
        """Call `hook(gradient)` when this tensor's gradient is known; a Tensor that it returns replaces the gradient.

        Returns a function that removes the hook.
        """
        if not self.requires_grad:
            raise RuntimeError("register_hook: the tensor does not require grad")
        node = self.node
        node.hooks = [*(node.hooks or ()), hook]

        def remove():
            node.hooks = [h for h in node.hooks if h is not hook]

        return remove

    def retain_grad(self):
        """Keep the gradient of this non-leaf in `.grad` as well."""

        def keep(g):
            self.grad = g

        if not self.is_leaf:
            self.register_hook(keep)

    # -- writing in place (noted, so that a backward that needs the old values can refuse) ---------------------------

    def _write(self, key, value):
        if is_grad_enabled() and self.requires_grad:
            kind = "a leaf that requires grad" if self.is_leaf else f"the result of {self.node.op.__name__}"
            raise RuntimeError(f"in-place write to {kind}: do it inside minidl.no_grad(), or out of place")
        value = value.data if isinstance(value, Tensor) else value
        self.data[key] = value if isinstance(value, int | float) else backend.like(value, self.data)
        touch(self.data)
        return self

    def copy_(self, source):
        """Overwrite the elements with those of `source` (broadcast)."""
        return self._write(..., source)

    def fill_(self, value):
        """Overwrite every element with `value`."""
        return self._write(..., value)

    def zero_(self):
        """Overwrite every element with 0."""
        return self._write(..., 0)

    __hash__ = object.__hash__  # identity, although == compares elements

    def cuda(self):
        """On the GPU; see `to`."""
        return self.to("cuda")

    def cpu(self):
        """In NumPy's memory; see `to`."""
        return self.to("cpu")

    def float(self):
        """float32."""
        return self.to(np.float32)

    def double(self):
        """float64."""
        return self.to(np.float64)

    def long(self):
        """int64."""
        return self.to(np.int64)

    def argmax(self, dim=None):
        """Position of the (first) maximum along `dim`, or in the flattened tensor."""
        return Tensor(backend.asarray(self.data.argmax(dim)))

    def argmin(self, dim=None):
        """Position of the (first) minimum along `dim`, or in the flattened tensor."""
        return Tensor(backend.asarray(self.data.argmin(dim)))


def _rebuild(data, requires_grad):
    return Tensor(data).requires_grad_(requires_grad)


def tensor(data, dtype=None, requires_grad=False, device=None):
    """A Tensor with a copy of `data` (a number, nested lists, an array or a Tensor).

    It lies on `device`, or, without one, where `data` does. Without `dtype`, Python floats become float32, integers int64,
    and arrays keep their dtype, as in PyTorch.
    """
    if isinstance(data, Tensor):
        data = data.data
    typed = isinstance(data, np.generic) or backend.is_array(data)
    try:
        array = backend.xp(data).array(data, dtype)
    except (TypeError, ValueError) as error:
        raise ValueError(f"tensor: data must be numbers in nested lists of equal lengths: {error}") from None
    if array.dtype.kind not in "biuf":
        raise TypeError(f"tensor: dtype must be boolean, integer or floating, not {array.dtype}")
    if dtype is None and not typed and array.dtype.kind in _DEFAULTS:
        array = array.astype(_DEFAULTS[array.dtype.kind])
    return Tensor(array if device is None else cuda.move(array, device)).requires_grad_(requires_grad)
