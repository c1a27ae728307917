"""One line when a kernel has to be compiled first, so that nobody takes the wait for a hang."""

import sys

from numba.core import event

NOTICE = "compiling kernels for this machine: once, for a minute or two (`minidl compile` does it ahead, on all processors) ..."


def announce_compilation():
    """Say so, once a process, when Numba starts to compile a kernel of ours: code that is on disk passes in silence."""

    class Listener(event.Listener):
        said = False

        def on_start(self, started):
            if not self.said and started.data["dispatcher"].py_func.__module__.startswith("minidl.kernels."):
                self.said = True
                print(NOTICE, file=sys.stderr, flush=True)

        def on_end(self, ended):
            """Nothing: one line is enough."""

    event.register("numba:compile", Listener())
