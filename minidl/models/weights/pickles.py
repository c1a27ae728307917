"""A reader of pickles as data: only opcodes of a closed list are interpreted, and nothing in the file is imported or called.

Python's own `pickle.load` imports and calls any name in the file. Here names are looked up in the caller's table, and an
opcode or name outside the lists raises a `PickleError` that names it. The results are numbers, text, tuples,
lists, dictionaries, and results of the functions in the caller's table.
"""

from __future__ import annotations

import pickletools
import reprlib
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO, cast

Name = tuple[str, str]  # module and name, as a pickle writes them


class PickleError(ValueError):
    """The pickle is damaged, or needs an opcode or a name outside the closed list."""


_MARK = object()
_NUMBERS = {"INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"}
_TEXT = {"UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "STRING", "BINSTRING", "SHORT_BINSTRING"}
_BYTES = {"BINBYTES", "SHORT_BINBYTES", "BINBYTES8"}
_EMPTY = {"EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple, "EMPTY_SET": set}
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_FIXED_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_KEYS = (str, int, float, bytes, type(None))  # tuples within tuples could take for ever to hash


class Bounded:
    """The first `size` bytes of a file; no read asks for more than is left of them, whatever length a pickle claims."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self.file, self.size, self.readline, self.tell = file, size, file.readline, file.tell

    def read(self, count: int) -> bytes:
        """At most `count` bytes."""
        return self.file.read(min(count, self.size - self.file.tell()))


class Global:
    """A name in the pickle, and the caller's function for it."""

    def __init__(self, name: Name, call: Callable[..., Any]) -> None:
        self.name, self.call = name, call


def read_pickle(
    file: BinaryIO | Bounded, names: Mapping[Name, Callable[..., Any]], persistent: Callable[[Any], Any] | None = None
) -> Any:
    """The object that the pickle at the file's position describes; afterwards the position is behind the pickle.

    `names` maps each global name to a function of the arguments in the pickle. `persistent` maps persistent ids, by which
    PyTorch refers to its storages, to objects. Raises PickleError.
    """
    stack: list[Any] = []
    memo: dict[int, Any] = {}
    try:
        for opcode, argument, _ in pickletools.genops(cast(BinaryIO, file)):
            name = opcode.name
            if name == "STOP":
                return stack.pop()
            _execute(name, argument, stack, memo, names, persistent)
    except PickleError:
        raise
    except (ValueError, IndexError, KeyError, TypeError, AttributeError, UnicodeDecodeError, OverflowError) as error:
        raise PickleError(f"a damaged pickle ({type(error).__name__}: {error})") from error
    raise PickleError("a truncated pickle")


def _execute(name, argument, stack, memo, names, persistent):
    if name in _NUMBERS or name in _TEXT or name in _BYTES:
        stack.append(argument)
    elif name in _EMPTY:
        stack.append(_EMPTY[name]())
    elif name in _CONSTANTS:
        stack.append(_CONSTANTS[name])
    elif name in _FIXED_TUPLES:
        count = _FIXED_TUPLES[name]
        if len(stack) < count or any(value is _MARK for value in stack[-count:]):
            raise ValueError(f"{name} on a stack of {len(stack)}")
        stack[-count:] = [tuple(stack[-count:])]
    elif name == "MARK":
        stack.append(_MARK)
    elif name == "TUPLE":
        stack.append(tuple(_until_mark(stack)))
    elif name == "LIST":
        stack.append(list(_until_mark(stack)))
    elif name == "DICT":
        stack.append(dict(_pairs(_until_mark(stack))))
    elif name in ("APPEND", "APPENDS"):
        values = [stack.pop()] if name == "APPEND" else _until_mark(stack)
        _expect(stack[-1], list).extend(values)
    elif name in ("SETITEM", "SETITEMS"):
        values = [stack.pop(-2), stack.pop()] if name == "SETITEM" else _until_mark(stack)
        _expect(stack[-1], dict).update(_pairs(values))
    elif name == "ADDITEMS":
        values = _until_mark(stack)
        _expect(stack[-1], set).update(map(_key, values))
    elif name in ("BINPUT", "LONG_BINPUT", "PUT"):
        memo[argument] = stack[-1]
    elif name == "MEMOIZE":
        memo[len(memo)] = stack[-1]
    elif name in ("BINGET", "LONG_BINGET", "GET"):
        stack.append(memo[argument])
    elif name == "GLOBAL":
        stack.append(_lookup(tuple(argument.split(" ", 1)), names))
    elif name == "STACK_GLOBAL":
        attribute, module = stack.pop(), stack.pop()
        stack.append(_lookup((_expect(module, str), _expect(attribute, str)), names))
    elif name in ("REDUCE", "NEWOBJ"):
        arguments = _expect(stack.pop(), tuple)
        stack.append(_expect(stack.pop(), Global).call(*arguments))
    elif name == "BUILD":
        _build(stack.pop(), stack[-1])
    elif name == "BINPERSID" and persistent is not None:
        stack.append(persistent(stack.pop()))
    elif name == "POP":
        stack.pop()
    elif name == "POP_MARK":
        _until_mark(stack)
    elif name not in ("PROTO", "FRAME"):
        raise PickleError(f"the pickle holds the instruction {name}, which weights do not need; it is not executed")


def _lookup(name, names):
    if name not in names:
        if name[0].startswith("torch.nn."):
            raise PickleError(
                f"it holds a whole {name[-1]}, code and all; save model.state_dict() instead and load that"
            )
        raise PickleError(f"the pickle refers to {'.'.join(name)}, which is not in the list; nothing is executed")
    return Global(name, names[name])


def _build(state, target):
    """Ignore the version numbers that PyTorch sets as an attribute of state dictionaries; raise PickleError for others."""
    if not isinstance(target, dict) or not isinstance(state, dict) or set(state) - {"_metadata"}:
        raise PickleError(f"the pickle sets attributes of a {type(target).__name__}, which weights do not need")


def _until_mark(stack):
    for start in range(len(stack) - 1, -1, -1):
        if stack[start] is _MARK:
            values = stack[start + 1 :]
            del stack[start:]
            return values
    raise ValueError("no mark on the stack")


def _pairs(values):
    if len(values) % 2:
        raise ValueError("a key without a value")
    return zip(map(_key, values[::2]), values[1::2])


def _key(value):
    """A key of a dictionary or an element of a set: a number, text, or a tuple of these."""
    if (isinstance(value, tuple) and all(isinstance(part, _KEYS) for part in value)) or isinstance(value, _KEYS):
        return value
    raise PickleError(f"the key {shown(value)} of a dictionary or set is neither a number nor text")


def shown(value: Any) -> str:
    """A value of a pickle in a message, cut short: tuples within tuples could be endless in print."""
    return reprlib.repr(value)


def _expect(value, kind):
    if not isinstance(value, kind):
        raise ValueError(f"a {type(value).__name__} where a {kind.__name__} is needed")
    return value
