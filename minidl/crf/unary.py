"""Unary energies U = -log P from a classifier's probabilities, logits or labels; (C, H, W), or (B, C, H, W) for a batch."""

from __future__ import annotations

import numpy as np

from ..backend import asarray
from ..typing import Array


def _floating(function, name, x):
    x = asarray(x)
    if x.dtype.kind != "f":
        x = x.astype(np.float32)
    if x.ndim not in (3, 4) or not x.size:
        raise ValueError(f"{function}: {name} must be (C, H, W) or (B, C, H, W) and not empty; got {x.shape}")
    if not np.isfinite(x).all():
        raise ValueError(
            f"{function}: {name} contains NaN or infinity at {(~np.isfinite(x)).sum()} of {x.size} elements"
        )
    return x


def from_probabilities(probabilities: Array, clip: float = 1e-5) -> Array:
    """U = -log max(P, clip). Zeros are clipped, because no pairwise term can change an infinite energy.

    P is (C, H, W) or (B, C, H, W). Raises ValueError for negative probabilities or sums over the labels that differ from 1 by
    more than 1e-3.
    """
    p = _floating("from_probabilities", "probabilities", probabilities)
    if not 0 < clip < 1:
        raise ValueError(f"from_probabilities: clip must lie between 0 and 1, not {clip!r}")
    if p.min() < 0:
        raise ValueError(f"from_probabilities: a probability is negative ({p.min():.3g}); use from_logits for logits")
    error = np.abs(p.sum(axis=-3, dtype=np.float64) - 1).max()
    if error > 1e-3:
        raise ValueError(
            f"from_probabilities: probabilities must sum to 1 over the labels (axis {p.ndim - 3} of {p.shape}); "
            f"one sum is off by {error:.3g}"
        )
    energy = np.clip(p, p.dtype.type(clip), 1)
    return np.negative(np.log(energy, out=energy), out=energy)


def from_logits(logits: Array) -> Array:
    """U = -log softmax(logits) over the labels; logits (C, H, W) or (B, C, H, W)."""
    z = _floating("from_logits", "logits", logits)
    z = z - z.max(axis=-3, keepdims=True)
    return np.log(np.exp(z).sum(axis=-3, keepdims=True)) - z


def from_labels(labels: Array, num_classes: int, confidence: float = 0.7, ignore_index: int = 255) -> Array:
    """U = -log P from integer labels (H, W) or (B, H, W): P is `confidence` for the label, the rest is shared evenly.

    At pixels of `ignore_index` all labels are equally probable: P = 1 / num_classes.
    """
    labels = np.asarray(labels)
    if labels.dtype.kind not in "iu" or labels.ndim not in (2, 3) or not labels.size:
        raise ValueError(f"from_labels: labels must be integers (H, W) or (B, H, W); got {labels.dtype} {labels.shape}")
    if num_classes < 1 or not 0 < confidence < 1:
        raise ValueError(
            f"from_labels: num_classes must be at least 1 and confidence between 0 and 1; got {num_classes}, {confidence}"
        )
    ignored = labels == ignore_index
    wrong = ~ignored & ((labels < 0) | (labels >= num_classes))
    if wrong.any():
        raise ValueError(
            f"from_labels: {wrong.sum()} labels such as {labels[wrong][0]} lie outside 0..{num_classes - 1} "
            f"and are not ignore_index {ignore_index}"
        )
    if num_classes == 1:
        return np.zeros((*labels.shape[:-2], 1, *labels.shape[-2:]), np.float32)
    energy = -np.log([(1 - confidence) / (num_classes - 1), confidence, 1 / num_classes]).astype(np.float32)
    hit = np.expand_dims(labels, -3) == np.arange(num_classes).reshape(-1, 1, 1)
    return np.where(np.expand_dims(ignored, -3), energy[2], energy[hit.astype(int)])
