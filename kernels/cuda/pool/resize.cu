// Separable resizing, two taps along each axis, and its adjoint as two gathers.
#include "minidl.cuh"
#include "window.cuh"

// y = (1 - f) x[lo] + f x[hi] along rows and columns: up to four reads a thread, mostly from the cache. A tap of weight 0 is
// not read, so that an infinity beside it does not become NaN.
// rows (2, Ho) holds lo and hi of the rows, cols (2, Wo) those of the columns.
extern "C" __global__ void resize2d(const T *x, T *y, const int *rows, const T *row_f, const int *cols, const T *col_f,
                                    Planes p) {
    const int H = p.H, W = p.W, Ho = p.Ho, Wo = p.Wo;
    const int pixel = thread_number(), i = pixel / Wo, j = pixel % Wo;
    if (pixel >= Ho * Wo) return;
    const int left = cols[j], right = cols[Wo + j];
    const T v = row_f[i], u = col_f[j];
    for (int plane = blockIdx.y; plane < p.count; plane += gridDim.y) {
        const T *low = x + ((long long)plane * H + rows[i]) * W, *high = x + ((long long)plane * H + rows[Ho + i]) * W;
        T sum = u == T(0) ? low[left] : (1 - u) * low[left] + u * low[right];
        if (v != T(0)) sum = (1 - v) * sum + v * (u == T(0) ? high[left] : (1 - u) * high[left] + u * high[right]);
        y[(long long)plane * Ho * Wo + pixel] = sum;
    }
}

// The adjoint along rows: x[h, j] = the sum of weight[t] y[from[t], j] over the taps t = first[h] .. first[h + 1] - 1 that
// read row h. The table of taps is sorted by h beforehand; one thread per (h, j) then needs no atomics.
extern "C" __global__ void resize_rows_adjoint(const T *y, T *x, const int *first, const int *from, const T *weight,
                                               Planes p) {
    const int H = p.H, W = p.W, Ho = p.Ho;
    const int pixel = thread_number(), h = pixel / W, j = pixel % W;
    if (pixel >= H * W) return;
    for (int plane = blockIdx.y; plane < p.count; plane += gridDim.y) {
        T sum = 0;
        for (int t = first[h]; t < first[h + 1]; t++) sum += weight[t] * y[((long long)plane * Ho + from[t]) * W + j];
        x[(long long)plane * H * W + pixel] = sum;
    }
}

// The same along columns.
extern "C" __global__ void resize_cols_adjoint(const T *y, T *x, const int *first, const int *from, const T *weight,
                                               int rows, int W, int Wo) {
    const int v = thread_number();
    if (v >= W) return;
    for (int row = blockIdx.y; row < rows; row += gridDim.y) {
        T sum = 0;
        for (int t = first[v]; t < first[v + 1]; t++) sum += weight[t] * y[(long long)row * Wo + from[t]];
        x[(long long)row * W + v] = sum;
    }
}
