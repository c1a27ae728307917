"""Mean-field inference in Numba: slice, softmax and splat of a block of points while it is in the cache."""

import numpy as np
from numba import njit, prange

from ..reference.mean_field import mean_field as reference
from .exponential import exp_below_zero
from .permutohedral_filter import blur, slice_, splat, table_bands, to_planes, to_rows
from .rows import add_row, padded

BLOCK = 256


@njit(cache=True, fastmath={"reassoc", "contract", "nsz", "arcp", "nnan"})
def _softmax_rows(score, n):
    """In place, for the first n rows. exp runs over all of them in one long loop: a row alone is too short to vectorise."""
    for i in range(n):
        s = score[i]
        top = s[0]
        for c in range(len(s)):
            top = max(top, s[c])
        for c in range(len(s)):
            s[c] -= top
    flat = score.reshape(-1)
    for k in range(n * score.shape[1]):
        flat[k] = exp_below_zero(flat[k])
    for i in range(n):
        s = score[i]
        total = s.dtype.type(0)
        for c in range(len(s)):
            total += s[c]
        total = s.dtype.type(1) / total
        for c in range(len(s)):
            s[c] *= total


@njit(parallel=True, cache=True)
def _update(unary, vertices, weights, before, after, messages, sums, scores, beliefs, heard):
    """One iteration: score = -unary + messages, softmax, and the splat of the beliefs into each band's own sums.

    vertices .. sums are tuples over terms; only the first `heard` messages are listened to. scores and beliefs are
    written unless they are empty.
    """
    N = len(unary)
    bands = len(sums[0])
    for band in prange(bands):
        q = np.empty((BLOCK, unary.shape[1]), unary.dtype)
        for t in range(len(sums)):
            sums[t][band] = 0
        end = (band + 1) * N // bands
        for start in range(band * N // bands, end, BLOCK):
            stop = min(start + BLOCK, end)
            here, there = q[: stop - start].reshape(-1), unary[start:stop].reshape(-1)
            for k in range(len(here)):
                here[k] = -there[k]
            for t in range(heard):
                slice_(start, stop, q, start, vertices[t], weights[t], after[t], messages[t])
            if len(scores):
                scores[start:stop] = q[: stop - start]
            _softmax_rows(q, stop - start)
            if len(beliefs):
                beliefs[start:stop] = q[: stop - start]
            for t in range(len(sums)):
                splat(start, stop, q, start, vertices[t], weights[t], before[t], sums[t][band])


@njit(parallel=True, cache=True)
def _mix(table, compat, message):
    """message[m] = sum_c table[m, c] * compat[c]."""
    for m in prange(len(table)):
        message[m] = 0
        for c in range(len(compat)):
            add_row(message, m, compat, c, table[m, c])


def mean_field(unary, terms, iterations, history):
    """Beliefs (C, N) after `iterations` parallel updates; see the reference column.

    Compatibility acts on labels and the filter on points: they commute, so compatibility is applied on the lattice.
    """
    if not terms:
        return reference(unary, terms, iterations, history)
    unary = np.ascontiguousarray(unary)
    C, N = unary.shape
    W, dtype = padded(C), unary.dtype.type
    rows = to_rows(unary, dtype(1e30), W)
    lattices, before, after, compats = zip(*terms)
    before, after = (tuple(np.ascontiguousarray(s, dtype) for s in scale) for scale in (before, after))
    vertices, weights = tuple(l.vertex for l in lattices), tuple(l.weight for l in lattices)
    bands = min(map(table_bands, lattices))
    sums = tuple(np.empty((bands, l.vertices + 1, W)) for l in lattices)
    tables, spares, messages = (tuple(np.empty(s.shape[1:], dtype) for s in sums) for _ in range(3))
    mixes = [np.zeros((W, W), dtype) for _ in terms]
    for mix, compat, lattice in zip(mixes, compats, lattices):
        mix[:C, :C] = -np.asarray(compat).T / (1 + 2.0**-lattice.dimension)

    kept = [np.empty((iterations + 1, C, N), dtype) for _ in range(2)] if history else None
    score, q = (np.empty((N if history else 0, W), dtype) for _ in range(2))
    for step in range(iterations + 1):
        last = step == iterations
        if last and not history:
            q = np.empty((N, W), dtype)
        _update(rows, vertices, weights, before, after, messages, sums, score, q, len(terms) if step else 0)
        if history:
            kept[0][step], kept[1][step] = to_planes(score, C), to_planes(q, C)
        if last:
            return tuple(kept) if history else to_planes(q, C)
        for lattice, total, table, spare, message, mix in zip(lattices, sums, tables, spares, messages, mixes):
            blurred = blur(total, table, spare, lattice, False)
            if np.count_nonzero(mix) == np.count_nonzero(mix.diagonal()):
                np.multiply(blurred, mix.diagonal(), out=message)
            else:
                _mix(blurred, mix, message)
