"""The structures that launches pass to the runtime, field by field as in runtime.h."""

import ctypes
from ctypes import POINTER, c_char_p, c_int, c_size_t, c_uint32, c_uint64, c_void_p

CHECK, COUNT = 1, 2


class Region(ctypes.Structure):
    """An array argument of a kernel."""

    _fields_ = [(name, type_) for name, type_ in zip(("name", "begin"), (c_char_p, c_void_p))] + [
        (name, c_size_t) for name in ("bytes", "element", "grain")
    ]


class Counters(ctypes.Structure):
    """Counts of a kernel's operations, summed over its threads."""

    _fields_ = [
        (name, c_uint64)
        for name in (
            *("global_loads", "global_stores", "global_atomics", "shared_loads", "shared_stores", "shared_atomics"),
            *("barriers", "warp_syncs", "global_requests", "global_sectors", "ideal_sectors", "uncoalesced"),
            *("shared_requests", "bank_conflicts", "shared_bytes"),
        )
    ]


class Line(ctypes.Structure):
    """Counts of one load or store in the text, summed over warps."""

    _fields_ = [("caller", c_void_p)] + [
        (name, c_uint64) for name in ("shared", "write", "requests", "sectors", "ideal", "conflicts")
    ]


class Launch(ctypes.Structure):
    """One launch: the function, its arguments, and the memory for counts and errors."""

    _fields_ = [
        ("entry", c_void_p),
        ("args", POINTER(c_void_p)),
        ("kernel", c_char_p),
        ("grid", c_uint32 * 3),
        ("block", c_uint32 * 3),
        ("dynamic_shared", c_size_t),
        ("host_threads", c_int),
        ("watch", c_int),
        ("regions", POINTER(Region)),
        ("region_count", c_int),
        ("line_room", c_int),
        ("line_count", POINTER(c_int)),
        ("counters", POINTER(Counters)),
        ("lines", POINTER(Line)),
        ("message", c_char_p),
        ("message_size", c_size_t),
        ("failed_at", POINTER(c_void_p)),
    ]
