"""Wrong answers to overlap_map."""

import numpy as np


def stride_one(layers, size):
    "stride"
    counts = np.ones(size, int)
    for kernel, _ in layers:
        counts = np.convolve(counts, np.ones(kernel, int))
    return counts


def assigned(layers, size):
    "overwritten"
    counts = np.ones(size, int)
    for kernel, stride in layers:
        out = np.zeros((len(counts) - 1) * stride + kernel, int)
        for i, c in enumerate(counts):
            out[i * stride : i * stride + kernel] = c
        counts = out
    return counts


def plus_one(layers, size):
    "only the last layer"
    counts = np.ones(size, int)
    for kernel, stride in layers:
        out = np.zeros((len(counts) - 1) * stride + kernel, int)
        for i in range(len(counts)):
            out[i * stride : i * stride + kernel] += 1
        counts = out
    return counts


def wrong_length(layers, size):
    "length is wrong"
    counts = np.ones(size, int)
    for kernel, stride in layers:
        out = np.zeros(len(counts) * stride, int)
        for i, c in enumerate(counts):
            out[i * stride : i * stride + kernel] += c
        counts = out
    return counts


def short_paint(layers, size):
    "kernel - 1"
    counts = np.ones(size, int)
    for kernel, stride in layers:
        out = np.zeros((len(counts) - 1) * stride + kernel, int)
        for i, c in enumerate(counts):
            out[i * stride : i * stride + kernel - 1] += c
        counts = out
    return counts


def backwards(layers, size):
    "from the last to the first"
    counts = np.ones(size, int)
    for kernel, stride in layers[::-1]:
        out = np.zeros((len(counts) - 1) * stride + kernel, int)
        for i, c in enumerate(counts):
            out[i * stride : i * stride + kernel] += c
        counts = out
    return counts


def exchanged(layers, size):
    "kernel and stride are exchanged"
    counts = np.ones(size, int)
    for stride, kernel in layers:
        out = np.zeros((len(counts) - 1) * stride + kernel, int)
        for i, c in enumerate(counts):
            out[i * stride : i * stride + kernel] += c
        counts = out
    return counts


def unbound(layers, size):
    "UnboundLocalError"
    for _, stride in layers:
        counts = np.repeat(counts, stride)  # noqa: F821
    return counts


def painted_or_not(layers, size):
    "counted once"
    counts = np.ones(size, int)
    for kernel, stride in layers:
        new = np.zeros((len(counts) - 1) * stride + kernel, int)
        for i, c in enumerate(counts):
            new[i * stride : i * stride + kernel] |= int(c > 0)
        counts = new
    return counts
