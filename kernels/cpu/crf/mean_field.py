"""Mean-field inference in Numba: slice, softmax and splat of a block of points while it is in the cache."""

from typing import NamedTuple

import numpy as np
from numba import prange

from ...reference.mean_field import mean_field as reference
from ..runtime.arguments import dense
from ..runtime.jit import kernel, njit
from ..simd.exp_log import exp_below_zero
from ..simd.transpose import channels_first, channels_last
from ..simd.vector import copy_run
from .lattice_rows import Corners
from .permutohedral_filter import blur, corners_of, parts_of, slice_, splat
from .rows import divide_by_sum, lanes, padded, subtract_maximum

BLOCK = 256


class Terms(NamedTuple):
    """For every term of the energy: the points' corners, the factors around the filter, its result, and its parts' sums."""

    vertices: tuple
    weights: tuple
    before: tuple
    after: tuple
    messages: tuple
    sums: tuple


@njit(cache=True, fastmath={"reassoc", "contract", "nsz", "arcp", "nnan"})
def _softmax_rows(score, lane):
    """In place. exp runs over all rows in one long loop: a row alone is too short to vectorise."""
    for i in range(len(score)):
        subtract_maximum(score, i, lane)
    flat = score.reshape(-1)
    for k in range(len(flat)):
        flat[k] = exp_below_zero(flat[k])
    for i in range(len(score)):
        divide_by_sum(score, i, lane)


@kernel
def _update(unary, terms, scores, beliefs, received, sent, lane):
    """One iteration: score = -unary + messages, softmax, and the splat of the beliefs into each part's own sums.

    Only the messages of the first `received` terms are added, and only the first `sent` terms are splatted. scores and
    beliefs are written unless they are empty.
    """
    N, W = unary.shape
    vertices, weights, before, after, messages, sums = terms
    parts = len(sums[0])
    for part in prange(parts):
        block = np.empty((BLOCK, W), unary.dtype)
        for t in range(sent):
            sums[t][part] = 0
        end = (part + 1) * N // parts
        for start in range(part * N // parts, end, BLOCK):
            stop = min(start + BLOCK, end)
            q = block[: stop - start]
            here, there = q.reshape(-1), unary[start:stop].reshape(-1)
            for k in range(len(here)):
                here[k] = -there[k]
            for t in range(received):
                slice_(start, stop, q, start, Corners(vertices[t], weights[t]), after[t], messages[t], lane)
            if len(scores):
                copy_run(here, 0, scores.reshape(-1), start * W, here.size)
            _softmax_rows(q, lane)
            if len(beliefs):
                copy_run(here, 0, beliefs.reshape(-1), start * W, here.size)
            for t in range(sent):
                splat(start, stop, q, start, Corners(vertices[t], weights[t]), before[t], sums[t][part], lane)


def _mix(compat, lattice, W, dtype):
    """The matrix (W, W) that a term applies to a row of filtered beliefs, with the energy's sign; (1, W) if it is diagonal."""
    mix = -np.asarray(compat, np.float64).T / (1 + 2.0**-lattice.dimension)
    padding = (0, W - len(mix))
    diagonal = np.count_nonzero(mix) == np.count_nonzero(mix.diagonal())
    mix = np.pad(mix.diagonal(), padding)[None] if diagonal else np.pad(mix, (padding, padding))
    return np.ascontiguousarray(mix, dtype)


def mean_field(unary, terms, iterations, history):
    """Beliefs (C, N) after `iterations` parallel updates; see the reference column.

    Compatibility acts on labels and the filter on points: they commute, so compatibility is applied on the lattice.
    """
    if not terms:
        return reference(unary, terms, iterations, history)
    C, N = unary.shape
    W, lane, dtype = padded(C), lanes(C), unary.dtype.type
    rows = channels_last(unary, dtype(np.inf), W)  # labels that pad a row to whole vectors have belief 0
    lattices, before, after, compats = zip(*terms)
    before, after = (tuple(dense(np.asarray(s, dtype)) for s in scale) for scale in (before, after))
    neighbours = tuple(dense(l.neighbour) for l in lattices)
    parts = min(map(parts_of, lattices))
    sums = tuple(np.empty((parts, l.vertices + 1, W)) for l in lattices)
    messages, spares = (tuple(np.empty(s.shape[1:], dtype) for s in sums) for _ in range(2))
    together = Terms(*zip(*map(corners_of, lattices)), before, after, messages, sums)
    mixes = tuple(_mix(compat, lattice, W, dtype) for compat, lattice in zip(compats, lattices))

    kept = [np.empty((iterations + 1, C, N), dtype) for _ in range(2)] if history else None
    score, q = (np.empty((N if history else 0, W), dtype) for _ in range(2))
    for step in range(iterations + 1):
        last = step == iterations
        if last and not history:
            q = rows  # every block is read before it is written
        received, sent = len(terms) if step else 0, 0 if last else len(terms)
        _update(rows, together, score, q, received, sent, lane)
        if history:
            kept[0][step], kept[1][step] = channels_first(score, C), channels_first(q, C)
        if not last:
            blur(sums, messages, spares, neighbours, mixes, lane)
    return tuple(kept) if history else channels_first(q, C)
