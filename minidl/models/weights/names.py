"""Names of weights in checkpoints: finding the state dictionary, removing prefixes, comparing names."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from ...typing import Array

# Keys under which training scripts save weights; averaged weights first, since published scores are those of the average.
BRANCHES = (
    "ema",
    "model_ema",
    "ema_state_dict",
    "state_dict",
    "model",
    "model_state",
    "model_state_dict",
    "net",
    "weights",
)
PREFIXES = ("module.", "model.", "_orig_mod.", "net.")  # DataParallel, Lightning, torch.compile, wrappers


def find_state_dict(tree: Any) -> tuple[dict[str, Array], list[str]]:
    """({name: array}, messages) from a checkpoint's tree of dictionaries; empty where it contains no weights."""
    path: list[str] = []
    for _ in range(4):
        if not isinstance(tree, Mapping):
            return {}, []
        branch = next((name for name in BRANCHES if _holds_arrays(tree.get(name))), None)
        if branch is None:
            break
        path.append(branch)
        tree = tree[branch]
    arrays = {name: value for name, value in tree.items() if isinstance(name, str) and isinstance(value, np.ndarray)}
    said = [f"weights found under {' > '.join(map(repr, path))}"] if path else []
    return arrays, said if arrays else []


def _holds_arrays(tree: Any, depth: int = 3) -> bool:
    if not isinstance(tree, Mapping) or depth == 0:
        return False
    return any(isinstance(v, np.ndarray) or _holds_arrays(v, depth - 1) for v in tree.values())


def without_prefixes(arrays: Mapping[str, Array], own: Iterable[str]) -> tuple[dict[str, Array], list[str]]:
    """(the arrays without a prefix that all of them have and none of the model's `own` names has, messages)."""
    own, arrays, taken = set(own), dict(arrays), ""
    while arrays:
        prefix = next((p for p in PREFIXES if all(name.startswith(p) for name in arrays)), None)
        if prefix is None or any(name.startswith(prefix) for name in own):
            break
        arrays = {name[len(prefix) :]: array for name, array in arrays.items()}
        taken += prefix
    return arrays, [f"the prefix {taken!r} was taken off all names"] if taken else []


def differences(own: Mapping[str, tuple[int, ...]], given: Mapping[str, tuple[int, ...]], max_rows: int = 6) -> str:
    """A table of the differences between a model's and a file's names and shapes; missing names with the closest one."""
    missing = [name for name in own if name not in given and not name.endswith("num_batches_tracked")]
    spare = [name for name in given if name not in own and not name.endswith("num_batches_tracked")]
    misshapen = [name for name in own if name in given and own[name] != given[name]]
    lines = [f"{len(missing)} missing, {len(spare)} unexpected, {len(misshapen)} of another shape"]
    rows = [(f"{name} {own[name]}", f"{name} {given[name]}") for name in misshapen]
    for name in missing:
        near = difflib.get_close_matches(name, spare[:2000], n=1, cutoff=0.5) if len(rows) < max_rows else []
        rows.append((f"{name} {own[name]}", f"{near[0]} {given[near[0]]}?" if near else "nothing like it"))
        spare = [other for other in spare if other not in near]
    rows += [("nothing like it", f"{name} {given[name]}") for name in spare]
    width = max((len(left) for left, _ in rows[:max_rows]), default=0)
    lines += [f"  model: {left:{width}}   file: {right}" for left, right in rows[:max_rows]]
    if len(rows) > max_rows:
        lines.append(f"  and {len(rows) - max_rows} more")
    return "\n".join(lines)
