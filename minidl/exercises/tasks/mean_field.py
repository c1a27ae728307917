"""The exercise on one mean-field step."""

import numpy as np

from ..exercise import Exercise, numbers

RIGHT = {
    "distance": lambda d: (d**2).sum(0),
    "kernel": lambda r: np.exp(-r / 2),
    "own": 0.0,  # a pixel's message to itself
    "message": lambda q, kernel: q @ kernel,
    "pull": lambda weight, message, q: weight * message,
    "cost": lambda unary: -unary,
    "shift": lambda score: score.max(0),
    "total": lambda e: e.sum(0),
    "finish": lambda score: np.exp(score),
}


def _made(q, unary, features, weight, **slips):
    way = RIGHT | slips
    kernel = way["kernel"](way["distance"](features[:, :, None] - features[:, None, :]))
    if way["own"] is not None:
        np.fill_diagonal(kernel, way["own"])
    score = way["cost"](unary) + way["pull"](weight, way["message"](q, kernel), q)
    e = way["finish"](score - way["shift"](score))
    return e / way["total"](e)


def _normalised(change):
    """A mistake: the message is divided by something of the kernel."""
    return {"message": lambda q, kernel: q @ kernel / change(kernel)}


def _beliefs(seed, K, N, d, scale=1.0):
    unary = np.abs(numbers(seed, K, N)) * scale
    q = np.exp(-unary)
    return {"q": q / q.sum(0), "unary": unary, "features": numbers(seed + 1, d, N) / 2, "weight": 0.7}


def _draw(rng):
    unary = np.abs(numbers(rng, 3, 7))
    q = np.exp(-unary)
    return {"q": q / q.sum(0), "unary": unary, "features": numbers(rng, 2, 7) / 4, "weight": 1.6}


def _far(seed):
    """Pixels with energies of very different size."""
    case = _beliefs(seed, 3, 5, 2)
    case["unary"] = case["unary"] + np.array([0.0, 900.0, 0.0, -1000.0, 3.0])
    return case


