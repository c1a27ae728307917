"""Coordinate descent on the free energy: one pixel's belief at a time, from the current beliefs of all others."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..functional.filter import Kernel
from ..kernels.reference.mean_field import normalise
from ..typing import Array


def sequential_sweep(unary: Array, beliefs: Array, terms: Sequence[tuple[Kernel, Array, str]]) -> tuple[Array, Array]:
    """One update of every pixel in turn: (scores, beliefs), both (C, N). terms: (exact Kernel, compat, normalization).

    The new belief softmax(-dF/dQ_i) minimises F with the pixel's own quadratic term k_ii Q_i M Q_i / 2 linearised. Where that
    term is concave, as with attraction, the linearised F is an upper bound and the full step lowers F; otherwise the
    step is halved until F does not increase.
    """
    for _, _, normalization in terms:
        if normalization not in ("none", "mean", "symmetric"):
            raise ValueError(
                'inference: sequential updates need a symmetric kernel, normalization "none", "mean" or "symmetric", '
                f"not {normalization!r}"
            )
    q, scores = beliefs.copy(), np.empty_like(unary)
    for i in range(unary.shape[1]):
        gradient, own = unary[:, i].copy(), np.zeros((len(q), len(q)), q.dtype)
        for kernel, compat, _ in terms:
            f = kernel.features
            near = np.exp(-0.5 * ((f - f[:, i : i + 1]) ** 2).sum(axis=0)) * kernel.before  # row i of K, up to a factor
            gradient += compat @ (q @ near) * kernel.after[i]
            own += compat * (near[i] * kernel.after[i])
        scores[:, i] = -gradient
        old, new = q[:, i], normalise(scores[:, i])
        curvature = (new - old) @ own @ (new - old)
        step = 1.0
        while curvature > 0 and _change(old, new, gradient, curvature, step) > 0 and step > 1e-6:
            step /= 2
        q[:, i] = old + (new - old) * (step if step > 1e-6 else 0)
    return scores, q


def _change(old, new, gradient, curvature, step):
    """F(old + step (new - old)) - F(old) of one pixel."""
    move = step * (new - old)
    entropy = [(p * np.log(np.maximum(p, np.finfo(p.dtype).tiny))).sum() for p in (old + move, old)]
    return entropy[0] - entropy[1] + gradient @ move + 0.5 * step**2 * curvature
