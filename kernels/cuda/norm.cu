// Normalisation per channel of x (N, C, L): the sums of a channel in two steps (blocks, then one warp per channel), and one
// sweep that applies them. Sums are float64: nothing beside the time that memory takes on a data-centre GPU, felt on others.
#include "minidl.cuh"

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
extern "C" __global__ void moment_parts(const T *x, double *part, int N, int C, int L, int per_block) {
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

extern "C" __global__ void moments(const T *x, const double *part, double *mean, double *var, int C, int L, int M,
                                   int parts) {
    const int c = blockIdx.x;
    const double2 sums = channel_sums(part, c, parts);
    if (threadIdx.x) return;
    const double apart = M ? sums.x / M : 0; // of the mean from the shift
    mean[c] = M ? x[c * L] + apart : 0;
    var[c] = M ? max(sums.y / M - apart * apart, 0.0) : 0;
}

struct Channel { // y = (x - shift) scale + offset in T; `rest` is what rounding the mean to T left over
    T shift, scale, offset;
    double rest;
    __device__ Channel(const double *mean, const double *invstd, const T *weight, const T *bias, int c) {
        const double s = weight ? invstd[c] * weight[c] : invstd[c];
        shift = T(mean[c]);
        rest = mean[c] - shift;
        scale = T(s);
        offset = T((bias ? bias[c] : 0) - rest * s);
    }
    __device__ T operator()(T x) const { return (x - shift) * scale + offset; }
};

extern "C" __global__ void normalize(const T *x, const double *mean, const double *invstd, const T *weight,
                                     const T *bias, T *y, int planes, int C, int L, T low, T high) {
    const int l = thread_number();
    if (l >= L) return;
    for (int plane = blockIdx.y; plane < planes; plane += gridDim.y) {
        const Channel channel(mean, invstd, weight, bias, plane % C);
        const T v = channel(x[(long long)plane * L + l]);
        y[(long long)plane * L + l] = v <= low ? low : v >= high ? high : v;
    }
}

// part[c][block] = (sum g, sum g (x - shift)) over what the rectifier let pass; its mask is computed again.
extern "C" __global__ void norm_backward_parts(const T *g, const T *x, const double *mean, const double *invstd,
                                               const T *weight, const T *bias, double *part, int N, int C, int L,
                                               int per_block, T low, T high) {
    for (int c = blockIdx.y; c < C; c += gridDim.y) {
        const Channel channel(mean, invstd, weight, bias, c);
        double sum = 0, moment = 0;
        each(C, c, L, blockIdx.x * per_block, min((blockIdx.x + 1) * per_block, (unsigned)(N * L)), [&](long long at) {
            const T y = channel(x[at]), v = y <= low || y >= high ? T(0) : g[at];
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

// dbias = sum g, dweight = sum g x'; line[c] = (slope, level) with dx = g scale + (x - shift) slope + level.
extern "C" __global__ void norm_backward_sums(const double *part, const double *mean, const double *invstd,
                                              const T *weight, const T *bias, T *dweight, T *dbias, T *line, int M,
                                              int parts) {
    const int c = blockIdx.x;
    const double2 sums = channel_sums(part, c, parts);
    if (threadIdx.x) return;
    const Channel channel(mean, invstd, weight, bias, c);
    const double scale = weight ? invstd[c] * weight[c] : invstd[c], moment = (sums.y - channel.rest * sums.x) * invstd[c];
    const double slope = -scale * invstd[c] * moment / max(M, 1);
    dbias[c] = T(sums.x);
    dweight[c] = T(moment);
    line[2 * c] = T(slope);
    line[2 * c + 1] = T(-scale * sums.x / max(M, 1) - slope * channel.rest);
}

extern "C" __global__ void norm_backward(const T *g, const T *x, const double *mean, const double *invstd,
                                         const T *weight, const T *bias, const T *line, T *dx, int planes, int C, int L,
                                         T low, T high) {
    const int l = thread_number();
    if (l >= L) return;
    for (int plane = blockIdx.y; plane < planes; plane += gridDim.y) {
        const int c = plane % C;
        const Channel channel(mean, invstd, weight, bias, c);
        const long long at = (long long)plane * L + l;
        const T y = channel(x[at]), v = y <= low || y >= high ? T(0) : g[at];
        dx[at] = v * channel.scale + ((x[at] - channel.shift) * line[2 * c] + line[2 * c + 1]);
    }
}
