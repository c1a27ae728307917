"""The cause of a wrong answer: the known mistake that gives the same answer in every cell of every case."""

import itertools
from dataclasses import dataclass

import numpy as np

from ... import backend
from ..exercise import quiet
from . import arguments as argument_slips
from . import terms as term_slips
from .agree import agree
from .fitted import fitted
from .patterns import pattern
from .transforms import TRANSFORMS

SURE, LIKELY, UNKNOWN = "sure", "likely", "unknown"
AFTER = 6  # the first of TRANSFORMS that are also tried after another mistake: sign, cut at 0, whole numbers


@dataclass(frozen=True)
class Cause:
    """`text` (None if unknown), `certainty` (sure, likely or unknown), and the number of explanations tried.

    sure: a known mistake gives exactly this answer in all cases. likely: a description fits all wrong cells.
    """

    text: str | None
    certainty: str
    tried: int = 0


class Suspects:
    """The answers of all known mistakes in the cases of an exercise, each computed at its first use."""

    def __init__(self, exercise, cases, expected):
        self.exercise, self.cases, self.expected = exercise, cases, expected
        self.memory, self.terms = {}, {}
        self.slips = [dict(argument_slips.slips(case)) for case in cases]
        texts = list(dict.fromkeys(text for slips in self.slips for text in slips))
        self.known = list(dict.fromkeys((text, _Key(variant)) for text, variant in exercise.variants()))
        self.tiers = [
            [(text, ("known", key)) for text, key in self.known],
            [(text, ("argument", text)) for text in texts],
            [(text, ("transform", n)) for n, (text, _) in enumerate(TRANSFORMS)],
        ]

    def of_terms(self, k):
        """The mistakes in the sum of output k."""
        name = self.exercise.returns[k]
        if name not in (self.exercise.terms or {}):
            return []
        if name not in self.terms:
            made = [self.exercise.terms[name](**case) for case in self.cases]
            _, axes, kept = made[0]
            slips = list(term_slips.slips(axes, kept))
            self.terms[name] = ([array for array, _, _ in made], [function for _, function in slips])
            self.term_texts = getattr(self, "term_texts", {}) | {name: [text for text, _ in slips]}
        return [(text, ("terms", (name, k, n))) for n, text in enumerate(self.term_texts[name])]

    def pairs(self):
        """Combinations of two mistakes."""
        options = [(text, key) for text, key in self.known if isinstance(key.value, dict)]
        for (a, x), (b, y) in itertools.combinations(options, 2):
            if a != b and not x.value.keys() & y.value.keys():
                yield f"two mistakes: {a}; and {b}", ("known", _Key(x.value | y.value))
        for (a, x), n in itertools.product(self.known, range(AFTER)):
            yield f"two mistakes: {a}; and {TRANSFORMS[n][0]}", ("after", (("known", x), n))
        for (a, x), (b, what) in itertools.product(options, self.tiers[1]):
            yield f"two mistakes: {a}; and {b}", ("both", (x, what[1]))

    def made(self, what, i):
        """All outputs of a mistake in case i, as a list; None where the mistake does not apply."""
        key = (what, i)
        if key not in self.memory:
            try:
                with quiet(), backend.use("reference"):
                    made = self._made(what, i)
            except (ValueError, IndexError, TypeError, ZeroDivisionError, OverflowError, RuntimeError, AttributeError):
                made = None
            self.memory[key] = (
                None if made is None else [None if m is None else np.asarray(m, np.float64) for m in made]
            )
        return self.memory[key]

    def _made(self, what, i):
        kind, value = what
        exercise, case, right = self.exercise, self.cases[i], self.expected[i]
        if kind == "known":
            return exercise.mistake(value.value, case)
        if kind == "argument":
            made = exercise.expected(**(case | self.slips[i][value])) if value in self.slips[i] else right
            return made if len(exercise.returns) > 1 else [made]
        if kind == "both":
            key, text = value
            return exercise.mistake(key.value, case | self.slips[i].get(text, {}))
        if kind == "terms":
            name, k, n = value
            arrays, functions = self.terms[name]
            return [functions[n](arrays[i]) if j == k else None for j in range(len(right))]
        if kind == "after":
            first, n = value
            made = self.made(first, i)
            return made and [None if m is None else TRANSFORMS[n][1](m) for m in made]
        return [TRANSFORMS[value][1](r) for r in right]


