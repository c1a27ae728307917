"""Module: an object that holds parameters, buffers and other modules under names."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Self

import numpy as np

from ..autograd.tensor import Tensor
from ..backend import cuda
from ..typing import Target, TensorLike
from .hook import Hook
from .parameter import Parameter
from .state import LoadResult, copy_state


class Module:
    """Base class of layers and networks: define `forward`, call the object.

    Parameters, buffers (state that is saved but not learned) and modules that are assigned to attributes are found by
    `parameters()`, `buffers()`, `modules()` and their `named_` forms under dotted names, as in PyTorch.
    """

    training = True
    optional_state: tuple[str, ...] = ()  # names of own buffers that a state_dict may lack

    def __init__(self) -> None:
        self.__dict__.update(_parameters={}, _buffers={}, _modules={}, _transient=set(), _pre_hooks={}, _hooks={})

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The result for these arguments; every module defines its own. Call the object instead, so that hooks run."""
        raise NotImplementedError(f"{type(self).__name__}: forward is not defined")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        for hook in tuple(self._pre_hooks.values()):
            changed = hook(self, args)
            if changed is not None:
                args = changed if isinstance(changed, tuple) else (changed,)
        out = self.forward(*args, **kwargs)
        for hook in tuple(self._hooks.values()):
            changed = hook(self, args, out)
            out = out if changed is None else changed
        return out

    def register_forward_pre_hook(self, hook: Callable[..., Any]) -> Hook:
        """Call `hook(module, args)` before every forward; a result other than None replaces the arguments."""
        return Hook(self._pre_hooks, hook)

    def register_forward_hook(self, hook: Callable[..., Any]) -> Hook:
        """Call `hook(module, args, output)` after every forward; a result other than None replaces the output."""
        return Hook(self._hooks, hook)

    # -- attributes ------------------------------------------------------------------------------------------------

    def __getattr__(self, name: str) -> Any:  # called only for names that are not plain attributes
        for registry in ("_parameters", "_buffers", "_modules"):
            entries = self.__dict__.get(registry, {})
            if name in entries:
                return entries[name]
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __setattr__(self, name: str, value: Any) -> None:
        registries: list[Any] = [self.__dict__.get(r) for r in ("_parameters", "_buffers", "_modules")]
        if isinstance(value, Parameter | Module):
            if registries[0] is None:
                raise AttributeError(f"{type(self).__name__}: call super().__init__() before assigning {name!r}")
            own = registries[2 if isinstance(value, Module) else 0]
            for entries in (self.__dict__, *registries):
                if entries is not own:
                    entries.pop(name, None)
            own[name] = value
            return
        kinds = (Parameter, Tensor, Module)
        for entries, kind in zip(registries, kinds):
            if entries and name in entries:
                if value is not None and not isinstance(value, kind):
                    raise TypeError(
                        f"{type(self).__name__}: {name!r} must stay a {kind.__name__} or None, not {type(value).__name__}"
                    )
                entries[name] = value
                return
        object.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> None:
        for registry in (self._parameters, self._buffers, self._modules):
            if name in registry:
                del registry[name]
                return
        object.__delattr__(self, name)

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self._parameters, *self._buffers, *self._modules]

    def _register(self, registry, name, value, kind):
        if not isinstance(name, str) or not name or "." in name:
            raise ValueError(f"{type(self).__name__}: {name!r} cannot be a name; needed a string without dots")
        if name not in registry and hasattr(self, name):
            raise ValueError(f"{type(self).__name__}: attribute {name!r} exists already")
        if value is not None and not isinstance(value, kind):
            raise TypeError(
                f"{type(self).__name__}: {name!r} must be a {kind.__name__} or None, not {type(value).__name__}"
            )
        registry[name] = value

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Add a Parameter, or None for one that is absent."""
        self._register(self._parameters, name, param, Parameter)

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Add a Tensor that is not learned; it is part of `state_dict` if `persistent`."""
        self._register(self._buffers, name, tensor, Tensor)
        (self._transient.discard if persistent else self._transient.add)(name)

    def add_module(self, name: str, module: Module | None) -> None:
        """Add a child under `name`, which need not be an identifier."""
        self._register(self._modules, name, module, Module)

    # -- finding -----------------------------------------------------------------------------------------------------

    def named_modules(self, prefix: str = "", memo: set[Module] | None = None) -> Iterator[tuple[str, Module]]:
        """(name, module) of this module and all below it, each once."""
        memo = set() if memo is None else memo
        if self not in memo:
            memo.add(self)
            yield prefix, self
            for name, child in self.named_children():
                yield from child.named_modules(f"{prefix}.{name}" if prefix else name, memo)

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """(name, module) of the modules directly below."""
        return ((name, child) for name, child in self._modules.items() if child is not None)

    def _named(self, registry, prefix, recurse):
        seen = set()
        for path, module in self.named_modules(prefix) if recurse else [(prefix, self)]:
            for name, value in getattr(module, registry).items():
                if value is not None and id(value) not in seen:
                    seen.add(id(value))
                    yield f"{path}.{name}" if path else name, value

    def named_parameters(self, prefix: str = "", recurse: bool = True) -> Iterator[tuple[str, Parameter]]:
        """(name, Parameter), each once."""
        return self._named("_parameters", prefix, recurse)

    def named_buffers(self, prefix: str = "", recurse: bool = True) -> Iterator[tuple[str, Tensor]]:
        """(name, Tensor) of the buffers, each once."""
        return self._named("_buffers", prefix, recurse)

    def modules(self) -> Iterator[Module]:
        """This module and all below it, each once."""
        return (module for _, module in self.named_modules())

    def children(self) -> Iterator[Module]:
        """The modules directly below."""
        return (child for _, child in self.named_children())

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """All Parameters, each once; of this module alone with `recurse=False`."""
        return (p for _, p in self.named_parameters(recurse=recurse))

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """All buffers, each once; of this module alone with `recurse=False`."""
        return (b for _, b in self.named_buffers(recurse=recurse))

    def get_submodule(self, target: str) -> Module:
        """The module under a dotted name; "" is this one."""
        module = self
        for name in target.split(".") if target else ():
            if module._modules.get(name) is None:
                raise AttributeError(f"get_submodule: {type(module).__name__} has no module {name!r} (of {target!r})")
            module = module._modules[name]
        return module

    # -- changing ----------------------------------------------------------------------------------------------------

    def apply(self, fn: Callable[[Module], Any]) -> Self:
        """Call `fn` on every module, children first."""
        for child in self.children():
            child.apply(fn)
        fn(self)
        return self

    def train(self, mode: bool = True) -> Self:
        """Set training mode (dropout active, batch norm on batch statistics) in this module and all below."""
        for module in self.modules():
            module.training = mode
        return self

    def eval(self) -> Self:
        """Set evaluation mode."""
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Start or stop recording gradients of all parameters."""
        for p in self.parameters():
            p.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Set the gradients of all parameters to None, or with set_to_none=False to zero."""
        for p in self.parameters():
            p.grad = None if set_to_none or p.grad is None else Tensor(np.zeros_like(p.data))

    def to(self, *target: Target) -> Self:
        """Convert to a floating dtype, move to a device ("cpu", "cuda", "cuda:1"), or both: in place, with the gradients.

        Integer buffers keep their dtype. Raises RuntimeError where there is no usable GPU.
        """
        for one in target:
            if cuda.is_device(one):
                self._apply(lambda array, device=one: cuda.move(array, device))
                continue
            dtype = np.dtype(one)
            if dtype.kind != "f":
                raise TypeError(f"Module.to: parameters need a floating dtype, not {dtype}")
            self._apply(
                lambda array, dtype=dtype: array.astype(dtype, copy=False) if array.dtype.kind == "f" else array
            )
        return self

    def _apply(self, change):
        for tensor in (*self.parameters(), *self.buffers()):
            tensor.data = change(tensor.data)
            if tensor.grad is not None:
                tensor.grad = Tensor(change(tensor.grad.data))

    def cuda(self) -> Self:
        """To the GPU; see `to`."""
        return self.to("cuda")

    def cpu(self) -> Self:
        """To NumPy's memory; see `to`."""
        return self.to("cpu")

    @property
    def device(self) -> str:
        """The device of the first parameter ("cpu", "cuda:0"); "cpu" for a module without parameters."""
        return next((p.device for p in self.parameters()), "cpu")

    def float(self) -> Self:
        """float32."""
        return self.to(np.float32)

    def double(self) -> Self:
        """float64."""
        return self.to(np.float64)

    # -- saving ------------------------------------------------------------------------------------------------------

    def _state(self, prefix=""):
        """Yield (name, tensor, whether it is optional in a state_dict) of all saved tensors."""
        for name, p in self._parameters.items():
            if p is not None:
                yield prefix + name, p, False
        for name, b in self._buffers.items():
            if b is not None and name not in self._transient:
                yield prefix + name, b, name in self.optional_state
        for name, child in self.named_children():
            yield from child._state(f"{prefix}{name}.")

    def state_dict(self) -> dict[str, Tensor]:
        """{dotted name: Tensor} of parameters and persistent buffers; the Tensors share the module's arrays."""
        return {name: tensor.detach() for name, tensor, _ in self._state()}

    def load_state_dict(self, state_dict: Mapping[str, TensorLike], strict: bool = True) -> LoadResult:
        """Copy Tensors or arrays by name into this module, all of them or, if an error is raised, none.

        Raises RuntimeError with all names that are missing, unexpected (both only if `strict`) or of another shape. Returns the
        missing and the unexpected names.
        """
        return copy_state(self, state_dict, strict)

    # -- printing ----------------------------------------------------------------------------------------------------

    def extra_repr(self) -> str:
        """The text between the parentheses of `repr`."""
        return ""

    def __repr__(self) -> str:
        lines = [f"({name}): " + repr(child).replace("\n", "\n  ") for name, child in self._modules.items()]
        extra = self.extra_repr()
        if not lines:
            return f"{type(self).__name__}({extra})"
        return f"{type(self).__name__}(\n  " + "\n  ".join([*extra.splitlines(), *lines]) + "\n)"
