"""An ONNX network as a segmentation network: finds the input for the image and the output with the scores."""

from __future__ import annotations

from ..autograd.tape import no_grad
from ..autograd.tensor import Tensor
from ..functional import clamp, log, stack
from ..nn.module import Module
from .network import OnnxNetwork

PASSED_THROUGH = ("Identity", "Resize", "Cast", "Squeeze", "Unsqueeze", "Reshape")
PROBABILITIES = ("Sigmoid", "HardSigmoid", "Softmax")
FREE = 32  # images are padded to multiples of this for other programs' files: most networks have stride 32


class OnnxSegmenter(Module):
    """Scores {"out": N x K x h x w} of a network with one input N x C x H x W and an output of four axes.

    The output is the one called "out", else the first of four axes. One channel is the score, or after a sigmoid the
    probability, of "foreground", and becomes the scores of two classes. Raises ValueError for other inputs or outputs.
    """

    def __init__(self, network: OnnxNetwork) -> None:
        super().__init__()
        shapes = list(network.inputs.values())
        if len(shapes) != 1 or len(shapes[0]) != 4:
            raise ValueError(f"{network.path} takes {network.inputs}; needed one input (N, C, H, W) to segment images")
        _, channels, height, width = shapes[0]
        self.network, self.input_channels = network, channels or 3
        self.fixed = (height, width) if height and width else None
        self.multiple = 1 if network.producer == "minidl" else FREE
        found = self._probe()
        self.output = "out" if "out" in found else next((n for n, y in found.items() if y.ndim == 4), None)
        if self.output is None or found[self.output].ndim != 4:
            said = ", ".join(f"{name} {tuple(y.shape)}" for name, y in found.items())
            raise ValueError(f"{network.path} returns {said}; needed an output (N, classes, H, W) to segment images")
        channels = found[self.output].shape[1]
        self.binary, self.num_classes = channels == 1, max(channels, 2)
        self.probabilities = _last_operator(network, self.output) in PROBABILITIES

    def _probe(self):
        import numpy as np

        size = self.fixed or (2 * FREE, 2 * FREE)
        with no_grad():
            return self._outputs(Tensor(np.zeros((1, self.input_channels, *size), np.float32)))

    def _outputs(self, x):
        y = self.network(x)
        return y if isinstance(y, dict) else {next(iter(self.network.outputs)): y}

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Scores whose softmax is the probabilities."""
        y = self._outputs(x)[self.output]
        if not self.binary:
            return {"out": log(clamp(y, 1e-7, 1)) if self.probabilities else y}
        y = y[:, 0]
        if not self.probabilities:
            return {"out": stack([y * 0, y], 1)}
        y = clamp(y, 1e-7, 1 - 1e-7)
        return {"out": stack([log(1 - y), log(y)], 1)}


def _last_operator(network, name):
    """The last operator before the output `name` that does more than move or resize values."""
    for node, _, inputs, outputs in reversed(network.steps):
        if name in outputs:
            if node.op not in PASSED_THROUGH:
                return node.op
            name = inputs[0]
    return None
