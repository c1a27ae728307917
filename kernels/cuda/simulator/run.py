"""Launches of kernels on the host: NumPy arrays in, the compiled text called through ctypes."""

import ctypes
import functools
import os

import numpy as np

from .. import signature
from . import compile
from .structs import CHECK, COUNT, Counters, Launch, Line, Region
from .where import line_of

GAP = 4096  # unused bytes on either side of a watched array
ALIGNED = 256  # as a GPU's allocator aligns
LINES = 256
watching = []  # the open `minidl.cuda.watch` blocks
profiles = []  # the open profiles, innermost last: launches append (kernel, grid, block, Counters, [(line, Line)])


class KernelError(RuntimeError):
    """An error in a kernel, such as an access outside an array; the message names kernel, block and thread."""


def launch(kernel, real, arguments, grid, block, shared):
    """Run the kernel on all blocks; raises KernelError with the error and its place."""
    watch = (CHECK if _checks() else 0) | (COUNT if profiles else 0)
    path, entry = _entry(
        kernel.code, kernel.origin, kernel.name, "double" if real == np.float64 else "float", bool(watch)
    )
    arrays = {p.name: a for p, a in zip(kernel.parameters, arguments) if p.pointer and a is not None}
    copies = _guarded(arrays) if watch else arrays
    values = [_value(p, copies.get(p.name, a)) for p, a in zip(kernel.parameters, arguments)]
    job = Launch(entry=entry, kernel=kernel.name.encode(), dynamic_shared=shared, watch=watch)
    job.args = (ctypes.c_void_p * max(1, len(values)))(*(v.ctypes.data for v in values))
    job.grid, job.block = (ctypes.c_uint32 * 3)(*grid), (ctypes.c_uint32 * 3)(*block)
    job.host_threads = _host_threads()
    regions = (Region * max(1, len(copies)))(*(_region(name, a) for name, a in copies.items()))
    job.regions, job.region_count = regions, len(copies)
    counters, lines, line_count = Counters(), (Line * LINES)(), ctypes.c_int()
    job.counters, job.lines, job.line_count = ctypes.pointer(counters), lines, ctypes.pointer(line_count)
    job.line_room = LINES
    message, failed_at = ctypes.create_string_buffer(1000), ctypes.c_void_p()
    job.message, job.message_size = ctypes.cast(message, ctypes.c_char_p), len(message)
    job.failed_at = ctypes.pointer(failed_at)
    failed = _launch_function()(ctypes.byref(job))
    if failed:
        where = line_of(path, entry, failed_at.value)
        raise KernelError(message.value.decode() + (f" ({where})" if where else ""))
    for name, copy in copies.items():
        if copy is not arrays[name]:
            arrays[name][...] = copy
    if profiles:
        found = [(line_of(path, entry, line.caller), line) for line in lines[: line_count.value]]
        profiles[-1].append((kernel.name, grid, block, counters, found))


def build(kernel, real, watched):
    """Compile the kernel's text before its first launch, for float32 or float64 arrays, with or without checks."""
    _entry(kernel.code, kernel.origin, kernel.name, "double" if real == np.float64 else "float", watched)


def _checks():
    mode = os.environ.get("MINIDL_CUDASIM", "")
    if mode not in ("", "address"):
        raise ValueError(f"cudasim: the environment variable MINIDL_CUDASIM is 'address' or unset, not {mode!r}")
    return mode == "address" or bool(watching)


@functools.cache
def _host_threads():
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@functools.cache
def _launch_function():
    function = ctypes.CDLL(str(compile.runtime())).cudasim_launch
    function.argtypes, function.restype = [ctypes.POINTER(Launch)], ctypes.c_int
    return function


@functools.cache
def _entry(code, origin, name, real, watched):
    entries = "".join(f"CUDASIM_ENTRY({kernel})\n" for kernel in signature.kernels(code, origin))
    path = compile.library(f"{signature.for_host(code, origin)}\n{entries}", real, watched, origin)
    return path, ctypes.cast(getattr(ctypes.CDLL(str(path)), f"cudasim_entry_{name}"), ctypes.c_void_p).value


def _value(parameter, value):
    """The argument's bytes in a separate array: a pointer's address or the number itself."""
    if parameter.pointer:
        return np.array([0 if value is None else value.ctypes.data], np.uint64)
    return value if parameter.members else np.array([value])


def _region(name, a):
    grain = a.itemsize if a.itemsize < 4 else 4
    return Region(name.encode(), a.ctypes.data, a.nbytes, a.itemsize, grain)


def _guarded(arrays):
    """Copies of the arrays, aligned and with a gap on either side; arrays that overlap stay where they are."""
    copies = {}
    for name, a in arrays.items():
        same = [n for n in copies if np.may_share_memory(arrays[n], a)]
        if not same:
            room = np.empty(a.nbytes + 2 * GAP + ALIGNED, np.uint8)
            at = GAP + -(room.ctypes.data + GAP) % ALIGNED
            copies[name] = room[at : at + a.nbytes].view(a.dtype).reshape(a.shape)
            copies[name][...] = a
        elif arrays[same[0]].ctypes.data == a.ctypes.data and arrays[same[0]].nbytes == a.nbytes:
            copies[name] = copies[same[0]]
        else:
            return arrays
    return copies
