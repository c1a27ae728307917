"""The library's random generator, for initialisation and dropout; checkpoints store its state."""

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
    """Restart the generator from `seed`."""
    _generator.bit_generator.state = np.random.default_rng(seed).bit_generator.state


def get_rng_state() -> Mapping[str, Any]:
    """The generator's state, as a dictionary of plain numbers (JSON can hold it)."""
    return _generator.bit_generator.state


def set_rng_state(state: Mapping[str, Any]) -> None:
    """Restore a state from `get_rng_state`."""
    _generator.bit_generator.state = state
