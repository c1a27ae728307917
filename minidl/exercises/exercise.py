"""The definition of an exercise: a function to write, its cases, the expected results, and known mistakes."""

import contextlib
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from textwrap import fill

import numpy as np

from ..autograd.engine import grad
from ..autograd.tensor import Tensor


class Unfit(Exception):
    """An answer that cannot be run; its arguments are the lines of the explanation."""


@dataclass(frozen=True)
class Exercise:
    """A function `name(signature)` for the reader to write.

    cases       dictionaries of arguments, the first of them small enough to draw
    draw_case   function of a numpy Generator -> the arguments of one more case
    expected    function of the arguments -> array, or a tuple of them, one for each name in `returns`
    made        the same in plain NumPy, with options (keyword arguments) that make mistakes
    mistakes    {cause: options of `made`, or a function of the arguments that makes this mistake, or a list of those}
    terms       {name in `returns`: function of the arguments -> (array, axes, kept axes)}: the terms of the result's sum
    whole       the names in `returns` that must be whole numbers
    forward     of an exercise on gradients: the differentiated function, of all arguments but g
    cost        multiply-adds that suffice, from the arguments
    draws       the argument to draw as the input; the first one by default
    library     names of functions of minidl that the answer may call
    compiled    whether the answer must be a function that Numba compiles
    prepare     of an exercise in another language: the reader's text -> function, or Unfit; `template` is its stub
    """

    name: str
    signature: str
    lesson: str
    title: str
    task: str
    cases: tuple
    draw_case: Callable
    expected: Callable
    mistakes: Mapping[str, object]
    hints: tuple
    made: Callable | None = None
    terms: Mapping[str, Callable] | None = None
    returns: tuple = ("result",)
    whole: tuple = ()
    forward: Callable | None = None
    cost: Callable | None = None
    draws: str = ""
    library: tuple = ()
    compiled: bool = False
    prepare: Callable | None = None
    template: str = ""

    def variants(self):
        """(cause, options or function) of every known mistake."""
        for cause, variants in self.mistakes.items():
            for variant in variants if isinstance(variants, list) else [variants]:
                yield cause, variant

    def mistake(self, variant, arguments):
        """The answers of a known mistake, one for each name in `returns`."""
        made = self.made(**arguments, **variant) if isinstance(variant, dict) else variant(**arguments)
        return list(made) if len(self.returns) > 1 else [made]

    def stub(self):
        """The file that the reader completes."""
        what, returns = " ".join(self.task.split()).rsplit(" Returns ", 1)
        indent = "" if self.prepare else "    "
        lines = [
            fill(part, 116, initial_indent=indent, subsequent_indent=indent) for part in (what, f"Returns {returns}")
        ]
        task = "\n\n".join(lines).strip()
        return (self.template or STUB).format(
            name=self.name, signature=self.signature, title=self.title, lesson=self.lesson, task=task
        )


STUB = '''"""Exercise: {title} (lesson {lesson}). Complete the function, then run this file."""

import numpy as np

from minidl.exercises import check


def {name}({signature}):
    """{task}
    """
    raise NotImplementedError("{name} is yours to write")


if __name__ == "__main__":
    raise SystemExit(not check("{name}", {name}))
'''


@contextlib.contextmanager
def quiet():
    """Context without warnings: their causes are visible in the values."""
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def gradients(forward, *wrt):
    """The `expected` of an exercise on gradients: those of <g, forward> in the arguments `wrt`, computed by the tape."""

    def expected(g, **arguments):
        xs = {name: Tensor(arguments[name]).requires_grad_() for name in wrt}
        return tuple(d.data for d in grad(forward(**(arguments | xs)), xs.values(), Tensor(g)))

    return expected


def numbers(seed, *shape):
    """Random float64 numbers of two digits, never 0: short to read, and without zeros, which could hide a mistake.

    `seed` is a number or a Generator.
    """
    rng = np.random.default_rng(seed)
    return rng.integers(1, 40, shape) * rng.choice([-1, 1], shape) / 10
