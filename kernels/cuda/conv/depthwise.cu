// Depthwise convolution: every output channel sees one input channel (o / multiplier). Channels share no input, so
// no matrix product: a few multiplications per value read, and memory bandwidth is the limit.
#include "minidl.cuh"
#include "window.cuh"

struct Channels { // `count` in a result of N images; `multiplier` output channels see the same input channel
    int count, multiplier;
};

// One thread per output pixel; a row of blocks per plane (n, o), so the weights are one address for all its threads.
// Neighbouring threads read neighbouring pixels; the taps of neighbouring rows come from the cache.
extern "C" __global__ void depthwise(const T *x, const T *w, const T *bias, T *y, Channels channels, Planes p,
                                     Window window) {
    const int H = p.H, W = p.W, Ho = p.Ho, Wo = p.Wo, kh = window.kh, kw = window.kw, O = channels.count;
    const int at = thread_number(), i = at / Wo, j = at % Wo;
    if (at >= Ho * Wo) return;
    for (int plane = blockIdx.y; plane < p.count; plane += gridDim.y) {
        const int o = plane % O;
        const T *image = x + (long long)(plane / channels.multiplier) * H * W, *filter = w + o * kh * kw;
        T sum = bias ? bias[o] : T(0);
        for (int k = 0; k < kh; k++) {
            const int h = window.row(i, k);
            if (h < 0 || h >= H) continue;
            for (int l = 0; l < kw; l++) {
                const int v = window.column(j, l);
                if (v >= 0 && v < W) sum += filter[k * kw + l] * image[h * W + v];
            }
        }
        y[(long long)plane * Ho * Wo + at] = sum;
    }
}

// The adjoint in x, as a gather: one thread per pixel adds the windows (i, j) that saw it, h = i s + k d - p.
extern "C" __global__ void depthwise_data(const T *y, const T *w, const T *bias, T *x, Channels channels, Planes p,
                                          Window window) {
    const int H = p.H, W = p.W, Ho = p.Ho, Wo = p.Wo, kh = window.kh, kw = window.kw;
    const int C = channels.count, multiplier = channels.multiplier;
    const int at = thread_number(), h = at / W, v = at % W;
    if (at >= H * W) return;
    for (int plane = blockIdx.y; plane < p.count; plane += gridDim.y) {
        const int c = plane % C;
        T sum = bias ? bias[c] : T(0);
        for (int m = 0; m < multiplier; m++) {
            const T *image = y + (long long)(plane * multiplier + m) * Ho * Wo, *filter = w + (c * multiplier + m) * kh * kw;
            for (int k = 0; k < kh; k++) {
                const int i = window.reader_row(h, k, Ho);
                if (i < 0) continue;
                for (int l = 0; l < kw; l++) {
                    const int j = window.reader_column(v, l, Wo);
                    if (j >= 0) sum += filter[k * kw + l] * image[i * Wo + j];
                }
            }
        }
        x[(long long)plane * H * W + at] = sum;
    }
}

// The gradient in w: one block per weight (tap, o) sums y[n,o,i,j] x[n, o / multiplier, i s + k d - p, j s + l d - p] over all
// images and pixels. The taps of a channel read the same planes at about the same time: once from memory, then from L2.
extern "C" __global__ void __launch_bounds__(256)
depthwise_weight(const T *x, const T *y, T *w, int N, Channels channels, Planes p, Window window) {
    const int H = p.H, W = p.W, Ho = p.Ho, Wo = p.Wo, O = channels.count, multiplier = channels.multiplier;
    const int kh = window.kh, kw = window.kw, k = blockIdx.x / kw, l = blockIdx.x % kw;
    for (int o = blockIdx.y; o < O; o += gridDim.y) {
        T sum = 0;
        for (int n = 0; n < N; n++) {
            const T *from_y = y + (long long)(n * O + o) * Ho * Wo, *from_x = x + (long long)((n * O + o) / multiplier) * H * W;
            for (int at = threadIdx.x; at < Ho * Wo; at += blockDim.x) {
                const int h = window.row(at / Wo, k), v = window.column(at % Wo, l);
                if (h >= 0 && h < H && v >= 0 && v < W) sum += from_y[at] * from_x[h * W + v];
            }
        }
        sum = block_sum(sum);
        if (threadIdx.x == 0) w[o * kh * kw + blockIdx.x] = sum;
    }
}
