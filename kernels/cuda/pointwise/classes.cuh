// The classes of one pixel of an array (N, C, L): values L apart.
#pragma once

struct Scores { // N images of C classes and L pixels
    int N, C, L;
};

__device__ inline long long first_class(int pixel, int C, int L) { return (long long)(pixel / L) * C * L + pixel % L; }

struct Exponentials { // top = the largest value; others = the sum of exp(x - top) without that of the top, in float64:
    T top;            // there may be many classes, and beside the 1 of the top small ones would be rounded off
    double others;
    __device__ Exponentials(const T *x, int C, int L) : top(x[0]), others(0) {
        for (int c = 1; c < C; c++) {
            const T v = x[(long long)c * L];
            if (v > top) {
                others = (others + 1) * exp(top - v);
                top = v;
            } else {
                others += exp(v - top); // a NaN comes here and stays
            }
        }
    }
};
