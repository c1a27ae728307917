"""What Python lacks in a browser, taken away from this process: Pyodide 314 was asked what it has.

    python browser.py PROGRAM.py [ARGUMENT...]    runs the program in that state

Missing packages are those that the site does not load there; NumPy is the only one that minidl needs.
"""

import errno
import importlib.abc
import os
import runpy
import signal
import subprocess
import sys
import threading

MISSING = {"numba", "llvmlite", "scipy", "safetensors", "pooch", "ipywidgets", "mpi4py", "cupy"}
MISSING_PARTS = {"_multiprocessing", "_posixshmem", "resource"}  # of the standard library


class Missing(importlib.abc.MetaPathFinder):
    """Finds none of the packages above, as if they were not installed."""

    def find_spec(self, fullname, path=None, target=None):
        if fullname.partition(".")[0] in MISSING | MISSING_PARTS:
            raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)


def no_thread(*args, **kwargs):
    raise RuntimeError("can't start new thread")


def no_process(*args, **kwargs):
    raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))


def take_away():
    """Leave this process what a page has; ends with the process."""
    sys.meta_path.insert(0, Missing())
    for name in [n for n in sys.modules if n.partition(".")[0] in MISSING | MISSING_PARTS]:
        del sys.modules[name]
    threading.Thread.start = no_thread
    subprocess.Popen.__init__ = no_process
    os.fork = no_process
    for module, name in ((signal, "setitimer"), (os, "sched_getaffinity"), (os, "posix_spawn")):
        if hasattr(module, name):
            delattr(module, name)


if __name__ == "__main__":
    take_away()
    del sys.argv[0]
    sys.path[0] = os.path.dirname(os.path.abspath(sys.argv[0]))
    runpy.run_path(sys.argv[0], run_name="__main__")
