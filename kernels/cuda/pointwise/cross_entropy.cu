// Cross-entropy of x (N, C, L) with labels (N, L): softmax, logarithm, choice of the label and weight in one pass, one thread
// per pixel. The softmax is not stored: the backward kernel computes it again from x, which costs less than its memory.
#include "minidl.cuh"
#include "classes.cuh"

// The weight of label t: 0 where it is ignored; a label that is neither ignored nor a class raises the flag `bad`.
__device__ inline T label_weight(long long t, const T *weight, long long ignore_index, int C, int *bad) {
    if (t == ignore_index) return T(0);
    if (t < 0 || t >= C) {
        atomicExch(bad, 1);
        return T(0);
    }
    return weight ? weight[t] : T(1);
}

// loss = weight[t] (log sum_c exp(x[c]) - x[t]), the maximum taken from x[t] first: beside it the logarithm would round off
extern "C" __global__ void cross_entropy(const T *x, const long long *target, const T *weight, T *loss, int *bad,
                                         Scores size, long long ignore_index) {
    const int N = size.N, C = size.C, L = size.L;
    const int pixel = thread_number();
    if (pixel >= N * L) return;
    const long long t = target[pixel], first = first_class(pixel, C, L);
    const T w = label_weight(t, weight, ignore_index, C, bad);
    if (w == T(0)) {
        loss[pixel] = 0;
        return;
    }
    const Exponentials e(x + first, C, L);
    loss[pixel] = w * ((e.top - x[first + t * L]) + T(log1p(e.others)));
}

// dx[c] = g weight[t] (softmax(x)[c] - [c = t]), and 0 where g or the weight is 0, whatever x holds. At c = t this is minus
// the sum over the other classes, which 1 - p would round off where p is near 1.
extern "C" __global__ void cross_entropy_backward(const T *g, const T *x, const long long *target, const T *weight,
                                                  T *dx, int *bad, Scores size, long long ignore_index) {
    const int N = size.N, C = size.C, L = size.L;
    const int pixel = thread_number();
    if (pixel >= N * L) return;
    const long long t = target[pixel], first = first_class(pixel, C, L);
    const T up = g[pixel] * label_weight(t, weight, ignore_index, C, bad);
    if (up == T(0)) {
        for (int c = 0; c < C; c++) dx[first + (long long)c * L] = 0;
        return;
    }
    const Exponentials e(x + first, C, L);
    const T scale = T(up / (1 + e.others)), label = x[first + t * L];
    const double others = label == e.top ? e.others : 1 + e.others - exp(label - e.top);
    for (int c = 0; c < C; c++)
        dx[first + (long long)c * L] = (c == t ? -T(others) : exp(x[first + (long long)c * L] - e.top)) * scale;
}
