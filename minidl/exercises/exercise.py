"""What an exercise is: a function to write, cases to try it on, what should come out, and mistakes to recognise."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from textwrap import fill

import numpy as np

from ..autograd.engine import grad
from ..autograd.tensor import Tensor


class Unfit(Exception):
    """An answer that cannot be run; its arguments are the lines that say why."""


@dataclass(frozen=True)
class Exercise:
    """A function `name(signature)` for the reader to write.

    cases       dictionaries of arguments, the first of them small enough to draw
    expected    function of the arguments -> array, or a tuple of them, one for each name in `returns`
    mistakes    {likely cause: function of the arguments that makes this very mistake}
    forward     of an exercise on gradients: the differentiated function, of all arguments but g
    cost        multiply-adds that suffice, from the arguments
    draws       the argument to draw as the input; the first one by default
    compiled    whether the answer must be a function that Numba compiles
    prepare     of an exercise in another language: the reader's text -> function, or Unfit; `template` is its stub
    """

    name: str
    signature: str
    lesson: str
    title: str
    task: str
    cases: tuple
    expected: Callable
    mistakes: Mapping[str, Callable]
    hints: tuple
    returns: tuple = ("result",)
    forward: Callable | None = None
    cost: Callable | None = None
    draws: str = ""
    compiled: bool = False
    prepare: Callable | None = None
    template: str = ""

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
    check("{name}", {name})
'''


def gradients(forward, *wrt):
    """The `expected` of an exercise on gradients: those of <g, forward> in the arguments `wrt`, by the tape."""

    def expected(g, **arguments):
        xs = {name: Tensor(arguments[name]).requires_grad_() for name in wrt}
        return tuple(d.data for d in grad(forward(**(arguments | xs)), xs.values(), Tensor(g)))

    return expected


def numbers(seed, *shape):
    """Random float64 numbers of two digits, never 0: short enough to read, and no mistake hides behind a zero."""
    rng = np.random.default_rng(seed)
    return rng.integers(1, 40, shape) * rng.choice([-1, 1], shape) / 10
