// The exact Gaussian filter, every point with every other: out[c,i] = sum_j exp(-|f_i - f_j|^2 / 2) v[c,j].
//
// One thread per point i. The block brings TILE points j to shared memory at a time, and every thread reads all of them: a
// feature is loaded from global memory once per block instead of once per thread. All threads read the same j together,
// which shared memory serves as one broadcast. Eight channels per thread in registers; more of them go to blockIdx.y.
#include "minidl.cuh"
#define TILE 128
#define CHANNELS 8

extern "C" __global__ void __launch_bounds__(TILE)
gaussian_sum(const T *values, const T *features, T *out, int C, int N, int d) {
    DYNAMIC_SHARED(T, shared); // features of the tile (d, TILE), of the block's own points (d, TILE), values (CHANNELS, TILE)
    T *theirs = shared, *mine = shared + d * TILE, *value = shared + 2 * d * TILE;
    const int tid = threadIdx.x, i = thread_number(), first = blockIdx.y * CHANNELS, channels = min(CHANNELS, C - first);
    for (int k = 0; k < d; k++) mine[k * TILE + tid] = i < N ? features[(long long)k * N + i] : T(0);
    T sum[CHANNELS] = {};
    for (int start = 0; start < N; start += TILE) {
        const int j = start + tid;
        for (int k = 0; k < d; k++) theirs[k * TILE + tid] = j < N ? features[(long long)k * N + j] : T(0);
        for (int c = 0; c < CHANNELS; c++)
            value[c * TILE + tid] = j < N && c < channels ? values[(long long)(first + c) * N + j] : T(0);
        __syncthreads();
        T part[CHANNELS] = {}; // sums are blocked: over a tile, then over the tiles
        for (int t = 0; t < TILE; t++) {
            T distance = 0;
            for (int k = 0; k < d; k++) {
                const T apart = mine[k * TILE + tid] - theirs[k * TILE + t];
                distance += apart * apart;
            }
            const T weight = exp(T(-0.5) * distance);
#pragma unroll
            for (int c = 0; c < CHANNELS; c++) part[c] += weight * value[c * TILE + t];
        }
#pragma unroll
        for (int c = 0; c < CHANNELS; c++) sum[c] += part[c];
        __syncthreads();
    }
    if (i < N)
#pragma unroll
        for (int c = 0; c < CHANNELS; c++)
            if (c < channels) out[(long long)(first + c) * N + i] = sum[c];
}
