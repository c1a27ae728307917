"""A stand-in for CuPy where there is no GPU: as strict as the real one, with NumPy beneath, kernels on the simulator.

Arrays never mix with NumPy's, never turn into them unasked, and reductions stay arrays; what CuPy does not have is missing
here. RawModule compiles through `cudasim`, so that the GPU path of the library runs whole, launches included.
"""

# ruff: noqa: SIM905

import contextlib
import types

import numpy as np


class ndarray:
    """Device memory: `_host` is what a GPU would hold."""

    __array_priority__ = 100

    def __init__(self, host, base=None):
        self._host, self.base = host, base

    device = types.SimpleNamespace(id=0)
    shape = property(lambda self: self._host.shape)
    ndim = property(lambda self: self._host.ndim)
    size = property(lambda self: self._host.size)
    dtype = property(lambda self: self._host.dtype)
    nbytes = property(lambda self: self._host.nbytes)
    itemsize = property(lambda self: self._host.itemsize)
    strides = property(lambda self: self._host.strides)
    flags = property(lambda self: self._host.flags)
    T = property(lambda self: ndarray(self._host.T, self))
    __cuda_array_interface__ = property(lambda self: {"shape": self.shape})

    def __array__(self, *args, **kwargs):
        raise TypeError("Implicit conversion to a NumPy array is not allowed. Please use `.get()`")

    def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
        if method != "__call__" or not hasattr(_numpy_like, ufunc.__name__):
            return NotImplemented
        return call(ufunc, *inputs, **kwargs)

    def __array_function__(self, function, types_, args, kwargs):
        if function.__name__ in ("array2string", "array_repr", "array_str", "savez", "ascontiguousarray"):
            return NotImplemented
        return call(function, *args, **kwargs)

    def get(self, stream=None, order="C", out=None, blocking=True):
        return self._read().copy()

    def _read(self):
        if tape.log is not None:
            raise RuntimeError("cudaErrorStreamCaptureUnsupported: operation not permitted when stream is capturing")
        return self._host

    def set(self, array, stream=None):
        if not isinstance(array, np.ndarray):
            raise TypeError(f"Only numpy.ndarray can be set to cupy.ndarray, not {type(array)}")
        self._host[...] = array

    def item(self):
        return self._read().item()

    def tolist(self):
        return self._read().tolist()

    def __getitem__(self, key):
        return wrap(self._host[strip(key)], base=self)

    def __setitem__(self, key, value):
        in_place(np.ndarray.__setitem__, self._host, strip(key), strip(value))

    def __len__(self):
        return len(self._host)

    def __iter__(self):
        return (wrap(part, base=self) for part in self._host)

    def __bool__(self):
        return bool(self._read())

    def __float__(self):
        return float(self._read())

    def __int__(self):
        return int(self._read())

    def __index__(self):
        return self._read().__index__()

    def __repr__(self):
        return repr(self._host)

    def __getattr__(self, name):
        if name not in METHODS:
            raise AttributeError(f"'cupy.ndarray' object has no attribute {name!r}")
        method = getattr(self._host, name)
        if name == "fill":
            return lambda value: in_place(method, value)
        return lambda *args, **kwargs: computed(method, *strip(args), base=self, **strip(kwargs))


METHODS = frozenset(
    "all any argmax argmin argsort astype clip copy cumsum diagonal dot fill flatten max mean min nonzero prod ravel repeat "
    "reshape round squeeze std sum swapaxes take trace transpose var view".split()
)


def strip(value):
    """Arguments as NumPy takes them; NumPy arrays among them are refused, as CuPy refuses them."""
    if isinstance(value, ndarray):
        return value._host
    if isinstance(value, np.ndarray):
        raise TypeError(f"Unsupported type {type(value)}")
    if isinstance(value, tuple | list):
        return type(value)(strip(part) for part in value)
    return {key: strip(part) for key, part in value.items()} if isinstance(value, dict) else value


def wrap(value, base=None):
    """Results as CuPy gives them: 0-d arrays instead of scalars."""
    if isinstance(value, np.ndarray | np.generic):
        value = np.asarray(value)
        return ndarray(value, base if base is not None and np.may_share_memory(value, base._host) else None)
    return type(value)(map(wrap, value)) if type(value) in (tuple, list) else value


