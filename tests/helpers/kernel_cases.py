"""Drawn arguments for every row of the kernel table, and the comparison of a column with the reference."""

import kernel_cases_dense
import kernel_cases_irregular
import numpy as np
from minidl.kernels import reference
from minidl.kernels.lattice import Lattice

CASES = {
    name.removeprefix("case_"): case
    for module in (kernel_cases_dense, kernel_cases_irregular)
    for name, case in vars(module).items()
    if name.startswith("case_")
}
TOLERANCE = {np.float32: 2e-5, np.float64: 1e-12}
DIFFERENCES = {"normalize_backward"}  # 1 / std is 316 where a channel has one value, and what it multiplies cancels


def arrays(value):
    """Every array in nested tuples, lists and lattices, in order."""
    if isinstance(value, Lattice):
        return [value.vertex, value.weight, value.neighbour]
    if isinstance(value, tuple | list):
        return [a for part in value for a in arrays(part)]
    return [value] if hasattr(value, "dtype") and hasattr(value, "shape") and not isinstance(value, np.generic) else []


def mapped(value, function):
    """The same nest with `function` applied to every array."""
    if isinstance(value, Lattice):
        return Lattice(*(function(a) for a in arrays(value)))
    if hasattr(value, "_fields"):
        return type(value)(*(mapped(part, function) for part in value))
    if isinstance(value, tuple | list):
        return type(value)(mapped(part, function) for part in value)
    return function(value) if isinstance(value, np.ndarray) else value


def largest(a):
    """The largest finite magnitude in a floating array, else 0."""
    return float(np.abs(a[np.isfinite(a)]).max(initial=0)) if a.dtype.kind == "f" else 0.0


def compare(column, name, arguments, array=lambda a: a, back=lambda a: a):
    """A row of the column on `array` of each argument (a copy of it) against the reference on the arguments themselves."""
    ours, theirs = mapped(arguments, lambda a: array(a.copy())), mapped(arguments, np.copy)
    dtype = np.float64 if any(a.dtype == np.float64 for a in arrays(arguments)[:1]) else np.float32
    came, wanted = getattr(column, name)(*ours), getattr(reference, name)(*theirs)
    came, wanted = arrays((came, ours)), arrays((wanted, theirs))
    assert len(came) == len(wanted)
    terms = max(map(largest, arrays(arguments))) if name in DIFFERENCES else 0
    for a, b in zip(came, wanted):
        assert a.dtype == b.dtype and a.shape == b.shape
        scale = max(largest(b), terms, 1) if b.dtype.kind == "f" else 0
        np.testing.assert_allclose(back(a), b, rtol=0, atol=scale * TOLERANCE[dtype])
