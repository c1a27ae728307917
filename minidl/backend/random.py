"""The library's one random generator: initialisation and dropout draw from it, checkpoints store it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from .cuda import refuse

_generator = np.random.default_rng(0)


def generator() -> np.random.Generator:
    """The NumPy Generator in use."""
    refuse("the step draws random numbers on the CPU (dropout)")
    return _generator


def manual_seed(seed: int) -> None:
    """Start the generator again from `seed`."""
    _generator.bit_generator.state = np.random.default_rng(seed).bit_generator.state


def get_rng_state() -> Mapping[str, Any]:
    """The generator's state, as a dictionary of plain numbers (JSON can hold it)."""
    return _generator.bit_generator.state


def set_rng_state(state: Mapping[str, Any]) -> None:
    """Continue from a state that `get_rng_state` gave."""
    _generator.bit_generator.state = state
