// Greedy non-maximum suppression: which boxes overlap is found in parallel, as bits; the greedy loop then only reads bits.
#include "minidl.cuh"
#define WORD 64 // boxes of a block, bits of a word

// bits[i][word] has bit b if box j = 64 word + b comes after i, is of its group and overlaps it by more than the threshold.
// Boxes (L, 4) are sorted by score. A block of 64 threads compares 64 boxes with 64 others, which lie in shared memory.
extern "C" __global__ void nms_overlap(const T *boxes, const long long *groups, unsigned long long *bits, int L,
                                       double threshold) {
    __shared__ T other[WORD][4];
    __shared__ long long group[WORD];
    const int words = gridDim.x, i = blockIdx.y * WORD + threadIdx.x, first = blockIdx.x * WORD;
    if (first + (int)threadIdx.x < L) {
        for (int k = 0; k < 4; k++) other[threadIdx.x][k] = boxes[4 * (first + threadIdx.x) + k];
        group[threadIdx.x] = groups[first + threadIdx.x];
    }
    __syncthreads();
    if (i >= L) return;
    const T x1 = boxes[4 * i], y1 = boxes[4 * i + 1], x2 = boxes[4 * i + 2], y2 = boxes[4 * i + 3];
    const T area = (x2 - x1) * (y2 - y1);
    unsigned long long mine = 0;
    for (int b = max(i + 1 - first, 0); b < min(WORD, L - first); b++) {
        const T *o = other[b];
        const T width = max(min(x2, o[2]) - max(x1, o[0]), T(0)), height = max(min(y2, o[3]) - max(y1, o[1]), T(0));
        const T shared = width * height, overlap = shared / (area + (o[2] - o[0]) * (o[3] - o[1]) - shared); // 0 / 0 is none
        if (double(overlap) > threshold && group[b] == groups[i]) mine |= 1ull << b;
    }
    bits[(long long)i * words + blockIdx.x] = mine;
}

// The greedy loop, by one block. 64 boxes at a time: one thread decides among them, since only their own word of bits matters
// for that; then all threads, each for its words, suppress what the kept boxes overlap. `struck` (words,) starts zero.
extern "C" __global__ void nms_walk(const unsigned long long *bits, unsigned long long *struck, bool *stays, int L,
                                    int words) {
    __shared__ unsigned long long kept[1];
    for (int word = 0; word < words; word++) {
        const int first = word * WORD, count = min(WORD, L - first);
        if (threadIdx.x == 0) {
            unsigned long long dead = struck[word], stay = 0;
            for (int b = 0; b < count; b++)
                if (!(dead >> b & 1)) {
                    stay |= 1ull << b;
                    dead |= bits[(long long)(first + b) * words + word];
                }
            kept[0] = stay;
        }
        __syncthreads();
        for (int b = threadIdx.x; b < count; b += blockDim.x) stays[first + b] = kept[0] >> b & 1;
        for (int w = word + 1 + threadIdx.x; w < words; w += blockDim.x) {
            unsigned long long dead = struck[w];
            for (int b = 0; b < count; b++)
                if (kept[0] >> b & 1) dead |= bits[(long long)(first + b) * words + w];
            struck[w] = dead;
        }
        __syncthreads(); // struck is read by thread 0 next
    }
}
