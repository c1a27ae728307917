"""Planes of pixels to vectors of channels, and back: how the CPU column goes from (C, H, W) to channels side by side."""

from ..runtime.jit import inlined
from .vector import columns_of, transpose, transpose_columns

TOGETHER = 128  # pixels that are turned before the next few channels: they stay in the first-level cache


@inlined
def to_vectors(x, start, plane, channels, count, lanes, out, at, pitch):
    """out[at + q pitch + c] = x[start + c plane + q] for q < count, c < lanes; zero from `channels` on."""
    if channels >= lanes and count >= lanes:
        for q in range(0, count - lanes, lanes):
            transpose(x, start + q, plane, out, at + q * pitch, pitch)
        q = count - lanes  # the last square overlaps the one before
        transpose(x, start + q, plane, out, at + q * pitch, pitch)
    else:
        for c in range(lanes):
            for q in range(count):
                out[at + q * pitch + c] = x[start + c * plane + q] if c < channels else 0


@inlined
def to_planes(x, start, pitch, count, channels, lanes, out, at, plane):
    """out[at + c plane + q] = x[start + q pitch + c] for q < count, c < lanes and c < channels.

    Planes are often a power of two apart, so that the same pixel of each falls on one set of the cache, which holds 8 to 12
    lines: so no more than 8 planes are written at a time.
    """
    if channels >= lanes and count >= lanes:
        for first in range(0, count, TOGETHER):
            stop = min(first + TOGETHER, count)
            for c in range(0, lanes, columns_of(x)):
                for q in range(first, stop - lanes, lanes):
                    transpose_columns(x, start + q * pitch + c, pitch, out, at + c * plane + q, plane)
                q = stop - lanes
                transpose_columns(x, start + q * pitch + c, pitch, out, at + c * plane + q, plane)
    else:
        for c in range(min(lanes, channels)):
            for q in range(count):
                out[at + c * plane + q] = x[start + q * pitch + c]
