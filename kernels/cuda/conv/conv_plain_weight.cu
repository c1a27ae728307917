// The gradient of a convolution in its weights, in full precision:
//
//   part[split][o][c, k, l] = sum over the split's pixels (n, i, j) of  y[n,o,i,j] x[n, c, i s + k d - p, j s + l d - p]
//
// a product of (O x pixels) and (pixels x C kh kw). Its result is small and its reduction is long, so the pixels are cut into
// splits, one layer of blocks each, whose sums another kernel adds: no atomics, the same bits every time. A block makes a
// 64 x 64 tile from 16 pixels at a time (plain_tile.cuh).
#include "minidl.cuh"
#include "window.cuh"
#include "plain_tile.cuh"

extern "C" __global__ void __launch_bounds__(256)
conv_plain_weight(const T *x, const T *y, T *part, WeightProduct product, Planes p, Window window) {
    __shared__ Operand a;
    __shared__ Operand b;
    const int groups = product.groups, M = product.M, K = product.K, kh = window.kh, kw = window.kw;
    const int tid = threadIdx.x, group = blockIdx.z % groups, split = blockIdx.z / groups;
    const int columns = K * kh * kw, L = p.Ho * p.Wo, m0 = blockIdx.y * TILE, q0 = blockIdx.x * TILE;
    const int first = split * product.per_split, last = min(first + product.per_split, product.N * L);
    ThreadTile tile;
    tile.clear();
    for (int start = first; start < last; start += DEPTH) {
        const int pixel = start + tid % DEPTH, n = pixel / L, i = pixel % L / p.Wo, j = pixel % p.Wo; // the pixel that this thread fetches
        for (int r = 0; r < 4; r++) {
            const int row = tid / DEPTH + 16 * r, m = m0 + row, q = q0 + row; // for an output channel and a column
            const int c = q / (kh * kw), u = window.row(i, q / kw % kh), v = window.column(j, q % kw);
            const bool exists = pixel < last, inside = exists && q < columns && u >= 0 && u < p.H && v >= 0 && v < p.W;
            a.at(tid % DEPTH, row) = exists && m < M ? y[(long long)((n * groups + group) * M + m) * L + i * p.Wo + j] : T(0);
            b.at(tid % DEPTH, row) = inside ? x[((long long)((n * groups + group) * K + c) * p.H + u) * p.W + v] : T(0);
        }
        __syncthreads();
        tile.multiply(a, b);
        __syncthreads();
    }
    const int ty = tid / 16, tx = tid % 16;
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < 4; j++) {
            const int m = m0 + 4 * ty + i, q = q0 + 4 * tx + j;
            if (m < M && q < columns) part[((long long)(split * groups + group) * M + m) * columns + q] = tile.sum[i][j];
        }
}
