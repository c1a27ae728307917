"""Which exercises are solved: a small local file, `~/.minidl/exercises.json` or what MINIDL_PROGRESS names."""

import json
import os
from pathlib import Path

from ..backend.reading import read_json
from ..kernels.files import write


def path():
    """Where the solved exercises are kept."""
    return Path(os.environ.get("MINIDL_PROGRESS") or Path.home() / ".minidl" / "exercises.json")


def solved():
    """Names of the solved exercises."""
    if not path().exists():
        return set()
    try:
        return set(read_json(path())["solved"])
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path()} is no record of exercises ({error}); delete it to start afresh") from error


def record(name):
    """Note an exercise as solved."""
    names = solved() | {name}
    path().parent.mkdir(parents=True, exist_ok=True)
    write(path(), json.dumps({"solved": sorted(names)}, indent=1))
