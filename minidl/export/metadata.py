"""Metadata of ONNX files: class names, colours, normalisation, licence, image sizes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ..data.transforms.base import MEAN, STD

KEYS = ("model", "classes", "colors", "normalization", "image_format", "size", "shorter_side", "license")


def to_metadata(config: Mapping[str, Any]) -> dict[str, str]:
    """The settings of a run or of published weights as metadata of an ONNX file: text for `license`, JSON for the rest.

    normalization is {"mean", "std"} of images divided by 255 (of the stored values where image_format has high_depth).
    """
    said = {key: config[key] for key in KEYS if config.get(key) is not None}
    if said.get("classes") == [f"class {k}" for k in range(len(said.get("classes", ())))]:
        del said["classes"], said["colors"]  # names such as "class 0" carry no information
    said.setdefault("normalization", {"mean": list(MEAN), "std": list(STD)})
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in said.items()}


def from_metadata(metadata: Mapping[str, str], path: str) -> dict[str, Any]:
    """The settings that `to_metadata` wrote, without entries of other programs. ValueError names file and entry."""
    config: dict[str, Any] = {}
    for key in KEYS:
        if key not in metadata:
            continue
        try:
            config[key] = metadata[key] if key in ("model", "license") else json.loads(metadata[key])
        except json.JSONDecodeError as error:
            raise ValueError(f"{path}: its metadata entry {key!r} is not JSON: {error}") from error
    _check(config, path)
    return config


def _check(config, path):
    """Raise ValueError for entries of another form, since the file may be untrusted."""
    numbers = lambda value, n: (
        isinstance(value, list) and len(value) == n and all(isinstance(v, int | float) for v in value)
    )
    wanted = {
        "classes": lambda v: isinstance(v, list) and v and all(isinstance(name, str) for name in v),
        "colors": lambda v: isinstance(v, list) and all(numbers(color, 3) for color in v),
        "normalization": lambda v: isinstance(v, dict) and all(isinstance(v.get(k), list) for k in ("mean", "std")),
        "image_format": lambda v: isinstance(v, dict),
        "size": lambda v: numbers(v, 2),
        "shorter_side": lambda v: isinstance(v, int) and v > 0,
    }
    for key, fits in wanted.items():
        if key in config and not fits(config[key]):
            raise ValueError(f"{path}: its metadata entry {key!r} is {config[key]!r}, not what `minidl export` writes")
    if "colors" in config and len(config["colors"]) != len(config.get("classes", ())):
        raise ValueError(
            f"{path}: {len(config['colors'])} colours for {len(config.get('classes', ()))} classes in its metadata"
        )
