"""Random calls against PyTorch, where it is installed, and against the reference column: value, first, second derivative.

    python -m pytest -m fuzz --seconds 600 --fuzz-seed 1

A failing call is printed as a program to paste; `--fuzz-seed` repeats a run.
"""

import itertools
import time

import numpy as np
import pytest
from fuzz_compare import check, draw, minimise
from fuzz_operations import OPERATIONS

from minidl import backend
from minidl import functional as F


@pytest.mark.fuzz
def test_random_calls(request, capsys):
    seconds, seed = (request.config.getoption(name) for name in ("--seconds", "--fuzz-seed"))
    end, names, calls, faults = time.monotonic() + (seconds or 20), sorted(OPERATIONS), 0, {}
    for k in itertools.count() if seconds else range(600):
        if time.monotonic() > end:
            break
        name = names[k % len(names)]
        if name in faults:
            continue
        call = draw(name, (seed, k))
        calls += 1
        found = check(call)
        if found:
            small = minimise(call)
            faults[name] = f"# seed {seed}, call {k}, {name}: {check(small) or found}\n{small.snippet()}"
    with capsys.disabled():
        print(f"\nfuzz: {calls} calls of {len(names)} operations, seed {seed}")
    assert not faults, "\n\n".join(faults.values())


def test_every_operation_can_be_drawn_and_repeated():
    for name in OPERATIONS:
        one, two = draw(name, (0, 1)), draw(name, (0, 1))
        assert one.source == two.source and one.snippet() == two.snippet()


def test_a_wrong_value_is_found_and_made_small(monkeypatch):
    right, columns = F.flip, []

    def wrong_on_the_cpu(x, dims):
        columns.append(backend.kernels(x.data).__name__)
        return right(x, dims) * (2 if x.ndim > 1 and columns[-1].endswith("cpu") else 1)

    monkeypatch.setattr(F, "flip", wrong_on_the_cpu)
    calls = (draw("axes", (0, k)) for k in range(2000))
    flips = (c for c in calls if "flip" in c.source and c.inputs[0].values.size > 5 and c.inputs[0].values.ndim == 3)
    call = next(c for c in flips if check(c))
    small = minimise(call)
    assert "flip" in small.source and small.inputs[0].values.size < call.inputs[0].values.size
    assert "minidl.Tensor(np.array(" in small.snippet() and np.isfinite(small.size())
    assert len(set(columns)) == 2
