"""Regions of an image: sampling at points, ROI operations, non-maximum suppression."""
