"""Exercise: im2col, in CUDA C (lesson 12). Complete the text, then run this file.

cols[n, (c, k, l), (i, j)] = x[n, c, i * stride + k - padding, j * stride + l - padding], 0 outside the image. The
kernel is K x K. x (N, C, H, W) and cols (N, C * K * K, Ho * Wo) lie flat in memory, last axis fastest. One thread
writes one entry: the one with the flat number thread_number(). Threads come in blocks of 256, so there are more of
them than entries. cols holds NaN before.

Returns nothing: the kernel writes into cols.
"""

from minidl.exercises import check

im2col_cuda = r"""
extern "C" __global__ void im2col_cuda(
        const T *x, T *cols, int N, int C, int H, int W, int Ho, int Wo, int K, int stride, int padding) {
#error "im2col_cuda is yours to write: your lines take the place of this one"
}
"""

if __name__ == "__main__":
    raise SystemExit(not check("im2col_cuda", im2col_cuda))
