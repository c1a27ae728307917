"""Parameter: a tensor that is trained."""

from __future__ import annotations

from typing import Any

from ..autograd.tensor import Tensor
from ..backend import asarray
from ..typing import TensorLike


class Parameter(Tensor):
    """A trainable Tensor; assigned to an attribute of a Module, it is registered under the attribute's name."""

    __slots__ = ()

    def __init__(self, data: TensorLike, requires_grad: bool = True) -> None:
        super().__init__(data.data if isinstance(data, Tensor) else asarray(data))
        self.requires_grad = requires_grad

    def __repr__(self) -> str:
        return "Parameter containing:\n" + super().__repr__()

    def __reduce__(self) -> tuple[Any, ...]:  # a copy is a new leaf
        return Parameter, (self.data, self.requires_grad)
