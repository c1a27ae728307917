"""Solution: each layer looks kernel - 1 units further, and units lie a stride apart."""

from minidl.exercises import check


def receptive_field(layers):
    size = stride_so_far = 1
    for kernel, stride, dilation in layers:
        size += dilation * (kernel - 1) * stride_so_far
        stride_so_far *= stride
    return size, stride_so_far


if __name__ == "__main__":
    raise SystemExit(not check("receptive_field", receptive_field))
