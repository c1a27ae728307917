// The samples of a box along one axis (ROI Align): `count` in each bin, clamped to the n pixels unless they lie outside.
// Compiled without fused multiply-adds: a sample exactly on the border must fall on the same side in every column.
#pragma once

struct Sample { // between pixels low and high, `weight` the share of high
    int low, high;
    T weight;
    bool inside;
};

struct Samples {
    T start, step;
    int count, n;
    __device__ Samples(T start, T end, int bins, int n, int ratio, bool aligned) : start(start), n(n) {
        const T length = aligned ? end - start : max(end - start, T(1));
        step = length / T(bins);
        count = ratio > 0 ? ratio : max((int)ceil(step), 0);
    }
    __device__ Sample operator()(int bin, int k) const {
        const T at = start + T(bin) * step + (T(k) + T(0.5)) * step / T(max(count, 1));
        const T clamped = min(max(at, T(0)), T(n - 1));
        const int low = (int)clamped;
        return {low, min(low + 1, n - 1), clamped - T(low), at >= T(-1) && at <= T(n)};
    }
};

// A result of n numbers: C channels of ph x pw bins; images of H x W pixels; and how boxes are read.
struct Boxes {
    int n, C, H, W, ph, pw;
    T scale;
    int ratio;
    bool aligned;
};

// Output (k, c, i, j) of a flat number, its box and its plane.
struct Bin {
    int k, c, i, j, image;
    T top, left, bottom, right;
    __device__ Bin(int at, const T *boxes, const Boxes &b)
        : k(at / b.pw / b.ph / b.C), c(at / b.pw / b.ph % b.C), i(at / b.pw % b.ph), j(at % b.pw) {
        const T *box = boxes + 5 * k, shift = b.aligned ? T(0.5) : T(0);
        image = (int)box[0];
        left = box[1] * b.scale - shift, top = box[2] * b.scale - shift;
        right = box[3] * b.scale - shift, bottom = box[4] * b.scale - shift;
    }
    __device__ Samples rows(const Boxes &b) const { return Samples(top, bottom, b.ph, b.H, b.ratio, b.aligned); }
    __device__ Samples columns(const Boxes &b) const { return Samples(left, right, b.pw, b.W, b.ratio, b.aligned); }
    __device__ long long plane(const Boxes &b) const { return ((long long)image * b.C + c) * b.H * b.W; }
};
