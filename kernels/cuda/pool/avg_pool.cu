// Average pooling and its adjoint, both as gathers: one thread adds what it needs and writes one value.
#include "minidl.cuh"
#include "window.cuh"

// y[n,c,i,j] = scale[i,j] * the sum over taps of x[n, c, i s + k d - p, j s + l d - p]
extern "C" __global__ void avg_pool2d(const T *x, const T *scale, T *y, Planes p, Window window) {
    const int pixel = thread_number(), i = pixel / p.Wo, j = pixel % p.Wo;
    if (pixel >= p.Ho * p.Wo) return;
    for (int plane = blockIdx.y; plane < p.count; plane += gridDim.y) {
        T sum = 0;
        for (int k = 0; k < window.kh; k++) {
            const int h = window.row(i, k);
            if (h < 0 || h >= p.H) continue;
            for (int l = 0; l < window.kw; l++) {
                const int v = window.column(j, l);
                if (v >= 0 && v < p.W) sum += x[((long long)plane * p.H + h) * p.W + v];
            }
        }
        y[(long long)plane * p.Ho * p.Wo + pixel] = sum * scale[pixel];
    }
}

// x[n,c,h,v] = the sum of scale[i,j] y[n,c,i,j] over the windows that hold (h, v)
extern "C" __global__ void avg_pool2d_adjoint(const T *y, const T *scale, T *x, Planes p, Window window) {
    const int pixel = thread_number(), h = pixel / p.W, v = pixel % p.W;
    if (pixel >= p.H * p.W) return;
    for (int plane = blockIdx.y; plane < p.count; plane += gridDim.y) {
        T sum = 0;
        for (int k = 0; k < window.kh; k++) {
            const int i = window.reader_row(h, k, p.Ho);
            if (i < 0) continue;
            for (int l = 0; l < window.kw; l++) {
                const int j = window.reader_column(v, l, p.Wo);
                if (j >= 0) sum += scale[i * p.Wo + j] * y[((long long)plane * p.Ho + i) * p.Wo + j];
            }
        }
        x[(long long)plane * p.H * p.W + pixel] = sum;
    }
}

// The mean over windows floor(i H / Ho) .. ceil((i + 1) H / Ho)
extern "C" __global__ void adaptive_avg_pool2d(const T *x, T *y, Planes p) {
    const int H = p.H, W = p.W, Ho = p.Ho, Wo = p.Wo;
    const int pixel = thread_number(), i = pixel / Wo, j = pixel % Wo;
    if (pixel >= Ho * Wo) return;
    const int top = (long long)i * H / Ho, bottom = ((i + 1LL) * H + Ho - 1) / Ho;
    const int left = (long long)j * W / Wo, right = ((j + 1LL) * W + Wo - 1) / Wo;
    for (int plane = blockIdx.y; plane < p.count; plane += gridDim.y) {
        T sum = 0;
        for (int h = top; h < bottom; h++)
            for (int v = left; v < right; v++) sum += x[((long long)plane * H + h) * W + v];
        y[(long long)plane * Ho * Wo + pixel] = sum / T((bottom - top) * (right - left));
    }
}

// Window i holds h if i H / Ho < h + 1 and (i + 1) H / Ho > h, so i = floor(h Ho / H) .. ceil((h + 1) Ho / H) - 1
extern "C" __global__ void adaptive_avg_pool2d_adjoint(const T *y, T *x, Planes p) {
    const int H = p.H, W = p.W, Ho = p.Ho, Wo = p.Wo;
    const int pixel = thread_number(), h = pixel / W, v = pixel % W;
    if (pixel >= H * W) return;
    const int first_i = (long long)h * Ho / H, last_i = ((h + 1LL) * Ho + H - 1) / H;
    const int first_j = (long long)v * Wo / W, last_j = ((v + 1LL) * Wo + W - 1) / W;
    for (int plane = blockIdx.y; plane < p.count; plane += gridDim.y) {
        T sum = 0;
        for (int i = first_i; i < last_i; i++) {
            const int height = (int)(((i + 1LL) * H + Ho - 1) / Ho - (long long)i * H / Ho);
            for (int j = first_j; j < last_j; j++) {
                const int width = (int)(((j + 1LL) * W + Wo - 1) / Wo - (long long)j * W / Wo);
                sum += y[((long long)plane * Ho + i) * Wo + j] / T(height * width);
            }
        }
        x[(long long)plane * H * W + pixel] = sum;
    }
}
