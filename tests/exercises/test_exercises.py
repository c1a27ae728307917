"""Exercises: solutions pass, stubs fail, and the cause of every known mistake is named."""

import importlib.util
import shutil
import time
from pathlib import Path

import numpy as np
import pytest

from minidl import cli, exercises
from minidl.exercises import EXERCISES, check, counting, draw, hint
from minidl.exercises.diagnosis.agree import agree
from minidl.exercises.exercise import quiet
from minidl.exercises.report import suspects_of

LESSONS = Path(__file__).parents[2] / "lessons"
PLAIN = [name for name, e in EXERCISES.items() if not (e.compiled or e.prepare)]
CUDA = EXERCISES["im2col_cuda"]
needs_compiler = pytest.mark.skipif(
    not (shutil.which("g++") or shutil.which("clang++")), reason="CUDA C needs g++ or clang++; neither is installed"
)
PLACES = "i * stride + k - padding, column = j * stride + l - padding"
BOUND = "    if (at >= N * C * K * K * Ho * Wo) return; // the last block has threads to spare\n"
INSIDE = "0 <= row && row < H && 0 <= column && column < W"
CUDA_SLIPS = {  # what the learner's text has instead of what the solution has
    "the padding is counted twice": (PLACES, PLACES.replace("- padding", "- 2 * padding")),
    "the padding is left out": (PLACES, PLACES.replace("- padding", "")),
    "the padding has the wrong sign": (PLACES, PLACES.replace("- padding", "+ padding")),
    "taken at every pixel": (PLACES, PLACES.replace("* stride", "")),
    "belongs to the window i": (PLACES, "i + k * stride - padding, column = j + l * stride - padding"),
    "a flipped kernel": (PLACES, PLACES.replace("+ k", "+ K - 1 - k").replace("+ l", "+ K - 1 - l")),
    "the nearest pixel is read": (
        "inside ? x[(plane * H + row) * W + column] : T(0)",
        "x[(plane * H + min(max(row, 0), H - 1)) * W + min(max(column, 0), W - 1)]",
    ),
    "row and column of x are exchanged": ("(plane * H + row) * W + column", "(plane * H + column) * W + row"),
    "k and l are exchanged": ("l = rest % K, k = rest / K % K", "k = rest % K, l = rest / K % K"),
    "i and j are exchanged": ("j = at % Wo, i = at / Wo % Ho", "i = at % Ho, j = at / Ho % Wo"),
    "the taps come before the channels": (
        "l = rest % K, k = rest / K % K, plane = rest / K / K",
        "c = rest % C, l = rest / C % K, k = rest / C / K % K, plane = rest / C / K / K * C + c",
    ),
    "windows come first in memory": (
        "cols[at]",
        "cols[((plane / C * Ho * Wo + i * Wo + j) * C + plane % C) * K * K + k * K + l]",
    ),
    "every image is the first": ("plane = rest / K / K", "plane = rest / K / K % C"),
}
CUDA_FAILURES = {
    "a thread beyond the end": (BOUND, ""),
    "missing bounds check": (INSIDE, "true"),
    "an index beyond the image": (INSIDE, "0 <= row && 0 <= column"),
    "two threads write the same entry": ("cols[at]", "cols[at / 2]"),
    "each thread writes cols[thread_number()]": ("cols[at]", "cols[at + 3]"),
    "a barrier that some threads never reach": (BOUND, BOUND + "    __syncthreads();\n"),
    "only entries inside the image are written": ("cols[at] = inside ?", "if (inside) cols[at] = inside ?"),
    "could not compile": ("const int at", "const int there"),
    "there is no kernel 'im2col_cuda'": ("im2col_cuda", "my_im2col"),
    "the kernel takes 2 parameters (x, cols); needed 11": (
        ", int N, int C, int H, int W, int Ho, int Wo, int K, int stride, int padding",
        "",
    ),
}


@pytest.fixture(autouse=True)
def own_record(tmp_path, monkeypatch):
    monkeypatch.setenv("MINIDL_PROGRESS", str(tmp_path / "solved.json"))


