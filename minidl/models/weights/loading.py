"""Loading of weight files into a model by name: all weights, all but the last layers, or the backbone alone."""

from __future__ import annotations

from collections.abc import Mapping

from ... import nn
from ...train import checkpoint
from ...train.checkpoint import CheckpointError
from ...typing import Array, PathLike
from .names import differences, find_state_dict, without_prefixes
from .pth import is_pth, read_pth
from .tflite import MAGIC, read_tflite


def read_weights(path: PathLike) -> tuple[dict[str, Array], list[str]]:
    """({name: array}, messages about how they were found) of a safetensors file, a PyTorch checkpoint (.pth, .pt)
    or a TensorFlow Lite file (.tflite).

    bfloat16 becomes float32. A checkpoint's weights are looked for under the names that training scripts use
    (`state_dict`, `model`, `model_state`, `ema`, ...). Nothing in the file is executed. Raises FileNotFoundError, or
    CheckpointError for a damaged file or one without weights.
    """
    with open(path, "rb") as file:
        start = file.read(9)
    if start[4:8] == MAGIC:
        return read_tflite(path), []
    if not is_pth(start):
        return checkpoint.load(path)[0], []
    arrays, said = find_state_dict(read_pth(path))
    if not arrays:
        raise CheckpointError(f"{path} holds no dictionary of named weights")
    return arrays, said


def load_weights(model: nn.Module, path: PathLike, new_head: bool = False) -> list[str]:
    """Load a safetensors or PyTorch file into `model` by name; returns the names not loaded. An error changes nothing.

    Names and shapes must agree, but for a prefix that all names of the file share (`module.`, `model.`, `_orig_mod.`, `net.`).
    With `new_head`, entries that differ only in the number of classes (an axis is the file's number of classes, or a multiple,
    where the model has `model.num_classes`) keep the model's own values; their names are returned. An auxiliary head that the
    model lacks is then ignored. Raises FileNotFoundError; CheckpointError for a damaged file or another format, or for weights
    of another architecture, with the names that differ.
    """
    return load_arrays(model, read_weights(path)[0], path, new_head)


def load_arrays(model: nn.Module, arrays: Mapping[str, Array], path: PathLike, new_head: bool = False) -> list[str]:
    """`load_weights` for arrays that are already read; errors name `path`."""
    arrays, _ = _named_for(model, arrays)
    if new_head and getattr(model, "aux_classifier", False) is None:
        arrays = {name: a for name, a in arrays.items() if not name.startswith("aux_classifier.")}
    own = {name: tensor.shape for name, tensor in model.state_dict().items()}
    given = {name: array.shape for name, array in arrays.items()}
    _check_kinds(arrays, path)
    shared = own.keys() & given.keys()
    count, heads = class_axes(model, own, given)
    misshapen = [name for name in shared if own[name] != given[name] and name not in heads]
    strange = [name for name in own.keys() ^ given.keys() if not name.endswith("num_batches_tracked")]
    if strange or misshapen:
        _hint_aux(model, arrays, path)
        raise CheckpointError(f"{path} is not of this {type(model).__name__}: {differences(own, given)}")
    if heads and not new_head:
        name = heads[0]
        raise CheckpointError(
            f"{path} was trained for {count} classes, this {type(model).__name__} has {model.num_classes} "
            f"({name} is {given[name]}; needed {own[name]}); pass new_head=True to load the rest"
        )
    state = model.state_dict()
    kept = set(heads) | {name for name in own if name not in given}  # counters of batches, which some files lack
    checkpoint.fill(model, {name: state[name].data if name in kept else arrays[name] for name in own}, path)
    return heads


def load_backbone(model: nn.Module, path: PathLike) -> list[str]:
    """Load a classifier's weights from `path` into `model.backbone` by name; returns the names that the backbone lacks.

    These are the classifier's last layers. Raises FileNotFoundError; CheckpointError where a weight of the backbone is missing
    in the file or has another shape, and then nothing is changed.
    """
    backbone = model.backbone.body if hasattr(model.backbone, "body") else model.backbone  # detectors: body and pyramid
    arrays, _ = _named_for(backbone, read_weights(path)[0])
    state = backbone.state_dict()
    _check_kinds(arrays, path)
    own, given = ({name: a.shape for name, a in side.items()} for side in (state, arrays))
    wanted = [name for name in own if name in given or not name.endswith("num_batches_tracked")]
    if any(given.get(name) != own[name] for name in wanted):
        inside = {
            name: shape
            for name, shape in given.items()
            if name in own or name.split(".")[0] not in ("fc", "classifier")
        }
        raise CheckpointError(f"{path} is not of this backbone, {type(backbone).__name__}: {differences(own, inside)}")
    checkpoint.fill(backbone, {name: arrays.get(name, state[name].data) for name in own}, path)
    return [name for name in arrays if name not in own]


def _named_for(model, arrays):
    """(the arrays under the names of `model`, messages about changed names)."""
    renamed = getattr(model, "current_name", str)  # for published files with other names
    arrays, said = without_prefixes(arrays, model.state_dict())
    return {renamed(name): array for name, array in arrays.items()}, said


def _check_kinds(arrays, path):
    for name, array in arrays.items():
        if array.dtype.kind != "f" and not name.endswith("num_batches_tracked"):
            raise CheckpointError(f"{path}: {name} holds {array.dtype} numbers; weights are floating")


def class_axes(
    model: nn.Module, own: Mapping[str, tuple[int, ...]], given: Mapping[str, tuple[int, ...]]
) -> tuple[int | None, list[str]]:
    """(the file's number of classes, names of the scoring layers whose shapes differ only in it).

    Such a layer has the number of classes, or a multiple of it (four sides of a box for each class), on any axis.
    """
    K = getattr(model, "num_classes", None)
    differing = [n for n in own if n in given and own[n] != given[n] and len(own[n]) == len(given[n])]
    count = next((given[n][0] for n in differing if own[n][0] == K and given[n][0] != K), None)
    if count is None:
        return None, []

    def fits(a, b):
        return a == b or (a % K == 0 and b == a // K * count)

    return count, [n for n in differing if all(map(fits, own[n], given[n]))]


def _hint_aux(model, arrays, path):
    aux = any(name.startswith("aux_classifier.") for name in arrays)
    if aux and getattr(model, "aux_classifier", False) is None:
        raise CheckpointError(f"{path} has an auxiliary head, this {type(model).__name__} has none; pass aux_loss=True")
