"""The operators and methods of Tensor that `functional.operators` attaches, declared for type checkers and editors.

Only type checkers import this file, in which Tensor inherits from it; at run time imports run one way.
tests/structure/test_types.py compares it with the attached methods.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, overload

from ..typing import Array, Dims, Index, Operand, Target, TensorLike

if TYPE_CHECKING:
    from .tensor import Tensor


class TensorMethods:
    """The attached operators and methods of Tensor."""

    __slots__ = ()

    def __add__(self, other: Operand, /) -> Tensor: ...
    def __radd__(self, other: Operand, /) -> Tensor: ...
    def __sub__(self, other: Operand, /) -> Tensor: ...
    def __rsub__(self, other: Operand, /) -> Tensor: ...
    def __mul__(self, other: Operand, /) -> Tensor: ...
    def __rmul__(self, other: Operand, /) -> Tensor: ...
    def __truediv__(self, other: Operand, /) -> Tensor: ...
    def __rtruediv__(self, other: Operand, /) -> Tensor: ...
    def __pow__(self, other: Operand, /) -> Tensor: ...
    def __rpow__(self, other: Operand, /) -> Tensor: ...
    def __matmul__(self, other: Operand, /) -> Tensor: ...
    def __rmatmul__(self, other: Operand, /) -> Tensor: ...
    def __iadd__(self, other: Operand, /) -> Tensor: ...
    def __isub__(self, other: Operand, /) -> Tensor: ...
    def __imul__(self, other: Operand, /) -> Tensor: ...
    def __itruediv__(self, other: Operand, /) -> Tensor: ...
    def __lt__(self, other: Operand, /) -> Tensor: ...
    def __le__(self, other: Operand, /) -> Tensor: ...
    def __gt__(self, other: Operand, /) -> Tensor: ...
    def __ge__(self, other: Operand, /) -> Tensor: ...
    def __eq__(self, other: Operand, /) -> Tensor: ...  # type: ignore[override]
    def __ne__(self, other: Operand, /) -> Tensor: ...  # type: ignore[override]
    def __neg__(self) -> Tensor: ...
    def __abs__(self) -> Tensor: ...
    def __getitem__(self, key: Index, /) -> Tensor: ...
    def __setitem__(self, key: Index, value: Operand, /) -> None: ...

    def abs(self) -> Tensor:
        """See `F.abs`."""

    def exp(self) -> Tensor:
        """See `F.exp`."""

    def expm1(self) -> Tensor:
        """See `F.expm1`."""

    def log(self) -> Tensor:
        """See `F.log`."""

    def log1p(self) -> Tensor:
        """See `F.log1p`."""

    def sqrt(self) -> Tensor:
        """See `F.sqrt`."""

    def sin(self) -> Tensor:
        """See `F.sin`."""

    def cos(self) -> Tensor:
        """See `F.cos`."""

    def tanh(self) -> Tensor:
        """See `F.tanh`."""

    def sigmoid(self) -> Tensor:
        """See `F.sigmoid`."""

    def relu(self) -> Tensor:
        """See `F.relu`."""

    def clone(self) -> Tensor:
        """See `F.clone`."""

    def pow(self, other: Operand, /) -> Tensor:
        """See `F.pow`."""

    def clamp(self, min: float | None = None, max: float | None = None) -> Tensor:
        """See `F.clamp`."""

    def sum(self, dim: Dims | None = None, keepdim: bool = False) -> Tensor:
        """See `F.sum`."""

    def mean(self, dim: Dims | None = None, keepdim: bool = False) -> Tensor:
        """See `F.mean`."""

    def amax(self, dim: Dims | None = None, keepdim: bool = False) -> Tensor:
        """See `F.amax`."""

    def amin(self, dim: Dims | None = None, keepdim: bool = False) -> Tensor:
        """See `F.amin`."""

    def var(self, dim: Dims | None = None, correction: int = 1, keepdim: bool = False) -> Tensor:
        """See `F.var`."""

    @overload
    def max(self) -> Tensor: ...
    @overload
    def max(self, dim: int, keepdim: bool = False) -> tuple[Tensor, Tensor]: ...
    def max(self, dim: int | None = None, keepdim: bool = False) -> Tensor | tuple[Tensor, Tensor]:
        """See `F.max`."""

    @overload
    def min(self) -> Tensor: ...
    @overload
    def min(self, dim: int, keepdim: bool = False) -> tuple[Tensor, Tensor]: ...
    def min(self, dim: int | None = None, keepdim: bool = False) -> Tensor | tuple[Tensor, Tensor]:
        """See `F.min`."""

    def logsumexp(self, dim: Dims, keepdim: bool = False) -> Tensor:
        """See `F.logsumexp`."""

    def softmax(self, dim: int) -> Tensor:
        """See `F.softmax`."""

    def log_softmax(self, dim: int) -> Tensor:
        """See `F.log_softmax`."""

    def transpose(self, dim0: int, dim1: int) -> Tensor:
        """See `F.transpose`."""

    def flatten(self, start_dim: int = 0, end_dim: int = -1) -> Tensor:
        """See `F.flatten`."""

    def squeeze(self, dim: int | None = None) -> Tensor:
        """See `F.squeeze`."""

    def unsqueeze(self, dim: int) -> Tensor:
        """See `F.unsqueeze`."""

    def split(self, split_size: Dims, dim: int = 0) -> tuple[Tensor, ...]:
        """See `F.split`."""

    def chunk(self, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
        """See `F.chunk`."""

    def flip(self, dims: Dims) -> Tensor:
        """See `F.flip`."""

    def roll(self, shifts: Dims, dims: Dims | None = None) -> Tensor:
        """See `F.roll`."""

    def gather(self, dim: int, index: TensorLike) -> Tensor:
        """See `F.gather`."""

    def matmul(self, other: Operand, /) -> Tensor:
        """See `F.matmul`."""

    def reshape(self, *values: Dims) -> Tensor:
        """See `F.reshape`; its tuple may also be given as several integers."""

    def view(self, *values: Dims) -> Tensor:
        """See `F.reshape`; its tuple may also be given as several integers."""

    def permute(self, *values: Dims) -> Tensor:
        """See `F.permute`; its tuple may also be given as several integers."""

    def expand(self, *values: Dims) -> Tensor:
        """See `F.expand`; its tuple may also be given as several integers."""

    def to(self, *target: Target) -> Tensor:
        """The same values in another dtype, on another device, or both; see `functional.operators.to`."""

    def sum_to(self, size: Sequence[int]) -> Tensor:
        """The sum over the axes that broadcasting from `size` to this shape adds or enlarges."""

    def backward(
        self, gradient: Tensor | Array | None = None, retain_graph: bool | None = None, create_graph: bool = False
    ) -> None:
        """See `autograd.engine.backward`."""

    def __dlpack__(
        self,
        *,
        stream: Any = None,
        max_version: tuple[int, int] | None = None,
        dl_device: tuple[int, int] | None = None,
        copy: bool | None = None,
    ) -> Any:
        """See `autograd.dlpack`."""

    def __dlpack_device__(self) -> tuple[int, int]:
        """See `autograd.dlpack`."""

    @property
    def T(self) -> Tensor:
        """All axes reversed."""

    @property
    def mT(self) -> Tensor:
        """The last two axes swapped."""
