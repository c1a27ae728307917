"""Pooling, resizing and their adjoints."""
