"""The convolutions of the networks here, one each, and cases drawn from them: what users run, not what was tuned for.

`layers.csv` lists every distinct convolution of every network in models/README, with how the height of its input follows
from the height H of the image: rise H + offset. `collect` finds them by running a network on images of two sizes.
"""

import csv
import math
from pathlib import Path
from typing import NamedTuple

import numpy as np

from .cases import DATA, FORWARD, WEIGHT, Case

FILE = Path(__file__).with_name("layers.csv")
IMAGES = (224, 256, 321, 384, 513)  # heights and widths of images
ALL_IMAGES, ALL_BATCHES, BATCHES = (224, 513), (1, 4), (1, 2, 4)
GRADIENTS = (DATA, WEIGHT)
MOST_PIXELS = 1 << 26  # numbers in the input or the result: 256 MB


class Layer(NamedTuple):
    """A convolution, or a transposed one as the convolution that it transposes; pairs are (vertical, horizontal)."""

    network: str
    op: str  # "conv" or "conv_transpose"
    channels: int
    outputs: int
    kernel: tuple
    stride: tuple
    padding: tuple
    dilation: tuple
    groups: int
    rise: float
    offset: float

    def params(self, image, batch):
        """The parameters of a case: the layer as it is in a batch of images of this height."""
        H = max(1, math.ceil(round(self.rise * image + self.offset, 3)), *self.smallest())
        pairs = {name: getattr(self, name) for name in ("kernel", "stride", "padding", "dilation")}
        return {"N": batch, "C": self.channels, "O": self.outputs, "H": H, "W": H, "groups": self.groups} | pairs

    def smallest(self):
        """The least height and width into which the window fits."""
        return (d * (k - 1) + 1 - 2 * p for d, k, p in zip(self.dilation, self.kernel, self.padding))


def collect(name, model, sizes=(96, 192)):
    """The distinct Layers of a network, without their gradients: run once on an image of each size."""
    from .. import no_grad
    from ..autograd import tape
    from ..autograd.tensor import Tensor
    from ..functional.conv import _conv, _conv_transpose

    runs = []

    class Collector:
        def forward(self, op, args, metadata, out, *extra):
            if op in (_conv, _conv_transpose):
                x, w, g = args[0] if op is _conv else out, args[1], metadata["geometry"]
                kind = "conv" if op is _conv else "conv_transpose"
                pairs = (g.kernel, g.stride, g.padding, g.dilation)
                runs[-1].append(((kind, w.shape[1] * g.groups, w.shape[0], *pairs, g.groups), x.shape[2]))

    before, tape.observer = tape.observer, Collector()
    try:
        for size in sizes:
            runs.append([])
            with no_grad():
                model.eval()(Tensor(np.zeros((1, getattr(model, "input_channels", 3), size, size), np.float32)))
    finally:
        tape.observer = before
    layers, (small, large) = [], sizes
    for (what, low), (_, high) in zip(*runs):
        rise = (high - low) / (large - small)
        layers.append(Layer(name, *what, rise, low - rise * small))
    return list(dict.fromkeys(layers))


def write(layers, path=FILE):
    """The distinct layers, each under the name of the first network that has it."""
    first = {layer[1:]: layer for layer in reversed(layers)}
    with open(path, "w", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(Layer._fields)
        for layer in sorted(first.values(), key=lambda layer: (layer.network, layer[1:])):
            rows.writerow("x".join(map(str, v)) if isinstance(v, tuple) else v for v in layer)


def table(path=FILE):
    """All Layers of the file."""
    pair = lambda text: tuple(map(int, text.split("x")))
    kinds = (str, str, int, int, pair, pair, pair, pair, int, float, float)
    with open(path, newline="") as file:
        return [Layer(*(kind(v) for kind, v in zip(kinds, row))) for row in [*csv.reader(file)][1:]]


def _cases(layer, image, batch):
    """Forward and both gradients of one layer, or nothing where it would not fit."""
    p = layer.params(image, batch)
    if max(p["C"], p["O"]) * p["N"] * p["H"] * p["W"] > MOST_PIXELS:
        return []
    text = lambda name: "x".join(map(str, dict.fromkeys(p[name])))
    name = (
        f"{layer.network} {'up ' if layer.op != 'conv' else ''}{text('kernel')} {p['C']}>{p['O']} {p['H']}² N={batch}"
    )
    for word in ("stride", "dilation"):
        name += f" {word} {text(word)}" if max(p[word]) > 1 else ""
    name += f" groups {p['groups']}" if p["groups"] > 1 else ""
    return [Case("layers", name, layer.op, part, p) for part in (FORWARD, *GRADIENTS)]


def draw(seed, count):
    """Cases of `count` layers, drawn with an image size and a batch size; the same for the same seed."""
    if count < 1:
        raise ValueError(f"bench layers: --count {count}; needed at least 1")
    rng, layers, cases = np.random.default_rng(seed), table(), []
    while len(cases) < 3 * count:
        layer = layers[rng.integers(len(layers))]
        cases += _cases(layer, int(rng.choice(IMAGES)), int(rng.choice(BATCHES)))
    return cases


def every():
    """Cases of every layer, for the smallest and the largest image and a batch of 1 and 4."""
    return [
        case
        for layer in table()
        for image in ALL_IMAGES
        for batch in ALL_BATCHES
        for case in _cases(layer, image, batch)
    ]
