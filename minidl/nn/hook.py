"""Hooks: functions that a module calls before or after its forward."""

from __future__ import annotations

import itertools
from collections.abc import Callable, MutableMapping
from typing import Any


class Hook:
    """Handle of a registered hook: `remove()`, or the end of a `with` block, removes the hook."""

    _count = itertools.count()

    def __init__(self, hooks: MutableMapping[int, Callable[..., Any]], function: Callable[..., Any]) -> None:
        self.hooks, self.key = hooks, next(self._count)
        hooks[self.key] = function

    def remove(self) -> None:
        """Remove the hook; no effect if it is already removed."""
        self.hooks.pop(self.key, None)

    def __enter__(self) -> Hook:
        return self

    def __exit__(self, *error: object) -> None:
        self.remove()
