"""The subcommands of `minidl`, a module each: register(subparsers) says what it takes, run(args) does it."""

import sys

from ..kernels.files import is_stream


def printable(text: str) -> str:
    """The text with escape sequences and other control characters spelled out: names in files may come from strangers."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)


def report(text: str, output: object) -> None:
    """Print a line about the file that was written; to standard error where that is a device, a pipe or /dev/stdout."""
    print(text, file=sys.stderr if is_stream(str(output)) else sys.stdout)
