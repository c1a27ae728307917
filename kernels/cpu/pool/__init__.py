"""Pooling, unpooling and resizing: windows and taps over planes."""
