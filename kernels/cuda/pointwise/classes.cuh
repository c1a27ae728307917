// The classes of one pixel of an array (N, C, L): values L apart.
#pragma once

struct Scores { // N images of C classes and L pixels
    int N, C, L;
};

__device__ inline long long first_class(int pixel, int C, int L) { return (long long)(pixel / L) * C * L + pixel % L; }

struct Exponentials { // top = the largest value, sum = the sum of exp(x - top), in float64: there may be many classes
    T top;
    double sum;
    __device__ Exponentials(const T *x, int C, int L) : top(x[0]), sum(1) {
        for (int c = 1; c < C; c++) {
            const T v = x[(long long)c * L];
            if (v > top) {
                sum = sum * exp(top - v) + 1;
                top = v;
            } else {
                sum += exp(v - top); // a NaN comes here and stays
            }
        }
    }
};
