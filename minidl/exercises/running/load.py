"""Loads the reader's function from a Python file."""

import importlib.util
import sys
from pathlib import Path

from .limits import TimeIsUp, time_limit
from .meaning import first_line, own_line

SECONDS = 60.0  # for the lines outside functions


def load(path: Path, name: str, seconds: float = SECONDS) -> object:
    """The object `name` of the Python file `path`.

    The file runs once, with its own folder on the search path. Raises ValueError, with the reason, where it defines none.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist")
    spec = importlib.util.spec_from_file_location("answer", path)
    if spec is None or spec.loader is None:
        raise ValueError(f"{path} is not a Python file (.py)")
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(path.parent))
    try:
        with time_limit(seconds):
            spec.loader.exec_module(module)
    except TimeIsUp:
        raise ValueError(
            f"{path}: still running after {seconds:g} s outside of any function: an endless loop?"
        ) from None
    except SystemExit:
        raise ValueError(f"{path}: it calls exit() outside of any function") from None
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        place = own_line(error, None)
        line = f" in line {place.lineno}: {place.line}" if place and place.filename == str(path) else ""
        raise ValueError(f"{path} does not run: {type(error).__name__}: {first_line(error)}{line}") from None
    finally:
        sys.path.remove(str(path.parent))
    if not hasattr(module, name):
        raise ValueError(f"{path} defines no {name}")
    return getattr(module, name)
