// The gradient of a convolution in its weights on the tensor cores; the formula and the splits are conv_plain_weight.cu's.
//
// The reduction of this product runs over the pixels, and both operands lie in memory pixel after pixel: y as it is, x shifted by the
// tap. So both tiles are kept [row][16 pixels] and read 16 bytes a lane. A block of 256 threads makes 64 output channels x 128
// columns (c, k, l); the three stages of cp.async are conv_tensor.cu's.
#include "minidl.cuh"
#include "window.cuh"
#include "tensor_tile.cuh"
#define COLUMNS 128
#define ROWS 64
#define STAGES 3

struct Stage {
    float a[ROWS][DEPTH];    // y: output channels
    float b[COLUMNS][DEPTH]; // x: columns (c, k, l)
};

extern "C" __global__ void __launch_bounds__(256, 2)
conv_tensor_weight(const float *x, const float *y, float *part, WeightProduct product, Planes plane, Window window) {
    __shared__ Stage stage[STAGES];
    const int groups = product.groups, M = product.M, K = product.K, kh = window.kh, kw = window.kw;
    const int H = plane.H, W = plane.W, Wo = plane.Wo, L = plane.Ho * Wo, columns = K * kh * kw;
    const int tid = threadIdx.x, warp = tid / 32, lane = tid % DEPTH, line = tid / DEPTH, group = blockIdx.z % groups;
    const int first = blockIdx.z / groups * product.per_split, last = min(first + product.per_split, product.N * L);
    const int m0 = blockIdx.y * ROWS, q0 = blockIdx.x * COLUMNS;
    int shift[8], tap_h[8], tap_w[8]; // of the columns line + 16 i that this thread fetches
#pragma unroll
    for (int i = 0; i < 8; i++) {
        const int q = q0 + line + 16 * i;
        tap_h[i] = q < columns ? window.row(0, q / kw % kh) : -(1 << 29); // a tap that no image has
        tap_w[i] = window.column(0, q % kw);
        shift[i] = (q / (kh * kw) * H + tap_h[i]) * W + tap_w[i];
    }

    const auto fetch = [&](Stage &s, int start) {
        if (start < last) {
            const int p = start + lane, n = p / L, at = p - n * L, i = at / Wo, u = i * window.sh, v = (at - i * Wo) * window.sw;
            const float *from_y = y + (long long)(n * groups + group) * M * L + at;
            const float *from_x = x + (long long)(n * groups + group) * K * H * W + u * W + v;
#pragma unroll
            for (int k = 0; k < 4; k++) {
                const int row = line + 16 * k;
                const bool valid = p < last && m0 + row < M;
                copy_async<4>(&s.a[row][lane], valid ? from_y + (long long)(m0 + row) * L : y, valid);
            }
#pragma unroll
            for (int k = 0; k < 8; k++) {
                const int r = u + tap_h[k], q = v + tap_w[k];
                const bool valid = p < last && r >= 0 && r < H && q >= 0 && q < W;
                copy_async<4>(&s.b[line + 16 * k][lane], valid ? from_x + shift[k] : x, valid);
            }
        }
        copy_async_commit();
    };

    WarpTile<2> tile;
    tile.clear();
    const int row = warp / 4 * 32, column = warp % 4 * 32;
    for (int i = 0; i < STAGES - 1; i++) fetch(stage[i], first + i * DEPTH);
    for (int i = 0, start = first; start < last; start += DEPTH, i++) {
        copy_async_wait<STAGES - 2>();
        __syncthreads();
        fetch(stage[(i + STAGES - 1) % STAGES], start + (STAGES - 1) * DEPTH);
        const Stage &s = stage[i % STAGES];
        tile.multiply(s.a + row, [&](int n, int t) { return *(const float4 *)&s.b[column + n][4 * t]; });
    }

    const int g = tid % 32 / 4, t = tid % 4;
    part += (long long)blockIdx.z * M * columns; // blockIdx.z counts groups inside, splits outside
#pragma unroll
    for (int i = 0; i < 4; i++)
#pragma unroll
        for (int j = 0; j < 8; j++) {
            const int m = m0 + row + 8 * i + g, q = q0 + column + j / 2 * 8 + 2 * t + j % 2;
            if (m < M && q < columns) part[(long long)m * columns + q] = tile.sum[i / 2][j / 2][i % 2 * 2 + j % 2];
        }
}
