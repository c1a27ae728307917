"""Convolutions: as three matrix products, with the matrix never stored, on tensor cores; depthwise."""
