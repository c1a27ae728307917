"""The exercise in CUDA C: im2col, one thread an entry, run on the simulator with every load and store watched."""

import re

import numpy as np

from ...backend.cuda import kernel as compiled
from ...backend.cuda import watch
from ...kernels import reference
from ..exercise import Exercise, Unfit
from .windows import WINDOW_CASES, WINDOWS, draw_windows, geometry

STUB = '''"""Exercise: {title} (lesson {lesson}). Complete the text, then run this file.

{task}
"""

from minidl.exercises import check

{name} = r"""
extern "C" __global__ void {name}(
        {signature}) {{
#error "{name} is yours to write: your lines take the place of this one"
}}
"""

if __name__ == "__main__":
    raise SystemExit(not check("{name}", {name}))
'''
PARAMETERS = ("x", "cols", "N", "C", "H", "W", "Ho", "Wo", "K", "stride", "padding")
BEYOND = (
    "a thread beyond the end: the last block has more threads than there are entries left, so only those with "
    "thread_number() < N * C * K * K * Ho * Wo may go on"
)
FAILURES = {
    r"out of bounds: reads x\[-": "missing bounds check: a window hangs over the edge, so test 0 <= row < H and "
    "0 <= column < W before reading",
    r"out of bounds: reads x\[": "an index beyond the image: a bounds check that is missing or one too generous (row < H, "
    "column < W), or a wrong plane",
    r"out of bounds: writes cols": "each thread writes cols[thread_number()] and nothing else",
    r"race: writes cols": "two threads write the same entry: cols[thread_number()] belongs to one alone",
    r"divergent": "a barrier that some threads never reach; this kernel needs none",
}


def _prepared(text):
    """The reader's CUDA C as a function of a case's arguments; Unfit says why it does not run."""
    from ...kernels.cuda.simulator.run import build  # needs a compiler

    if not isinstance(text, str):
        raise Unfit("it must be CUDA C: a string that holds the kernel im2col_cuda")
    if "#error" in text:
        raise NotImplementedError("the line with #error stands where yours should")
    try:
        launch = compiled(text, "im2col_cuda")
        names = [parameter.name for parameter in launch.parameters]
        if len(names) != len(PARAMETERS):
            raise Unfit(
                f"the kernel takes {len(names)} parameters ({', '.join(names)}); needed {len(PARAMETERS)}: "
                f"{', '.join(PARAMETERS)}"
            )
        build(launch, np.float64, True)
    except (RuntimeError, ValueError) as error:
        raise Unfit(*_explained(str(error), text, 0)) from None

    def function(x, kernel, stride, padding):
        (N, C, H, W), (Ho, Wo) = x.shape, geometry(kernel, stride, padding).output_size(x.shape[2:])
        cols = np.full((N, C * kernel * kernel, Ho * Wo), np.nan)
        sizes = map(np.int32, (N, C, H, W, Ho, Wo, kernel, stride, padding))
        try:
            with watch():
                launch(x, cols, *sizes, threads=cols.size)
        except (RuntimeError, ValueError, TypeError) as error:
            raise Unfit(*_explained(str(error), text, cols.size)) from None
        if np.isnan(cols).any():
            raise Unfit(
                f"{np.isnan(cols).sum()} of {cols.size} entries of cols are never written",
                "likely cause: only entries inside the image are written; those outside must become 0",
            )
        return cols

    return function


def _explained(message, text, entries):
    """A failure in lines: what happened, the line of the text, the likely cause."""
    lines = [f"it stops: {message.strip()}"]
    if place := re.search(r"\(line (\d+) of text.cu\)", message):
        lines.append(f"line {place[1]}: {text.lstrip(chr(10)).splitlines()[int(place[1]) - 1].strip()}")
    causes = [cause for pattern, cause in FAILURES.items() if re.search(pattern, message)]
    thread = re.search(r"block \((\d+),.*?thread \((\d+),.*?out of bounds", message)
    if thread and int(thread[1]) * 256 + int(thread[2]) >= entries:
        causes = [BEYOND]
    return lines + [f"likely cause: {cause}" for cause in causes[:1]]


def _im2col(x, kernel, stride, padding):
    return reference.im2col(x, geometry(kernel, stride, padding))


CUDA = Exercise(
    name="im2col_cuda",
    signature="const T *x, T *cols, int N, int C, int H, int W, int Ho, int Wo, int K, int stride, int padding",
    lesson="12",
    title="im2col, in CUDA C",
    task="""cols[n, (c, k, l), (i, j)] = x[n, c, i * stride + k - padding, j * stride + l - padding], 0 outside the image.
The kernel is K x K. x (N, C, H, W) and cols (N, C * K * K, Ho * Wo) lie flat in memory, last axis fastest. One thread
writes one entry: the one with the flat number thread_number(). Threads come in blocks of 256, so there are more of them
than entries. cols holds NaN before. Returns nothing: the kernel writes into cols.""",
    cases=WINDOW_CASES,
    draw_case=draw_windows,
    expected=_im2col,
    mistakes=WINDOWS,
    prepare=_prepared,
    template=STUB,
    draws="x",
    hints=(
        "Look at the thread's number: take it apart from the fastest index to the slowest, j, i, l, k, and the rest.",
        "j = at % Wo, then i = at / Wo % Ho, and so on. What is left after i and j is ((n * C + c) * K + k) * K + l; n and c "
        "are only needed together.",
        "plane = at / (Wo * Ho * K * K), row = i * stride + k - padding; if (at < n) cols[at] = inside ? "
        "x[(plane * H + row) * W + column] : T(0).",
    ),
)

EXERCISES = (CUDA,)
