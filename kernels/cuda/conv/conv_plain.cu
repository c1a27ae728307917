// Convolution as an implicit matrix product, in full precision: im2col's matrix is never stored.
//
// A block of 256 threads makes a 64 x 64 tile (output channels x pixels). For every tap and every 16 channels it copies a
// 64 x 16 tile of weights and the 16 x 64 pixels under that tap to shared memory; each thread keeps 4 x 4
// sums (plain_tile.cuh). A pixel is fetched from global memory once per tap and per 64 output channels, by neighbouring
// threads: coalesced for stride 1.
#include "minidl.cuh"
#include "conv.cuh"
#include "plain_tile.cuh"

extern "C" __global__ void __launch_bounds__(256)
conv_plain(const T *x, const T *w, const T *bias, T *y, Product product, Axis v, Axis h) {
    __shared__ Operand a;
    __shared__ Operand b;
    const int M = product.M, K = product.K, Mp = product.Mp, Kp = product.Kp, H = v.in, W = h.in;
    const int tid = threadIdx.x, phases = v.up * h.up, group = blockIdx.z / phases, groups = gridDim.z / phases;
    Walk walk(v, h, K, DEPTH, blockIdx.z % phases);
    const int rows = v.outputs(walk.rv), cols = h.outputs(walk.rh), pixels = product.N * rows * cols;
    const int p0 = blockIdx.x * TILE, m0 = blockIdx.y * TILE;
    if (p0 >= pixels) return; // this phase has fewer outputs than the largest one

    // what this thread fetches: channel tid % 16 of rows tid / 16 + 16 i, and channels tid / 64 + 4 i of pixel tid % 64
    const Pixel mine(p0 + tid % TILE, rows, cols);
    const bool exists = p0 + tid % TILE < pixels;
    const T *image = x + (long long)(mine.n * groups + group) * K * H * W;
    const T *filter = w + (long long)group * v.taps * h.taps * Mp * Kp + (m0 + tid / DEPTH) * Kp + tid % DEPTH;

    ThreadTile tile;
    tile.clear();
    for (int step = walk.steps(); step; step--, walk.next()) {
        const int r = mine.a * v.down + walk.dv, s = mine.b * h.down + walk.dh;
        const bool inside = exists && r >= 0 && r < H && s >= 0 && s < W;
        for (int i = 0; i < 4; i++) {
            const int c = tid / TILE + 4 * i;
            b.at(c, tid % TILE) = inside && walk.c + c < K ? image[((walk.c + c) * H + r) * W + s] : T(0);
            a.at(tid % DEPTH, tid / DEPTH + 16 * i) = filter[(long long)walk.tap() * Mp * Kp + 16 * i * Kp + walk.c];
        }
        __syncthreads();
        tile.multiply(a, b);
        __syncthreads();
    }
    const int ty = tid / 16, tx = tid % 16;
    for (int j = 0; j < 4; j++) {
        const int p = p0 + 4 * tx + j;
        if (p >= pixels) return;
        const Pixel at(p, rows, cols);
        for (int i = 0; i < 4; i++) {
            const int m = m0 + 4 * ty + i, o = group * M + m;
            if (m < M)
                y[((at.n * groups * M + o) * (long long)v.out + walk.rv + v.up * at.a) * h.out + walk.rh + h.up * at.b] =
                    tile.sum[i][j] + (bias ? bias[o] : T(0));
        }
    }
}