def call(function, *args, **kwargs):
    out = kwargs.get("out")
    if out is not None:
        in_place(function, *strip(args), **strip(kwargs))
        return out[0] if isinstance(out, tuple) else out
    return computed(function, *strip(args), **strip(kwargs))


class tape:
    """What is captured into a graph: a list of functions that do it all again, or None."""

    log = None


def in_place(function, *args, **kwargs):
    """Run what writes into its arguments; while a graph is captured it is only noted, as on a GPU."""
    if tape.log is not None:
        tape.log.append(lambda: function(*args, **kwargs))
    else:
        function(*args, **kwargs)


def computed(function, *args, base=None, **kwargs):
    """A result; while a graph is captured, a replay writes it again to where it lies now."""
    with np.errstate(all="ignore"):  # a GPU never warns; and what a capture would compute is not there yet
        result = function(*args, **kwargs)
    wrapped = wrap(result, base)
    if tape.log is not None:
        outs = wrapped if isinstance(wrapped, tuple | list) else [wrapped]

        def again():
            new = function(*args, **kwargs)
            for o, n in zip(outs, new if isinstance(new, tuple | list) else [new]):
                if isinstance(o, ndarray) and not np.may_share_memory(o._host, n):
                    o._host[...] = n

        tape.log.append(again)
    return wrapped


def _binary(name):
    def operate(self, other):
        if not isinstance(other, ndarray | int | float | bool | np.generic):
            if isinstance(other, np.ndarray):
                raise TypeError(f"Unsupported type {type(other)}")
            return NotImplemented
        return computed(getattr(self._host, name), strip(other))

    return operate


def _in_place(name):
    def operate(self, other):
        in_place(getattr(self._host, name), strip(other))
        return self

    return operate


for _name in "add sub mul truediv floordiv mod pow and or xor lshift rshift matmul".split():
    setattr(ndarray, f"__{_name}__", _binary(f"__{_name}__"))
    setattr(ndarray, f"__r{_name}__", _binary(f"__r{_name}__"))
    setattr(ndarray, f"__i{_name}__", _in_place(f"__i{_name}__"))
for _name in "eq ne lt le gt ge".split():
    setattr(ndarray, f"__{_name}__", _binary(f"__{_name}__"))
for _name in "neg pos invert abs".split():
    setattr(ndarray, f"__{_name}__", lambda self, _n=f"__{_name}__": computed(getattr(self._host, _n)))
ndarray.__hash__ = None
_numpy_like = np


def uploaded(array):
    """A copy of host memory: what a graph must not hold, since a replay would repeat it."""
    assert tape.log is None, "a copy from the host while a graph is captured"
    return ndarray(array)


class RawModule:
    """A module of CUDA C: the loader's own text, run on the simulator."""

    def __init__(self, *, code, options=(), backend="nvrtc"):
        self.code, self.options = code, options

    def get_function(self, name):
        return Function(self.code, name, np.float64 if "-DREAL=double" in self.options else np.float32)


class Function:
    """A kernel of a RawModule: arguments are passed on without any check, as on a GPU."""

    max_dynamic_shared_size_bytes = 48 * 1024

    def __init__(self, code, name, real):
        from minidl.kernels.cuda import signature

        self.code, self.name, self.origin = code, name, "text.cu"
        self.real, self.parameters = np.dtype(real), signature.kernels(code, "text.cu")[name]

    def __call__(self, grid, block, args, *, shared_mem=0):
        from minidl.kernels.cuda.simulator import launch

        assert shared_mem <= self.max_dynamic_shared_size_bytes, "CUDA_ERROR_INVALID_VALUE"
        args = [
            None if p.pointer and not isinstance(a, ndarray) else a._host if p.pointer else a
            for p, a in zip(self.parameters, args)
        ]
        in_place(launch, self, self.real, args, grid, block, shared_mem)


class _Device:
    def __init__(self, index=None):
        self.id = index or 0

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    def use(self):
        pass


class _Event:
    def synchronize(self):
        pass


