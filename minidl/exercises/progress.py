"""The record of solved exercises: the file `~/.minidl/exercises.json`, or the one named by MINIDL_PROGRESS."""

import json
import os
from pathlib import Path

from ..backend.reading import read_json
from ..kernels.files import write


def path():
    """The path of the record."""
    return Path(os.environ.get("MINIDL_PROGRESS") or Path.home() / ".minidl" / "exercises.json")


def solved():
    """Names of the solved exercises."""
    if not path().exists():
        return set()
    try:
        return set(read_json(path())["solved"])
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path()} is not a record of exercises ({error}); delete it to start again") from error


def record(name):
    """Record an exercise as solved."""
    names = solved() | {name}
    path().parent.mkdir(parents=True, exist_ok=True)
    write(path(), json.dumps({"solved": sorted(names)}, indent=1))
