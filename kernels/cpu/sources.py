"""A compiled kernel on disk is valid for one state of all the files that it is made of.

Numba looks at the file in which a kernel stands. But a kernel contains whatever it calls from other files: after an upgrade,
or when you change vector.py to see what happens, it would go on using the old code without a word.
"""

import hashlib
import re
import sys
from functools import cache
from pathlib import Path

from numba.core.dispatcher import Dispatcher


@cache
def _files(file):
    """The file, and the files of the kernels that it imports, and so on."""
    found = {file}
    for dots, name in re.findall(r"^from (\.+)([\w.]+) import", file.read_text(encoding="utf-8"), re.MULTILINE):
        imported = file.parents[len(dots) - 1] / (name.replace(".", "/") + ".py")
        if imported.exists():
            found |= _files(imported)
    return found


def depend_on_sources(package=__package__):
    """Makes every kernel of a package's imported modules depend on all of its files."""
    for name, module in list(sys.modules.items()):
        if name.startswith(f"{package}."):
            files = sorted(_files(Path(module.__file__)))
            stamp = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
            for kernel in vars(module).values():
                if (
                    isinstance(kernel, Dispatcher)
                    and kernel.__module__ == name
                    and hasattr(kernel._cache, "_cache_file")
                ):
                    kernel._cache._cache_file._source_stamp = stamp
