"""CUDA C through the host's C++ compiler; libraries are kept in the user's cache, under a digest of all that they depend on."""

import functools
import os
import platform
import shutil
import subprocess
import tempfile
from pathlib import Path

from ...cache import Cache, user_folder
from ...files import write

HERE = Path(__file__).parent
HEADERS = ("cudasim.h", "types.h", "warp.h", "atomics.h", "arithmetic.h", "async.h")
RUNTIME = ("cudasim.cpp", "launch.cpp", "switch.cpp", "checks.cpp", "counts.cpp", "hooks.cpp")
FLAGS = ["-std=gnu++17", "-fPIC", "-pthread", "-ffp-contract=off", "-w"]
PLAIN = ["-O2"]
# every load and store calls hooks.cpp; a float4 as one, since no optimisation takes it apart
WATCHED = ["-O1", "-fno-tree-sra", "-g1", "-fsanitize=thread", "-DCUDASIM_WATCHED"]


@functools.cache
def compiler():
    """The C++ compiler: $CXX, else g++, else clang++."""
    for name in (os.environ.get("CXX"), "g++", "clang++"):
        if name and shutil.which(name):
            return shutil.which(name)
    raise RuntimeError(
        "cudasim: no C++ compiler found (g++ or clang++, or the one that $CXX names); "
        "install one with `apt install g++` or `xcode-select --install`"
    )


@functools.cache
def _version():
    return (
        subprocess.run([compiler(), "--version"], capture_output=True, text=True, check=True).stdout
        + platform.machine()
    )


def disk():
    """The folder of compiled libraries: $MINIDL_CUDASIM_CACHE, else the user's cache folder."""
    given = os.environ.get("MINIDL_CUDASIM_CACHE")
    return Cache(Path(given) if given else user_folder("cudasim"), "MINIDL_CUDASIM_CACHE")


@functools.cache
def runtime():
    """The path of the compiled runtime."""
    text = "".join(
        (HERE / name).read_text("utf-8") for name in (*RUNTIME, "runtime.h", "watch.h", "fiber.h", "types.h")
    )
    command = ["-O2", "-shared", *(str(HERE / name) for name in RUNTIME)]
    return _build(text, command, "runtime", link=[])


@functools.cache
def library(code, real, watched, origin):
    """The path of the compiled library of a CUDA C text that went through `signature.for_host`."""
    text = "".join((HERE / name).read_text("utf-8") for name in HEADERS) + code
    flags = [*(WATCHED if watched else PLAIN), "-DCUDASIM", f"-DREAL={real}", f"-I{HERE.parent}", "-fvisibility=hidden"]
    return _build(text, flags, Path(origin).name, link=[runtime()], source=code)


def _build(text, flags, name, link, source=None):
    if os.name != "posix":
        raise RuntimeError("cudasim: runs on Linux and macOS (on Windows inside WSL)")
    key = "\0".join([text, *FLAGS, *flags, *map(str, link), _version()]).encode()
    kept, stem = disk(), Path(name).stem
    if kept.load(stem, key, ".so") is not None:
        return kept.path(stem, key, ".so")
    with tempfile.TemporaryDirectory(prefix="minidl-") as folder:
        new = Path(folder) / f"{stem}.so"
        if source is None:
            _run([compiler(), *FLAGS, *flags, "-o", str(new)], name)
        else:  # compiled and linked apart: a link with -fsanitize=thread would bring the sanitizer's own runtime
            text, unit = Path(folder) / name, new.with_suffix(".o")
            text.write_text(source, "utf-8")
            _run([compiler(), *FLAGS, *flags, "-c", "-o", str(unit), "-x", "c++", str(text)], name)
            _run([compiler(), "-shared", "-pthread", str(unit), *map(str, link), "-o", str(new)], name)
        code = new.read_bytes()
        return kept.store(stem, key, ".so", code) or _for_this_process(kept.path(stem, key, ".so").name, code)


@functools.cache
def _scratch():
    """A folder that is deleted at the end of the process; the cache of this function holds it."""
    return tempfile.TemporaryDirectory(prefix="minidl-")


def _for_this_process(name, code):
    path = Path(_scratch().name) / name
    write(path, code)
    return path


def _run(command, name):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"cudasim: {Path(command[0]).name} could not compile {name}:\n{done.stderr[-6000:]}")
