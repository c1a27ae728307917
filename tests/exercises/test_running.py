"""Answers that do not end, return wrong types, or call a library: each gets an explanation."""

import shutil
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import numpy as np
import pytest

from minidl import cli
from minidl.exercises import EXERCISES, check
from minidl.exercises.report import examine
from minidl.exercises.running.apart import apart
from minidl.exercises.running.limits import TimeIsUp

LESSONS = Path(__file__).parents[2] / "lessons"
FIELD = EXERCISES["receptive_field"]


@pytest.fixture(autouse=True)
def own_record(tmp_path, monkeypatch):
    monkeypatch.setenv("MINIDL_PROGRESS", str(tmp_path / "solved.json"))


def endless(layers):
    while True:
        try:
            while True:
                pass
        except Exception:
            pass


def prints(layers):
    print("the size is", 5)


def lists(layers):
    return [[5], [1]]


def text_of(function, exercise=FIELD):
    report = examine(exercise, function, seconds=0.3)
    assert not report
    return report.text


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (endless, "still running after 0.3 s"),
        (prints, "it prints its result"),
        (prints, "it prints: the size is 5"),
        (lists, "size is a list; needed an array"),
        (lambda layers: sys.exit(1), "it calls exit()"),
        (lambda layers: (1j, 1), "size is complex"),
        (lambda layers: (None, 1), "size is None"),
        (lambda layers: ("5", 1), "needed numbers"),
        (lambda layers: (True, 1), "bool"),
        (lambda layers: (np.float32(5), 1), "size has dtype float32"),
        (lambda layers: (np.ma.array([5]), 1), "masked"),
        (lambda layers: (float("nan"), 1), "NaN or infinite"),
        (lambda layers: 1 / 0, "a number is divided by 0"),
        (lambda layers: layers[99], "an index does not fit"),
        (lambda layers: np.zeros(3) + np.zeros(4), "the shapes of two arrays do not fit"),
        (lambda layers: unknown_name, "this name has no value here"),  # noqa: F821
        (lambda a, b, c: (1, 1), "it takes 3 arguments (a, b, c); needed 1: layers"),
    ],
)
def test_what_is_not_an_answer_is_said(function, words):
    assert words in text_of(function)


def test_the_learners_own_line_is_shown():
    def mine(layers):
        size = np.zeros(3)
        return size.reshape(5), 1  # this line

    report = text_of(mine)
    assert "return size.reshape(5), 1  # this line" in report and "cells than the array" in report


def test_arguments_in_another_order():
    def crop_and_concatenate(skip, up):
        return up

    text = text_of(crop_and_concatenate, EXERCISES["crop_and_concatenate"])
    assert "its arguments are in another order (skip, up); needed up, skip" in text


def test_numbers_that_change_from_call_to_call_are_told():
    state = []

    def mine(layers):
        state.append(0)
        return len(state) * 1000.37, 1

    assert "another answer at the second call" in text_of(mine)


def test_a_loop_ends_outside_of_the_main_thread():
    found = []
    thread = threading.Thread(target=lambda: found.append(examine(FIELD, endless, seconds=0.3)), daemon=True)
    thread.start()
    thread.join(20)
    assert found and "still running" in found[0].text


def test_compiled_loops_end():
    numba = pytest.importorskip("numba")

    @numba.njit
    def im2col_numba(x, kernel, stride, padding):
        i = 0
        while kernel > 0:
            i += 1
            if i > 10:
                i = 0
        return x

    assert "still running" in text_of(im2col_numba, EXERCISES["im2col_numba"])


@pytest.mark.skipif(not (shutil.which("g++") or shutil.which("clang++")), reason="CUDA C needs g++ or clang++")
def test_cuda_loops_end():
    head, body = (LESSONS / "exercises" / "im2col_cuda.py").read_text(encoding="utf-8").split('r"""')[1].split("#error")
    text = head + "    int n = 0; while (K > 0) { n += 1; if (n > 9) n = 0; cols[0] = n; }\n}\n"
    assert body and "still running" in examine(EXERCISES["im2col_cuda"], text, seconds=1).text


def test_a_process_of_its_own_brings_values_and_errors_back():
    assert apart(lambda: 6 * 7, 5) == 42
    with pytest.raises(ZeroDivisionError):
        apart(lambda: 1 / 0, 5)
    with pytest.raises(TimeIsUp):
        apart(lambda: threading.Event().wait(60), 0.2)


def test_calling_the_library_is_told_and_can_be_allowed(capsys):
    def receptive_field(layers):
        return EXERCISES["receptive_field"].expected(layers)

    report = check("receptive_field", receptive_field)
    assert not report and "it calls minidl.exercises" in report.text and "--allow-library" in report.text
    assert check("receptive_field", receptive_field, allow_library=True)
    capsys.readouterr()


def test_reading_the_solution_is_told():
    def receptive_field(layers):
        space = {}
        exec(
            (LESSONS / "solutions" / "receptive_field.py").read_text(encoding="utf-8"), space | {"__name__": "x"}, space
        )
        return space["receptive_field"](layers)

    assert "the worked solution receptive_field.py" in text_of(receptive_field)


@pytest.mark.parametrize(("folder", "code"), [("solutions", 0), ("exercises", 1)])
def test_a_file_ends_with_the_outcome_as_its_exit_code(folder, code):
    done = subprocess.run([sys.executable, LESSONS / folder / "receptive_field.py"], capture_output=True, text=True)
    assert done.returncode == code, done.stderr


def test_the_command_ends_whatever_the_file_does(tmp_path, capsys):
    def run(text, *options):
        (tmp_path / "mine.py").write_text(textwrap.dedent(text))
        code = cli.main(["exercises", "receptive_field", "--check", str(tmp_path / "mine.py"), *options])
        captured = capsys.readouterr()
        return code, captured.out + captured.err

    code, text = run("def receptive_field(layers):\n    while True: pass\n", "--timeout", "0.3")
    assert code == 1 and "still running" in text and "--hint 1" in text
    code, text = run("import sys\nsys.exit(0)\n")
    assert code == 1 and "calls exit()" in text
    code, text = run("def receptive_field(layers:\n")
    assert code == 1 and "SyntaxError" in text
    code, text = run("x = 1 / 0\n")
    assert code == 1 and "ZeroDivisionError" in text and "line 1" in text
    code, text = run(
        "from minidl.exercises import EXERCISES\nreceptive_field = EXERCISES['receptive_field'].expected\n"
    )
    assert code == 1 and "it calls minidl.exercises" in text


WITHOUT_SIGNALS = """
import signal
del signal.setitimer
from minidl.exercises import check

def endless(g, a, b):
    while True:
        a = a + 0

print(bool(check("multiply_backward", lambda g, a, b: (g, g))))
print(bool(check("multiply_backward", endless, seconds=0.5)))
"""


def test_the_time_limit_without_timer_signals():
    """As on Windows: a thread interrupts the loop, and what has ended in time goes on at once."""
    command = [sys.executable, "-c", WITHOUT_SIGNALS]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert "still running after 0.5 s" in done.stdout
