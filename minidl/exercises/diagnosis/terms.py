"""Mistakes in a sum: overwritten terms, a mean or a maximum instead of the sum, an axis that is not summed."""

import itertools

import numpy as np

NAMES = {
    "n": "the images",
    "c": "the input channels",
    "o": "the output channels",
    "k": "the kernel's rows",
    "l": "the kernel's columns",
    "i": "the rows of windows",
    "j": "the columns of windows",
    "b": "the boxes",
    "p": "the sample rows",
    "q": "the sample columns",
    "t": "the layers",
    "d": "the repeated axes",
    "m": "the pixels",
}


def _last(a, axis):
    """The last value along an axis that is not NaN; NaN marks a cell that a term does not touch."""
    there = ~np.isnan(a)
    place = a.shape[axis] - 1 - np.flip(there, axis).argmax(axis)
    return np.take_along_axis(a, np.expand_dims(place, axis), axis).squeeze(axis)


def _first(a, axis):
    return np.take_along_axis(a, np.expand_dims((~np.isnan(a)).argmax(axis), axis), axis).squeeze(axis)


def _sum(a, axis):
    there = ~np.isnan(a)
    return np.where(there.any(axis), np.nansum(a, axis), np.nan)


def _without(part):
    return lambda a, axis: _sum(np.delete(a, part, axis), axis)


WAYS = (
    (_last, "= stands where += is needed: only the last of {} counts"),
    (
        _first,
        "only the first of {} counts: is the sum left too early, or do later terms overwrite it (= in place of +=)?",
    ),
    (lambda a, axis: np.nanmean(a, axis), "the mean over {} is taken; needed the sum"),
    (lambda a, axis: np.fmax.reduce(a, axis), "the maximum over {} is taken; needed the sum"),
    (_without(-1), "the last of {} is left out of the sum: does a range end one too early?"),
    (_without(0), "the first of {} is left out of the sum: does a range start at 1?"),
)


def slips(axes, kept):
    """(cause, function of the terms) for terms with the axes `axes`, of which `kept` are not summed."""
    summed = [a for a in axes if a not in kept]
    for size in range(1, len(summed) + 1):
        for chosen in itertools.combinations(summed, size):
            words = _listed([NAMES[a] for a in chosen])
            for way, text in WAYS:
                yield text.format(words), _reduced(axes, kept, chosen, way)
    for axis in summed:
        yield f"a missing sum over {NAMES[axis]}: the axis is still there", _reduced(axes, kept + axis, (), None)


def _listed(words):
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _reduced(axes, kept, chosen, way):
    """A function of the terms: `way` along the chosen axes, the innermost first, then the sum over the other ones."""

    def function(terms):
        names = axes
        for axis in [a for a in reversed(axes) if a in chosen]:
            terms, names = way(terms, names.index(axis)), names.replace(axis, "")
        for axis in [a for a in names if a not in kept]:
            terms, names = _sum(terms, names.index(axis)), names.replace(axis, "")
        order = [a for a in axes if a in kept] if len(kept) > len(names) else kept
        order = [a for a in order if a in names] if set(order) != set(names) else order
        return np.nan_to_num(terms.transpose([names.index(a) for a in order]))

    return function
