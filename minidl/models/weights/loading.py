"""Weights that others published: loaded by name, with what the networks expect of an image and what their classes are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ... import nn
from ...data.voc import CLASSES as VOC_CLASSES
from ...train import checkpoint
from ...train.checkpoint import CheckpointError
from ...typing import Array, PathLike
from .names import differences, find_state_dict, without_prefixes
from .pth import is_pth, read_pth


def read_weights(path: PathLike) -> tuple[dict[str, Array], list[str]]:
    """({name: array}, what was done to find them) of a safetensors file or a PyTorch checkpoint (.pth, .pt).

    bfloat16 becomes float32. A checkpoint's weights are looked for under the names that training scripts use
    (`state_dict`, `model`, `model_state`, `ema`, ...). Nothing in the file is executed. Raises FileNotFoundError, or
    CheckpointError for a damaged file or one without weights.
    """
    with open(path, "rb") as file:
        start = file.read(8)
    if not is_pth(start):
        return checkpoint.load(path)[0], []
    arrays, said = find_state_dict(read_pth(path))
    if not arrays:
        raise CheckpointError(f"{path} holds no dictionary of named weights")
    return arrays, said


def load_weights(model: nn.Module, path: PathLike, new_head: bool = False) -> list[str]:
    """Load a safetensors or PyTorch file into `model` by name, all of it or, with an error, nothing; returns the names left.

    Names and shapes must agree, but for a prefix that all names of the file share (`module.`, `model.`, `_orig_mod.`, `net.`).
    With `new_head`, entries that differ only in the number of classes (an axis is the file's number of classes, or a multiple,
    where the model has `model.num_classes`) keep the model's own values; their names are returned. Raises FileNotFoundError;
    CheckpointError for a truncated or foreign file, or weights of another architecture, with the names that differ.
    """
    arrays, _ = _named_for(model, read_weights(path)[0])
    own = {name: tensor.shape for name, tensor in model.state_dict().items()}
    given = {name: array.shape for name, array in arrays.items()}
    _check_kinds(arrays, path)
    shared = own.keys() & given.keys()
    count, heads = _heads(model, own, given)
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
    kept = set(heads) | {name for name in own if name not in given}  # counters of batches that older files lack
    checkpoint.fill(model, {name: state[name].data if name in kept else arrays[name] for name in own}, path)
    return heads


def _named_for(model, arrays):
    """The arrays under the names that `model` has today, and what was done to get there."""
    renamed = getattr(model, "current_name", str)  # where a published file has other names than the model has today
    arrays, said = without_prefixes(arrays, model.state_dict())
    return {renamed(name): array for name, array in arrays.items()}, said


def _check_kinds(arrays, path):
    for name, array in arrays.items():
        if array.dtype.kind != "f" and not name.endswith("num_batches_tracked"):
            raise CheckpointError(f"{path}: {name} holds {array.dtype} numbers; weights are floating")


def _heads(model, own, given):
    """(the file's number of classes, names of the layers of scores whose shapes differ by it alone).

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


@dataclass(frozen=True)
class Published:
    """What a published network expects: images of about `shorter_side` pixels, normalised by ImageNet's mean and std."""

    classes: tuple
    shorter_side: int = 520  # torchvision's evaluation preset


VOC = Published(tuple(VOC_CLASSES))
PUBLISHED = {"fcn_resnet50": VOC, "deeplabv3_resnet50": VOC, "deeplabv3_resnet101": VOC}


def open_published(arch: str, path: PathLike) -> tuple[nn.Module, dict[str, Any]]:
    """(model in evaluation mode, settings as a run's config) of torchvision's network `arch` with the weights in `path`.

    The number of classes and the auxiliary head are read from the file; with another number than the published one
    the classes are called "class 0", "class 1", ...
    """
    from ... import models
    from ...data import voc_palette

    if arch not in PUBLISHED:
        raise ValueError(f"--arch {arch}: published weights are known for {', '.join(PUBLISHED)}")
    known = PUBLISHED[arch]
    if not Path(path).is_file():
        raise FileNotFoundError(f"{path} is not a file")
    arrays, _ = without_prefixes(read_weights(path)[0], ["backbone.conv1.weight"])
    head = arrays.get("classifier.4.weight")
    count = len(known.classes) if head is None or head.ndim != 4 else len(head)
    classes = known.classes if count == len(known.classes) else tuple(f"class {k}" for k in range(count))
    aux = any(name.startswith("aux_classifier.") for name in arrays)
    model = getattr(models, arch)(count, aux_loss=aux)
    load_weights(model, path)
    config = {"model": arch, "classes": list(classes), "colors": np.asarray(voc_palette(256))[:count].tolist()}
    return model.eval(), config | {"size": None, "shorter_side": known.shorter_side}
