// The permutohedral lattice of N points with d features (Adams, Baek and Davis 2010): the simplex around each point, one
// thread per point, and the neighbours of each vertex, one thread per vertex and axis. In between, vertices are numbered by
// sorting their codes (lattice.py): a GPU sorts faster than its threads agree on a hash table.
//
// A vertex is known by a 64-bit code that is linear in its coordinates. The embedding rounds as the other columns do: float32
// in the same order, and never a fused multiply-add (hence __fmul_rn and its like), so the lattice has the same bits.
#include "minidl.cuh"

template <int D> // D = d + 1 coordinates, which sum to 0
__device__ void embed(const float *features, const float *scale, const long long *stride, long long *code,
                      float *weight, int N) {
    const int n = thread_number();
    if (n >= N) return;
    const float up = D, down = __fdiv_rn(1.0f, up);
    float x[D], origin[D], total = 0;
#pragma unroll
    for (int j = D - 1; j > 0; j--) {
        const float scaled = __fmul_rn(features[(j - 1) * N + n], scale[j - 1]);
        x[j] = __fsub_rn(total, __fmul_rn(float(j), scaled));
        total = __fadd_rn(total, scaled);
    }
    x[0] = total;

    int rank[D] = {}, excess = 0; // rank: how many coordinates were rounded down further
#pragma unroll
    for (int j = 0; j < D; j++) {
        const float step = rintf(__fmul_rn(down, x[j])); // half to even
        origin[j] = __fmul_rn(step, up);
        excess += (int)step;
    }
#pragma unroll
    for (int j = 0; j < D; j++)
#pragma unroll
        for (int k = j + 1; k < D; k++) {
            const bool less = __fsub_rn(x[j], origin[j]) < __fsub_rn(x[k], origin[k]); // a tie raises the later index
            rank[j] += less;
            rank[k] += !less;
        }

    float b[D + 1] = {};
    int by_rank[D];
    unsigned long long c = 0, diagonal = 0; // unsigned: very small standard deviations let codes wrap around
#pragma unroll
    for (int j = 0; j < D; j++) { // back to the plane: the coordinates that rounded furthest move by D
        const int r = rank[j] + excess, shift = (r < 0) - (r >= D);
        rank[j] = r + shift * D;
        origin[j] = __fadd_rn(origin[j], __fmul_rn(float(shift), up));
        const float v = __fmul_rn(__fsub_rn(x[j], origin[j]), down);
        b[D - 1 - rank[j]] = __fadd_rn(b[D - 1 - rank[j]], v);
        b[D - rank[j]] = __fsub_rn(b[D - rank[j]], v);
        by_rank[rank[j]] = j;
        c += (unsigned long long)(long long)origin[j] * (unsigned long long)stride[j];
        diagonal += stride[j];
    }
    b[0] = __fadd_rn(b[0], __fadd_rn(1.0f, b[D]));
    for (int r = 0; r < D; r++) { // the corner of remainder r + 1: add 1 everywhere, take D from the next coordinate by rank
        weight[n * D + r] = b[r];
        code[n * D + r] = (long long)c;
        c += diagonal - D * (unsigned long long)stride[by_rank[D - 1 - r]];
    }
}

extern "C" __global__ void lattice_embed(const float *features, const float *scale, const long long *stride,
                                         long long *code, float *weight, int N, int d) {
    switch (d) { // a count that the compiler knows keeps the coordinates in registers
    case 1: return embed<2>(features, scale, stride, code, weight, N);
    case 2: return embed<3>(features, scale, stride, code, weight, N);
    case 3: return embed<4>(features, scale, stride, code, weight, N);
    case 4: return embed<5>(features, scale, stride, code, weight, N);
    case 5: return embed<6>(features, scale, stride, code, weight, N);
    case 6: return embed<7>(features, scale, stride, code, weight, N);
    case 7: return embed<8>(features, scale, stride, code, weight, N);
    case 8: return embed<9>(features, scale, stride, code, weight, N);
    }
}

// codes (M,) ascending, number[i] the vertex that codes[i] belongs to. The neighbour along axis j is one step of D along j
// and one back along all: its code is looked up by bisection. Each is the other's neighbour on the opposite side.
extern "C" __global__ void lattice_neighbours(const long long *codes, const int *number, const long long *stride,
                                              int *neighbour, int M, int D) {
    const int i = thread_number();
    if (i >= M) return;
    const int j = blockIdx.y;
    unsigned long long step = D * (unsigned long long)stride[j];
    for (int k = 0; k < D; k++) step -= stride[k];
    const long long wanted = (long long)((unsigned long long)codes[i] + step);
    int low = 0, high = M;
    while (low < high) {
        const int middle = (low + high) / 2;
        if (codes[middle] < wanted)
            low = middle + 1;
        else
            high = middle;
    }
    if (low < M && codes[low] == wanted) {
        neighbour[(j * M + number[i]) * 2] = number[low];
        neighbour[(j * M + number[low]) * 2 + 1] = number[i];
    }
}
