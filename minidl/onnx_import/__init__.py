"""ONNX files as networks of ordinary layers: `load_onnx`.

`network` reads the file and runs its nodes; the operators stand in `arithmetic` (element by element, and reductions), `windows`
(convolution, pooling, normalisation), `shapes` (everything that moves elements) and `resize`.
"""

from .network import OnnxNetwork, load_onnx
