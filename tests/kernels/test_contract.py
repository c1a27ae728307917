"""The three columns hold the kernel table as `minidl.kernels.contract` writes it down."""

import inspect

import minidl.kernels
import numpy as np
import pytest
from kernel_cases import CASES
from minidl.kernels import cpu, cuda, reference
from minidl.kernels.contract import ROWS, TABLE, Array

COLUMNS = {"reference": reference, "cpu": cpu, "cuda": cuda}


@pytest.mark.parametrize("column", COLUMNS)
def test_every_column_has_the_rows_with_their_parameters_in_order(column):
    for name, row in ROWS.items():
        function = getattr(COLUMNS[column], name)
        assert list(inspect.signature(function).parameters) == list(row.parameters), name
        assert len(row.parameters) <= 8
        assert function.__doc__, f"{column}.{name} has no docstring"


@pytest.mark.parametrize("column", COLUMNS)
def test_no_column_has_a_public_function_that_is_not_in_the_table(column):
    functions = {k: v for k, v in vars(COLUMNS[column]).items() if inspect.isfunction(v) and not k.startswith("_")}
    assert {k for k, v in functions.items() if ".runtime." not in v.__module__} == set(ROWS)


def test_the_words_of_the_package_name_every_row_with_its_parameters():
    for name, row in ROWS.items():
        assert f"{name}({', '.join(row.parameters)})" in minidl.kernels.__doc__, name


def test_names_stand_once_and_an_adjoint_names_another_row():
    assert len(ROWS) == len(TABLE)
    assert all(row.adjoint_of is None or row.adjoint_of in ROWS for row in TABLE)


def fits(dtype, declared, real):
    """Whether an array's dtype is the declared one; `real` is the dtype of the call."""
    kinds = {"any": "fiu", "integer": "iu"}
    return dtype.kind in kinds[declared] if declared in kinds else dtype == (real if declared == "real" else declared)


def bind(axes, shape, lengths, where):
    """Lengths of the axes' names, which must be the same wherever a name stands."""
    names = axes.split()
    if "..." in names:
        names = names[: names.index("...")]
    else:
        assert len(names) == len(shape), where
    for axis, n in zip(names, shape):
        assert n == (int(axis) if axis.isdigit() else lengths.setdefault(axis, n)), f"{where}: axis {axis}"


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", sorted(ROWS))
def test_shapes_and_dtypes_are_the_tables(column, name, dtype):
    for seed in range(8):
        row, arguments = ROWS[name], CASES[name](np.random.default_rng(seed), dtype)
        results = getattr(column, name)(*arguments)
        results = () if not row.results else results if len(row.results) > 1 else (results,)
        assert len(arguments) == len(row.parameters) and len(results) == len(row.results)
        lengths = {}
        for where, declared, value in zip(
            (*row.parameters, *("result" for _ in results)),
            (*row.parameters.values(), *row.results),
            (*arguments, *results),
        ):
            if isinstance(declared, Array) and not (value is None and declared.optional):
                assert fits(value.dtype, declared.dtype, dtype), f"{name}: {where} is {value.dtype}"
                bind(declared.axes, value.shape, lengths, f"{name}: {where}")
