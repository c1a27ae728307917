"""Mean-field inference in a fully connected CRF (Krähenbühl & Koltun 2011, algorithm 1)."""

import numpy as np

from .permutohedral import permutohedral_filter


def normalise(score):
    """Softmax over labels: score (C, N) -> beliefs that sum to 1 at every point."""
    e = np.exp(score - score.max(axis=0))
    return e / e.sum(axis=0)


def mean_field(unary, terms, iterations, history):
    """Q = softmax(-U), then `iterations` times Q = softmax(-U - sum_t compat_t (after_t * K_t (before_t * Q))).

    unary (C, N) is an energy; a term is (lattice, before (N,), after (N,), compat (C, C)). Returns the beliefs (C, N), or
    with `history` the scores before the softmax and the beliefs of every iteration, both (iterations + 1, C, N).
    """
    score = -unary
    scores, beliefs = [score], [normalise(score)]
    for _ in range(iterations):
        q = beliefs[-1]
        score = -unary
        for lattice, before, after, compat in terms:
            message = after * permutohedral_filter(before * q, lattice, False)
            score = score - compat @ message
        if not history:
            scores, beliefs = [], []
        scores.append(score)
        beliefs.append(normalise(score))
    return (np.stack(scores), np.stack(beliefs)) if history else beliefs[-1]
