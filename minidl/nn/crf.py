"""A dense CRF as a layer: unrolled mean-field iterations, trained together with the network."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from ..autograd.tensor import Tensor
from ..backend import like
from ..crf.terms import DEFAULT, Features, Term, check_terms
from ..functional import matmul, reshape, softmax
from ..functional.filter import image_filter
from ..typing import TensorLike
from .module import Module, Parameter


class CRF(Module):
    """Refine logits (N, C, H, W) by mean field over images (N, c, H, W): the CRF as RNN of Zheng et al. 2015.

    Q = softmax(logits); then `iterations` times score = logits - compat sum_t weight_t * K_t Q, Q = softmax(score). Returns
    the last score (N, C, H, W), for `cross_entropy`. The parameters are `weight` (terms, C), initialised from the compat of
    each term (a number), and `compat` (C, C), initialised with -I, so that an untrained layer equals `DenseCRF` with the
    same terms. Gradients flow to logits, weight and compat through every iteration; standard deviations and images are
    constants.
    """

    def __init__(self, num_classes: int, iterations: int = 5, terms: Iterable[Term] = DEFAULT) -> None:
        super().__init__()
        self.terms = check_terms(terms)
        if any(np.ndim(t.compat) for t in self.terms) or not self.terms:
            raise ValueError("CRF: needed terms whose compat is a number; the layer learns vectors and matrix")
        if iterations < 1:
            raise ValueError(f"CRF: iterations must be at least 1, not {iterations}")
        self.num_classes, self.iterations = num_classes, iterations
        self.weight = Parameter(np.outer([t.compat for t in self.terms], np.ones(num_classes)).astype(np.float32))
        self.compat = Parameter(-np.eye(num_classes, dtype=np.float32))

    def forward(self, logits: Tensor, image: TensorLike) -> Tensor:
        image = like(image.data if isinstance(image, Tensor) else image, logits.data)
        N, C, H, W = logits.shape
        if self.num_classes != C or image.ndim != 4 or len(image) != N or image.shape[2:] != (H, W):
            raise ValueError(
                f"CRF: logits must be (N, {self.num_classes}, H, W) and images (N, c, H, W); "
                f"got {logits.shape} and {image.shape}"
            )
        filters = [self._filters(term, image, (H, W), logits) for term in self.terms]
        q = softmax(logits, 1)
        for _ in range(self.iterations):
            messages = [
                image_filter(q, filters=kernels, transpose=False) * reshape(self.weight[t], (1, C, 1, 1))
                for t, kernels in enumerate(filters)
            ]
            message = sum(messages[1:], messages[0])
            score = logits - reshape(matmul(self.compat, reshape(message, (N, C, H * W))), (N, C, H, W))
            q = softmax(score, 1)
        return score

    def _filters(self, term, image, size, logits):
        where = size, False, logits.dtype.type, logits.data
        if isinstance(term, Features):
            return [term.of_image(n).kernel(None, *where) for n in range(len(image))]
        return [term.kernel(i, *where) for i in image]

    def extra_repr(self) -> str:
        return f"{self.num_classes}, iterations={self.iterations}, terms={len(self.terms)}"
