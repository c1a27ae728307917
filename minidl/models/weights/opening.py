"""Builds the network of a weight file: recognises the constructor, number of classes, width and auxiliary head."""

from __future__ import annotations

import inspect
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ... import nn
from ...typing import Array, PathLike
from .loading import class_axes, load_arrays, read_weights
from .names import without_prefixes
from .published import PUBLISHED

# (network, parameters that distinguish it from the networks below), by the names in published files.
SIGNS = (
    ("maskrcnn_resnet50_fpn", ("roi_heads.mask_predictor.mask_fcn_logits.weight", "backbone.body.layer3.5.conv3.weight")),
    ("fasterrcnn_resnet50_fpn", ("roi_heads.box_predictor.cls_score.weight", "backbone.body.layer3.5.conv3.weight")),
    ("deeplabv3_resnet101", ("classifier.0.convs.0.0.weight", "backbone.layer3.22.conv3.weight")),
    ("deeplabv3_resnet50", ("classifier.0.convs.0.0.weight", "backbone.layer3.5.conv3.weight")),
    ("fcn_resnet101", ("classifier.4.weight", "backbone.layer3.22.conv3.weight")),
    ("fcn_resnet50", ("classifier.4.weight", "backbone.layer3.5.conv3.weight")),
    ("selfie_segmentation", ("conv2d_42.weight", "depthwise_conv2d_10.weight", "segment.weight")),
    ("resnet101", ("layer3.22.conv3.weight",)),
    ("resnet50", ("layer3.5.conv3.weight",)),
    ("resnet34", ("layer3.5.conv1.weight",)),
    ("resnet18", ("layer4.1.conv1.weight",)),
    ("vgg16_bn", ("features.40.weight", "classifier.6.weight")),
    ("vgg16", ("features.28.weight", "classifier.6.weight")),
    ("alexnet", ("features.10.weight", "classifier.6.weight")),
    ("mobilenet_v2", ("features.18.0.weight", "classifier.1.weight")),
    ("shufflenet_v2_x0_5", ("stage4.3.branch2.6.weight", "conv5.0.weight")),
)  # fmt: skip


@dataclass(frozen=True)
class Opened:
    """A network in evaluation mode with its weights, its settings as in a run's config.json, and messages about the file."""

    model: nn.Module
    config: dict[str, Any]
    said: list[str]


def network_of(shapes: Mapping[str, tuple[int, ...]]) -> str | None:
    """The constructor in `minidl.models` of one of torchvision's networks with these parameters; None for other networks."""
    for network, names in SIGNS:
        if all(name in shapes for name in names):
            wide = network == "shufflenet_v2_x0_5" and shapes["conv5.0.weight"][1:2] != (192,)
            return "shufflenet_v2_x1_0" if wide else network
    return None


def open_weights(path: PathLike, arch: str | None = None) -> Opened:
    """The network of the weights in `path`, a safetensors or PyTorch file, with these weights loaded.

    arch: its constructor in `minidl.models`; torchvision's are recognised. The number of classes, the auxiliary head,
    the width and the channels of the images are read from the file. Classes have torchvision's names where their number is
    that of the published weights, else they are called "class 0", "class 1", ... Raises FileNotFoundError; ValueError where
    the network is unknown; CheckpointError for a damaged file or other names and shapes than the network's.
    """
    from ... import models

    arrays, said = read_weights(path)
    known = (*models.NETWORKS, *models.DETECTORS, *models.CLASSIFIERS)
    if arch is None:
        plain, taken = without_prefixes(arrays, ())
        if (arch := network_of({name: array.shape for name, array in plain.items()})) is None:
            first = ", ".join(list(plain)[:3])
            raise ValueError(
                f"{os.fspath(path)}: no network here is recognised by the names {first}, ...; needed --arch NAME"
            )
        said = [*said, *taken, f"recognised as {arch}"]
    elif arch not in known:
        raise ValueError(f"--arch {arch}: there is no such network; there are {', '.join(known)}")
    model, options = _fitting(getattr(models, arch), arrays)
    load_arrays(model, arrays, path)
    return Opened(model.eval(), settings(arch, model, options), said)


def settings(arch: str, model: nn.Module, options: dict[str, Any]) -> dict[str, Any]:
    """The settings of published weights in the form of a run's config.json: format of images, normalisation, classes."""
    from ... import models
    from ...data import voc_palette

    count, entry = int(model.num_classes), PUBLISHED.get(arch)
    names = entry.classes if entry is not None and len(entry.classes) == count else [f"class {k}" for k in range(count)]
    config: dict[str, Any] = {
        "model": arch,
        "model_options": {n: v for n, v in options.items() if n != "num_classes"},
        "size": None,
    }
    config |= {"classes": list(names), "colors": np.asarray(voc_palette(max(count, 2)))[:count].tolist()}
    config |= {"task": "detection" if arch in models.DETECTORS else "segmentation"}
    if entry is not None:
        config |= {"license": entry.license} | entry.seen
    if options.get("in_channels", 3) != 3:
        config["image_format"] = {"channels": options["in_channels"]}
    return config


def _fitting(build, arrays: Mapping[str, Array]):
    """(a network of `build` with the shapes in the file, as far as its options allow, the options)."""
    parameters = inspect.signature(build).parameters
    options: dict[str, Any] = {}
    if "aux_loss" in parameters:
        options["aux_loss"] = any("aux_classifier." in name or name.startswith("aux.") for name in arrays)
    if "norm_eps" in parameters:
        options["norm_eps"] = 0.0  # torchvision's, of its published weights and of what is trained on from them
    model = build(**options)
    own = {name: tensor.shape for name, tensor in model.state_dict().items()}
    plain, _ = without_prefixes(arrays, own)
    given = {getattr(model, "current_name", str)(name): array.shape for name, array in plain.items()}
    first = next(iter(own))
    more = {"num_classes": class_axes(model, own, given)[0]}
    if len(given.get(first, ())) == 4:
        more |= {"base": given[first][0], "in_channels": given[first][1], "width_mult": given[first][0] / 32}
    if any(name.endswith("running_mean") for name in given):
        more["batch_norm"] = True
    defaults = {name: p.default for name, p in parameters.items()}
    changed = {n: v for n, v in more.items() if n in parameters and v is not None and v != defaults[n]}
    return (build(**options | changed) if changed else model), options | changed
