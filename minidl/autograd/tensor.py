"""Tensor: an array with its gradient and its node on the tape."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import backend
from ..backend import cuda
from ..typing import Array, DTypeLike, Shape, TensorLike
from .anomaly import caller
from .axes import axis
from .retain import Keep
from .tape import Leaf, Node, hooked, is_grad_enabled, touch

if TYPE_CHECKING:
    from .tensor_methods import TensorMethods
else:
    TensorMethods = object

_DEFAULTS = {"f": np.float32, "i": np.int64}


class Tensor(TensorMethods):
    """An N-dimensional array with its gradient and its node on the tape.

    `data` is the array, `grad` the accumulated derivative (a Tensor or None), `node` the Node of the operation that computed
    it, a Leaf if no operation computed it and it requires a gradient, else None. Operators broadcast and promote dtypes as in
    PyTorch.

    This class has the methods that need no differentiable function. `functional.operators` attaches the others (`+`,
    `reshape`, `to`, indexing, ...), `engine` attaches `backward`, so that imports run one way; `tensor_methods` declares them.
    """

    __slots__ = ("__weakref__", "data", "grad", "node")
    __array_ufunc__ = None  # array * tensor defers to Tensor.__rmul__

    data: Array
    grad: Tensor | None
    node: Node | Leaf | None

    def __init__(self, data: Array) -> None:
        self.data = data
        self.grad = None
        self.node = None

    # -- properties ------------------------------------------------------------------------------------------------

    @property
    def shape(self) -> Shape:
        """The sizes of the axes, a tuple."""
        return self.data.shape

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return self.data.ndim

    @property
    def dtype(self) -> np.dtype:
        """The type of the elements, a NumPy dtype."""
        return self.data.dtype

    @property
    def device(self) -> str:
        """ "cpu", or "cuda:0" and so on."""
        return cuda.device_of(self.data)

    @property
    def requires_grad(self) -> bool:
        """Whether operations on this tensor are recorded; True can be assigned to make it a leaf of the tape."""
        return self.node is not None

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        if value and self.dtype.kind != "f":
            raise RuntimeError(f"requires_grad: only floating tensors have gradients, not {self.dtype}")
        if not value and not self.is_leaf:
            raise RuntimeError("requires_grad: only a leaf can stop requiring grad; use detach()")
        if bool(value) != self.requires_grad:
            self.node = Leaf(self) if value else None

    @property
    def is_leaf(self) -> bool:
        """Whether it is not the result of a recorded operation."""
        return not isinstance(self.node, Node)

    def size(self, dim: int | None = None) -> Any:
        """The shape, or its entry `dim`."""
        return self.shape if dim is None else self.shape[dim]

    def numel(self) -> int:
        """The number of elements."""
        return self.data.size

    def dim(self) -> int:
        """The number of axes."""
        return self.data.ndim

    def item(self) -> Any:
        """The only element, as a Python number."""
        if self.data.size != 1:
            raise ValueError(f"item: the tensor has shape {self.shape}; needed a single element")
        return self.data.item()

    def numpy(self) -> np.ndarray:
        """The NumPy array itself, not a copy; RuntimeError if grad is required, since the tape does not notice writes to it."""
        if self.requires_grad:
            raise RuntimeError("numpy: the tensor requires grad; call detach().numpy()")
        if self.device != "cpu":
            raise TypeError(f"numpy: the tensor is on {self.device}; call cpu().numpy()")
        return self.data

    def tolist(self) -> Any:
        """Nested lists of Python numbers."""
        return self.data.tolist()

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.numpy(), dtype=dtype, copy=copy)

    def __len__(self) -> int:
        if not self.ndim:
            raise TypeError("len: a 0-d tensor has no length")
        return len(self.data)

    def __iter__(self) -> Iterator[Tensor]:
        return (self[i] for i in range(len(self)))

    def __bool__(self) -> bool:
        if self.data.size != 1:
            raise ValueError(
                f"bool: the truth of a tensor of shape {self.shape} is ambiguous; use any() or all() of .data"
            )
        return bool(self.data)

    def __float__(self) -> builtins.float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __index__(self) -> int:
        if self.dtype.kind not in "iu":
            raise TypeError(f"index: an integer tensor is needed, not {self.dtype}")
        return int(self.item())

    def __repr__(self) -> str:
        body = np.array2string(cuda.to_host(self.data), separator=", ", prefix="tensor(", precision=4, threshold=200)
        dtype = "" if self.dtype in (np.float32, np.int64, np.bool_) else f", dtype={self.dtype}"
        dtype += "" if self.device == "cpu" else f", device={self.device!r}"
        made = ", requires_grad=True" if self.requires_grad else ""
        if not self.is_leaf:
            made = f", grad_fn=<{self.node.op.__name__}>"
        return f"tensor({body}{dtype}{made})"

    def __reduce__(self) -> tuple[Any, ...]:  # a copy or a pickle is a new leaf
        if not self.is_leaf:
            raise RuntimeError(
                f"copy: the result of {self.node.op.__name__} is part of a tape; use detach() or clone()"
            )
        return _rebuild, (self.data, self.requires_grad)

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        make, (data, requires_grad) = self.__reduce__()
        result = memo[id(self)] = make(data.copy(), requires_grad)
        result.grad = self.grad and Tensor(self.grad.data.copy())
        return result

    # -- the tape --------------------------------------------------------------------------------------------------

    def detach(self) -> Tensor:
        """A Tensor with the same array, without the tape."""
        return Tensor(self.data)

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Start or stop recording operations on this leaf; returns it."""
        self.requires_grad = requires_grad
        return self

    def register_hook(self, hook: Callable[[Tensor], Tensor | None]) -> Callable[[], None]:
        """Call `hook(gradient)` as soon as this tensor's gradient is known; a Tensor that it returns replaces the gradient.

        Returns a function that removes the hook.
        """
        if not self.requires_grad:
            raise RuntimeError("register_hook: the tensor does not require grad")
        node = self.node
        hooked.update([node] if isinstance(node, Leaf) else ())
        last = [h for h in node.hooks or () if isinstance(h, Keep)]  # `retain_grad` comes last, after all other hooks
        node.hooks = [*(h for h in node.hooks or () if h not in last), hook, *last]

        def remove():
            node.hooks = [h for h in node.hooks if h is not hook]

        return remove

    def retain_grad(self) -> None:
        """Accumulate the gradients of this non-leaf in its `.grad` too, after its hooks, in a separate array."""
        if not self.requires_grad:
            raise RuntimeError("retain_grad: the tensor does not require grad")
        if not self.is_leaf and not any(isinstance(h, Keep) for h in self.node.hooks or ()):
            self.register_hook(Keep(self))

    # -- writing in place (recorded, so that a backward pass that needs the old values raises an error) ----------------

    def _write(self, key, value):
        if is_grad_enabled() and self.requires_grad:
            kind = "a leaf that requires grad" if self.is_leaf else f"the result of {self.node.op.__name__}"
            raise RuntimeError(f"in-place write to {kind}: do it inside minidl.no_grad(), or out of place")
        if is_grad_enabled() and isinstance(value, Tensor) and value.requires_grad:
            raise RuntimeError(
                f"in-place write of a recorded value at {caller()}: its gradient would be lost; write detach() of it, or "
                "build the tensor from its parts with cat, stack or where"
            )
        value = value.data if isinstance(value, Tensor) else value
        self.data[key] = value if isinstance(value, int | float) else backend.like(value, self.data)
        touch(self.data)
        return self

    def copy_(self, source: TensorLike | builtins.float) -> Tensor:
        """Overwrite the elements with those of `source` (broadcast)."""
        return self._write(..., source)

    def fill_(self, value: builtins.float) -> Tensor:
        """Overwrite every element with `value`."""
        return self._write(..., value)

    def zero_(self) -> Tensor:
        """Overwrite every element with 0."""
        return self._write(..., 0)

    __hash__ = object.__hash__  # identity, although == compares elements

    def cuda(self) -> Tensor:
        """The tensor on the GPU; see `to`."""
        return self.to("cuda")

    def cpu(self) -> Tensor:
        """The tensor in NumPy's memory; see `to`."""
        return self.to("cpu")

    def float(self) -> Tensor:
        """float32."""
        return self.to(np.float32)

    def double(self) -> Tensor:
        """float64."""
        return self.to(np.float64)

    def long(self) -> Tensor:
        """int64."""
        return self.to(np.int64)

    def bool(self) -> Tensor:
        """Whether each element differs from 0."""
        return self.to(np.bool_)

    def argmax(self, dim: int | None = None) -> Tensor:
        """Position of the (first) maximum along `dim`, or in the flattened tensor."""
        return self._position("argmax", dim)

    def argmin(self, dim: int | None = None) -> Tensor:
        """Position of the (first) minimum along `dim`, or in the flattened tensor."""
        return self._position("argmin", dim)

    def _position(self, function, dim):
        if dim is not None:
            dim = axis(function, dim, self.ndim) if self.ndim else axis(function, dim, 0) or None
        if not (self.data.size if dim is None else self.shape[dim]):
            raise ValueError(f"{function}: a tensor of shape {self.shape} has no elements")
        return Tensor(backend.asarray(getattr(self.data, function)(dim)))


