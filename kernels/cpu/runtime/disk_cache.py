"""Numba's compiled kernels on disk: Numba asks for an overload, `kernels.cache` keeps the entries.

The key of an entry holds all that its code depends on: the text of the file in which the kernel stands and of every file that
its kernels are made of (a kernel contains whatever it calls), the signature, the processor, and the versions of Numba, LLVM
and Python. So a change of vector.py, an upgrade, or a home folder shared with another machine never meets old code.
"""

import ast
import hashlib
import pickle
import sys
from functools import cache
from pathlib import Path

import llvmlite
import numba
from numba.core import compiler, serialize
from numba.core.caching import _Cache

from ...cache import Cache, user_folder


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
    """The file, and all files that its kernels are made of; this one, which only keeps them, is none."""
    found, waiting = set(), [file]
    while waiting:
        file = waiting.pop()
        if file not in found and file.name != Path(__file__).name:
            found.add(file)
            waiting += _imported(file)
    return sorted(found)


@cache
def _stamp(file):
    return hashlib.sha256(b"\0".join(source.read_bytes() for source in sources(Path(file)))).digest()


@cache
def disk():
    """The folder of compiled kernels: in $NUMBA_CACHE_DIR where that is set, else in the user's cache."""
    given = numba.config.CACHE_DIR
    return Cache(Path(given) / "minidl" if given else user_folder("kernels"), "NUMBA_CACHE_DIR")


class KernelCache(_Cache):
    """The compiled overloads of one kernel, with the interface that Numba's dispatcher expects."""

    def __init__(self, function):
        self._function, code = function, function.__code__
        self._name = f"{function.__module__.rpartition('.')[2]}.{function.__qualname__.replace('<locals>.', '')}"
        closure = serialize.dumps([cell.cell_contents for cell in function.__closure__ or ()])
        versions = f"{numba.__version__} {llvmlite.__version__} {sys.implementation.cache_tag}"
        where = f"{function.__module__} {function.__qualname__} {code.co_firstlineno}"
        self._constant = (versions, where, _stamp(code.co_filename), hashlib.sha256(code.co_code + closure).digest())

    @property
    def cache_path(self):
        return str(disk().folder)

    def load_overload(self, sig, target_context):
        target_context.refresh()
        key = self._key(sig, target_context.codegen())
        code = disk().load(self._name, key, ".nbc")
        if code is None:
            return None
        try:
            return compiler.CompileResult._rebuild(target_context, *pickle.loads(code))
        except Exception as error:  # whole, ours and of these versions, and yet
            disk().drop(disk().path(self._name, key, ".nbc"), f"unusable: {type(error).__name__}: {error}")
            return None

    def save_overload(self, sig, data):
        if not data.lifted and not data.library.has_dynamic_globals:  # pointers into this process
            disk().store(self._name, self._key(sig, data.codegen), ".nbc", serialize.dumps(data._reduce()))

    def _key(self, sig, codegen):
        return repr((self._constant, sig, codegen.magic_tuple())).encode()

    def enable(self):
        """Nothing: it is always on."""

    def disable(self):
        """Nothing: it is always on."""

    def flush(self):
        """Nothing: entries of other states are never found."""
