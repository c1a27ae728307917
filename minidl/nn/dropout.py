"""Dropout layers: random zeros in training, the identity in evaluation."""

from .. import functional as F
from .module import Module


class _Dropout(Module):
    def __init__(self, p=0.5):
        super().__init__()
        if not 0 <= p <= 1:
            raise ValueError(f"{type(self).__name__}: p must be a probability, not {p}")
        self.p = p

    def extra_repr(self):
        return f"p={self.p}"


class Dropout(_Dropout):
    """Zeroes elements with probability p and scales the rest by 1 / (1 - p). No `inplace`, as with activations."""

    def forward(self, input):
        return F.dropout(input, self.p, self.training)


class Dropout2d(_Dropout):
    """Zeroes whole channels with probability p and scales the rest by 1 / (1 - p). No `inplace`, as with activations."""

    def forward(self, input):
        return F.dropout2d(input, self.p, self.training)
