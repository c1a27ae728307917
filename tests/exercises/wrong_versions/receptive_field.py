"""Wrong answers to receptive_field."""


def own_stride(layers):
    "own stride"
    size = stride = 1
    for k, s, d in layers:
        stride *= s
        size += d * (k - 1) * stride
    return size, stride


def no_dilation(layers):
    "dilation is ignored"
    size = stride = 1
    for k, s, _ in layers:
        size += (k - 1) * stride
        stride *= s
    return size, stride


def whole_kernel(layers):
    "whole kernel"
    size = stride = 1
    for k, s, d in layers:
        size += d * k * stride
        stride *= s
    return size, stride


def added_strides(layers):
    "added"
    size = stride = 1
    for k, s, d in layers:
        size += d * (k - 1) * stride
        stride += s
    return size, stride


def reversed_layers(layers):
    "from the last to the first"
    size = stride = 1
    for k, s, d in reversed(layers):
        size += d * (k - 1) * stride
        stride *= s
    return size, stride


def starts_at_zero(layers):
    "starts at 0"
    size, stride = 0, 1
    for k, s, d in layers:
        size += d * (k - 1) * stride
        stride *= s
    return size, stride


def swapped(layers):
    "wrong order"
    size = stride = 1
    for k, s, d in layers:
        size += d * (k - 1) * stride
        stride *= s
    return stride, size


def span_wrong(layers):
    "whole kernel"
    size = stride = 1
    for k, s, d in layers:
        size += (k * d - 1) * stride
        stride *= s
    return size, stride


def last_stride(layers):
    "only the last layer's stride"
    size = 1
    stride = 1
    for k, s, d in layers:
        size += d * (k - 1) * stride
        stride = s
    return size, stride


def dilation_moves(layers):
    "counts as a stride"
    size = stride = 1
    for k, s, d in layers:
        size += d * (k - 1) * stride
        stride *= s * d
    return size, stride


def recursion(layers):
    "RecursionError"
    return recursion(layers)


def symmetric(layers):
    "kernel // 2"
    size = jump = 1
    for k, s, d in layers:
        size += 2 * (k // 2) * d * jump
        jump *= s
    return (size, jump)


def dilation_added(layers):
    "dilation is added"
    size = jump = 1
    for k, s, d in layers:
        size += (k + d - 2) * jump
        jump *= s
    return (size, jump)
