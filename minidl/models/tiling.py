"""Overlap-tile inference: images larger than memory, predicted in tiles with a margin of context.

Ronneberger et al. 2015, figure 2: to predict a tile, the network reads the tile plus a margin; at the image's edge the
margin is mirrored. With valid padding and tiles aligned to the pooling grid the result equals that of the whole image.
"""

from __future__ import annotations

import numpy as np

from .. import nn
from ..autograd.tape import no_grad
from ..autograd.tensor import Tensor
from ..typing import Array, TensorLike


@no_grad()
def predict_tiled(
    model: nn.Module,
    x: TensorLike,
    tile: int = 256,
    margin: int | None = None,
    multiple: int | None = None,
    labels: bool = False,
    out: Array | None = None,
) -> Array:
    """Logits (N, classes, H, W) float32, or with `labels` their argmax (N, H, W), as an array, tile by tile.

    x: array or Tensor (N, C, H, W); an np.memmap is read one tile at a time. The result is written to `out` if given.
    tile: side of the square that each pass predicts, rounded down to a multiple of `multiple`.
    margin: context on each side; by default `model.margin`, which networks with valid padding have.
    multiple: tiles start at multiples of it; by default the network's total stride, so that pooling windows are aligned
        as in the whole image.
    """
    x = x.cpu().data if isinstance(x, Tensor) else x
    if x.ndim != 4:
        raise ValueError(f"predict_tiled: x has shape {x.shape}; needed (N, C, H, W)")
    margin = margin if margin is not None else getattr(model, "margin", 0)
    if not margin:
        raise ValueError(
            "predict_tiled: margin is None and the network defines none; pass margin, half its receptive field"
        )
    multiple = multiple or _total_stride(model)
    if tile < multiple:
        raise ValueError(
            f"predict_tiled: tile is {tile}; needed at least {multiple}, the step of the coarsest features"
        )
    step, before = tile // multiple * multiple, -(-margin // multiple) * multiple if not _valid(model) else margin
    extent = model.input_size(step) if _valid(model) else step + 2 * before
    H, W = x.shape[2:]
    was_training = model.training
    model.eval()
    try:
        for top in range(0, H, step):
            for left in range(0, W, step):
                rows, cols = _mirror(top - before, extent, H), _mirror(left - before, extent, W)
                window = np.ascontiguousarray(x[:, :, rows[:, None], cols])  # reads the window only
                y = model(Tensor(window).to(model.device))["out"].cpu().data  # (N, K, extent - lost, extent - lost)
                h, w = min(step, H - top), min(step, W - left)
                inset = 0 if _valid(model) else before
                y = y[:, :, inset : inset + h, inset : inset + w]
                y = y.argmax(1).astype(np.min_scalar_type(y.shape[1] - 1)) if labels else y
                if out is None:
                    out = np.empty((*y.shape[:-2], H, W), y.dtype)
                out[..., top : top + h, left : left + w] = y
    finally:
        model.train(was_training)
    assert out is not None  # there is at least one tile
    return out


def _valid(model):
    return getattr(model, "valid", False)


def _total_stride(model):
    if hasattr(model, "depth"):
        return 2**model.depth
    return model.backbone.output_stride if hasattr(model, "backbone") else 32


def _mirror(start, length, n):
    """The indices start ... start + length - 1, reflected at 0 and n - 1 as often as needed (the edge is not repeated)."""
    period = max(2 * (n - 1), 1)
    i = np.abs(np.arange(start, start + length)) % period
    return np.minimum(i, period - i) if n > 1 else np.zeros(length, int)
