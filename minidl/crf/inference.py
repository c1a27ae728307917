"""Mean-field inference: the independent beliefs Q_i that are closest to the CRF's joint distribution."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from typing import Any, Literal, NamedTuple, overload

import numpy as np

from ..backend import asarray, kernels, like, xp
from ..functional.filter import NOWHERE, Kernel
from ..kernels.reference.mean_field import normalise
from ..typing import Array, ArrayLike, DTypeLike
from .sequential import sequential_sweep
from .terms import DEFAULT, Features, Term, check_terms, compatibility


class Trace(NamedTuple):
    """All iterations and the initial state: scores before the softmax, beliefs, and the free energy of the beliefs."""

    scores: Any  # (iterations + 1, C, H, W), with a batch (iterations + 1, B, C, H, W)
    beliefs: Any
    energies: Any  # (iterations + 1,), with a batch (iterations + 1, B)


class DenseCRF:
    """A CRF in which every pixel is a neighbour of every other, over one image (c, H, W) or a batch (B, c, H, W).

    E(x) = sum_i U_i(x_i) + 1/2 sum_t sum_ij k_t(i, j) M_t[x_i, x_j], with k_t the normalised Gaussian of term t and M_t
    its compatibility. `terms` are Gaussian, Bilateral and Features in any number; the default two have the usual
    parameters (w = 3, sxy = 3; w = 10, sxy = 80, srgb = 13). Only Bilateral terms need the image; it may be None without.
    The filters are built once and used for every unary of the same size.

    `exact=True` sums over all pairs, in O((H W)^2), for small images: the sum that the lattice approximates. As in the
    reference C++, the sum includes a pixel's own term i = j.

    With `normalization="none"` in the terms, parameters for the reference C++ or for pydensecrf's NO_NORMALIZATION can be
    used unchanged. If H W is not a multiple of 4, that program adds up to three points with features 0 to its lattice, which
    changes beliefs near such features (by up to 0.035 in six dimensions); this one does not.
    """

    def __init__(self, image: ArrayLike | None = None, terms: Iterable[Term] = DEFAULT, exact: bool = False) -> None:
        self.terms, self.exact = check_terms(terms), exact
        self.image = None if image is None else asarray(image)
        if self.image is not None:
            if self.image.ndim not in (3, 4) or not self.image.size:
                raise ValueError(
                    f"DenseCRF: image must be (c, H, W) or (B, c, H, W) and not empty; got {self.image.shape}"
                )
            if self.image.dtype.kind == "f" and not np.isfinite(self.image).all():
                raise ValueError("DenseCRF: the image contains NaN or infinity")
            largest = max((np.max(t.srgb) for t in self.terms if hasattr(t, "srgb")), default=0)
            if self.image.dtype.kind == "f" and 0 < self.image.max() <= 1 < largest:
                warnings.warn(
                    f"DenseCRF: image values end at {self.image.max():.3g}, but srgb = {largest}: no edge has an effect; "
                    "srgb is in units of the image",
                    stacklevel=2,
                )
        self._filters = {}

    def filters(
        self, size: Sequence[int], dtype: DTypeLike = np.float32, b: int | None = None, beside: Array = NOWHERE
    ) -> list[Kernel]:
        """The Kernel of every term for (the b-th) image, on the device of the array `beside`; cached after the first call."""
        kind: Any = np.dtype(dtype).type
        key = (tuple(size), kind, b, kernels(beside), xp(beside))
        if key not in self._filters:
            image = self.image if b is None or self.image is None or self.image.ndim == 3 else self.image[b]
            terms = [t.of_image(b) if b is not None and isinstance(t, Features) else t for t in self.terms]
            self._filters[key] = [t.kernel(image, size, self.exact, kind, beside) for t in terms]
        return self._filters[key]

    @overload
    def inference(
        self, unary: Array, iterations: int = 10, sequential: bool = False, history: Literal[False] = False
    ) -> Array: ...
    @overload
    def inference(
        self, unary: Array, iterations: int = 10, sequential: bool = False, *, history: Literal[True]
    ) -> Trace: ...
    def inference(
        self, unary: Array, iterations: int = 10, sequential: bool = False, history: bool = False
    ) -> Array | Trace:
        """Beliefs after `iterations` updates of Q = softmax(-U - sum_t M_t K_t Q), from Q = softmax(-U).

        unary: energies (C, H, W), see `from_probabilities`, `from_logits`, `from_labels`; (B, C, H, W) for a batch.
        Returns beliefs of the same shape; with `history=True` a Trace of every iteration. `sequential=True` updates one
        pixel after another instead of all at once, so that the free energy never increases; it needs `exact=True` and a
        symmetric kernel ("none", "mean" or "symmetric"). Krähenbühl & Koltun 2011, algorithm 1.
        """
        unary = self._check(unary)
        if not isinstance(iterations, int | np.integer) or iterations < 0:
            raise ValueError(f"inference: iterations must be an integer of at least 0, not {iterations!r}")
        if sequential and not self.exact:
            raise ValueError("inference: sequential updates need exact=True; the lattice filters all pixels at once")
        if sequential and xp(unary) is not np:
            raise ValueError("inference: sequential updates run on the CPU only; needed a NumPy array")
        if unary.ndim == 3:
            return self._one(unary, iterations, sequential, history, None)
        results = [self._one(u, iterations, sequential, history, b) for b, u in enumerate(unary)]
        return Trace(*(np.stack(x, axis=1) for x in zip(*results))) if history else np.stack(results)

    def free_energy(self, unary: Array, beliefs: Array) -> Any:
        """F(Q) = sum_i Q_i log Q_i + Q_i U_i + 1/2 sum_t Q_i M_t (K_t Q)_i: the divergence from the CRF's distribution, up
        to its log partition function. A number; for a batch an array (B,).

        The factor 1/2 is there because the sum contains each pair of pixels twice; the reference C++ (`klDivergence`) lacks it.
        """
        unary = self._check(unary)
        beliefs = like(beliefs, unary)
        if beliefs.shape != unary.shape:
            raise ValueError(f"free_energy: beliefs must have the unary's shape {unary.shape}; got {beliefs.shape}")
        if unary.ndim == 4:
            return np.array([self._energy(u, q, b) for b, (u, q) in enumerate(zip(unary, beliefs))])
        return self._energy(unary, beliefs, None)

    def _energy(self, unary, q, b):
        q64 = q.astype(np.float64)
        energy = (q64 * np.log(np.maximum(q64, 1e-300))).sum() + (q64 * unary).sum()
        flat = xp(q).ascontiguousarray(q.reshape(len(q), -1), unary.dtype)
        for term, kernel in zip(self.terms, self.filters(unary.shape[1:], unary.dtype, b, unary)):
            message = like(compatibility(term.compat, len(q)), flat) @ kernel(flat)
            energy += 0.5 * (flat * message).sum(dtype=np.float64)
        return float(energy)

    def _one(self, unary, iterations, sequential, history, b):
        C, *size = unary.shape
        filters = self.filters(size, unary.dtype, b, unary)
        compat = (like(compatibility(t.compat, C).astype(unary.dtype), unary) for t in self.terms)
        terms = [(f, m, t.normalization) for f, m, t in zip(filters, compat, self.terms)]
        flat = unary.reshape(C, -1)
        if self.exact:
            result = _exact(flat, terms, iterations, sequential)
            result = tuple(map(np.stack, result)) if history else result[1][-1]
        else:
            lattices = [(f.lattice, f.before, f.after, m) for f, m, _ in terms]
            result = kernels(flat).mean_field(flat, lattices, iterations, history)
        if not history:
            return result.reshape(unary.shape)
        scores, beliefs = (x.reshape(-1, *unary.shape) for x in result)
        return Trace(scores, beliefs, np.array([self._energy(unary, q, b) for q in beliefs]))

    def _check(self, unary):
        unary = asarray(unary)
        unary = unary if unary.dtype.kind == "f" else unary.astype(np.float32)
        if unary.ndim not in (3, 4) or not unary.size:
            raise ValueError(f"DenseCRF: unary must be (C, H, W) or (B, C, H, W) and not empty; got {unary.shape}")
        if not np.isfinite(unary).all():
            raise ValueError("DenseCRF: the unary contains NaN or infinity; from_probabilities clips zeros")
        if self.image is not None:
            image = self.image.shape
            if image[-2:] != unary.shape[-2:]:
                raise ValueError(
                    f"DenseCRF: the image is {image[-2]}x{image[-1]} but the unary {unary.shape[-2]}x{unary.shape[-1]};"
                    f" needed an image (C, H, W), not {image}"
                )
            if len(image) == 4 and (unary.ndim != 4 or len(unary) != image[0]):
                raise ValueError(
                    f"DenseCRF: for {image[0]} images the unary must be ({image[0]}, C, H, W); got {unary.shape}"
                )
        return unary


def _exact(unary, terms, iterations, sequential):
    """Lists of scores and beliefs (C, N), with any Kernel."""
    scores, beliefs = [-unary], [normalise(-unary)]
    for _ in range(iterations):
        if sequential:
            score, q = sequential_sweep(unary, beliefs[-1], terms)
        else:
            score = -unary
            for kernel, compat, _ in terms:
                score = score - compat @ kernel(beliefs[-1])
            q = normalise(score)
        scores.append(score)
        beliefs.append(q)
    return scores, beliefs
