"""How kernels are compiled: the options that every file of the CPU column shares.

Kernels take the number of threads as their argument T and cut the work themselves: `for t in prange(T)`, equal shares.
(Asked inside a kernel, Numba's thread count is a pointer into this process, and the kernel cannot be cached on disk.)

Arguments that belong together are named tuples, which Numba compiles away. In a `kernel` do not store into an array that is a
field of one (`y.data[i] = v`): Numba takes the store for dead code. Call an `inlined` function that stores.
"""

import functools

import numba

from .disk_cache import KernelCache


def _by_fields(function, tuples, options):
    """The dispatcher of a function of fields in place of named tuples, {parameter: class}; and what calls it with tuples.

    For a parameter `x: Image` of `function`, which is inlined:

        def flat(x_data, x_height, x_width, T): return function(Image(x_data, x_height, x_width), T)
        def call(x, T): return flat(*x, T)
    """
    names = function.__code__.co_varnames[: function.__code__.co_argcount]
    fields = {name: ", ".join(f"{name}_{field}" for field in kind._fields) for name, kind in tuples.items()}
    taken = ", ".join(fields.get(name, name) for name in names)
    rebuilt = ", ".join(f"{tuples[name].__name__}({fields[name]})" if name in tuples else name for name in names)
    spread = ", ".join(f"*{name}" if name in tuples else name for name in names)
    scope = {kind.__name__: kind for kind in tuples.values()} | {"function": numba.njit(inline="always")(function)}
    exec(f"def flat({taken}): return function({rebuilt})\ndef call({', '.join(names)}): return flat({spread})", scope)
    for name in ("__module__", "__name__", "__qualname__"):
        setattr(scope["flat"], name, getattr(function, name))
    scope["flat"] = numba.njit(**options)(scope["flat"])
    return scope["flat"], functools.wraps(function)(scope["call"])


def njit(*, cache=False, **options):
    """Numba's decorator `njit(**options)`; with `cache`, compiled code is kept by `disk_cache` instead of Numba's own cache.

    Where Python calls the function with named tuples, their parameters are annotated. Compiled code then takes the fields, as
    it takes Numba 2 microseconds to find the type of a named tuple and a tenth of one for an array or a number.
    """

    def compiled(function):
        tuples = {name: kind for name, kind in function.__annotations__.items() if issubclass(kind, tuple)}
        if tuples:
            dispatcher, call = _by_fields(function, tuples, options)
        else:
            dispatcher = call = numba.njit(**options)(function)
        if cache:
            dispatcher._cache = KernelCache(function)
        return call

    return compiled


# "numpy": a division by zero gives infinity. Python's exception would be a side exit, and side exits prevent vectorisation.
kernel = njit(parallel=True, cache=True, error_model="numpy")
# Functions that only kernels call need no CPython wrapper: without it they compile in half the time. They do no reference
# counting either (_nrt=False): the counter of an array is shared by all threads and would change at every call that passes
# the array on. Without reference counting no array can be allocated; `allocating` is for functions that do.
_within = {"cache": True, "error_model": "numpy", "no_cpython_wrapper": True, "no_cfunc_wrapper": True, "_nrt": False}
inner = njit(**_within)
allocating = njit(**_within | {"_nrt": True})
# Part of the caller, so that what the caller knows of the arguments holds inside.
inlined = njit(**_within, forceinline=True)
# Sums may be reordered to run in vector lanes; NaN and infinity stay what they are.
reassociated = njit(**_within, fastmath={"reassoc", "contract"})
