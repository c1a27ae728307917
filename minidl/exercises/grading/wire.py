"""The format of a worker's results: lines of JSON, which contain nothing executable."""

import base64
import json

import numpy as np

from ..running.call import Result

MOST = 1 << 20  # numbers of one value: right answers have a few hundred
LARGEST = 1 << 25  # bytes of one line; answers to exercises are much shorter


def packed(result: Result) -> dict:
    """A Result without its arguments and expected values, as JSON's types."""
    values, problem = result.values, result.problem
    if values is not None and (large := [v.shape for v in values if v.size > MOST]):
        values, problem = (
            None,
            [f"it returns an array of shape {large[0]}; needed {[e.shape for e in result.expected]}"],
        )
    values = None if values is None else [_packed(v) for v in values]
    return {
        "values": values,
        "notes": list(result.notes),
        "problem": [str(line)[:1000] for line in problem[:10]],
        "printed": result.printed[:2000],
        "called": [str(name)[:200] for name in result.called[:10]],
    }


def unpacked(message: dict, arguments: dict, expected: list) -> Result:
    """The Result of a message from `packed`; ValueError for any other message."""
    try:
        values = message["values"]
        values = None if values is None else [_unpacked(v) for v in values]
        if values is not None and len(values) != len(expected):
            raise ValueError(f"{len(values)} values")
        lines = {name: [str(line) for line in message[name]] for name in ("problem", "called")}
        notes = [None if note is None else str(note) for note in message["notes"]] or [None] * len(expected)
        return Result(arguments, expected, values, notes, printed=str(message["printed"]), **lines)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not a result: {error}") from None


def _packed(array):
    return {"shape": array.shape, "data": base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()}


def _unpacked(part):
    shape = tuple(int(n) for n in part["shape"])
    data = np.frombuffer(base64.b64decode(part["data"], validate=True), np.float64)
    return data.reshape(shape).copy()


def line(message: dict) -> bytes:
    """One message as a line."""
    return json.dumps(message).encode() + b"\n"


def read(text: bytes) -> dict:
    """The message of a line; ValueError where it is not one."""
    message = json.loads(text)
    if not isinstance(message, dict):
        raise ValueError("not a message")
    return message
