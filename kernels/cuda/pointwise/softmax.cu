// Softmax along axis 1 of x (N, C, L): one thread per pixel loops over its classes; neighbouring threads read neighbouring pixels.
//
// The maximum and the sum take one pass ("online": Milakov and Gimelshein 2018): when a larger value appears, the sum so
// far is scaled down to it. The second pass finds most of the pixel's values in the cache.
#include "minidl.cuh"
#include "classes.cuh"

#define NEAR_ONE T(-0.34) // a logarithm of p from here on counts as that of a p near 1

extern "C" __global__ void softmax(const T *x, T *y, Scores size) {
    const int N = size.N, C = size.C, L = size.L;
    const int pixel = thread_number();
    if (pixel >= N * L) return;
    const long long first = first_class(pixel, C, L);
    const Exponentials e(x + first, C, L);
    const T scale = T(1 / (1 + e.others));
    for (int c = 0; c < C; c++) y[first + (long long)c * L] = exp(x[first + (long long)c * L] - e.top) * scale;
}

extern "C" __global__ void log_softmax(const T *x, T *y, Scores size) {
    const int N = size.N, C = size.C, L = size.L;
    const int pixel = thread_number();
    if (pixel >= N * L) return;
    const long long first = first_class(pixel, C, L);
    const Exponentials e(x + first, C, L);
    const T log_sum = T(log1p(e.others));
    for (int c = 0; c < C; c++) y[first + (long long)c * L] = (x[first + (long long)c * L] - e.top) - log_sum;
}

// dx = y (g - sum_c g y); g is taken relative to that of the largest class, so that 1 - y is not formed
extern "C" __global__ void softmax_backward(const T *g, const T *y, T *dx, Scores size) {
    const int N = size.N, C = size.C, L = size.L;
    const int pixel = thread_number();
    if (pixel >= N * L) return;
    const long long first = first_class(pixel, C, L);
    T largest = y[first], level = g[first];
    for (int c = 1; c < C; c++)
        if (y[first + (long long)c * L] > largest) {
            largest = y[first + (long long)c * L];
            level = g[first + (long long)c * L];
        }
    double sum = 0;
    for (int c = 0; c < C; c++) sum += (g[first + (long long)c * L] - level) * y[first + (long long)c * L];
    for (int c = 0; c < C; c++)
        dx[first + (long long)c * L] = y[first + (long long)c * L] * ((g[first + (long long)c * L] - level) - T(sum));
}

// dx = g - exp(y) sum_c g. Where p = exp(y) is near 1, which it is for one class at most: g (1 - p) - p times the sum over
// the other classes.
extern "C" __global__ void log_softmax_backward(const T *g, const T *y, T *dx, Scores size) {
    const int N = size.N, C = size.C, L = size.L;
    const int pixel = thread_number();
    if (pixel >= N * L) return;
    const long long first = first_class(pixel, C, L);
    double near = 0, others = 0;
    for (int c = 0; c < C; c++) (y[first + (long long)c * L] > NEAR_ONE ? near : others) += g[first + (long long)c * L];
    for (int c = 0; c < C; c++) {
        const T v = y[first + (long long)c * L], up = g[first + (long long)c * L];
        dx[first + (long long)c * L] =
            v > NEAR_ONE ? -up * expm1(v) - exp(v) * T(others) : up - exp(v) * T(near + others);
    }
}
