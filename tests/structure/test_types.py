"""The methods of Tensor that are declared for type checkers are those that exist, with the same parameters."""

import inspect

import pytest

from minidl import Tensor
from minidl import functional as F
from minidl.autograd.tensor_methods import TensorMethods

DECLARED = {name for name, value in vars(TensorMethods).items() if callable(value) or isinstance(value, property)}
OWN = {"__init__", "__hash__"}


def parameters(function):
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.VAR_POSITIONAL)
    return [
        (p.kind if p.kind in kinds else p.name, p.default)
        for p in list(inspect.signature(function).parameters.values())[1:]
    ]


def test_every_attached_method_is_declared():
    """What `functional`, `engine` and `dlpack` attach was not written in the class Tensor itself."""
    attached = {n for n, v in vars(Tensor).items() if getattr(v, "__module__", "").split(".")[1:2] == ["functional"]}
    assert attached | {"backward", "__dlpack__", "__dlpack_device__", "T", "mT"} == DECLARED
    assert {"relu", "sum", "reshape", "to", "__add__", "__getitem__"} <= attached


@pytest.mark.parametrize("name", sorted(n for n in DECLARED if n not in ("T", "mT")))
def test_declared_parameters_are_the_real_ones(name):
    declared, real = parameters(getattr(TensorMethods, name)), parameters(getattr(Tensor, name))
    assert len(declared) == len(real)
    for (kind, default), (real_kind, real_default) in zip(declared, real):
        assert default == real_default
        if isinstance(kind, str):
            assert kind == real_kind


def test_primitives_say_what_callers_may_pass():
    signature = inspect.signature(F.exp)
    assert str(signature) == "(x: 'Operand') -> 'Tensor'"
