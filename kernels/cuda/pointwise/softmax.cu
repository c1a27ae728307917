// Softmax along axis 1 of x (N, C, L): one thread per pixel loops over its classes; neighbouring threads read neighbouring pixels.
//
// The maximum and the sum take one pass ("online": Milakov and Gimelshein 2018): when a larger value appears, the sum so
// far is scaled down to it. The second pass finds most of the pixel's values in the cache.
#include "minidl.cuh"
#include "classes.cuh"

extern "C" __global__ void softmax(const T *x, T *y, Scores size) {
    const int N = size.N, C = size.C, L = size.L;
    const int pixel = thread_number();
    if (pixel >= N * L) return;
    const long long first = first_class(pixel, C, L);
    const Exponentials e(x + first, C, L);
    const T scale = T(1 / e.sum);
    for (int c = 0; c < C; c++) y[first + (long long)c * L] = exp(x[first + (long long)c * L] - e.top) * scale;
}

extern "C" __global__ void log_softmax(const T *x, T *y, Scores size) {
    const int N = size.N, C = size.C, L = size.L;
    const int pixel = thread_number();
    if (pixel >= N * L) return;
    const long long first = first_class(pixel, C, L);
    const Exponentials e(x + first, C, L);
    const T log_sum = log(T(e.sum));
    for (int c = 0; c < C; c++) y[first + (long long)c * L] = x[first + (long long)c * L] - e.top - log_sum;
}

// dx = y (g - sum_c g y)
extern "C" __global__ void softmax_backward(const T *g, const T *y, T *dx, Scores size) {
    const int N = size.N, C = size.C, L = size.L;
    const int pixel = thread_number();
    if (pixel >= N * L) return;
    const long long first = first_class(pixel, C, L);
    double sum = 0;
    for (int c = 0; c < C; c++) sum += g[first + (long long)c * L] * y[first + (long long)c * L];
    for (int c = 0; c < C; c++)
        dx[first + (long long)c * L] = y[first + (long long)c * L] * (g[first + (long long)c * L] - T(sum));
}

// dx = g - exp(y) sum_c g
extern "C" __global__ void log_softmax_backward(const T *g, const T *y, T *dx, Scores size) {
    const int N = size.N, C = size.C, L = size.L;
    const int pixel = thread_number();
    if (pixel >= N * L) return;
    const long long first = first_class(pixel, C, L);
    double sum = 0;
    for (int c = 0; c < C; c++) sum += g[first + (long long)c * L];
    for (int c = 0; c < C; c++)
        dx[first + (long long)c * L] = g[first + (long long)c * L] - exp(y[first + (long long)c * L]) * T(sum);
}
