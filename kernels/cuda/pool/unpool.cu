// Gather and scatter inside a plane by flat positions: the two directions of max-pooling.
#include "minidl.cuh"

// y = x[index] plane by plane; index -1 gives 0, and one outside the plane raises the flag `bad`.
extern "C" __global__ void plane_gather(const T *x, const int *index, T *y, int *bad, int planes, int HW, int L) {
    const int j = thread_number();
    if (j >= L) return;
    for (int plane = blockIdx.y; plane < planes; plane += gridDim.y) {
        const int at = index[(long long)plane * L + j];
        const bool inside = at >= 0 && at < HW;
        if (!inside && at != -1) atomicExch(bad, 1);
        y[(long long)plane * L + j] = inside ? x[(long long)plane * HW + at] : T(0);
    }
}

// x[index] += y. Where positions go is known only when it runs, so this one must be a scatter, with atomic additions: windows
// that overlap may name one pixel, and the order of their additions, hence the last bit, is the hardware's choice.
extern "C" __global__ void plane_scatter(const T *y, const int *index, T *x, int *bad, int planes, int HW, int L) {
    const int j = thread_number();
    if (j >= L) return;
    for (int plane = blockIdx.y; plane < planes; plane += gridDim.y) {
        const int at = index[(long long)plane * L + j];
        if (at >= 0 && at < HW)
            atomicAdd(&x[(long long)plane * HW + at], y[(long long)plane * L + j]);
        else if (at != -1)
            atomicExch(bad, 1);
    }
}
