"""Convolution: `dispatch` chooses among the algorithms that the other files hold."""
