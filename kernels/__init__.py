"""The kernel table: arrays in, arrays out. No Tensor, no tape.

Three columns hold the same names with the same signatures (`contract` lists them as data):

- `reference`  NumPy, short and vectorised: the specification. Runs wherever NumPy does.
- `cpu`        Numba: parallel, tiled, cached on disk.
- `cuda`       CUDA C (`.cu`), launched on a GPU through CuPy, or compiled for the CPU (`cudasim`).

Every row takes and returns C-contiguous arrays of one floating dtype (float32 or float64) in N x C x H x W order, indices
as int32; inputs may be non-contiguous and are then copied. Outputs are new arrays. `geometry` is a `Geometry`; `size`
is the (H, W) of an adjoint's result, which the output of a strided window does not determine.

Below, < , > is the inner product, and a row marked * is the exact adjoint of the row above it: <A x, y> = <x, A* y>.

conv        im2col(x, geometry)                         (N, C kh kw, Ho Wo): every window as a column
          * col2im(cols, size, geometry)                adds the columns back at the pixels that they were read from
            conv2d(x, w, bias, geometry)                y[n,o,i,j] = b[o] + sum_ckl w[o,c,k,l] x[n, c, i s + k d - p, ...]
          * conv_transpose2d(y, w, bias, size, geometry)   adjoint of conv2d in x; w is (O, C/groups, kh, kw) as in conv2d
            conv2d_weight(x, y, geometry)               adjoint of conv2d in w
            (bias is an array or None; in conv_transpose2d it has as many elements as the result has channels)
pool        max_pool2d(x, geometry, output_size)        (y, index): the first maximum and its flat position in the H x W plane
            adaptive_max_pool2d(x, output_size)         the same, windows floor(i H / Ho) .. ceil((i + 1) H / Ho)
            plane_gather(x, index)                      y[n,c,i,j] = x[n,c].flat[index[n,c,i,j]]; index -1 gives 0
          * plane_scatter(y, index, size)               adds y back at index
            avg_pool2d(x, geometry, scale)              scale[i,j] * sum of the window; scale is (Ho, Wo)
          * avg_pool2d_adjoint(y, geometry, scale, size)
            adaptive_avg_pool2d(x, output_size)
          * adaptive_avg_pool2d_adjoint(y, size)
resize      resize2d(x, rows, cols)                     two taps per axis: (1 - f) x[lo] + f x[hi]; rows, cols are (lo, hi, f)
          * resize2d_adjoint(y, rows, cols, size)
boxes       roi_align(x, boxes, output_size, scale, ratio, aligned)   (K, C, ph, pw): the mean of ratio x ratio samples in
                                                        each bin of a box; boxes (K, 5): image, x1, y1, x2, y2, x's dtype
          * roi_align_adjoint(y, boxes, size, scale, ratio, aligned)   size is (N, H, W)
            roi_align_max(x, boxes, output_size, scale, ratio, aligned)   (y, index, weight): the largest sample, and the
                                                        positions and weights of its four neighbours, (K, C, ph, pw, 4)
            roi_pool(x, boxes, output_size, scale)      (y, index): the largest pixel of each bin, boxes rounded to pixels
            roi_gather(x, batch, index)                 y[k,c,...] = x[batch[k],c].flat[index[k,c,...]]; index -1 gives 0
          * roi_scatter(y, batch, index, size)          adds y back at index
            nms(boxes, scores, groups, threshold)       int64 indices of kept boxes, by decreasing score (float64); boxes (L, 4)
grid        grid_sample(x, points)                      y[n,c,i,j] = x[n,c] at points[n,i,j] = (x, y) in pixels, bilinear
          * grid_sample_adjoint(y, points, size)
            grid_sample_slope(y, x, points)             the derivative of <y, grid_sample(x, points)> in points, (N, Ho, Wo, 2)
norm        moments(x)                                  mean and biased variance of each channel of (N, C, L), float64
            normalize(x, mean, invstd, weight, bias, ceiling)   per channel of (N, C, L); weight, bias may be None
            normalize_backward(g, x, mean, invstd, weight, bias, ceiling)   (dx, dweight, dbias); statistics depend on x
loss        softmax(x) / log_softmax(x)                 along axis 1 of (N, C, L)
            softmax_backward(g, y) / log_softmax_backward(g, y)
            cross_entropy(x, target, weight, ignore_index)   (loss per pixel (N, L), softmax is not formed)
            cross_entropy_backward(g, x, target, weight, ignore_index)
activation  relu(x, ceiling)                            min(max(x, 0), ceiling); the ceiling is infinity unless given
            relu_backward(g, y, ceiling)                g where 0 < y < ceiling, else 0
filter      permutohedral_lattice(features)             (d, N) points, d = 1..8 -> Lattice; float32, identical in every column
            permutohedral_filter(values, lattice, reverse)   (C, N): splat, blur, slice; `reverse` is the adjoint
            gaussian_sum(values, features)              out[c,i] = sum_j exp(-|f_i - f_j|^2 / 2) v[c,j]: exact, self-adjoint
crf         mean_field(unary, terms, iterations, history)   beliefs (C, N), or scores and beliefs of every iteration;
                                                        a term is (lattice, before (N,), after (N,), compat (C, C))
optim       sgd_step(param, grad, velocity, settings)   in place; velocity may be None; settings is an `SGD`
            adam_step(param, grad, m, v, settings)      in place; settings is an `Adam`
"""
