"""Finds the line in the `.cu` text of an address in a compiled kernel, by addr2line."""

import ctypes
import functools
import shutil
import subprocess


class _Info(ctypes.Structure):
    _fields_ = [(name, ctypes.c_void_p) for name in ("file", "base", "symbol", "address")]


def line_of(path, entry, address):
    """ "line 12 of im2col.cu" for an instruction of the library, or None where addr2line is missing."""
    if not address:
        return None
    info = _Info()
    if not ctypes.CDLL(None).dladdr(ctypes.c_void_p(entry), ctypes.byref(info)):
        return None
    return _lookup(str(path), address - info.base - 1)  # the call is before its return address


@functools.cache
def _lookup(path, offset):
    if not shutil.which("addr2line"):
        return None
    done = subprocess.run(["addr2line", "-i", "-s", "-e", path, hex(offset)], capture_output=True, text=True)
    for frame in done.stdout.split("\n"):
        file, _, line = frame.split(" ")[0].rpartition(":")
        if line.isdigit() and not file.endswith(".h"):
            return f"line {line} of {file}"
    return None
