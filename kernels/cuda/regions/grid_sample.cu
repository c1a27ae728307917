// Bilinear samples of x (N, C, H, W) at points (N, L, 2) = (x, y) in pixels; outside the image is 0. One thread per point
// computes its four neighbours once and then loops over channels, every gridDim.y-th from blockIdx.y.
#include "minidl.cuh"

struct Sizes { // x (N, C, H, W) and L points an image
    int N, C, H, W, L;
};

struct Corners { // flat positions of the neighbours (upper left, upper right, lower left, lower right), -1 outside
    int at[4];
    T u, v; // shares of the right and of the lower ones
    __device__ Corners(const T *point, int H, int W) {
        const T x = point[0], y = point[1];
        const bool near = x >= T(-1) && x < T(W) && y >= T(-1) && y < T(H); // no NaN is
        const int left = near ? (int)floor(x) : -2, top = near ? (int)floor(y) : -2;
        u = near ? x - T(left) : T(0);
        v = near ? y - T(top) : T(0);
        for (int t = 0; t < 4; t++) {
            const int h = top + t / 2, w = left + t % 2;
            at[t] = h >= 0 && h < H && w >= 0 && w < W ? h * W + w : -1;
        }
    }
    __device__ T share(int t) const { return (t / 2 ? v : 1 - v) * (t % 2 ? u : 1 - u); }
};

extern "C" __global__ void grid_sample(const T *x, const T *points, T *y, Sizes size) {
    const int N = size.N, C = size.C, H = size.H, W = size.W, L = size.L;
    const int p = thread_number(), n = p / L, l = p % L;
    if (p >= N * L) return;
    const Corners near(points + 2 * p, H, W);
    for (int c = blockIdx.y; c < C; c += gridDim.y) {
        const T *plane = x + ((long long)n * C + c) * H * W;
        T sum = 0;
        for (int t = 0; t < 4; t++)
            if (near.at[t] >= 0) sum += near.share(t) * plane[near.at[t]];
        y[((long long)n * C + c) * L + l] = sum;
    }
}

// The adjoint in x. Where points lie is data: a scatter with atomic additions, whose last bits depend on their order.
extern "C" __global__ void grid_sample_adjoint(const T *y, const T *points, T *x, Sizes size) {
    const int N = size.N, C = size.C, H = size.H, W = size.W, L = size.L;
    const int p = thread_number(), n = p / L, l = p % L;
    if (p >= N * L) return;
    const Corners near(points + 2 * p, H, W);
    for (int c = blockIdx.y; c < C; c += gridDim.y) {
        const T g = y[((long long)n * C + c) * L + l];
        for (int t = 0; t < 4; t++)
            if (near.at[t] >= 0) atomicAdd(&x[((long long)n * C + c) * H * W + near.at[t]], near.share(t) * g);
    }
}

// The derivative of <y, grid_sample(x, points)> in points: differences between neighbours, summed over channels by one thread.
extern "C" __global__ void grid_sample_slope(const T *y, const T *x, const T *points, T *slope, Sizes size) {
    const int N = size.N, C = size.C, H = size.H, W = size.W, L = size.L;
    const int p = thread_number(), n = p / L, l = p % L;
    if (p >= N * L) return;
    const Corners near(points + 2 * p, H, W);
    T along_x = 0, along_y = 0;
    for (int c = 0; c < C; c++) {
        const T *plane = x + ((long long)n * C + c) * H * W, g = y[((long long)n * C + c) * L + l];
        T v[4];
        for (int t = 0; t < 4; t++) v[t] = near.at[t] >= 0 ? plane[near.at[t]] : T(0);
        along_x += g * ((1 - near.v) * (v[1] - v[0]) + near.v * (v[3] - v[2]));
        along_y += g * ((1 - near.u) * (v[2] - v[0]) + near.u * (v[3] - v[1]));
    }
    slope[2 * p] = along_x;
    slope[2 * p + 1] = along_y;
}
