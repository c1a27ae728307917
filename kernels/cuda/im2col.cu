// Every window of an image as a column, and the adjoint that adds the columns back. One thread an output, no atomics.
#include "minidl.cuh"

// cols[n, (c, k, l), (i, j)] = x[n, c, i s + k d - p, j s + l d - p], zero outside the image.
// x is (planes, H, W) with planes = N C; the thread's number is ((plane taps + tap) Ho + i) Wo + j.
extern "C" __global__ void im2col(const T *__restrict__ x, T *__restrict__ cols, int n, int H, int W, int Ho, int Wo, int kh,
                                  int kw, int sh, int sw, int ph, int pw, int dh, int dw) {
    const int at = thread_number();
    if (at >= n) return;
    const int j = at % Wo, i = at / Wo % Ho, row = at / Wo / Ho, l = row % kw, k = row / kw % kh, plane = row / kw / kh;
    const int h = i * sh + k * dh - ph, w = j * sw + l * dw - pw;
    const bool inside = 0 <= h && h < H && 0 <= w && w < W;
    cols[at] = inside ? x[(plane * H + h) * W + w] : T(0);
}

// x[n, c, h, w] = the sum of the columns' entries that im2col took from there: a gather over the taps (k, l),
// of which those count that some window (i, j) put on (h, w).
extern "C" __global__ void col2im(const T *__restrict__ cols, T *__restrict__ x, int n, int H, int W, int Ho, int Wo, int kh,
                                  int kw, int sh, int sw, int ph, int pw, int dh, int dw) {
    const int at = thread_number();
    if (at >= n) return;
    const int w = at % W, h = at / W % H, plane = at / W / H;
    T sum = 0;
    for (int k = 0; k < kh; k++) {
        const int top = h + ph - k * dh, i = top / sh;
        if (top < 0 || top % sh || i >= Ho) continue;
        for (int l = 0; l < kw; l++) {
            const int left = w + pw - l * dw, j = left / sw;
            if (left >= 0 && left % sw == 0 && j < Wo) sum += cols[(((plane * kh + k) * kw + l) * Ho + i) * Wo + j];
        }
    }
    x[at] = sum;
}
