"""The hook of `retain_grad`, which keeps a gradient."""

from __future__ import annotations

import weakref
from typing import Any


class Keep:
    """Accumulates the gradients of a tensor in its `.grad`; it holds a weak reference to the tensor."""

    def __init__(self, tensor: Any) -> None:
        self.tensor = weakref.ref(tensor)

    def __call__(self, g: Any) -> None:
        if (tensor := self.tensor()) is not None:
            total = g.data.copy() if tensor.grad is None else tensor.grad.data + g.data
            tensor.grad = type(g)(total)
