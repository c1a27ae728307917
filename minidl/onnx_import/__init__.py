"""ONNX files as networks of ordinary layers: `load_onnx`.

`load` is imported with the library, the rest at its first use. `network` reads the file and runs its nodes; the operators
are in `arithmetic` (elementwise operations and reductions), `activations`, `windows` (convolution, pooling,
normalisation), `shapes` (operations that move elements) and `resize`. `segmenter` adapts a network to segmentation,
`description` describes a file without running it.
"""

import importlib
from typing import Any

from .load import load_onnx

_LATER = {"OnnxNetwork": "network", "OnnxSegmenter": "segmenter", "describe": "description"}


def __getattr__(name: str) -> Any:
    """Import a name listed in _LATER at its first use."""
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_LATER[name]}"), name)
