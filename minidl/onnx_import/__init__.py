"""ONNX files as networks of ordinary layers: `load_onnx`.

`load` is imported with the library, the rest at its first use. `network` reads the file and runs its nodes; the operators
stand in `arithmetic` (element by element, and reductions), `activations`, `windows` (convolution, pooling, normalisation),
`shapes` (everything that moves elements) and `resize`. `segmenter` makes a segmentation network of one, `description` says
what stands in a file.
"""

import importlib
from typing import Any

from .load import load_onnx

_LATER = {"OnnxNetwork": "network", "OnnxSegmenter": "segmenter", "describe": "description"}


def __getattr__(name: str) -> Any:
    """What _LATER lists, imported at its first use."""
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_LATER[name]}"), name)
