"""The exercise in CUDA C: im2col, one thread an entry, run on the simulator with every load and store watched."""

import re

import numpy as np

from ..backend.cuda import kernel as compiled
from ..backend.cuda import watch
from ..kernels import reference
from .exercise import Exercise, Unfit, numbers
from .windows import WINDOW_CASES, geometry

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
    check("{name}", {name})
'''
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
    if not isinstance(text, str):
        raise Unfit("it must be CUDA C: a string that holds the kernel im2col_cuda")
    if "#error" in text:
        raise NotImplementedError("the line with #error stands where yours should")

    def function(x, kernel, stride, padding):
        (N, C, H, W), (Ho, Wo) = x.shape, geometry(kernel, stride, padding).output_size(x.shape[2:])
        cols = np.full((N, C * kernel * kernel, Ho * Wo), np.nan)
        sizes = map(np.int32, (N, C, H, W, Ho, Wo, kernel, stride, padding))
        try:
            with watch():
                compiled(text, "im2col_cuda")(x, cols, *sizes, threads=cols.size)
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


def _reading(place, nearest=False, turned=False):
    """A mistake: im2col that reads row place(i, k, stride, padding, kernel), and the column alike."""

    def mistake(x, kernel, stride, padding):
        (N, C, H, W), (Ho, Wo) = x.shape, geometry(kernel, stride, padding).output_size(x.shape[2:])
        n, c, k, l, i, j = np.indices((N, C, kernel, kernel, Ho, Wo))
        h, w = place(i, k, stride, padding, kernel), place(j, l, stride, padding, kernel)
        inside = (h >= 0) & (h < H) & (w >= 0) & (w < W)
        h, w = h.clip(0, H - 1), w.clip(0, W - 1)
        read = x.ravel()[((n * C + c) * H + (w if turned else h)) * W + (h if turned else w)]
        return np.where(inside | nearest, read, 0).reshape(N, C * kernel * kernel, Ho * Wo)

    return mistake


def _right(i, k, stride, padding, kernel):
    return i * stride + k - padding


def _reordered(*axes):
    """A mistake: the entries of im2col with the axes n, c, k, l, i, j of `cols` in another order."""

    def mistake(x, kernel, stride, padding):
        cols, size = _im2col(x, kernel, stride, padding), geometry(kernel, stride, padding).output_size(x.shape[2:])
        return cols.reshape(*x.shape[:2], kernel, kernel, *size).transpose(axes).reshape(cols.shape)

    return mistake


CUDA = Exercise(
    name="im2col_cuda",
    signature="const T *x, T *cols, int N, int C, int H, int W, int Ho, int Wo, int K, int stride, int padding",
    lesson="12",
    title="im2col, in CUDA C",
    task="""cols[n, (c, k, l), (i, j)] = x[n, c, i * stride + k - padding, j * stride + l - padding], 0 outside the image.
The kernel is K x K. x (N, C, H, W) and cols (N, C * K * K, Ho * Wo) lie flat in memory, last axis fastest. One thread
writes one entry: the one with the flat number thread_number(). Threads come in blocks of 256, so there are more of them
than entries. cols holds NaN before. Returns nothing: the kernel writes into cols.""",
    cases=(
        *WINDOW_CASES,
        {"x": numbers(3, 2, 2, 5, 6), "kernel": 2, "stride": 1, "padding": 1},
    ),
    expected=_im2col,
    mistakes={
        "padding counted twice: subtract it once": _reading(lambda i, k, s, p, K: i * s + k - 2 * p),
        "the padding is left out: subtract it": _reading(lambda i, k, s, p, K: i * s + k),
        "the padding is added: subtract it": _reading(lambda i, k, s, p, K: i * s + k + p),
        "wrong stride: windows are taken at every pixel, but i starts at row i * stride": _reading(
            lambda i, k, s, p, K: i + k - p
        ),
        "wrong stride: it belongs to the window i, not to the tap k": _reading(lambda i, k, s, p, K: i + k * s - p),
        "a flipped kernel: tap (k, l) must read k rows below the window's top": _reading(
            lambda i, k, s, p, K: i * s + K - 1 - k - p
        ),
        "outside the image the nearest pixel is read; it must be 0": _reading(_right, nearest=True),
        "a flipped index: row and column of x are exchanged; W belongs to the row": _reading(_right, turned=True),
        "a flipped index: k and l are exchanged; l runs faster": _reordered(0, 1, 3, 2, 4, 5),
        "a flipped index: i and j are exchanged; j runs faster": _reordered(0, 1, 2, 3, 5, 4),
        "a flipped index: the taps come before the channels; c runs slowest, then k, then l": _reordered(
            0, 2, 3, 1, 4, 5
        ),
        "windows are rows here; they must be columns, so (i, j) runs fastest": _reordered(0, 4, 5, 1, 2, 3),
        "every image is the first: the plane is n * C + c": lambda x, **k: _im2col(x[:1].repeat(len(x), 0), **k),
    },
    prepare=_prepared,
    template=STUB,
    draws="x",
    hints=(
        "Take the thread's number apart from the fastest index to the slowest: j = at % Wo, then i = at / Wo % Ho, and so on.",
        "What is left after i and j is ((n * C + c) * K + k) * K + l; n and c are only needed together.",
        "plane = at / (Wo * Ho * K * K), row = i * stride + k - padding; if (at < n) cols[at] = inside ? "
        "x[(plane * H + row) * W + column] : T(0).",
    ),
)

EXERCISES = (CUDA,)
