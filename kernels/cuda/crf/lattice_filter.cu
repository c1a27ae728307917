// Splat, blur and slice on the permutohedral lattice. Values are rows: (points or vertices, C), so that the C channels of one
// vertex lie together and the lanes that share a vertex read one piece of memory. A team of `width` lanes (a power of two
// up to 32) takes a point's channels; more than 32 channels go to blockIdx.y.
#include "minidl.cuh"
#define RUN 32

struct Teams { // `items` entries or points with D = d + 1 corners and C channels, in teams of `width` lanes
    int items, D, C, width;
};

// table[vertex] += weight scale[point] values[point], over entries (point, corner) sorted by vertex. A team goes through RUN entries
// and adds in a register for as long as the vertex stays the same; only the ends of its runs are atomic additions, since a
// vertex may span several teams. Their order is the hardware's choice: the last bits may differ from run to run.
extern "C" __global__ void lattice_splat(const T *values, const T *scale, const int *order, const int *vertex,
                                         const float *weight, T *table, Teams teams) {
    const int entries = teams.items, D = teams.D, C = teams.C, width = teams.width;
    const int c = blockIdx.y * width + thread_number() % width, first = thread_number() / width * RUN;
    if (c >= C || first >= entries) return;
    const int last = min(first + RUN, entries);
    int at = vertex[order[first]];
    T sum = 0;
    for (int e = first; e < last; e++) {
        const int entry = order[e], point = entry / D, v = vertex[entry];
        if (v != at) {
            atomicAdd(&table[(long long)at * C + c], sum);
            at = v;
            sum = 0;
        }
        sum += T(weight[entry]) * (scale ? scale[point] : T(1)) * values[(long long)point * C + c];
    }
    atomicAdd(&table[(long long)at * C + c], sum);
}

// new = old + (n1 + n2) / 2 along one axis, one thread per value; a neighbour that no point touches is row M, which is zero.
extern "C" __global__ void lattice_blur(const T *old, T *now, const int *neighbour, int M, int C) {
    const int at = thread_number();
    if (at >= M * C) return;
    const int m = at / C, c = at % C;
    const T n1 = old[(long long)neighbour[2 * m] * C + c], n2 = old[(long long)neighbour[2 * m + 1] * C + c];
    now[at] = old[at] + (n1 + n2) / 2;
}

// out[point] = base[point] + factor scale[point] sum over corners of weight table[vertex]: a gather
extern "C" __global__ void lattice_slice(const T *table, const T *scale, const int *vertex, const float *weight,
                                         const T *base, T *out, Teams teams, T factor) {
    const int N = teams.items, D = teams.D, C = teams.C, width = teams.width;
    const int c = blockIdx.y * width + thread_number() % width, point = thread_number() / width;
    if (c >= C || point >= N) return;
    T sum = 0;
    for (int k = 0; k < D; k++)
        sum += T(weight[point * D + k]) * table[(long long)vertex[point * D + k] * C + c];
    if (scale) sum *= scale[point];
    out[(long long)point * C + c] = (base ? base[(long long)point * C + c] : T(0)) + factor * sum;
}

// message[m, c] = sum_k compat[c, k] table[m, k]: labels mix on the lattice, which has fewer vertices than there are points
extern "C" __global__ void lattice_mix(const T *table, const T *compat, T *message, int M, int C) {
    const int at = thread_number();
    if (at >= M * C) return;
    const int m = at / C, c = at % C;
    T sum = 0;
    for (int k = 0; k < C; k++) sum += compat[c * C + k] * table[(long long)m * C + k];
    message[at] = sum;
}

// Each row becomes exp(row - max) / sum; its team holds the maximum and the sum together by shuffles.
extern "C" __global__ void rows_softmax(const T *score, T *out, int N, int C, int width) {
    const int lane = thread_number() % width, point = thread_number() / width;
    const long long row = (long long)min(point, N - 1) * C; // lanes without a point of their own shuffle along
    T top = score[row], sum = 0;
    for (int c = lane; c < C; c += width) top = max(top, score[row + c]);
    for (int d = width / 2; d; d >>= 1) top = max(top, __shfl_xor_sync(FULL_WARP, top, d));
    for (int c = lane; c < C; c += width) sum += exp(score[row + c] - top);
    for (int d = width / 2; d; d >>= 1) sum += __shfl_xor_sync(FULL_WARP, sum, d);
    if (point < N)
        for (int c = lane; c < C; c += width) out[row + c] = exp(score[row + c] - top) / sum;
}