class _Stream(_Device):
    ptr = 0

    def __init__(self, null=False, non_blocking=False, ptds=False):
        pass

    def record(self, event=None):
        return _Event()

    def wait_event(self, event):
        assert isinstance(event, _Event)

    def synchronize(self):
        pass

    def begin_capture(self, mode=None):
        tape.log = []

    def end_capture(self):
        log, tape.log = tape.log, None
        return _Graph(log)


class _Graph:
    def __init__(self, log):
        self.log = log

    def launch(self, stream=None):
        for again in self.log:
            again()


class _MemoryPool:
    def malloc(self, size):
        raise AssertionError("the stand-in has no memory of its own")


_NAMES = (
    "abs add all any arange argmax argmin argsort argwhere atleast_1d atleast_2d broadcast_arrays broadcast_to ceil clip "
    "concatenate cos cumsum diff divide divmod dot empty empty_like equal exp expand_dims expm1 eye flatnonzero flip floor "
    "full full_like greater identity isfinite isnan ix_ less linspace log log2 logical_and logical_not logical_or matmul max "
    "maximum mean meshgrid min minimum moveaxis multiply negative nonzero not_equal ones ones_like outer pad permute power "
    "prod ravel ravel_multi_index repeat result_type rint roll round searchsorted sign sin sort split sqrt square squeeze "
    "stack std subtract sum swapaxes take take_along_axis tanh tile trace transpose tril trunc unique unravel_index var "
    "vdot where zeros zeros_like float32 float64 int32 int64 uint8 bool_ newaxis inf nan pi greater_equal less_equal "
    "floor_divide logical_xor vstack hstack cumprod count_nonzero argpartition bincount finfo iinfo diag diagonal"
).split()


def module():
    """A fresh module object that passes for `cupy`."""
    cupy = types.ModuleType("cupy")
    cupy.__version__ = "14.0.0 (stand-in)"
    cupy.ndarray, cupy.RawModule = ndarray, RawModule
    for name in _NAMES:
        found = getattr(np, name, None)
        if found is not None:
            plain = not callable(found) or isinstance(found, type)
            setattr(cupy, name, found if plain else lambda *a, _f=found, **k: call(_f, *a, **k))
    cupy.array = lambda a, dtype=None, copy=True: (
        computed(np.array, a._host, dtype) if isinstance(a, ndarray) else uploaded(np.array(a, dtype))
    )
    cupy.asarray = lambda a, dtype=None: (
        a if isinstance(a, ndarray) and dtype in (None, a.dtype) else cupy.array(a, dtype)
    )
    cupy.ascontiguousarray = lambda a, dtype=None: (
        a
        if isinstance(a, ndarray) and a.flags.c_contiguous and dtype in (None, a.dtype)
        else computed(np.ascontiguousarray, strip(a), dtype)
    )
    cupy.asnumpy = lambda a, **k: a.get() if isinstance(a, ndarray) else np.asarray(a)
    cupy.get_array_module = lambda *arrays: cupy if any(isinstance(a, ndarray) for a in arrays) else np
    cupy.add.at = lambda a, key, b: in_place(np.add.at, a._host, strip(key), strip(b))
    cupy.copyto = lambda a, b, where=True: in_place(np.copyto, a._host, strip(b), where=strip(where))
    cupy.linalg = types.SimpleNamespace(norm=lambda *a, **k: call(np.linalg.norm, *a, **k))
    stream = _Stream()
    cupy.cuda = types.SimpleNamespace(
        is_available=lambda: True,
        Device=_Device,
        device=types.SimpleNamespace(get_cublas_handle=lambda: 0),
        Stream=_Stream,
        MemoryPool=_MemoryPool,
        using_allocator=lambda allocator: contextlib.nullcontext(),
        get_current_stream=lambda: stream,
        alloc_pinned_memory=bytearray,
        runtime=types.SimpleNamespace(
            getDevice=lambda: 0,
            getDeviceCount=lambda: 1,
            getDeviceProperties=lambda index: {"name": b"Stand-in"},
            runtimeGetVersion=lambda: 12080,
            driverGetVersion=lambda: 13000,
            streamIsCapturing=lambda pointer: tape.log is not None,
        ),
    )
    return cupy
