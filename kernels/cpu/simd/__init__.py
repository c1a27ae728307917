"""Vectors of the processor: one vector type, and what convolution, pooling and filters build from it."""
