// Warp collectives. Each lane hands in a struct of its own; the last lane to arrive works for all of them.
#pragma once

struct cudasim_Shuffle {
    uint64_t value, result;
    int from; // lane to read; -1 keeps the own value
};

static inline void cudasim_shuffle_all(unsigned active, void **lanes) {
    for (unsigned m = active; m; m &= m - 1) {
        cudasim_Shuffle *me = (cudasim_Shuffle *)lanes[__builtin_ctz(m)];
        if (me->from >= 0 && !(active >> me->from & 1)) cudasim_fail("a shuffle reads a lane that does not take part", 0);
        me->result = me->from < 0 ? me->value : ((cudasim_Shuffle *)lanes[me->from])->value;
    }
}

template <class V> inline V cudasim_shuffle(unsigned mask, V v, int from, int line) {
    static_assert(sizeof(V) <= 8, "shuffles move at most 8 bytes");
    cudasim_Shuffle s = {0, 0, from};
    memcpy(&s.value, &v, sizeof v);
    cudasim_warp(mask, &s, cudasim_shuffle_all, line);
    memcpy(&v, &s.result, sizeof v);
    return v;
}

template <class V> inline V cudasim_shfl(int line, unsigned mask, V v, int from, int width = 32) {
    const int lane = cudasim_current->lane;
    return cudasim_shuffle(mask, v, (lane & ~(width - 1)) | (from & (width - 1)), line);
}
template <class V> inline V cudasim_shfl_up(int line, unsigned mask, V v, unsigned d, int width = 32) {
    const int lane = cudasim_current->lane, from = lane - (int)d;
    return cudasim_shuffle(mask, v, from < (lane & ~(width - 1)) ? -1 : from, line);
}
template <class V> inline V cudasim_shfl_down(int line, unsigned mask, V v, unsigned d, int width = 32) {
    const int lane = cudasim_current->lane, from = lane + (int)d;
    return cudasim_shuffle(mask, v, from > (lane | (width - 1)) ? -1 : from, line);
}
template <class V> inline V cudasim_shfl_xor(int line, unsigned mask, V v, int d, int width = 32) {
    const int lane = cudasim_current->lane, from = lane ^ d;
    return cudasim_shuffle(mask, v, from > (lane | (width - 1)) ? -1 : from, line);
}
#define __shfl_sync(...) cudasim_shfl(__LINE__, __VA_ARGS__)
#define __shfl_up_sync(...) cudasim_shfl_up(__LINE__, __VA_ARGS__)
#define __shfl_down_sync(...) cudasim_shfl_down(__LINE__, __VA_ARGS__)
#define __shfl_xor_sync(...) cudasim_shfl_xor(__LINE__, __VA_ARGS__)

// Votes and reductions: fold over the lanes that take part, the same result for each.
template <class V> struct cudasim_Vote { V value, result; };

template <class V, class F> inline V cudasim_fold(int line, unsigned mask, V v, F) {
    cudasim_Vote<V> vote = {v, v};
    cudasim_warp(mask, &vote, [](unsigned active, void **lanes) {
        V total = ((cudasim_Vote<V> *)lanes[__builtin_ctz(active)])->value;
        for (unsigned m = active & (active - 1); m; m &= m - 1) total = F::of(total, ((cudasim_Vote<V> *)lanes[__builtin_ctz(m)])->value);
        for (unsigned m = active; m; m &= m - 1) ((cudasim_Vote<V> *)lanes[__builtin_ctz(m)])->result = total;
    }, line);
    return vote.result;
}

struct cudasim_Or { template <class V> static V of(V a, V b) { return a | b; } };
struct cudasim_And { template <class V> static V of(V a, V b) { return a & b; } };
struct cudasim_Xor { template <class V> static V of(V a, V b) { return a ^ b; } };
struct cudasim_Add { template <class V> static V of(V a, V b) { return a + b; } };
struct cudasim_Min { template <class V> static V of(V a, V b) { return a < b ? a : b; } };
struct cudasim_Max { template <class V> static V of(V a, V b) { return a > b ? a : b; } };

