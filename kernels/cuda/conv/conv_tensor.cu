// Convolution as an implicit matrix product on the tensor cores: operands rounded to TF32, sums in float32.
//
// A block of 256 threads, 8 warps, makes a tile of 32 R output channels x 128 pixels (R = 2 or 4); each warp 16 R x 32 of
// it. For every tap and every 16 channels the weights and the pixels under the tap come to shared memory by cp.async, into
// one of three stages: while the tensor cores work on one, the next two are being copied, and no register holds them.
//
//   weights  [row][16 channels]    16 bytes a copy: conv_taps.cu has laid them out so, zeros beyond the ends
//   pixels   [16 channels][128]    4 bytes a copy, neighbouring threads neighbouring pixels; outside the image zeros
//
// Swizzle: lane (g, t) of a warp reads pixel g of channels 4 t ... 4 t + 3. Rows of 128 pixels all begin at bank 0, so the
// four t would conflict in one bank; pixel p of channel c is therefore kept at p xor 8 (c / 4), and all 32 lanes differ.
#include "minidl.cuh"
#include "conv.cuh"
#include "tensor_tile.cuh"
#define PIXELS 128
#define STAGES 3

template <int R> struct Stage {
    float a[32 * R][DEPTH];
    float b[DEPTH][PIXELS];
};

template <int R>
__device__ void conv_tensor(const float *x, const float *w, const float *bias, float *y, const Product product,
                            const Axis v, const Axis h) {
    using Stage = ::Stage<R>;
    __shared__ Stage stage[STAGES];
    const int M = product.M, K = product.K, Mp = product.Mp, Kp = product.Kp;
    const int phases = v.up * h.up, group = blockIdx.z / phases, groups = gridDim.z / phases;
    Walk load(v, h, K, DEPTH, blockIdx.z % phases);
    const int rows = v.outputs(load.rv), cols = h.outputs(load.rh), pixels = product.N * rows * cols;
    const int tiles = Mp / (32 * R); // all channels of the same pixels run one after the other: the cache keeps the pixels
    const int m0 = blockIdx.x % tiles * 32 * R, p0 = blockIdx.x / tiles * PIXELS, steps = load.steps();
    if (p0 >= pixels) return;

    const int tid = threadIdx.x, warp = tid / 32, column = tid % PIXELS;
    const Pixel mine(p0 + column, rows, cols);
    const bool exists = p0 + column < pixels;
    const float *image = x + (long long)(exists ? mine.n * groups + group : 0) * K * v.in * h.in;
    const float *filter = w + (long long)group * v.taps * h.taps * Mp * Kp + (long long)m0 * Kp + tid / 4 * Kp + tid % 4 * 4;

    const auto fetch = [&](Stage &s, int step) {
        if (step < steps) {
            const float *from = filter + (long long)load.tap() * Mp * Kp + load.c;
            for (int i = 0; i < R / 2; i++) copy_async<16>(&s.a[tid / 4 + 64 * i][tid % 4 * 4], from + 64 * i * Kp);
            const int r = mine.a * v.down + load.dv, q = mine.b * h.down + load.dh;
            const bool inside = exists && r >= 0 && r < v.in && q >= 0 && q < h.in;
#pragma unroll
            for (int i = 0; i < 8; i++) {
                const int c = tid / PIXELS + 2 * i;
                const bool valid = inside && load.c + c < K;
                copy_async<4>(&s.b[c][column ^ (c / 4 * 8)], valid ? image + ((load.c + c) * v.in + r) * h.in + q : x, valid);
            }
            load.next();
        }
        copy_async_commit(); // of nothing at the end: the count of groups goes on
    };

    WarpTile<R> tile;
    tile.clear();
    const int row = warp / 4 * 16 * R, first = warp % 4 * 32; // of this warp, within the block's tile
    for (int i = 0; i < STAGES - 1; i++) fetch(stage[i], i);
    for (int i = 0; i < steps; i++) {
        copy_async_wait<STAGES - 2>();
        __syncthreads(); // stage i is complete, and no thread reads stage i - 1 any more, which is filled again now
        fetch(stage[(i + STAGES - 1) % STAGES], i + STAGES - 1);
        const Stage &s = stage[i % STAGES];
        tile.multiply(s.a + row, [&](int n, int t) {
            const int p = (first + n) ^ (8 * t);
            return make_float4(s.b[4 * t][p], s.b[4 * t + 1][p], s.b[4 * t + 2][p], s.b[4 * t + 3][p]);
        });
    }

    const int g = tid % 32 / 4, t = tid % 4;
    for (int j = 0; j < 8; j++) {
        const int p = p0 + first + j / 2 * 8 + 2 * t + j % 2;
        if (p >= pixels) continue;
        const Pixel at(p, rows, cols);
        const long long plane = (long long)v.out * h.out;
        float *to = y + (long long)(at.n * groups + group) * M * plane;
        to += (load.rv + v.up * at.a) * h.out + load.rh + h.up * at.b;
#pragma unroll
        for (int i = 0; i < 2 * R; i++) {
            const int m = m0 + row + 8 * i + g;
            if (m < M) to[m * plane] = tile.sum[i / 2][j / 2][i % 2 * 2 + j % 2] + (bias ? bias[group * M + m] : 0);
        }
    }
}

extern "C" __global__ void __launch_bounds__(256, 2)
conv_tensor_64(const float *x, const float *w, const float *bias, float *y, Product product, Axis v, Axis h) {
    conv_tensor<2>(x, w, bias, y, product, v, h);
}

extern "C" __global__ void __launch_bounds__(256, 2)
conv_tensor_128(const float *x, const float *w, const float *bias, float *y, Product product, Axis v, Axis h) {
    conv_tensor<4>(x, w, bias, y, product, v, h);
}
