"""Weights that others published: loaded by name, with what the networks expect of an image and what their classes are.

Files are safetensors. A .pth becomes one with the user's own PyTorch, see README.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import nn
from ..data.voc import CLASSES as VOC_CLASSES
from ..train import checkpoint
from ..train.checkpoint import CheckpointError
from ..typing import PathLike


def load_weights(model: nn.Module, path: PathLike, new_head: bool = False) -> list[str]:
    """Load a safetensors file into `model` by name: all of it or, if an error is raised, nothing. Returns the names left.

    Names and shapes must agree. With `new_head`, entries that differ only in the number of classes (their first axis is
    the file's number of classes where the model has `model.num_classes`) keep the model's own values; their names are
    returned. Raises FileNotFoundError; CheckpointError for a truncated or foreign
    file, or weights of another architecture, with the first names that differ.
    """
    arrays, _ = checkpoint.load(path)
    renamed = getattr(model, "current_name", str)  # where a published file has other names than the model has today
    arrays = {renamed(name): array for name, array in arrays.items()}
    own = model.state_dict()
    shared = own.keys() & arrays.keys()
    heads = [name for name in own if name in shared and _other_classes(model, own[name].shape, arrays[name].shape)]
    misshapen = [name for name in shared if own[name].shape != arrays[name].shape and name not in heads]
    strange = [name for name in own.keys() ^ arrays.keys() if not name.endswith("num_batches_tracked")]
    if heads and not new_head and not misshapen and not strange:
        name = heads[0]
        raise CheckpointError(
            f"{path} was trained for {arrays[name].shape[0]} classes, this {type(model).__name__} has {model.num_classes} "
            f"({name} is {arrays[name].shape}; needed {own[name].shape}); pass new_head=True to load the rest"
        )
    _hint_aux(model, arrays, path)
    kept = heads if new_head else []
    checkpoint.fill(model, arrays | {name: own[name].data for name in kept}, path)
    return kept


def _other_classes(model, own, given):
    """Whether two shapes are those of one scoring layer for different numbers of classes."""
    return len(own) == len(given) > 0 and own[0] == model.num_classes != given[0] and own[1:] == given[1:]


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
    """(model in evaluation mode, settings as a run's config) of torchvision's network `arch` with the weights in `path`."""
    from .. import models
    from ..data import voc_palette

    if arch not in PUBLISHED:
        raise ValueError(f"--arch {arch}: published weights are known for {', '.join(PUBLISHED)}")
    known = PUBLISHED[arch]
    if not Path(path).is_file():
        raise FileNotFoundError(f"{path} is not a file")
    aux = any(name.startswith("aux_classifier.") for name in checkpoint.load(path)[0])
    model = getattr(models, arch)(len(known.classes), aux_loss=aux)
    load_weights(model, path)
    config = {"model": arch, "classes": list(known.classes), "colors": voc_palette(len(known.classes)).tolist()}
    return model.eval(), config | {"size": None, "shorter_side": known.shorter_side}
