// Max-pooling: one thread per output pixel, a row of blocks per plane. The first maximum wins; a NaN wins over every number
// and the last NaN over all; taps outside the image take no part. What is read twice (windows overlap) comes from the cache.
#include "minidl.cuh"
#include "window.cuh"
#define MINUS_INFINITY T(__int_as_float((int)0xff800000u)) // NVRTC knows no INFINITY

struct Best {
    T value;
    int at;
    __device__ void meet(T v, int where) {
        if (v > value || v != v || at < 0) value = v, at = where;
    }
};

extern "C" __global__ void max_pool2d(const T *x, T *y, int *index, Planes p, Window window) {
    const int H = p.H, W = p.W, Ho = p.Ho, Wo = p.Wo;
    const int pixel = thread_number(), i = pixel / Wo, j = pixel % Wo;
    if (pixel >= Ho * Wo) return;
    for (int plane = blockIdx.y; plane < p.count; plane += gridDim.y) {
        const T *image = x + (long long)plane * H * W;
        Best best = {MINUS_INFINITY, -1};
        for (int k = 0; k < window.kh; k++) {
            const int h = window.row(i, k);
            if (h < 0 || h >= H) continue;
            for (int l = 0; l < window.kw; l++) {
                const int v = window.column(j, l);
                if (v >= 0 && v < W) best.meet(image[h * W + v], h * W + v);
            }
        }
        y[(long long)plane * Ho * Wo + pixel] = best.value;
        index[(long long)plane * Ho * Wo + pixel] = best.at;
    }
}

// Windows floor(i H / Ho) .. ceil((i + 1) H / Ho).
extern "C" __global__ void adaptive_max_pool2d(const T *x, T *y, int *index, Planes p) {
    const int H = p.H, W = p.W, Ho = p.Ho, Wo = p.Wo;
    const int pixel = thread_number(), i = pixel / Wo, j = pixel % Wo;
    if (pixel >= Ho * Wo) return;
    const int top = (long long)i * H / Ho, bottom = ((i + 1LL) * H + Ho - 1) / Ho;
    const int left = (long long)j * W / Wo, right = ((j + 1LL) * W + Wo - 1) / Wo;
    for (int plane = blockIdx.y; plane < p.count; plane += gridDim.y) {
        const T *image = x + (long long)plane * H * W;
        Best best = {MINUS_INFINITY, -1};
        for (int h = top; h < bottom; h++)
            for (int v = left; v < right; v++) best.meet(image[h * W + v], h * W + v);
        y[(long long)plane * Ho * Wo + pixel] = best.value;
        index[(long long)plane * Ho * Wo + pixel] = best.at;
    }
}