#define __ballot_sync(mask, p) cudasim_fold(__LINE__, mask, (p) ? 1u << cudasim_current->lane : 0u, cudasim_Or())
#define __any_sync(mask, p) (cudasim_fold(__LINE__, mask, (p) ? 1u : 0u, cudasim_Or()) != 0)
#define __all_sync(mask, p) (cudasim_fold(__LINE__, mask, (p) ? 1u : 0u, cudasim_And()) != 0)
#define __reduce_add_sync(mask, v) cudasim_fold(__LINE__, mask, v, cudasim_Add())
#define __reduce_min_sync(mask, v) cudasim_fold(__LINE__, mask, v, cudasim_Min())
#define __reduce_max_sync(mask, v) cudasim_fold(__LINE__, mask, v, cudasim_Max())
#define __reduce_and_sync(mask, v) cudasim_fold(__LINE__, mask, v, cudasim_And())
#define __reduce_or_sync(mask, v) cudasim_fold(__LINE__, mask, v, cudasim_Or())
#define __reduce_xor_sync(mask, v) cudasim_fold(__LINE__, mask, v, cudasim_Xor())

struct cudasim_Match {
    uint64_t value;
    unsigned result;
};

template <class V> inline unsigned cudasim_match(int line, unsigned mask, V v) {
    cudasim_Match match = {0, 0};
    memcpy(&match.value, &v, sizeof v);
    cudasim_warp(mask, &match, [](unsigned active, void **lanes) {
        for (unsigned m = active; m; m &= m - 1) {
            cudasim_Match *me = (cudasim_Match *)lanes[__builtin_ctz(m)];
            for (unsigned o = active; o; o &= o - 1)
                if (((cudasim_Match *)lanes[__builtin_ctz(o)])->value == me->value) me->result |= o & -o;
        }
    }, line);
    return match.result;
}
#define __match_any_sync(mask, v) cudasim_match(__LINE__, mask, v)

// -- tensor cores ------------------------------------------------------------------------------------------------------------
static inline unsigned to_tf32(float v) { // round to nearest, ties away from zero, 10 bits of mantissa
    unsigned bits;
    memcpy(&bits, &v, 4);
    return (bits & 0x7f800000u) == 0x7f800000u ? bits : (bits + 0x1000u) & ~0x1fffu;
}

struct cudasim_Mma {
    float *d;
    const unsigned *a, *b;
};

static inline float cudasim_tf32_value(unsigned bits) { // tensor cores ignore the lower bits
    float v;
    bits &= ~0x1fffu;
    memcpy(&v, &bits, 4);
    return v;
}

static inline void cudasim_mma_all(unsigned active, void **lanes) {
    if (active != 0xffffffffu) return cudasim_fail("mma needs all 32 lanes", 0);
    float a[16][8], b[8][8];
    for (int lane = 0; lane < 32; lane++) {
        const cudasim_Mma *p = (cudasim_Mma *)lanes[lane];
        const int g = lane >> 2, t = lane & 3;
        for (int i = 0; i < 4; i++) a[g + (i & 1) * 8][t + (i >> 1) * 4] = cudasim_tf32_value(p->a[i]);
        for (int i = 0; i < 2; i++) b[t + i * 4][g] = cudasim_tf32_value(p->b[i]);
    }
    for (int lane = 0; lane < 32; lane++) {
        float *d = ((cudasim_Mma *)lanes[lane])->d;
        const int g = lane >> 2, t = lane & 3;
        for (int i = 0; i < 4; i++) {
            float sum = d[i];
            for (int k = 0; k < 8; k++) sum += a[g + (i >> 1) * 8][k] * b[k][2 * t + (i & 1)];
            d[i] = sum;
        }
    }
}

static inline void mma_tf32(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
    cudasim_Mma mine = {d, a, b};
    cudasim_warp(0xffffffffu, &mine, cudasim_mma_all, 0);
}
