"""The likely cause of a wrong answer: the planted mistake that gives the very same one, or the pattern of wrong cells."""

import numpy as np

CLOSE = 1e-9


def agree(a, b):
    """Whether two arrays are the same up to rounding (NaN where NaN)."""
    if a.shape != b.shape:
        return False
    finite = np.isfinite(b)
    scale = np.abs(b[finite]).max(initial=1e-12)
    return bool(np.allclose(a, b, rtol=0, atol=CLOSE * scale, equal_nan=True))


def likely_cause(exercise, results, k):
    """Why output k is wrong, in words, or None. `results`: (arguments, answers or None, expected) of every case."""
    failing = [r for r in results if r[1] is not None and not agree(r[1][k], r[2][k])]
    for cause, mistake in exercise.mistakes.items():
        made = [(_attempt(mistake, arguments, k), answers[k]) for arguments, answers, _ in failing]
        made = [(wrong, answer) for wrong, answer in made if wrong is not None]
        if made and all(agree(answer, wrong) for wrong, answer in made):
            return cause
    for _, answers, expected in failing:
        if pattern := _pattern(answers[k], expected[k]):
            return pattern
    return None


def _attempt(mistake, arguments, k):
    """Output k of a planted mistake; None where it has none, or fails."""
    try:
        with np.errstate(all="ignore"):
            made = mistake(**arguments)
    except (ValueError, IndexError, TypeError):
        return None
    part = made[k] if isinstance(made, tuple) else made
    return None if part is None else np.asarray(part, np.float64)


def _pattern(answer, expected):
    if answer.shape != expected.shape:
        return _shape_pattern(answer.shape, expected.shape)
    if np.isnan(answer).any():
        return "there are NaNs: a division 0/0, or exp of something large"
    if agree(answer, -expected):
        return "the sign is turned"
    if agree(answer.astype(np.float32), expected.astype(np.float32)):
        return "digits are lost: keep float64, the dtype of the arguments"
    ratio = np.vdot(answer, expected) / max(np.vdot(expected, expected), 1e-300)
    if ratio and agree(answer / ratio, expected):
        return f"everything is {ratio:.4g} times what it should be: a sum taken as a mean, or the reverse?"
    if answer.ndim >= 2 and agree(answer, expected.swapaxes(-1, -2)):
        return "the last two axes are swapped"
    if answer.ndim == 4 and min(answer.shape[2:]) > 3:
        wrong = ~np.isclose(answer, expected, rtol=CLOSE)
        if not wrong[:, :, 1:-1, 1:-1].any():
            if not wrong[:, :, :-1, :-1].any():
                return "only the last row or column is wrong: what does floor lose?"
            return "only the border is wrong: how is the padding treated?"
        if len(answer) > 1 and not all(wrong[n].any() for n in range(len(answer))):
            return "only some images of the batch are wrong"
    return None


def _shape_pattern(answer, expected):
    if sorted(answer) == sorted(expected):
        return "the axes are in another order"
    if len(answer) == len(expected) + 1:
        return "an axis is too much: a missing sum?"
    if len(answer) == len(expected) == 4 and answer[:2] == expected[:2]:
        missing = [b - a for a, b in zip(answer[2:], expected[2:])]
        if max(missing) <= 1 and min(missing) >= 0:
            return "a lost row from floor"
    return None
