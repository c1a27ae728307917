"""Detects calls of a library that solves the exercise, and reading of the worked solution."""

import contextlib
import sys
from contextvars import ContextVar
from pathlib import Path

ANSWERING = ("minidl", "torch", "torchvision", "tensorflow", "jax", "cupy")
HERE = __name__.rpartition(".")[0]  # modules that run the function, whose calls do not count
_opened = ContextVar("opened", default=None)
_hooks = []


@contextlib.contextmanager
def watched(exercise, function):
    """Context: a list that receives calls and files that are not allowed: 'minidl.f', 'a file'."""
    seen = []
    own = getattr(getattr(function, "py_func", function), "__code__", None)
    _audited()
    token = _opened.set(seen)
    before = sys.getprofile()
    sys.setprofile(_hook(exercise, own.co_filename if own else "", seen))
    try:
        yield seen
    finally:
        sys.setprofile(before)
        _opened.reset(token)
        seen += _itself(function) + _compiled_in(exercise, function)
        seen[:] = dict.fromkeys(seen)


def _hook(exercise, home, seen):
    """A profile function that records each call from the reader's code into a library."""

    def note(frame, event, argument):
        if event != "call" or frame.f_back is None or frame.f_code.co_name.startswith("<"):
            return
        module = frame.f_globals.get("__name__") or ""
        if module.startswith(HERE):
            return
        if module.partition(".")[0] in ANSWERING:
            if _from_reader(frame.f_back, home) and not _allowed(exercise, frame.f_code):
                seen.append(f"{module}.{frame.f_code.co_qualname}")
        elif _is_solution(frame.f_code.co_filename) and frame.f_code.co_filename != home:
            seen.append(f"the worked solution {Path(frame.f_code.co_filename).name}")

    return note


def _from_reader(frame, home):
    """Whether a call comes from the reader's code, not from a library that calls itself (for example in `dataclasses`)."""
    while frame is not None and frame.f_code.co_filename != home:
        module = frame.f_globals.get("__name__") or ""
        if module.partition(".")[0] in (*ANSWERING, "importlib"):
            return module.startswith(HERE)
        frame = frame.f_back
    return True


def _allowed(exercise, code):
    return bool(exercise.library) and (code.co_qualname.startswith("Tensor.") or code.co_name in exercise.library)


def _itself(function):
    """The name of an answer that is itself a function of a library."""
    module = str(getattr(function, "__module__", None) or "")
    return (
        [f"{module}.{getattr(function, '__qualname__', '')}"]
        if module.partition(".")[0] in ANSWERING and module
        else []
    )


def _compiled_in(exercise, function):
    """Names of minidl in a function compiled by Numba, whose calls a profile function does not see."""
    plain = getattr(function, "py_func", None)
    found = [plain.__globals__.get(name) for name in plain.__code__.co_names] if plain else []
    modules = [(getattr(f, "__module__", None) or getattr(f, "__name__", ""), f) for f in found if f is not None]
    return [
        f"{module}.{getattr(f, '__name__', '')}" for module, f in modules if str(module).partition(".")[0] in ANSWERING
    ]


def _audited():
    """Install, once per process, an audit hook that records the opening of a worked solution inside `watched`."""
    if not _hooks:
        _hooks.append(_note_opening)
        sys.addaudithook(_note_opening)


def _note_opening(event, arguments):
    seen = _opened.get() if event == "open" else None
    if seen is not None and arguments and isinstance(arguments[0], str) and _is_solution(arguments[0]):
        seen.append(f"the worked solution {Path(arguments[0]).name}")


def _is_solution(path):
    return Path(path).parent.name == "solutions" and path.endswith(".py")
