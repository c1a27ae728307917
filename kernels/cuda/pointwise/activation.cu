// The rectifier: one thread an element.
#include "minidl.cuh"

extern "C" __global__ void relu(const T *x, T *y, T ceiling, int n) {
    const int i = thread_number();
    if (i >= n) return;
    const T v = x[i];
    y[i] = v <= T(0) ? T(0) : v >= ceiling ? ceiling : v; // NaN stays NaN
}

extern "C" __global__ void relu_backward(const T *g, const T *y, T *dx, T ceiling, int n) {
    const int i = thread_number();
    if (i < n) dx[i] = y[i] <= T(0) || y[i] >= ceiling ? T(0) : g[i];
}
