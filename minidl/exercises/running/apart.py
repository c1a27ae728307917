"""Runs a function in a separate process, for compiled code that no exception can stop."""

import os
import pickle
import select
import signal
import sys
import time

from ..exercise import Unfit
from .limits import TimeIsUp


def apart(function, seconds):
    """The result of `function()`, or the exception that it raises, from a forked copy of this process.

    After `seconds` the copy is ended and TimeIsUp is raised. A copy that ends by itself raises Unfit. Where the system cannot
    fork (Windows, a browser), the function runs in this process, without a limit.
    """
    if not hasattr(os, "fork") or sys.platform == "emscripten":
        return function()
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        _child(function, writing)
    os.close(writing)
    try:
        message = _received(reading, seconds)
    except TimeIsUp:
        os.kill(child, signal.SIGKILL)
        raise
    finally:
        os.close(reading)
        _, status = os.waitpid(child, 0)
    if not message:
        number = -os.waitstatus_to_exitcode(status)
        name = signal.Signals(number).name if number > 0 else f"exit code {-number}"
        raise Unfit(f"its process ends with {name}: an index far outside an array, or an exit inside the function")
    value, error = pickle.loads(message)
    if error is not None:
        raise error
    return value


def _child(function, writing):
    """Run in the copy: write (value, error) and end immediately, without exit handlers."""
    try:
        try:
            result = function(), None
        except BaseException as error:
            result = None, error
        try:
            message = pickle.dumps(result)
        except Exception:
            message = pickle.dumps((None, Unfit(f"it returns something that cannot be passed on: {result[0]!r:.80}")))
        with os.fdopen(writing, "wb") as file:
            file.write(message)
    finally:
        os._exit(0)


def _received(reading, seconds):
    """All bytes from the pipe; TimeIsUp if it is not closed after `seconds`."""
    end, parts = time.monotonic() + seconds, []
    while True:
        left = end - time.monotonic()
        if left <= 0 or not select.select([reading], [], [], left)[0]:
            raise TimeIsUp
        part = os.read(reading, 1 << 16)
        if not part:
            return b"".join(parts)
        parts.append(part)
