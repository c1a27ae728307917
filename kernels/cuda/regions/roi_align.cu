// ROI Align (He et al. 2017, section 3): one thread per bin and channel averages a grid of bilinear samples. The 4 reads per
// sample are scattered within a box, which the cache holds: neighbouring threads have neighbouring bins.
#include "minidl.cuh"
#include "roi.cuh"

__device__ inline T value(const T *plane, int W, const Sample &row, const Sample &col) {
    const T *top = plane + row.low * W, *bottom = plane + row.high * W;
    const T left = (1 - row.weight) * top[col.low] + row.weight * bottom[col.low];
    const T right = (1 - row.weight) * top[col.high] + row.weight * bottom[col.high];
    return (1 - col.weight) * left + col.weight * right;
}

extern "C" __global__ void roi_align(const T *x, const T *boxes, T *y, Boxes b) {
    const int at = thread_number(), W = b.W;
    if (at >= b.n) return;
    const Bin bin(at, boxes, b);
    const Samples rows = bin.rows(b), cols = bin.columns(b);
    const T *plane = x + bin.plane(b);
    T sum = 0;
    for (int a = 0; a < rows.count; a++) {
        const Sample row = rows(bin.i, a);
        if (!row.inside) continue;
        for (int s = 0; s < cols.count; s++) {
            const Sample col = cols(bin.j, s);
            if (col.inside) sum += value(plane, W, row, col);
        }
    }
    y[at] = sum / T(max(rows.count * cols.count, 1));
}

// The adjoint adds y / count at the four neighbours of every sample. Boxes overlap anyhow, and which ones reach a pixel is
// known only when it runs: a scatter with atomic additions, whose last bits depend on their order.
extern "C" __global__ void roi_align_adjoint(const T *y, const T *boxes, T *x, Boxes b) {
    const int at = thread_number(), W = b.W;
    if (at >= b.n) return;
    const Bin bin(at, boxes, b);
    const Samples rows = bin.rows(b), cols = bin.columns(b);
    T *plane = x + bin.plane(b);
    const T g = y[at] / T(max(rows.count * cols.count, 1));
    for (int a = 0; a < rows.count; a++) {
        const Sample row = rows(bin.i, a);
        if (!row.inside) continue;
        for (int s = 0; s < cols.count; s++) {
            const Sample col = cols(bin.j, s);
            if (!col.inside) continue;
            atomicAdd(&plane[row.low * W + col.low], g * (1 - col.weight) * (1 - row.weight));
            atomicAdd(&plane[row.low * W + col.high], g * col.weight * (1 - row.weight));
            atomicAdd(&plane[row.high * W + col.low], g * (1 - col.weight) * row.weight);
            atomicAdd(&plane[row.high * W + col.high], g * col.weight * row.weight);
        }
    }
}

// The largest sample of each bin, the first of equal ones, a NaN before all; index and weight (n, 4) say where it came from.
extern "C" __global__ void roi_align_max(const T *x, const T *boxes, T *y, int *index, T *weight, Boxes b) {
    const int at = thread_number(), W = b.W;
    if (at >= b.n) return;
    const Bin bin(at, boxes, b);
    const Samples rows = bin.rows(b), cols = bin.columns(b);
    const T *plane = x + bin.plane(b);
    T best = 0;
    int winner = -1;
    for (int s = 0; s < rows.count * cols.count; s++) {
        const Sample row = rows(bin.i, s / cols.count), col = cols(bin.j, s % cols.count);
        const T v = row.inside && col.inside ? value(plane, W, row, col) : T(0);
        if (winner < 0 || v > best || (v != v && best == best)) best = v, winner = s;
    }
    y[at] = best;
    const int across = max(cols.count, 1), from = max(winner, 0);
    const Sample row = rows(bin.i, from / across), col = cols(bin.j, from % across);
    const bool inside = winner >= 0 && row.inside && col.inside;
    for (int t = 0; t < 4; t++) {
        const int h = t / 2 ? row.high : row.low, w = t % 2 ? col.high : col.low;
        const T share = (t / 2 ? row.weight : 1 - row.weight) * (t % 2 ? col.weight : 1 - col.weight);
        index[4 * at + t] = inside ? h * W + w : -1;
        weight[4 * at + t] = inside ? share : T(0);
    }
}