MEAN_FIELD = Exercise(
    name="mean_field_step",
    signature="q, unary, features, weight",
    lesson="10",
    title="one mean-field step of a dense CRF",
    task="""One iteration of algorithm 1 of Krähenbühl and Koltun 2011, summed exactly, with Potts compatibility.
q (K, N) are the beliefs of K labels at N pixels, unary (K, N) energies, features (d, N) what pixels are compared by.
The message that pixel i receives for a label is the sum over all OTHER pixels j of
exp(-|features_i - features_j|^2 / 2) q_j; the new beliefs are the softmax over labels of -unary + weight * message.
(The paper charges differing labels; crediting equal ones, as here, differs by a constant per pixel that softmax forgets.)
Energies may be as large as 1000.
Returns the new beliefs (K, N).""",
    cases=(_beliefs(0, 2, 4, 1), _beliefs(5, 3, 12, 2), _far(9), _beliefs(12, 3, 3, 3)),
    draw_case=_draw,
    expected=_made,
    made=_made,
    mistakes={
        "a pixel listens to itself: leave out j = i, where the kernel is 1": {"own": None},
        "the message is taken as a mean: it is a sum over the other pixels": [
            _normalised(lambda kernel: len(kernel)),
            _normalised(lambda kernel: len(kernel) - 1),
        ],
        "the kernel is normalised to a sum of 1: the message is the plain sum": [
            _normalised(lambda kernel: kernel.sum(0)),
            _normalised(lambda kernel: kernel.sum()),
            {"own": None, "message": lambda q, kernel: q @ kernel / kernel.sum(0)},
            {"own": None, "message": lambda q, kernel: q @ kernel / kernel.sum(0) - q / kernel.sum(0)},
        ],
        "the sign of the message, or the other labels are credited: equal labels must be": [
            {"pull": lambda weight, message, q: -weight * message},
            {"pull": lambda weight, message, q: weight * (message.sum(0) - message)},
        ],
        "the unary energies are left out": {"cost": lambda unary: 0 * unary},
        "the sign of the unary energies: high energy means low belief": {"cost": lambda unary: unary},
        "the logarithm of the unary energies is taken: they are energies already": {
            "cost": lambda unary: np.log(unary)
        },
        "exp of the unary energies is taken: they are energies already": {"cost": lambda unary: np.exp(-unary)},
        "softmax runs over the pixels: it must run over the labels, axis 0": [
            {"shift": lambda s: s.max(1, keepdims=True), "total": lambda e: e.sum(1, keepdims=True)},
            {"total": lambda e: e.sum(1, keepdims=True)},
            {"shift": lambda s: s.max(), "total": lambda e: e.sum(1, keepdims=True)},
        ],
        "softmax is divided by the sum over all: every pixel has its own": [
            {"total": lambda e: e.sum()},
            {"total": lambda e: e.sum(), "shift": lambda s: s.max()},
        ],
        "softmax is stabilised by the maximum of all scores: pixels with large energies become 0 / 0; take each pixel's": {
            "shift": lambda s: s.max()
        },
        "softmax is stabilised by the maximum over the pixels: take each pixel's": {
            "shift": lambda s: s.max(1, keepdims=True)
        },
        "exp underflows or overflows for large energies: subtract the largest score of each pixel first": {
            "shift": lambda s: 0.0
        },
        "the scores are returned: softmax is missing": [
            lambda q, unary, features, weight: _score(q, unary, features, weight),
            lambda q, unary, features, weight: np.exp(_score(q, unary, features, weight)),
        ],
        "the beliefs are not normalised: divide by the sum over the labels": {"total": lambda e: 1.0},
        "the scores are normalised without exp": lambda q, unary, features, weight: (
            _score(q, unary, features, weight) / _score(q, unary, features, weight).sum(0)
        ),
        "the 2 in the exponent is missing": {"kernel": lambda r: np.exp(-r)},
        "the distance is not squared": [
            {"distance": lambda d: np.sqrt((d**2).sum(0))},
            {"distance": lambda d: np.abs(d).sum(0)},
        ],
        "the distance is the square of the sum: square each feature, then sum": {"distance": lambda d: d.sum(0) ** 2},
        "only the first feature is compared": {"distance": lambda d: d[0] ** 2},
        "the mean over the features is taken: sum the squares": {"distance": lambda d: (d**2).mean(0)},
        "the exponent has the wrong sign: far pixels must count less": {"kernel": lambda r: np.exp(r / 2)},
        "the kernel is 1 / (1 + distance), not a Gaussian": {"kernel": lambda r: 1 / (1 + r)},
        "the weight is left out": {"pull": lambda weight, message, q: message},
        "the weight is squared: it counts once": {"pull": lambda weight, message, q: weight**2 * message},
        "it is divided by the weight: needed a product": {"pull": lambda weight, message, q: message / weight},
        "the weight also multiplies the unary energies": lambda q, unary, features, weight: _made(
            q, weight * unary, features, weight
        ),
        "the message is left out, or the same for all labels: it is q @ kernel": {
            "pull": lambda weight, message, q: 0 * message
        },
        "the labels with the largest belief vote alone: use the beliefs": {
            "message": lambda q, kernel: (q == q.max(0)) @ kernel
        },
        "the message is multiplied by q: needed the sum over j of kernel q_j": {
            "message": lambda q, kernel: q * (q @ kernel)
        },
        "the old beliefs are multiplied by the new ones: the step starts from the unary energies": [
            lambda q, unary, features, weight: _updated(q, unary, features, weight),
        ],
    },
    hints=(
        "Look at one pixel: what does it hear from each other pixel, and from itself?",
        "Build the N x N kernel matrix with broadcasting: features[:, :, None] - features[:, None, :]. "
        "np.fill_diagonal(kernel, 0) leaves a pixel's own belief out.",
        "The messages are q @ kernel, the scores -unary + weight * messages. Subtract the maximum over axis 0 before "
        "exp, and "
        "divide by the sum over axis 0.",
    ),
)


def _score(q, unary, features, weight):
    """The scores before softmax."""
    kernel = np.exp(-((features[:, :, None] - features[:, None, :]) ** 2).sum(0) / 2)
    np.fill_diagonal(kernel, 0)
    return -unary + weight * q @ kernel


def _updated(q, unary, features, weight):
    score = _score(q, unary, features, weight)
    e = q * np.exp(score - score.max(0))
    return e / e.sum(0)


EXERCISES = (MEAN_FIELD,)
