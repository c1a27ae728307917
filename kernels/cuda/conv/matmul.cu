// c = a b, the first kernel that needs shared memory: every element of a tile is loaded once and used TILE times.
#include "minidl.cuh"
#define TILE 16

// for i, j: c[i, j] = sum_k a[i, k] b[k, j]; a is (M, K), b (K, N). A block makes a TILE x TILE piece of c.
extern "C" __global__ void matmul(const T *__restrict__ a, const T *__restrict__ b, T *__restrict__ c, int M, int N, int K) {
    __shared__ T rows[TILE][TILE];
    __shared__ T cols[TILE][TILE];
    const int y = threadIdx.y, x = threadIdx.x, i = blockIdx.y * TILE + y, j = blockIdx.x * TILE + x;
    T sum = 0;
    for (int k = 0; k < K; k += TILE) {
        rows[y][x] = i < M && k + x < K ? a[i * K + k + x] : T(0);
        cols[y][x] = k + y < K && j < N ? b[(k + y) * N + j] : T(0);
        __syncthreads(); // the tiles are full
        for (int t = 0; t < TILE; t++) sum += rows[y][t] * cols[t][x];
        __syncthreads(); // the tiles have been used
    }
    if (i < M && j < N) c[i * N + j] = sum;
}
