"""What a browser can run: minidl on NumPy alone, without threads, processes and timers, as Pyodide has it."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BROWSER = ROOT / "tests/helpers/browser.py"
LESSON = ROOT / "tests/helpers/browser_lesson.py"
# lesson: (cells left out, why)
LEFT_OUT = {"09": ([21, 22, 23], "cell 21 trains a network for minutes without compiled kernels; 22 and 23 draw it")}
SLOW = ("04", "05", "06", "07", "08", "09")

IMPORT = """
import sys
before = set(sys.modules)
import minidl
new = {name.partition(".")[0] for name in set(sys.modules) - before}
print(sorted(new - set(sys.stdlib_module_names)))
print(sorted(new & {"subprocess", "multiprocessing", "concurrent"}))
import numpy as np
x = minidl.tensor(np.ones((1, 1, 4, 4)), requires_grad=True)
with minidl.backend.use("reference"):
    minidl.functional.conv2d(x, minidl.tensor(np.ones((1, 1, 3, 3)))).sum().backward()
print(x.grad.data[0, 0].astype(int).tolist())
"""

SAYS = """
import warnings
import numpy as np
import minidl
from minidl import data, functional as F
from minidl.train import checkpoint

def said(function):
    try:
        function()
    except Exception as error:
        print(f"{type(error).__name__}: {error}")

with warnings.catch_warnings(record=True) as seen:
    warnings.simplefilter("always")
    F.relu(minidl.tensor(np.ones(3)))
print(seen[0].message)
said(lambda: next(iter(data.DataLoader([(np.ones(2), 0)] * 4, num_workers=2))))
"""

CHECK = """
import json, sys
from pathlib import Path
from minidl.exercises import EXERCISES, check
from minidl.exercises.running.load import load
folder, found = Path(sys.argv[1]), {}
for name, exercise in EXERCISES.items():
    if not exercise.compiled and not exercise.prepare:
        found[name] = [bool(check(name, load(folder / kind / f"{name}.py", name))) for kind in ("solutions", "exercises")]
print(json.dumps(found))
"""


def in_a_browser(tmp_path, program, *arguments, seconds=300):
    """The lines that a program prints in such a Python; a text is written to a file first."""
    if isinstance(program, str):
        (tmp_path / "program.py").write_text(program, encoding="utf-8")
        program = tmp_path / "program.py"
    environment = os.environ | {"MINIDL_PROGRESS": str(tmp_path / "progress.json"), "MPLBACKEND": "Agg"}
    done = subprocess.run(
        [sys.executable, BROWSER, program, *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=ROOT / "lessons",
        timeout=seconds,
        env=environment,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.splitlines()


def test_import_and_reference_column_need_numpy_alone(tmp_path):
    packages, processes, gradient = in_a_browser(tmp_path, IMPORT)
    assert {name for name in ast.literal_eval(packages) if "cython" not in name} == {"minidl", "numpy"}
    assert processes == "[]"
    assert ast.literal_eval(gradient) == [[1, 2, 2, 1], [2, 4, 4, 2], [2, 4, 4, 2], [1, 2, 2, 1]]


def test_what_needs_more_says_so(tmp_path):
    column, workers = in_a_browser(tmp_path, SAYS)
    assert column == "numba is not installed: the slow NumPy reference kernels are used instead"
    assert workers.startswith("RuntimeError: DataLoader(num_workers=2): this system starts no processes")
    assert "use num_workers=0" in workers


def test_exercises_check_themselves(tmp_path):
    """The worked solution of each exercise of the NumPy column passes, its stub does not."""
    found = json.loads(in_a_browser(tmp_path, CHECK, ROOT / "lessons")[-1])
    assert len(found) >= 18
    assert {name for name, passed in found.items() if passed != [True, False]} == set()


@pytest.mark.parametrize(
    "number", [pytest.param(f"{n:02}", marks=[pytest.mark.slow] * (f"{n:02}" in SLOW)) for n in range(1, 10)]
)
def test_lesson_runs(tmp_path, number):
    (path,) = (ROOT / "lessons").glob(f"{number}_*.ipynb")
    cells, _ = LEFT_OUT.get(number, ([], ""))
    assert in_a_browser(tmp_path, LESSON, path, *cells)[-1] == "column: minidl.kernels.reference"
