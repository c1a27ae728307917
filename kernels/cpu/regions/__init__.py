"""Boxes and points: ROI Align, ROI Pool, non-maximum suppression, grid sampling."""
