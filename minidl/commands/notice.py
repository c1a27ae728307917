"""One line when the kernels have to be compiled first, so that nobody takes the wait for a hang."""

import sys


def announce_compilation():
    """Say so, once, when Numba starts to compile a kernel: code that is already on disk passes in silence."""
    try:
        from numba.core import event
    except ImportError:  # no Numba: the reference kernels need no compiler
        return

    class Listener(event.Listener):
        said = False

        def on_start(self, started):
            if not self.said:
                self.said = True
                print("compiling kernels for this machine: once, for a minute or two ...", file=sys.stderr, flush=True)

        def on_end(self, ended):
            pass

    event.register("numba:compile", Listener())
