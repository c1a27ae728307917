"""A compiled kernel on disk is valid for one state of all the files that it is made of.

Numba looks at the file in which a kernel stands. But a kernel contains whatever it calls from other files: after an upgrade,
or when you change vector.py to see what happens, it would go on using the old code without a word.
"""

import ast
import hashlib
import sys
from functools import cache
from pathlib import Path

from numba.core.dispatcher import Dispatcher


@cache
def _imported(file):
    """The files that `file` imports by relative imports, in each of Python's forms."""
    found = []
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            folder = file.parents[node.level - 1].joinpath(*(node.module or "").split("."))
            for candidate in (folder, *(folder / alias.name for alias in node.names)):
                found += [f for f in (candidate.with_suffix(".py"), candidate / "__init__.py") if f.is_file()]
    return found


def sources(file):
    """The file, and all files that its kernels are made of."""
    found, waiting = set(), [file]
    while waiting:
        file = waiting.pop()
        if file not in found:
            found.add(file)
            waiting += _imported(file)
    return sorted(found)


def depend_on_sources(package):
    """Makes every kernel of a package's imported modules depend on all of its files."""
    for name, module in list(sys.modules.items()):
        if name.startswith(f"{package}.") and getattr(module, "__file__", None):
            stamp = hashlib.sha256(b"".join(file.read_bytes() for file in sources(Path(module.__file__)))).hexdigest()
            for kernel in vars(module).values():
                if (
                    isinstance(kernel, Dispatcher)
                    and kernel.__module__ == name
                    and hasattr(kernel._cache, "_cache_file")
                ):
                    kernel._cache._cache_file._source_stamp = stamp
