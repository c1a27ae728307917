"""Segmentation networks, one file each; every file reads from top to bottom like the figure of its paper."""
