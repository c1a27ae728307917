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

// Output (k, c, i, j) of a flat number, its box and its plane.
struct Bin {
    int k, c, i, j, image;
    T top, left, bottom, right;
    __device__ Bin(int at, const T *boxes, int C, int ph, int pw, T scale, T shift)
        : k(at / pw / ph / C), c(at / pw / ph % C), i(at / pw % ph), j(at % pw) {
        const T *box = boxes + 5 * k;
        image = (int)box[0];
        left = box[1] * scale - shift, top = box[2] * scale - shift;
        right = box[3] * scale - shift, bottom = box[4] * scale - shift;
    }
};
