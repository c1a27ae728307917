"""Modules that hold modules: in sequence, in a list, under names."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import ItemsView, Iterable, Iterator, KeysView, Mapping, ValuesView
from itertools import groupby
from typing import Any, Self

from ..autograd.tensor import Tensor
from .activation import ReLU, ReLU6
from .module import Module
from .norm import BatchNorm2d


class Identity(Module):
    """Returns its input: a placeholder for a layer."""

    def forward(self, input: Tensor) -> Tensor:
        return input


class _Indexed(Module):
    """Children under the names "0", "1", ... (or those of an OrderedDict), reached by position."""

    def _name(self, index):
        names = list(self._modules)
        try:
            return names[index]
        except IndexError:
            raise IndexError(f"{type(self).__name__}: index {index} is outside its {len(names)} modules") from None

    def _renumber(self, modules):
        self._modules.clear()
        for k, module in enumerate(modules):
            self.add_module(str(k), module)

    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return self._like(list(self._modules.items())[index])
        return self._modules[self._name(index)]

    def __setitem__(self, index: int, module: Module) -> None:
        self._register(self._modules, self._name(index), module, Module)

    def __delitem__(self, index: int | slice) -> None:
        for name in list(self._modules)[index] if isinstance(index, slice) else [self._name(index)]:
            del self._modules[name]
        if all(name.isdigit() for name in self._modules):
            self._renumber(list(self))

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[Module]:
        return iter(self._modules.values())

    def append(self, module: Module) -> Self:
        """Add a module at the end."""
        self.add_module(str(len(self)), module)
        return self

    def extend(self, modules: Iterable[Module]) -> Self:
        """Add modules at the end."""
        for module in list(modules):
            self.append(module)
        return self

    def insert(self, index: int, module: Module) -> Self:
        """Add a module before position `index`; the names become positions again."""
        modules = list(self)
        modules.insert(index, module)
        self._renumber(modules)
        return self


class Sequential(_Indexed):
    """Modules called one after another, each on what the one before it returned.

    Takes modules, or one OrderedDict of them. A BatchNorm2d directly followed by a ReLU or ReLU6 runs as one pass over the
    data (`F.batch_norm(relu=True)`), with the same result, unless one of the two has a hook.
    """

    def __init__(self, *modules: Module | OrderedDict[str, Module]) -> None:
        super().__init__()
        named: Any = enumerate(modules)
        if len(modules) == 1 and isinstance(modules[0], OrderedDict):
            named = modules[0].items()
        for name, module in named:
            self.add_module(str(name), module)

    def _like(self, items):
        return Sequential(OrderedDict(items))

    def forward(self, input: Tensor) -> Tensor:
        layers = [*self, None]
        k = 0
        while layers[k] is not None:
            fused = _fusible(layers[k], layers[k + 1])
            input = layers[k].forward(input, relu=True, ceiling=layers[k + 1].ceiling) if fused else layers[k](input)
            k += 2 if fused else 1
        return input


def _fusible(layer, following):
    pair = type(layer) is BatchNorm2d and type(following) in (ReLU, ReLU6)
    return pair and not (layer._hooks or layer._pre_hooks or following._hooks or following._pre_hooks)


class ModuleList(_Indexed):
    """A list of registered modules; the `forward` of the module that holds it calls them."""

    def __init__(self, modules: Iterable[Module] = ()) -> None:
        super().__init__()
        self.extend(modules)

    def _like(self, items):
        return ModuleList(module for _, module in items)

    def __repr__(self) -> str:
        if not len(self):
            return "ModuleList()"
        lines, start = [], 0
        for text, run in groupby(repr(module).replace("\n", "\n  ") for module in self):
            n = len(list(run))
            lines.append(f"({start}): {text}" if n == 1 else f"({start}-{start + n - 1}): {n} x {text}")
            start += n
        return "ModuleList(\n  " + "\n  ".join(lines) + "\n)"


class ModuleDict(Module):
    """A dictionary of registered modules, in order of insertion."""

    def __init__(self, modules: Mapping[str, Module] | Iterable[tuple[str, Module]] | None = None) -> None:
        super().__init__()
        self.update(modules or {})

    def update(self, modules: Mapping[str, Module] | Iterable[tuple[str, Module]]) -> None:
        """Add modules from a mapping or from (name, module) pairs."""
        for name, module in dict(modules).items():
            self[name] = module

    def __getitem__(self, name: str) -> Module:
        return self._modules[name]

    def __setitem__(self, name: str, module: Module) -> None:
        self._register(self._modules, name, module, Module)

    def __delitem__(self, name: str) -> None:
        del self._modules[name]

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __contains__(self, name: str) -> bool:
        return name in self._modules

    def keys(self) -> KeysView[str]:
        """The names."""
        return self._modules.keys()

    def values(self) -> ValuesView[Module]:
        """The modules."""
        return self._modules.values()

    def items(self) -> ItemsView[str, Module]:
        """(name, module) pairs."""
        return self._modules.items()

    def pop(self, name: str) -> Module:
        """Remove a module and return it."""
        return self._modules.pop(name)

    def clear(self) -> None:
        """Remove all modules."""
        self._modules.clear()