def load(folder, name):
    """The function `name` of lessons/folder/name.py."""
    spec = importlib.util.spec_from_file_location(f"{folder}_{name}", LESSONS / folder / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return getattr(module, name)


def test_files():
    for folder in ("exercises", "solutions"):
        assert {p.stem for p in (LESSONS / folder).glob("*.py")} == set(EXERCISES)
    for name, exercise in EXERCISES.items():
        assert (LESSONS / "exercises" / f"{name}.py").read_text(encoding="utf-8") == exercise.stub()
        assert len(exercise.hints) == 3


def need(exercise):
    """Skip where what compiles the exercise is missing."""
    if exercise.compiled:
        pytest.importorskip("numba")
    if exercise.prepare and needs_compiler.args[0]:
        pytest.skip(needs_compiler.kwargs["reason"])


@pytest.mark.parametrize("name", EXERCISES)
def test_solution_passes(name, capsys):
    need(EXERCISES[name])
    start = time.perf_counter()
    report = check(name, load("solutions", name))
    assert report, report.text
    assert time.perf_counter() - start < 30  # meant: 5 s on an idle machine
    assert "right" in capsys.readouterr().out
    assert exercises.solved() == {name}
    assert "none is wasted" in report.text or not EXERCISES[name].cost, report.text


@pytest.mark.parametrize("name", EXERCISES)
def test_stub_fails(name):
    report = check(name, load("exercises", name))
    assert not report
    assert ("plain Python" if EXERCISES[name].compiled else "still to be written") in report.text
    assert exercises.solved() == set()


@pytest.mark.parametrize("name", PLAIN)
def test_every_known_mistake_differs_from_the_right_answer_and_from_the_others(name):
    """In the cases of the exercise: else a wrong answer passes, or the report names the wrong one of two."""
    suspects = suspects_of(name)
    cases = range(len(suspects.cases))
    answers = {}
    for text, what in suspects.tiers[0]:
        made = [suspects.made(what, i) for i in cases]
        assert any(m is not None for m in made), text
        wrong = [
            k
            for k in range(len(suspects.expected[0]))
            if any(
                m is not None and m[k] is not None and not agree(m[k], r[k]) for m, r in zip(made, suspects.expected)
            )
        ]
        assert wrong, f"not told from the right answer: {text}"
        answers[what] = (text, made, wrong)
    for text, made, wrong in answers.values():
        for other, there, _ in answers.values():
            if other != text:
                for k in wrong:
                    same = [_same(a, b, k) for a, b in zip(made, there)]
                    assert not all(same), f"not told apart: {text!r} and {other!r}"


def _same(a, b, k):
    a, b = (m and m[k] for m in (a, b))
    return a is b if a is None or b is None else agree(a, b)


def plain(exercise, case):
    """The outputs of the model without mistakes."""
    with quiet():
        return exercise.mistake({}, case)


@pytest.mark.parametrize("name", PLAIN)
def test_the_model_without_mistakes_is_right(name):
    exercise, suspects = EXERCISES[name], suspects_of(name)
    if exercise.made:
        for case, right in zip(suspects.cases, suspects.expected):
            assert all(agree(np.asarray(a, float), b) for a, b in zip(plain(exercise, case), right))


@pytest.mark.parametrize("name", [name for name in PLAIN if EXERCISES[name].terms])
def test_the_terms_add_up_to_the_right_answer(name):
    exercise, suspects = EXERCISES[name], suspects_of(name)
    for output, terms in exercise.terms.items():
        for case, right in zip(suspects.cases, suspects.expected):
            array, axes, kept = terms(**case)
            total = np.nansum(array, tuple(d for d, axis in enumerate(axes) if axis not in kept))
            left = [axis for axis in axes if axis in kept]
            total = total.transpose([left.index(axis) for axis in kept])
            assert agree(total, right[exercise.returns.index(output)])


def slip(old, new):
    """The solution in CUDA C with a mistake in it."""
    text = load("solutions", "im2col_cuda")
    assert old in text
    return text.replace(old, new)


@needs_compiler
@pytest.mark.parametrize("words", CUDA_SLIPS)
def test_cuda_mistake_is_named(words):
    report = check("im2col_cuda", slip(*CUDA_SLIPS[words]))
    assert not report
    (cause,) = report.causes.values()
    assert words in cause and cause in report.text, report.text


def test_every_cuda_slip_is_known():
    assert all(any(words in label for label in CUDA.mistakes) for words in CUDA_SLIPS)


@needs_compiler
@pytest.mark.parametrize("words", CUDA_FAILURES)
def test_cuda_that_does_not_run_is_explained(words):
    report = check("im2col_cuda", slip(*CUDA_FAILURES[words]))
    assert not report and words in report.text, report.text


@needs_compiler
def test_cuda_failure_names_kernel_block_thread_and_line():
    text = check("im2col_cuda", slip(BOUND, "")).text
    assert "kernel im2col_cuda, block (0,0,0), thread (36,0,0): out of bounds: reads x[16]" in text
    if shutil.which("addr2line"):
        assert "line 8: cols[at] = inside ?" in text


def test_cuda_needs_a_text():
    assert "it must be CUDA C" in check("im2col_cuda", load("solutions", "im2col")).text


def test_gradient_report_names_argument_index_and_both_values():
    right = load("solutions", "conv2d_backward")

    def wrong(*args):
        gx, gw = right(*args)
        gw[0, 0, 2, 1] += 50
        return gx, gw

    report = check("conv2d_backward", wrong)
    assert "the gradient in x is right" in report.text
    assert "the gradient in w is wrong" in report.text
    assert "at [0, 0, 2, 1]: analytic (yours)" in report.text and "numerical" in report.text
    a, n = (float(report.text.split(key)[1].split()[0].strip(",")) for key in ("(yours)", "numerical"))
    assert a - n == pytest.approx(50, rel=1e-3)
    assert report.causes == {"w": None}


PATTERNS = [
    (lambda y: -y, "the sign is wrong"),
    (lambda y: 3 * y, "everything is 3 times"),
    (lambda y: y.astype(np.float32), "needed float64"),
    (lambda y: y.astype(np.float32).astype(float), "digits are lost"),
    (lambda y: np.where(np.arange(y.shape[-1]) == y.shape[-1] - 1, 0, y), "the last column is 0"),
    (lambda y: np.where(np.arange(y.shape[-1]) == y.shape[-1] - 1, 7, y), "only the last row or column"),
    (lambda y: np.where(np.arange(y.shape[-1]) == 0, 0, y), "the first column is 0"),
    (lambda y: np.where(np.arange(y.shape[-1]) % (y.shape[-1] - 1) == 0, 7, y), "only the border (1 pixel) is wrong"),
    (lambda y: y[..., :-1, :], "the last row is missing"),
    (lambda y: y.transpose(1, 0, 2, 3), "the first and the second axis of the result are exchanged"),
    (lambda y: y * np.nan, "NaN"),
]


@pytest.mark.parametrize(("spoil", "words"), PATTERNS, ids=[w for _, w in PATTERNS])
def test_unplanted_mistakes_are_told_by_their_pattern(spoil, words):
    right = load("solutions", "depthwise_conv2d")
    report = check("depthwise_conv2d", lambda *args: spoil(right(*args)))
    assert not report and words in report.text, report.text


def misbehave(kind):
    def writes(x, kernel, stride, padding):
        x += 1

    def returns_nothing(x, kernel, stride, padding):
        pass

    def stops(x, kernel, stride, padding):
        return x[99]

    def word(x, kernel, stride, padding):
        return "cols"

    return {"in place": writes, "returns None": returns_nothing, "IndexError": stops, "needed numbers": word}[kind]


@pytest.mark.parametrize("words", ["in place", "returns None", "IndexError", "needed numbers"])
def test_functions_that_do_not_answer(words):
    report = check("im2col", misbehave(words))
    assert not report and words in report.text


def test_wrong_number_of_results():
    assert "needed 2 values: x, w" in check("conv2d_backward", lambda *args: args[0]).text


def test_score_tells_waste():
    """A kernel with zeros between its taps is right, and multiplies the zeros too."""

    def wasteful(x, w, dilation):
        K = dilation * (w.shape[2] - 1) + 1
        wide = np.zeros((*w.shape[:2], K, dilation * (w.shape[3] - 1) + 1))
        wide[:, :, ::dilation, ::dilation] = w
        L = dilation * (w.shape[3] - 1) + 1
        Ho, Wo = x.shape[2] - K + 1, x.shape[3] - L + 1
        y = np.zeros((len(x), len(w), Ho, Wo))
        for k in range(K):
            for l in range(L):
                y += np.einsum("oc,ncij->noij", wide[:, :, k, l], x[:, :, k : k + Ho, l : l + Wo])
        return y

    exercise = EXERCISES["dilated_conv2d"]
    assert counting.count(lambda x, w, dilation: wasteful(x, w, dilation), exercise.cases[0]) == 25 * 9
    assert exercise.cost(**exercise.cases[0]) == 9 * 9
    assert check("dilated_conv2d", wasteful)


@pytest.mark.parametrize(
    ("product", "expected"),
    [
        (lambda a, b: a @ b, 24),
        (lambda a, b: np.dot(a, b), 24),
        (lambda a, b: np.einsum("ij,jk->ik", a, b), 24),
        (lambda a, b: np.tensordot(a, b, 1), 24),
        (lambda a, b: a * a, 6),
        (lambda a, b: a + a, 0),
        (lambda a, b: np.stack([a, a])[0] * 2.0, 6),
    ],
)
def test_counting(product, expected):
    assert counting.count(product, {"a": np.ones((2, 3)), "b": np.ones((3, 4))}) == expected


def test_hints_and_errors(capsys):
    hint("conv2d_backward", 1)
    assert "hint 1 of 3" in capsys.readouterr().out
    with pytest.raises(ValueError, match="hints 1 to 3"):
        hint("conv2d_backward", 4)
    with pytest.raises(ValueError, match="there is no exercise 'conv3d'"):
        check("conv3d", print)
    with pytest.raises(TypeError, match="needs a function"):
        check("im2col", 3)


@pytest.mark.parametrize("name", EXERCISES)
def test_draw(name):
    pytest.importorskip("matplotlib")
    need(EXERCISES[name])
    solution = load("solutions", name)
    assert "every cell is right" in draw(name, solution)._suptitle.get_text()
    if EXERCISES[name].prepare:
        assert "are wrong" in draw(name, slip(*CUDA_SLIPS["a flipped kernel"]))._suptitle.get_text()
        return
    if len(EXERCISES[name].returns) == 1:
        if EXERCISES[name].compiled:
            return
        figure = draw(name, lambda *args: np.asarray(getattr(solution(*args), "data", solution(*args))) + 1)
        assert "are wrong" in figure._suptitle.get_text()
        figure = draw(name, lambda *args: np.zeros(3))
        assert "is needed" in figure._suptitle.get_text()
    with pytest.raises(ValueError, match=name):
        draw(name, lambda *args: None)


def test_agreement_is_strict():
    a = np.array([1.0, np.nan, 2.0])
    assert agree(a, a) and not agree(a, a + 1e-5) and not agree(a, np.nan_to_num(a))


def test_broken_record_is_said(tmp_path, monkeypatch, capsys):
    (tmp_path / "solved.json").write_text("{")
    assert check("receptive_field", load("solutions", "receptive_field"))
    assert "not noted as solved" in capsys.readouterr().out


def test_command(capsys):
    assert cli.main(["exercises"]) == 0
    assert f"0 of {len(EXERCISES)} solved" in capsys.readouterr().out
    assert cli.main(["exercises", "receptive_field", "--check", str(LESSONS / "solutions/receptive_field.py")]) == 0
    assert cli.main(["exercises"]) == 0
    assert f"1 of {len(EXERCISES)} solved" in capsys.readouterr().out
    assert cli.main(["exercises", "im2col", "--hint", "2"]) == 0
    assert "hint 2 of 3" in capsys.readouterr().out
    assert cli.main(["exercises", "im2col"]) == 0
    assert "def im2col(x, kernel, stride, padding):" in capsys.readouterr().out
    assert cli.main(["exercises", "im2col", "--check", str(LESSONS / "exercises/im2col.py")]) == 1
    assert "still to be written" in capsys.readouterr().out
    assert cli.main(["exercises", "im2col", "--check", str(LESSONS / "solutions/col2im.py")]) == 1
    assert "defines no im2col" in capsys.readouterr().err


def test_lessons_command(tmp_path, capsys):
    copy = tmp_path / "mine"
    assert cli.main(["lessons", "--copy", str(copy)]) == 0
    assert (copy / "exercises" / "im2col.py").is_file() and (copy / "README.md").is_file()
    assert cli.main(["lessons", "--copy", str(copy)]) == 1
    assert "exists" in capsys.readouterr().err


def test_help_names_the_function_that_was_given(capsys):
    def mine(x, kernel, stride, padding):
        raise NotImplementedError

    check("im2col", mine)
    assert 'draw("im2col", mine)' in capsys.readouterr().out
    check("im2col", lambda x, kernel, stride, padding: None)
    assert 'draw("im2col", im2col)' in capsys.readouterr().out