class _Key:
    """A hashable key of a mistake's options: dictionaries compare by content, functions by identity."""

    def __init__(self, value):
        self.value = value
        self.name = repr(sorted(value.items())) if isinstance(value, dict) else id(value)

    def __hash__(self):
        return hash(self.name)

    def __eq__(self, other):
        return self.name == other.name


def find_cause(suspects, results, k, tolerance):
    """The Cause of the errors in output k of the results, of which there is one for each of the suspects' cases."""
    there = [(i, r) for i, r in enumerate(results) if r.values is not None]
    there.sort(
        key=lambda entry: (agree(entry[1].values[k], entry[1].expected[k], tolerance), entry[1].expected[k].size)
    )
    found, tried = _explained(suspects, there, k, tolerance)
    if not found:
        square = [(i, r) for i, r in there if not _oblong(r.arguments)]
        if len(square) < len(there) and square:
            if not _wrong(square[0][1], k, tolerance):
                return Cause(
                    "the kernel is taken to be square: its rows and its columns differ in one case", SURE, tried
                )
            found, more = _explained(suspects, square, k, tolerance)
            tried += more
            if found:
                found = Cause(f"{found.text}; and the kernel is taken to be square", found.certainty)
    if found:
        return Cause(found.text, found.certainty, tried)
    values = [r for _, r in there]
    if not all(np.isfinite(r.values[k]).all() for r in values if np.isfinite(r.expected[k]).all()):
        return Cause(_infinite(values, k), LIKELY, tried)
    text = pattern([r for _, r in sorted(there, key=lambda entry: entry[0])], k, tolerance)
    return Cause(text, LIKELY if text else UNKNOWN, tried)


def _wrong(result, k, tolerance):
    return not agree(result.values[k], result.expected[k], tolerance)


def _oblong(arguments):
    w = arguments.get("w")
    return isinstance(w, np.ndarray) and w.ndim == 4 and w.shape[2] != w.shape[3]


def _explained(suspects, there, k, tolerance):
    """(Cause that gives exactly the values of all cases, or None; how many were tried)."""
    tried = 0
    known, slips, transforms = suspects.tiers
    for tier in (known, slips, suspects.of_terms(k), transforms):
        tried += len(tier)
        texts = list(dict.fromkeys(text for text, what in tier if _matches(suspects, what, there, k, tolerance)))
        if texts:
            enough = sum(r.values[k].size for _, r in there if _wrong(r, k, tolerance)) > 1
            several = tier is known and len(texts) > 1
            text = "; or: ".join(texts[:2]) if several else texts[0]
            return Cause(text, SURE if enough and not several else LIKELY), tried
    failing = [r for _, r in there]
    text = fitted(
        [r.values[k] for r in failing], [r.expected[k] for r in failing], [r.arguments for r in failing], tolerance
    )
    if text:
        return Cause(text, SURE), tried + 1
    for text, what in suspects.pairs():
        tried += 1
        if _matches(suspects, what, there, k, tolerance):
            return Cause(text, SURE), tried
    return None, tried


def _matches(suspects, what, there, k, tolerance):
    for i, result in there:
        made = suspects.made(what, i)
        if made is None or made[k] is None or not agree(result.values[k], made[k], tolerance):
            return False
    return bool(there)


def _infinite(results, k):
    if any(np.isnan(r.values[k]).any() for r in results):
        return "there are NaNs: 0 / 0, inf - inf, the logarithm or root of a negative number, or np.empty"
    return "there are infinite values: exp of a large number, the logarithm of 0, or a division by 0"
