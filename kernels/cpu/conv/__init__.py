"""Convolution: `dispatch` chooses among the algorithms in the other files."""
