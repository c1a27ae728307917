// Weights packed for the implicit products: (O, C/groups, kh, kw) -> (groups, taps, rows, depth), zeros at the margins.
//
// Rows and depth are rounded up to whole tiles, so the products read weights without bounds checks, 16 bytes at a
// time. `adjoint` swaps the parts of output and input channels. One thread takes all taps of a pair of channels: its reads lie
// together, and its writes beside its neighbours'.
#include "minidl.cuh"

struct Packed { // pairs = groups Mp Kp; M x K channels become Mp x Kp
    int pairs, taps, M, K, Mp, Kp;
};

extern "C" __global__ void conv_taps(const T *w, T *out, Packed packed, bool adjoint) {
    const int taps = packed.taps, M = packed.M, K = packed.K, Mp = packed.Mp, Kp = packed.Kp;
    const int e = thread_number();
    if (e >= packed.pairs) return;
    const int k = e % Kp, m = e / Kp % Mp, group = e / (Kp * Mp);
    const T *from = w + (long long)(adjoint ? (group * K + k) * M + m : (group * M + m) * K + k) * taps;
    T *to = out + (long long)group * taps * Mp * Kp + m * Kp + k;
    for (int tap = 0; tap < taps; tap++) to[(long long)tap * Mp * Kp] = m < M && k < K ? from[tap] : T(0);
}

// The sum of `parts` partial results, one thread per element: neighbours read neighbours.
extern "C" __global__ void sum_parts(const T *part, T *out, int count, int parts) {
    const int e = thread_number();
    if (e >= count) return;
    T sum = 0;
    for (int s = 0; s < parts; s++) sum += part[(long long)s * count + e];
    out[e] = sum;
}
