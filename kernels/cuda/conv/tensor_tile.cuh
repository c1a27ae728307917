// One warp's share of a tile on the tensor cores: 16 ROWS x 32 sums, fed from shared memory 16 deep.
//
// mma.m16n8k8 takes 8 of depth at a time: lane (g, t) = (lane / 4, lane % 4) needs depths t and t + 4 of its rows. The
// terms of a sum may come in any order, so lane t takes depths 4 t ... 4 t + 3 instead, two for each of two mma:
// from a row of 16 that is one 16-byte load, and 8 lanes together read 128 bytes in a row, every bank once.
#pragma once
#define DEPTH 16

template <int ROWS> struct WarpTile {
    float sum[ROWS][4][4]; // 16 x 8 blocks, spread over the lanes as mma_tf32 (minidl.cuh) says

    __device__ void clear() {
        for (auto &row : sum)
            for (auto &block : row)
                for (float &v : block) v = 0;
    }

    // a: the warp's first row of [row][16]. column(j, first): depths 4 t + first and the one after, of column 8 j + g.
    template <class Column> __device__ void multiply(const float (*a)[DEPTH], Column column) {
        const int g = (threadIdx.x & 31) >> 2, t = threadIdx.x & 3;
        unsigned left[ROWS][2][4];
#pragma unroll
        for (int i = 0; i < ROWS; i++) {
            const float4 top = *(const float4 *)&a[16 * i + g][4 * t], low = *(const float4 *)&a[16 * i + 8 + g][4 * t];
            left[i][0][0] = to_tf32(top.x), left[i][0][1] = to_tf32(low.x);
            left[i][0][2] = to_tf32(top.y), left[i][0][3] = to_tf32(low.y);
            left[i][1][0] = to_tf32(top.z), left[i][1][1] = to_tf32(low.z);
            left[i][1][2] = to_tf32(top.w), left[i][1][3] = to_tf32(low.w);
        }
#pragma unroll
        for (int j = 0; j < 4; j++) {
            const float4 b = column(8 * j + g, t);
            const unsigned first[2] = {to_tf32(b.x), to_tf32(b.y)}, second[2] = {to_tf32(b.z), to_tf32(b.w)};
#pragma unroll
            for (int i = 0; i < ROWS; i++) {
                mma_tf32(sum[i][j], left[i][0], first);
                mma_tf32(sum[i][j], left[i][1], second);
            }
        }
    }
};