def _rebuild(data, requires_grad):
    return Tensor(data).requires_grad_(requires_grad)


def tensor(data: Any, dtype: DTypeLike | None = None, requires_grad: bool = False, device: str | None = None) -> Tensor:
    """A Tensor with a copy of `data` (a number, nested lists, an array or a Tensor).

    It is on `device`, by default that of `data`. Without `dtype`, Python floats become float32, integers int64, and arrays keep
    their dtype, as in PyTorch. Raises ValueError for data that is not rectangular, TypeError for data that is not numeric.
    """
    if isinstance(data, Tensor):
        data = data.data
    typed = isinstance(data, np.generic) or backend.is_array(data)
    try:
        array = backend.xp(data).array(data, dtype)
    except (TypeError, ValueError) as error:
        raise ValueError(f"tensor: data must be numbers in nested lists of equal lengths: {error}") from None
    if not array.dtype.isnative:
        raise ValueError(f"tensor: {array.dtype} has a foreign byte order; convert with astype({array.dtype.name!r})")
    if array.dtype.kind not in "biuf":
        raise TypeError(f"tensor: dtype must be boolean, integer or floating, not {array.dtype}")
    if dtype is None and not typed and array.dtype.kind in _DEFAULTS:
        array = array.astype(_DEFAULTS[array.dtype.kind])
    return Tensor(array if device is None else cuda.move(array, device)).requires_grad_(requires_grad)
