// What the convolution kernels share: one formula for the forward pass and for its adjoint in the image.
//
//   y[n, o, r + up a] = bias[o] + sum over taps k and channels c of  w[k][o][c] x[n, c, down a + (r + shift + k step) / up]
//
// forward: down = stride, up = 1, shift = -padding, step = dilation. Adjoint: down = 1, up = stride, shift = padding,
// step = -dilation; the outputs fall into up x up phases r, and only the taps whose division has no remainder reach a
// phase, so a transposed convolution multiplies no zeros. All of one block's outputs belong to one phase.
#pragma once

struct Axis { // along H or along W: lengths, taps, and the numbers of the formula above
    int in, out, taps, down, up, shift, step;
    __device__ bool meets(int r, int k) const { return (r + shift + k * step) % up == 0; }
    __device__ int offset(int r, int k) const { return (r + shift + k * step) / up; }
    __device__ int outputs(int r) const { return (out - r + up - 1) / up; } // of phase r
};

// The loop over the reduction: channels in steps of `depth` inside, taps outside. Every thread of a block takes the same steps,
// and what a tap means (the offsets, two divisions) is computed once per tap.
struct Walk {
    Axis v, h;
    int channels, depth;
    int rv, rh, k, l, c, dv, dh; // phase, tap, first channel, offsets of the tap

    __device__ Walk(Axis v, Axis h, int channels, int depth, int phase)
        : v(v), h(h), channels(channels), depth(depth), rv(phase / h.up), rh(phase % h.up), k(0), l(-1), c(0) {
        next_tap();
    }
    __device__ void next_tap() {
        do
            if (++l == h.taps) {
                l = 0;
                k++;
            }
        while (k < v.taps && !(v.meets(rv, k) && h.meets(rh, l)));
        dv = v.offset(rv, k);
        dh = h.offset(rh, l);
    }
    __device__ void next() {
        if ((c += depth) >= channels) {
            c = 0;
            next_tap();
        }
    }
    __device__ int tap() const { return k * h.taps + l; }
    __device__ int steps() const { // of the whole loop
        int rows = 0, cols = 0;
        for (int i = 0; i < v.taps; i++) rows += v.meets(rv, i);
        for (int i = 0; i < h.taps; i++) cols += h.meets(rh, i);
        return rows * cols * ((channels + depth - 1) / depth);
    }
};

// What a product is made of: N images, and in each group M output and K input channels, padded to Mp and Kp where packed.
struct Product {
    int N, M, K, Mp, Kp;
};

// An output pixel of a phase, from its number over images, rows and columns of that phase.
struct Pixel {
    int n, a, b;
    __device__ Pixel(int p, int rows, int cols) : n(p / (rows * cols)), a(p / cols % rows), b(p % cols) {}
};
