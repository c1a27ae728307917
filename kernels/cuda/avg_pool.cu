// Average pooling and its adjoint, both as gathers: one thread adds what it needs and writes one value.
#include "minidl.cuh"

// y[n,c,i,j] = scale[i,j] * the sum over taps of x[n, c, i s + k d - p, j s + l d - p]
extern "C" __global__ void avg_pool2d(const T *x, const T *scale, T *y, int planes, int H, int W, int Ho, int Wo,
                                      int kh, int kw, int sh, int sw, int ph, int pw, int dh, int dw) {
    const int pixel = thread_number(), i = pixel / Wo, j = pixel % Wo;
    if (pixel >= Ho * Wo) return;
    for (int plane = blockIdx.y; plane < planes; plane += gridDim.y) {
        T sum = 0;
        for (int k = 0; k < kh; k++) {
            const int h = i * sh + k * dh - ph;
            if (h < 0 || h >= H) continue;
            for (int l = 0; l < kw; l++) {
                const int v = j * sw + l * dw - pw;
                if (v >= 0 && v < W) sum += x[((long long)plane * H + h) * W + v];
            }
        }
        y[(long long)plane * Ho * Wo + pixel] = sum * scale[pixel];
    }
}

// x[n,c,h,v] = the sum of scale[i,j] y[n,c,i,j] over the windows that hold (h, v)
extern "C" __global__ void avg_pool2d_adjoint(const T *y, const T *scale, T *x, int planes, int H, int W, int Ho,
                                              int Wo, int kh, int kw, int sh, int sw, int ph, int pw, int dh, int dw) {
    const int pixel = thread_number(), h = pixel / W, v = pixel % W;
    if (pixel >= H * W) return;
    for (int plane = blockIdx.y; plane < planes; plane += gridDim.y) {
        T sum = 0;
        for (int k = 0; k < kh; k++) {
            const int top = h + ph - k * dh, i = top / sh;
            if (top < 0 || top % sh || i >= Ho) continue;
            for (int l = 0; l < kw; l++) {
                const int left = v + pw - l * dw, j = left / sw;
                if (left < 0 || left % sw || j >= Wo) continue;
                sum += scale[i * Wo + j] * y[((long long)plane * Ho + i) * Wo + j];
            }
        }
        x[(long long)plane * H * W + pixel] = sum;
    }
}

// The mean over windows floor(i H / Ho) .. ceil((i + 1) H / Ho)
extern "C" __global__ void adaptive_avg_pool2d(const T *x, T *y, int planes, int H, int W, int Ho, int Wo) {
    const int pixel = thread_number(), i = pixel / Wo, j = pixel % Wo;
    if (pixel >= Ho * Wo) return;
    const int top = (long long)i * H / Ho, bottom = ((i + 1LL) * H + Ho - 1) / Ho;
    const int left = (long long)j * W / Wo, right = ((j + 1LL) * W + Wo - 1) / Wo;
    for (int plane = blockIdx.y; plane < planes; plane += gridDim.y) {
        T sum = 0;
        for (int h = top; h < bottom; h++)
            for (int v = left; v < right; v++) sum += x[((long long)plane * H + h) * W + v];
        y[(long long)plane * Ho * Wo + pixel] = sum / T((bottom - top) * (right - left));
    }
}

// Window i holds h if i H / Ho < h + 1 and (i + 1) H / Ho > h, so i = floor(h Ho / H) .. ceil((h + 1) Ho / H) - 1
extern "C" __global__ void adaptive_avg_pool2d_adjoint(const T *y, T *x, int planes, int H, int W, int Ho, int Wo) {
    const int pixel = thread_number(), h = pixel / W, v = pixel % W;
    if (pixel >= H * W) return;
    const int first_i = (long long)h * Ho / H, last_i = ((h + 1LL) * Ho + H - 1) / H;
    const int first_j = (long long)v * Wo / W, last_j = ((v + 1LL) * Wo + W - 1) / W;
    for (int plane = blockIdx.y; plane < planes; plane += gridDim.y) {
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
