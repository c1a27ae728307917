"""What a `.cu` text says of its kernels: names, parameters and their types, read from `extern "C" __global__` lines."""

import re
from dataclasses import dataclass

import numpy as np

_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.S)
_KERNEL = re.compile(
    r'extern\s+"C"\s+__global__\s+void\s+(?:__launch_bounds__\s*\([^)]*\)\s*)?(\w+)\s*\(([^)]*)\)\s*\{'
)
_SHARED = re.compile(r"__shared__\s+((?:\w+(?:\s*::\s*|\s+))*?\w+)\s+(\w+)\s*((?:\[[^\];]*\]\s*)*);")
_TYPES = {
    "float": np.float32,
    "double": np.float64,
    "int": np.int32,
    "unsigned": np.uint32,
    "unsigned int": np.uint32,
    "long long": np.int64,
    "unsigned long long": np.uint64,
    "signed char": np.int8,
    "unsigned char": np.uint8,
    "bool": np.bool_,
}


@dataclass(frozen=True, slots=True)
class Parameter:
    """One argument of a kernel; `dtype` is None for T, the floating type that is chosen at the call."""

    name: str
    dtype: np.dtype | None
    pointer: bool


def without_comments(code):
    """The text with every comment turned into as many newlines as it held, so that line numbers stay."""
    return _COMMENT.sub(lambda match: "\n" * match[0].count("\n"), code)


def kernels(code, origin):
    """{name: (Parameter, ...)} of every kernel in the text; `origin` names it in errors."""
    found = {name: _parameters(text, name, origin) for name, text in _KERNEL.findall(without_comments(code))}
    if not found:
        raise ValueError(f'{origin}: no kernel found; each must be written as extern "C" __global__ void name(...) {{')
    return found


def _parameters(text, kernel, origin):
    return tuple(_parameter(" ".join(one.split()), kernel, origin) for one in text.split(",") if one.strip())


def _parameter(text, kernel, origin):
    words = [word for word in text.replace("*", " * ").split() if word not in ("const", "__restrict__")]
    name, pointers, type_ = words[-1], words.count("*"), " ".join(word for word in words[:-1] if word != "*")
    if pointers > 1 or (type_ != "T" and type_ not in _TYPES):
        raise ValueError(
            f"{origin}: {kernel}: the parameter `{text}` must be T or one of {', '.join(_TYPES)}, or a pointer"
        )
    return Parameter(name, None if type_ == "T" else np.dtype(_TYPES[type_]), bool(pointers))


def for_host(code, origin):
    """The text with `__shared__ V name[n];` written as the simulator's macro; all other text stays, line by line."""
    code = _SHARED.sub(r"CUDASIM_SHARED(\1, \2, \3)", without_comments(code))
    left = re.search(r"^(?!.*\bextern\b).*__shared__.*$", code, re.M)
    if left:
        raise ValueError(
            f"{origin}: cudasim reads one shared array a declaration, without initialiser: {left[0].strip()}"
        )
    return code
