"""Fully connected layers as convolutions whose kernel covers the whole input (Long et al. 2015, section 3.1, figure 2)."""

from __future__ import annotations

import math
from collections.abc import Sequence

from .. import nn


def convolutionalize(classifier: nn.Module, grid: int | Sequence[int] | None = None) -> nn.Sequential:
    """The classifier as a network of convolutions with the same weights: (N, C, H, W) -> a map of scores (N, K, h, w).

    classifier: a network with `features`, `avgpool` and `classifier` (AlexNet, VGG), or a Sequential with a Flatten and
        Linear layers after it. `grid` is the (h, w) of the map that is flattened; it is taken from `avgpool`, or else
        assumed square.
    For an image whose features have exactly the grid's size the result is 1x1 and equals the classifier's scores (in eval
    mode); for a larger one it holds the classifier's scores of every window, at the stride of the features.
    """
    if isinstance(classifier, nn.Sequential):
        layers = list(classifier)
        at = [i for i, layer in enumerate(layers) if isinstance(layer, nn.Flatten)]
        if len(at) != 1:
            raise ValueError(f"convolutionalize: the Sequential has {len(at)} Flatten layers; needed exactly one")
        features, head = layers[: at[0]], layers[at[0] + 1 :]
    elif hasattr(classifier, "features") and hasattr(classifier, "classifier"):
        features, head = list(classifier.features), list(classifier.classifier)
        grid = grid or classifier.avgpool.output_size
    else:
        raise TypeError(
            f"convolutionalize: {type(classifier).__name__} has no `features` and `classifier`, and is not a Sequential "
            "with a Flatten; convolutionalize its parts yourself"
        )
    channels = [layer.out_channels for layer in features if isinstance(layer, nn.Conv2d)][-1]
    kernel = None
    converted = []
    for layer in head:
        if isinstance(layer, nn.Linear):
            if kernel is None:
                kernel = _grid(layer, channels, grid)
                weight = (layer.out_features, channels, *kernel)
            else:
                weight = (layer.out_features, layer.in_features, 1, 1)
            layer = _as_convolution(layer, weight)
        converted.append(layer)
    if kernel is None:
        raise ValueError("convolutionalize: no Linear layer follows the features; needed at least one")
    return nn.Sequential(*features, *converted).train(classifier.training)


def _grid(linear, channels, grid):
    cells = linear.in_features // channels
    kernel = (math.isqrt(cells),) * 2 if grid is None else (grid,) * 2 if isinstance(grid, int) else tuple(grid)
    if channels * math.prod(kernel) != linear.in_features:
        raise ValueError(
            f"convolutionalize: the first Linear takes {linear.in_features} values; {channels} channels on a grid of "
            f"{kernel[0]}x{kernel[1]} are {channels * math.prod(kernel)}; pass grid=(h, w)"
        )
    return kernel


def _as_convolution(linear, shape):
    conv = nn.Conv2d(shape[1], shape[0], shape[2:], bias=linear.bias is not None)
    state = {
        name: value.data.reshape(shape) if name == "weight" else value for name, value in linear.state_dict().items()
    }
    conv.load_state_dict(state)
    return conv
