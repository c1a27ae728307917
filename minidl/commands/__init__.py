"""The subcommands of `minidl`, one module each: register(subparsers) adds the options, run(args) runs the command."""

import sys

from ..kernels.files import is_stream


def printable(text: str) -> str:
    """The text with escape sequences and other control characters escaped, since names in files may be untrusted."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)


def report(text: str, output: object) -> None:
    """Print a line about the written file `output`; to standard error where it is a device, a pipe or /dev/stdout."""
    print(text, file=sys.stderr if is_stream(str(output)) else sys.stdout)
