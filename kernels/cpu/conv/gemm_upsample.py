"""Results of implicit GEMM that are not stored as rows: the data gradients of 1x1 and 2x2 kernels with a stride."""

from numba import prange

from ..runtime.jit import inlined, kernel
from ..simd.interleave import store_interleaved
from ..simd.vector import broadcast, lanes_of, load


@inlined
def _interleave_rows(strip, s, length, y, t, count):
    """y[t + 2 q] = strip[s + q], y[t + 2 q + 1] = strip[s + length + q] for q < count."""
    lanes = lanes_of(y)
    if count < lanes:
        for q in range(count):
            y[t + 2 * q], y[t + 2 * q + 1] = strip[s + q], strip[s + length + q]
    else:
        for q in range(0, count - lanes, lanes):
            store_interleaved(y, t + 2 * q, load(strip, s + q), load(strip, s + length + q))
        q = count - lanes  # the last pair overlaps the one before it
        store_interleaved(y, t + 2 * q, load(strip, s + q), load(strip, s + length + q))


@inlined
def store_shuffled(strip, height, row, y, groups, chunk):
    """Rows (c, a, b) of a strip to the pixels (2 i + a, 2 j + b) of channel c, (i, j) from pixel chunk.first on."""
    H, W, image = y.height, y.width, chunk.n * groups + chunk.g
    for r in range(0, height, 2):
        plane, a = image * y.rows // 4 + (row + r) // 4, (row + r) // 2 % 2
        at, i, j = 0, chunk.first // W, chunk.first % W
        while at < chunk.count:
            run, target = min(W - j, chunk.count - at), ((plane * H + i) * 2 + a) * 2 * W + 2 * j
            _interleave_rows(strip.data, strip.start + r * strip.stride + at, strip.stride, y.data, target, run)
            at, i, j = at + run, i + 1, 0


@kernel
def insert_rows(near, between, step, x, T):
    """x[:, :, ::step, ::step] = near, with `between` (one number for each channel) everywhere else."""
    N, C, h, v = near.shape
    (H, W), y, z = x.shape[2:], near.reshape(-1), x.reshape(-1)
    lanes = lanes_of(y)
    for t in prange(T):
        for plane in range(t * N * C // T, (t + 1) * N * C // T):
            number, start = between[plane % C], plane * H * W
            z[start : start + H * W] = number
            for i in range(h):
                at, source, q = start + i * step[0] * W, (plane * h + i) * v, 0
                if step[1] == 2:
                    while q + lanes <= v and 2 * (q + lanes) <= W:
                        store_interleaved(z, at + 2 * q, load(y, source + q), broadcast(y, number))
                        q += lanes
                for j in range(q, v):
                    z[at + j * step[1]] = y[source + j]
