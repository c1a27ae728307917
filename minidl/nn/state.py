"""Loading a state dictionary: everything is compared before anything is written."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Mapping
from typing import Any

from ..autograd.tape import touch
from ..autograd.tensor import Tensor
from ..backend import asarray, like
from ..typing import TensorLike

LoadResult = namedtuple("LoadResult", "missing_keys unexpected_keys")


def copy_state(module: Any, state_dict: Mapping[str, TensorLike], strict: bool) -> LoadResult:
    """Implementation of `Module.load_state_dict`."""
    own = {name: tensor for name, tensor, _ in module._state()}
    optional = {name for name, _, may_lack in module._state() if may_lack}
    arrays = {name: v.data if isinstance(v, Tensor) else asarray(v) for name, v in state_dict.items()}
    missing = [name for name in own if name not in arrays and name not in optional]
    unexpected = [name for name in arrays if name not in own]
    errors = [f"missing: {name}" for name in missing if strict]
    errors += [f"unexpected: {name}" for name in unexpected if strict]
    for name in own:
        if name in arrays and (arrays[name].shape != own[name].shape or not _same_kind(arrays[name], own[name])):
            came = f"{arrays[name].dtype} of shape {arrays[name].shape}"
            errors.append(f"misshapen: {name} is {came}; needed {own[name].dtype} of shape {own[name].shape}")
    if errors:
        raise RuntimeError(f"load_state_dict of {type(module).__name__}: nothing was loaded\n  " + "\n  ".join(errors))
    for name in own.keys() & arrays.keys():
        own[name].data[...] = like(arrays[name], own[name].data)
        touch(own[name].data)
    return LoadResult(missing, unexpected)


def _same_kind(came, own):
    """Whether both dtypes are floating, or both integer, so that one array can replace the other."""
    return came.dtype.kind in ("f" if own.dtype.kind == "f" else "biu")
