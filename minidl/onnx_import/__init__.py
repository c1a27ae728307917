"""ONNX files as networks of ordinary layers: `load_onnx`.

`network` reads the file and runs its nodes; the operators stand in `arithmetic` (element by element, and reductions), `windows`
(convolution, pooling, normalisation), `shapes` (everything that moves elements) and `resize`. `segmenter` makes a
segmentation network of one, `description` says what stands in a file.
"""

from .description import describe
from .network import OnnxNetwork, load_onnx
from .segmenter import OnnxSegmenter
