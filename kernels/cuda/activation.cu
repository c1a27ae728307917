// The rectifier: one thread an element.
#include "minidl.cuh"

extern "C" __global__ void relu(const T *x, T *y, int n) {
    const int i = thread_number();
    if (i < n) y[i] = x[i] <= T(0) ? T(0) : x[i]; // NaN stays NaN
}

extern "C" __global__ void relu_backward(const T *g, const T *y, T *dx, int n) {
    const int i = thread_number();
    if (i < n) dx[i] = y[i] <= T(0) ? T(0) : g[i];
}
