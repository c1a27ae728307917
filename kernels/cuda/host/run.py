"""Launches of kernels on the host: NumPy arrays in, the compiled text called through ctypes."""

import ctypes
import functools
import os

import numpy as np

from .. import signature
from . import compile


class _Region(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_char_p),
        ("begin", ctypes.c_void_p),
        ("bytes", ctypes.c_size_t),
        ("element", ctypes.c_size_t),
        ("grain", ctypes.c_size_t),
    ]


class _Launch(ctypes.Structure):
    _fields_ = [
        ("entry", ctypes.c_void_p),
        ("args", ctypes.POINTER(ctypes.c_void_p)),
        ("kernel", ctypes.c_char_p),
        ("grid", ctypes.c_uint32 * 3),
        ("block", ctypes.c_uint32 * 3),
        ("dynamic_shared", ctypes.c_size_t),
        ("host_threads", ctypes.c_int),
        ("watch", ctypes.c_int),
        ("regions", ctypes.POINTER(_Region)),
        ("region_count", ctypes.c_int),
        ("counters", ctypes.c_void_p),
        ("message", ctypes.c_char_p),
        ("message_size", ctypes.c_size_t),
    ]


class KernelError(RuntimeError):
    """A kernel did what no GPU would forgive; the message names kernel, block and thread."""


@functools.cache
def _launch_function():
    function = ctypes.CDLL(str(compile.runtime())).cudasim_launch
    function.argtypes, function.restype = [ctypes.POINTER(_Launch)], ctypes.c_int
    return function


@functools.cache
def _entry(code, origin, name, real, watched):
    entries = "".join(f"CUDASIM_ENTRY({kernel})\n" for kernel in signature.kernels(code, origin))
    text = f"{signature.for_host(code, origin)}\n{entries}"
    library = ctypes.CDLL(str(compile.library(text, real, watched, origin)))
    return ctypes.cast(getattr(library, f"cudasim_entry_{name}"), ctypes.c_void_p)


def launch(kernel, real, arguments, grid, block, shared):
    """Run the kernel to its end on all blocks; a KernelError says what went wrong, and where."""
    start = _launch_function()
    entry = _entry(kernel.code, kernel.origin, kernel.name, "double" if real == np.float64 else "float", False)
    values = [_value(p, a) for p, a in zip(kernel.parameters, arguments)]
    addresses = (ctypes.c_void_p * max(1, len(values)))(*(v.ctypes.data for v in values))
    message = ctypes.create_string_buffer(1000)
    job = _Launch(
        entry,
        addresses,
        kernel.name.encode(),
        (ctypes.c_uint32 * 3)(*grid),
        (ctypes.c_uint32 * 3)(*block),
        shared,
        os.cpu_count() or 1,
        0,
        None,
        0,
        None,
        ctypes.cast(message, ctypes.c_char_p),
        len(message),
    )
    if start(ctypes.byref(job)):
        raise KernelError(message.value.decode())


def _value(parameter, value):
    """The argument's bytes in an array of their own: a pointer's address or the number itself."""
    if parameter.pointer:
        return np.array([0 if value is None else value.ctypes.data], np.uint64)
    return np.array([value])
