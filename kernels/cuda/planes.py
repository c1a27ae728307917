"""Launches over many small planes: threads along a plane, blocks along the planes."""


def over_planes(planes, pixels):
    """grid and block for kernels that loop `plane = blockIdx.y; plane += gridDim.y` and take one pixel a thread."""
    block = min(256, -(-pixels // 32) * 32)  # small planes: one warp is enough
    return {"grid": (-(-pixels // block) if block else 0, min(planes, 65535)), "block": block or 32}
