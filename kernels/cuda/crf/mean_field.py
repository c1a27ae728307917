"""Mean-field inference in CUDA C: splat, blur, mix labels on the lattice, slice, softmax."""

from ..loader import Kernel, array_module, i32
from .permutohedral import slice_rows, splat_and_blur, teams

_mix = Kernel("crf/lattice_filter.cu", "lattice_mix")
_softmax = Kernel("crf/lattice_filter.cu", "rows_softmax")


def _beliefs(score):
    """Softmax of each row of score (N, C)."""
    (N, C), q = score.shape, array_module(score).empty_like(score)
    width, (blocks, _) = teams(N, C)
    _softmax(score, q, *i32(N, C, width), grid=blocks)
    return q


def _message(q, lattice, before, compat):
    """compat times the blurred lattice of before * q, as a table with a last row that is not read."""
    xp, table = array_module(q), splat_and_blur(q, before, lattice)
    message = xp.empty_like(table)
    _mix(table, compat, message, *i32(*table.shape), threads=table.size)
    return message


def mean_field(unary, terms, iterations, history):
    """Beliefs (C, N) after `iterations` parallel updates, or scores and beliefs of all; see the reference column.

    Compatibility acts on labels and the filter on points: they commute, so labels mix on the lattice.
    """
    xp, dtype = array_module(unary), unary.dtype
    start = xp.ascontiguousarray(-unary.T)  # (N, C)
    terms = [(lattice, *(xp.ascontiguousarray(xp.asarray(a, dtype)) for a in rest)) for lattice, *rest in terms]
    score, q = start, _beliefs(start)
    scores, beliefs = [score], [q]
    for _ in range(iterations):
        base, score = start, xp.empty_like(start) if terms else start
        for lattice, before, after, compat in terms:
            message = _message(q, lattice, before, compat)
            base = slice_rows(message, after, lattice, base, -1 / (1 + 2.0**-lattice.dimension), score)
        q = _beliefs(score)
        if history:
            scores.append(score)
            beliefs.append(q)
    if not history:
        return xp.ascontiguousarray(q.T)
    return tuple(xp.ascontiguousarray(xp.stack(rows).swapaxes(1, 2)) for rows in (scores, beliefs))
