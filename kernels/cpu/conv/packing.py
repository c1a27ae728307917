"""Packing: copies of pixels and weights in the order in which the micro-kernel reads them.

Pixels are packed as rows of im2col's matrix (`copy_row`) or as whole tiles (tiles.copy_tile); weights as panels of MR rows,
read as scalars (`pack_a`), or of NR columns, read as vectors (direct_channels.pack_b).
"""

from numba import prange

from ..runtime.jit import inlined, kernel
from ..simd.micro_kernel import panels
from ..simd.vector import clear_run, copy_run, lanes_of, load_stride2, store
from .operands import Filters

PREFETCH_DISTANCE = 4  # channels; they lie on other pages, at which the hardware prefetcher stops


@inlined
def copy_row(x, start, W, out, at, count, step, first):
    """out[at + q] = x[start + first + q step] for q < count, zero outside the row's W pixels; both arrays are flat."""
    lo, hi = (-first, W - first) if step == 1 else (-(first // step), -((first - W) // step))  # divisions take long
    lo = min(max(0, lo), count)
    hi = max(min(count, hi), lo)
    clear_run(out, at, lo)
    clear_run(out, at + hi, count - hi)
    source = start + first
    if step == 1:
        copy_run(x, source + lo, out, at + lo, hi - lo)
    elif step == 2:
        lanes, q = lanes_of(x), lo
        while q + lanes < hi:  # not <=: the last vector reads one number more than it keeps
            store(out, at + q, load_stride2(x, source + 2 * q))
            q += lanes
        while q < hi:
            out[at + q] = x[source + 2 * q]
            q += 1
    else:
        for q in range(lo, hi):
            out[at + q] = x[source + step * q]


@kernel
def pack_a(filters: Filters, steps, starts, M, out, T):
    """out[g][phase][panel][k][r] = w[g, o + r, steps[k]] for the MR rows o + r of a panel; steps starts[f] on are phase f's.

    A panel that would end beyond row M begins earlier, and computes some rows twice; rows beyond M are zero where M is small.
    """
    w = filters.data
    tall, padded = panels(M)
    G, F, six = out.shape[0], starts.size - 1, tall // 6
    P = six + (padded - tall) // 4
    for t in prange(T):
        for task in range(t * G * F * P // T, (t + 1) * G * F * P // T):
            g, f, p = task // (F * P), task // P % F, task % P
            height, row = (6, 6 * p) if p < six else (4, tall + 4 * (p - six))
            first = min(row, max(M - height, 0))
            source, at = (
                g * filters.group + first * filters.row_stride,
                padded * starts[f] + row * (starts[f + 1] - starts[f]),
            )
            for k in range(starts[f], starts[f + 1]):
                for r in range(height):
                    out[g, at + r] = w[source + steps[k] + r * filters.row_stride] if first + r < M else 0
                at += height
