// One thread's share of a 64 x 64 tile without tensor cores: 4 x 4 sums in registers, fed from shared memory.
//
// Both operands are kept [depth][row], four rows together, so that a step of depth costs two 16-byte loads (float32) for 16
// multiplications. The 16 threads that share a row of the tile read the same four values: one broadcast.
#pragma once
#define TILE 64
#define DEPTH 16

struct alignas(16) Four {
    T v[4];
};

struct Operand { // [depth][row / 4]; the margin spreads the columns that neighbouring threads fill over the banks
    Four v[DEPTH][TILE / 4 + 1];
    __device__ T &at(int depth, int row) { return v[depth][row / 4].v[row % 4]; }
};

struct ThreadTile {
    T sum[4][4];

    __device__ void clear() {
        for (auto &row : sum)
            for (T &v : row) v = 0;
    }
    __device__ void multiply(const Operand &a, const Operand &b) {
#pragma unroll
        for (int d = 0; d < DEPTH; d++) {
            const Four left = a.v[d][threadIdx.x / 16], right = b.v[d][threadIdx.x % 16];
#pragma unroll
            for (int i = 0; i < 4; i++)
#pragma unroll
                for (int j = 0; j < 4; j++) sum[i][j] += left.v[i] * right.v[j];
        }
    }
};
