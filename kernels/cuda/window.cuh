// Planes of pixels and the windows that slide over them; what pooling, im2col and depthwise convolution share.
#pragma once

struct Planes { // `count` planes of H x W pixels, each with a plane of Ho x Wo windows
    int count, H, W, Ho, Wo;
};

struct Window { // height and width of the kernel, the stride, the padding and the dilation
    int kh, kw, sh, sw, ph, pw, dh, dw;
    // the row that tap k of window row i reads, and the column that tap l of window column j reads; maybe outside the image
    __device__ int row(int i, int k) const { return i * sh + k * dh - ph; }
    __device__ int column(int j, int l) const { return j * sw + l * dw - pw; }
    // the window row of Ho whose tap k reads row h, and the window column of Wo whose tap l reads column v; -1 if there is none
    __device__ int reader_row(int h, int k, int Ho) const { return reader(h + ph - k * dh, sh, Ho); }
    __device__ int reader_column(int v, int l, int Wo) const { return reader(v + pw - l * dw, sw, Wo); }
    __device__ static int reader(int start, int stride, int windows) {
        return start >= 0 && start % stride == 0 && start / stride < windows ? start / stride : -1;
    }
};

struct WeightProduct { // a convolution's gradient in its weights: N images, groups of M output and K input channels,
    int N, groups, M, K, per_split; // and how many pixels a split takes
};
