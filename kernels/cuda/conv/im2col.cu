// Every window of an image as a column, and the adjoint that adds the columns back. One thread an output, no atomics.
#include "minidl.cuh"
#include "window.cuh"

// cols[n, (c, k, l), (i, j)] = x[n, c, i s + k d - p, j s + l d - p], zero outside the image.
// x is (planes, H, W) with planes = N C; the thread's number is ((plane taps + tap) Ho + i) Wo + j.
extern "C" __global__ void im2col(const T *__restrict__ x, T *__restrict__ cols, int n, Planes p, Window window) {
    const int at = thread_number();
    if (at >= n) return;
    const int j = at % p.Wo, i = at / p.Wo % p.Ho, row = at / p.Wo / p.Ho;
    const int l = row % window.kw, k = row / window.kw % window.kh, plane = row / window.kw / window.kh;
    const int h = window.row(i, k), w = window.column(j, l);
    const bool inside = 0 <= h && h < p.H && 0 <= w && w < p.W;
    cols[at] = inside ? x[(plane * p.H + h) * p.W + w] : T(0);
}

// x[n, c, h, w] = the sum of the columns' entries that im2col took from there: a gather over the taps (k, l),
// of which those count that some window (i, j) put on (h, w).
extern "C" __global__ void col2im(const T *__restrict__ cols, T *__restrict__ x, int n, Planes p, Window window) {
    const int at = thread_number();
    if (at >= n) return;
    const int w = at % p.W, h = at / p.W % p.H, plane = at / p.W / p.H;
    T sum = 0;
    for (int k = 0; k < window.kh; k++) {
        const int i = window.reader_row(h, k, p.Ho);
        if (i < 0) continue;
        for (int l = 0; l < window.kw; l++) {
            const int j = window.reader_column(w, l, p.Wo);
            if (j >= 0) sum += cols[(((plane * window.kh + k) * window.kw + l) * p.Ho + i) * p.Wo + j];
        }
    }
    x[at] = sum;
}
