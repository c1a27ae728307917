"""The option --weights: opens the network of a published name, a file of weights, an ONNX file or a run, for inference."""

import os
import sys
from pathlib import Path

from .. import building, printable
from .options import complete

HELP = "published weights by name (`minidl weights` lists them), a .pth, safetensors or ONNX file, or a run folder"


def add_weights(parser, text="instead of RUN"):
    """The options --weights and --arch."""
    parser.add_argument("--weights", metavar="NAME|FILE", help=f"{text}: {HELP}")
    parser.add_argument("--arch", metavar="NAME", help="the network of --weights where the file does not tell")


def resolve(weights):
    """The file or folder of --weights; published weights are downloaded unless they are in the cache."""
    from ...models.weights import PUBLISHED, entry_of, fetch_weights, weights_folder

    if os.path.exists(weights):
        return Path(weights)
    if weights not in PUBLISHED:
        if os.sep in weights or Path(weights).suffix:
            raise FileNotFoundError(f"--weights {weights}: no such file")
        entry_of(weights)
    entry = PUBLISHED[weights]
    if not (weights_folder() / entry.file).is_file():
        print(f"downloading {weights}, {entry.size:.0f} MiB, {entry.url}", file=sys.stderr)
    return fetch_weights(weights)


def open_network(weights, arch=None):
    """(network in evaluation mode, settings as a run's config, where its weights are) of --weights and --arch."""
    path = resolve(weights)
    if path.is_dir():
        return building.open_run(path)
    if path.suffix.lower() == ".onnx":
        if arch is not None:
            raise ValueError(f"--arch {arch} has no effect: {path} is a network of its own")
        return (*open_onnx(path), path)
    if arch is None and _is_run(path):
        return building.open_run(path)
    from ...models.weights import PUBLISHED, open_weights

    opened = open_weights(path, arch or (weights if weights in PUBLISHED else None))
    for line in opened.said:
        print(f"{path.name}: {printable(line)}", file=sys.stderr)
    return opened.model, complete(opened.config), path


def _is_run(path):
    """Whether a safetensors file is a checkpoint of `minidl train`, which says what network it is of."""
    from ...models.weights.pth import is_pth
    from ...models.weights.tflite import MAGIC
    from ...train import checkpoint

    with open(path, "rb") as file:
        start = file.read(9)
    if is_pth(start) or start[4:8] == MAGIC:
        return False
    return "config" in checkpoint.load(path)[1]


def open_onnx(path):
    """(network, settings) of an ONNX file; class names and normalisation are those in its metadata, else said to be assumed."""
    from ...data import voc_palette
    from ...export.metadata import from_metadata
    from ...onnx_import import OnnxSegmenter, load_onnx

    model = OnnxSegmenter(load_onnx(path)).eval()
    found = from_metadata(model.network.metadata, str(path))
    count = model.num_classes
    names = ["background", "foreground"] if model.binary else [f"class {k}" for k in range(count)]
    if len(found.get("classes", names)) != count:
        raise ValueError(f"{path}: its metadata names {len(found['classes'])} classes, its output has {count}")
    config = {"model": path.name, "model_options": {}, "classes": names, "colors": voc_palette(count).tolist()}
    config |= {"size": None, "image_format": {"channels": model.input_channels}} | found
    if "normalization" not in found:
        print(f"{path.name} does not say how images are normalised: ImageNet's mean and deviation", file=sys.stderr)
    config |= {"size": list(model.fixed), "shorter_side": None} if model.fixed else {"multiple": model.multiple}
    return model, complete(config)
