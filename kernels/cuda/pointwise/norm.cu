// Normalisation per channel of x (N, C, L): the sums of a channel in two steps (blocks, then one warp per channel), and one
// pass that applies them. Sums are float64: on a data-centre GPU memory traffic hides their time, on other GPUs it does not.
#include "minidl.cuh"

struct Sizes { // x (N, C, L), and how many elements of a channel a block adds up
    int N, C, L, per_block;
};

struct Clamp { // what a rectifier cuts at; NaN, to which every comparison is false, where there is none
    T low, high;
};

// A block's share of a channel: elements first .. last - 1 of its N L, taken by the threads in turn.
template <class F> __device__ void each(int C, int c, int L, int first, int last, F f) {
    const int e = first + (int)threadIdx.x;
    int n = e / L, l = e % L;
    for (int at = e; at < last; at += blockDim.x) {
        f((long long)(n * C + c) * L + l);
        if ((l += blockDim.x) >= L) n += l / L, l %= L;
    }
}

// part[c][block] = (sum d, sum d^2) with d = x - x[0, c, 0]: shifted by one of the values, a large mean cancels nothing.
extern "C" __global__ void moment_parts(const T *x, double *part, Sizes size) {
    const int N = size.N, C = size.C, L = size.L, per_block = size.per_block;
    for (int c = blockIdx.y; c < C; c += gridDim.y) {
        const double shift = x[c * L];
        double sum = 0, square = 0;
        each(C, c, L, blockIdx.x * per_block, min((blockIdx.x + 1) * per_block, (unsigned)(N * L)), [&](long long at) {
            const double d = x[at] - shift;
            sum += d;
            square += d * d;
        });
        sum = block_sum(sum);
        square = block_sum(square);
        if (threadIdx.x == 0) {
            part[2 * (c * gridDim.x + blockIdx.x)] = sum;
            part[2 * (c * gridDim.x + blockIdx.x) + 1] = square;
        }
    }
}

// The two sums of a channel over its `parts` partial sums; one warp, every lane gets them.
__device__ inline double2 channel_sums(const double *part, int c, int parts) {
    double first = 0, second = 0;
    for (int s = threadIdx.x; s < parts; s += 32) {
        first += part[2 * (c * parts + s)];
        second += part[2 * (c * parts + s) + 1];
    }
    return make_double2(warp_sum(first), warp_sum(second));
}

extern "C" __global__ void moments(const T *x, const double *part, double *mean, double *var, Sizes size, int parts) {
    const int c = blockIdx.x, L = size.L, M = size.N * L;
    const double2 sums = channel_sums(part, c, parts);
    if (threadIdx.x) return;
    const double apart = M ? sums.x / M : 0; // of the mean from the shift
    mean[c] = M ? x[c * L] + apart : 0;
    var[c] = M ? max(sums.y / M - apart * apart, 0.0) : 0;
}

struct Channel { // y = (x - shift) scale + offset in T; `rest` is what the rounding of the mean to T left over
    T shift, scale, offset;
    double rest;
    __device__ Channel(const double *mean, const double *invstd, const T *weight, const T *bias, int c) {
        const double s = weight ? invstd[c] * weight[c] : invstd[c];
        shift = T(mean[c]);
        rest = mean[c] - shift;
        scale = T(s);
        offset = T((bias ? bias[c] : 0) - rest * s);
    }
    __device__ Channel(const T *line) : shift(line[0]), scale(line[1]), offset(line[2]), rest(0) {}
    __device__ T operator()(T x) const { return (x - shift) * scale + offset; }
    // the cotangent g of an element x, or 0 where the rectifier cut its output
    __device__ T passed(T g, T x, Clamp cut) const {
        const T y = (*this)(x);
        return y <= cut.low || y >= cut.high ? T(0) : g;
    }
};

extern "C" __global__ void normalize(const T *x, const double *mean, const double *invstd, const T *weight,
                                     const T *bias, T *y, Sizes size, Clamp cut) {
    const int l = thread_number(), L = size.L;
    if (l >= L) return;
    for (int plane = blockIdx.y; plane < size.N * size.C; plane += gridDim.y) {
        const Channel channel(mean, invstd, weight, bias, plane % size.C);
        const T v = channel(x[(long long)plane * L + l]);
        y[(long long)plane * L + l] = v <= cut.low ? cut.low : v >= cut.high ? cut.high : v;
    }
}

// line[c] = (shift, scale, offset, slope, level): all that the backward passes need of a channel.
#define LINE 5

// part[c][block] = (sum g, sum g (x - shift)) over what the rectifier let pass; its mask is computed again.
extern "C" __global__ void norm_backward_parts(const T *g, const T *x, const T *line, double *part, Sizes size,
                                               Clamp cut) {
    const int N = size.N, C = size.C, L = size.L, per_block = size.per_block;
    for (int c = blockIdx.y; c < C; c += gridDim.y) {
        const Channel channel(line + LINE * c);
        double sum = 0, moment = 0;
        each(C, c, L, blockIdx.x * per_block, min((blockIdx.x + 1) * per_block, (unsigned)(N * L)), [&](long long at) {
            const T v = channel.passed(g[at], x[at], cut);
            sum += v;
            moment += double(v) * double(x[at] - channel.shift);
        });
        sum = block_sum(sum);
        moment = block_sum(moment);
        if (threadIdx.x == 0) {
            part[2 * (c * gridDim.x + blockIdx.x)] = sum;
            part[2 * (c * gridDim.x + blockIdx.x) + 1] = moment;
        }
    }
}

// The first three numbers of every line; one thread per channel.
extern "C" __global__ void norm_lines(const double *mean, const double *invstd, const T *weight, const T *bias, T *line,
                                      int C) {
    const int c = thread_number();
    if (c >= C) return;
    const Channel channel(mean, invstd, weight, bias, c);
    line[LINE * c] = channel.shift;
    line[LINE * c + 1] = channel.scale;
    line[LINE * c + 2] = channel.offset;
}

// gradient[0] = dweight = sum g x', gradient[1] = dbias = sum g, each (C,); and the last two numbers of every line, with which
// dx = g scale + (x - shift) slope + level. M is the number of elements of a channel.
extern "C" __global__ void norm_backward_sums(const double *part, const double *mean, const double *invstd,
                                              const T *weight, T *gradient, T *line, int M, int parts) {
    const int c = blockIdx.x, C = gridDim.x;
    const double2 sums = channel_sums(part, c, parts);
    if (threadIdx.x) return;
    const double rest = mean[c] - T(mean[c]), moment = (sums.y - rest * sums.x) * invstd[c];
    const double scale = weight ? invstd[c] * weight[c] : invstd[c], slope = -scale * invstd[c] * moment / max(M, 1);
    gradient[c] = T(moment);
    gradient[C + c] = T(sums.x);
    line[LINE * c + 3] = T(slope);
    line[LINE * c + 4] = T(-scale * sums.x / max(M, 1) - slope * rest);
}

extern "C" __global__ void norm_backward(const T *g, const T *x, const T *line, T *dx, Sizes size, Clamp cut) {
    const int l = thread_number(), L = size.L;
    if (l >= L) return;
    for (int plane = blockIdx.y; plane < size.N * size.C; plane += gridDim.y) {
        const T *own = line + LINE * (plane % size.C);
        const Channel channel(own);
        const long long at = (long long)plane * L + l;
        dx[at] = channel.passed(g[at], x[at], cut) * channel.scale + ((x[at] - channel.shift) * own[3] + own[4]);
    }
}
