"""Signatures of kernels: names, parameters and their types, read from the `extern "C" __global__` lines of a `.cu` text."""

import re
from dataclasses import dataclass

import numpy as np

_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.S)
_KERNEL = re.compile(
    r'extern\s+"C"\s+__global__\s+void\s+(?:__launch_bounds__\s*\([^)]*\)\s*)?(\w+)\s*\(([^)]*)\)\s*\{'
)
_STRUCT = re.compile(r"\bstruct\s+(\w+)\s*\{(.*?)\n\};", re.S)
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
    """One argument of a kernel, or one member of a struct.

    `dtype` is None for T, the floating type that is chosen at the call. `members` are those of a struct passed by value,
    whose name is `struct`.
    """

    name: str
    dtype: np.dtype | None
    pointer: bool
    struct: str = ""
    members: tuple["Parameter", ...] = ()

    def layout(self, real):
        """The NumPy dtype of the argument's bytes where T is `real`, members aligned as C aligns them."""
        if self.members:
            return np.dtype([(m.name, m.layout(real)) for m in self.members], align=True)
        return self.dtype or np.dtype(real)

    def packed(self, value, real):
        """A struct's members, from a sequence of numbers, as an array of one structured element; checks every one."""
        if not hasattr(value, "__len__") or len(value) != len(self.members):
            names = ", ".join(m.name for m in self.members)
            raise TypeError(
                f"argument {self.name!r} must be the members of struct {self.struct} ({names}), not {value!r}"
            )
        numbers = tuple(m.number(v, self.struct) for m, v in zip(self.members, value))
        return np.array([numbers], self.layout(real))

    def number(self, value, struct):
        """A member's value as a Python number that fits its type."""
        value = value.item() if isinstance(value, np.generic) else value
        kind = "f" if self.dtype is None else self.dtype.kind
        whole = isinstance(value, int)
        if not whole and (kind != "f" or not isinstance(value, float)):
            wanted = "a number" if kind == "f" else "a whole number"
            raise TypeError(f"member {self.name} of struct {struct} must be {wanted}, not {value!r}")
        if kind in "iu" and not np.iinfo(self.dtype).min <= value <= np.iinfo(self.dtype).max:
            raise OverflowError(f"member {self.name} of struct {struct}: {value} does not fit {self.dtype}")
        return value


def without_comments(code):
    """The text with every comment turned into as many newlines as it held, so that line numbers stay."""
    return _COMMENT.sub(lambda match: "\n" * match[0].count("\n"), code)


def kernels(code, origin):
    """{name: (Parameter, ...)} of every kernel in the text; `origin` names it in errors."""
    code = without_comments(code)
    structs = dict(_STRUCT.findall(code))
    found = {name: _parameters(text, name, origin, structs) for name, text in _KERNEL.findall(code)}
    if not found:
        raise ValueError(f'{origin}: no kernel found; each must be written as extern "C" __global__ void name(...) {{')
    return found


def _parameters(text, kernel, origin, structs):
    return tuple(_parameter(" ".join(one.split()), kernel, origin, structs) for one in text.split(",") if one.strip())


def _members(struct, body, origin):
    """The data members of a struct, which stand before its functions: lines `type name, name;`."""
    members = []
    for line in body.split(";"):
        if "(" in line or not line.strip():
            break
        first, *others = line.strip().split(",")
        type_ = first.rsplit(None, 1)[0]
        members += (_parameter(one, struct, origin, {}) for one in (first, *(f"{type_} {name}" for name in others)))
    return tuple(members)


def _parameter(text, kernel, origin, structs):
    words = [word for word in text.replace("*", " * ").split() if word not in ("const", "__restrict__")]
    name, pointers, type_ = words[-1], words.count("*"), " ".join(word for word in words[:-1] if word != "*")
    if type_ in structs and not pointers:
        return Parameter(name, None, False, type_, _members(type_, structs[type_], origin))
    if pointers > 1 or (type_ != "T" and type_ not in _TYPES):
        raise ValueError(
            f"{origin}: {kernel}: the parameter `{text}` must be T or one of {', '.join(_TYPES)}, "
            "a pointer to one, or a struct of them"
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
