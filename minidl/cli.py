"""The `minidl` command: finds the subcommand, runs it, and turns errors into one line and an exit code."""

from __future__ import annotations

import argparse
import importlib
import os
import shutil
import sys
import textwrap
from collections.abc import Sequence
from importlib.util import find_spec
from typing import NoReturn

from .backend.ranks import fail, launched_rank
from .commands import printable

# Each is minidl/commands/NAME.py ("-" becomes "_") with register(subparsers) and run(args), imported only when it is called.
COMMANDS = {
    "tour": "train four small networks on generated scenes and write one page of pictures",
    "inspect": "check a folder of images and masks before training",
    "train": "train a network on a data set",
    "predict": "segment an image or a folder of images with a trained network",
    "evaluate": "score a trained network on its data set",
    "lessons": "open, copy or run the lessons",
    "exercises": "list the exercises, show one, check an answer",
    "grade": "score a folder of submissions",
    "info": "versions, kernels, threads, GPU, compiler",
    "crf": "sharpen a segmentation with a dense CRF",
    "crf-tune": "find the parameters of a dense CRF on validation data",
    "cost": "parameters, multiply-adds and memory of a network, layer by layer",
    "weights": "list or download published weights",
    "export": "write a trained network as ONNX",
    "compile": "compile the CPU kernels ahead of their first use",
    "bench": "time kernels and networks on this machine",
}

DESCRIPTION = "Semantic segmentation from scratch. `minidl COMMAND --help` explains a command and gives examples."
EPILOG = (
    "exit codes: 0 done, 1 error, 2 wrong usage, 130 interrupted by Ctrl-C. Start with: minidl tour, or, with a folder of "
    "your own images and masks, minidl inspect FOLDER"
)


def module_of(command: str) -> str:
    """The full name of a command's module."""
    return f"minidl.commands.{command.replace('-', '_')}"


class _Parser(argparse.ArgumentParser):
    """A parser that says in one line what is wrong; what is right stands in the help."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {printable(message)} (usage: {self.prog} --help)\n")


def build_parser(chosen: str | None) -> tuple[argparse.ArgumentParser, dict[str, argparse.ArgumentParser]]:
    """(parser, {command: its parser}); only the command `chosen` has its options, the others their line of help."""
    from . import __version__

    parser = _Parser("minidl", description=DESCRIPTION, epilog=EPILOG)
    parser.add_argument("--version", action="version", version=f"minidl {__version__}")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, summary in COMMANDS.items():
        if find_spec(module_of(name)) is None:
            continue
        if name == chosen:
            importlib.import_module(module_of(name)).register(subparsers)
            own = subparsers.choices[name]
            own.add_argument(
                "--debug", action="store_true", default=argparse.SUPPRESS, help="show the traceback of an error"
            )
            width = shutil.get_terminal_size().columns - 2
            own.description = textwrap.fill(
                " ".join((own.description or "").split()), width
            )  # examples keep their lines
        else:
            subparsers.add_parser(name, help=summary)
    return parser, dict(subparsers.choices)


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """The arguments in `argv`; a command's options may stand before, between and after its other arguments."""
    chosen = next((word for word in argv if not word.startswith("-")), None)
    parser, commands = build_parser(chosen)
    at = argv.index(chosen) if chosen in commands else 0
    if chosen not in commands or "--" in argv or set(argv[:at]) - {"--debug"}:
        return parser.parse_args(argv)
    known = argparse.Namespace(command=chosen, debug="--debug" in argv[:at])
    try:
        return commands[chosen].parse_intermixed_args(argv[at + 1 :], known)
    except TypeError:  # commands with subcommands do not support intermixed arguments
        return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line `argv` (sys.argv[1:] by default) and return its exit code; wrong usage exits with 2."""
    argv = sys.argv[1:] if argv is None else list(argv)
    args = parse(argv)
    try:
        code = importlib.import_module(module_of(args.command)).run(args) or 0
        sys.stdout.flush()
        return code
    except KeyboardInterrupt as error:
        if args.debug:
            raise
        if not launched_rank():
            print(f"minidl {args.command}: {error or 'interrupted'}", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader has closed the pipe, as in `minidl info | head -1`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        if args.debug:
            raise
        return fail(f"minidl {args.command}: {_one_line(error)}", 1)


def _one_line(error):
    """The message on one line, with the type of error where the message alone is unclear, and short notes."""
    text = str(error)
    if isinstance(error, OSError) and error.strerror:
        text = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    elif not text or isinstance(error, (KeyError, AttributeError, TypeError, IndexError, AssertionError)):
        text = f"{type(error).__name__}: {text} (probably a bug in minidl; --debug shows the traceback)"
    notes = [note for note in getattr(error, "__notes__", ()) if "\n" not in note]
    return printable(" ".join(" ".join([text, *(f"({note})" for note in notes)]).split()))


if __name__ == "__main__":
    sys.exit(main())
