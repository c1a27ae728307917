"""`minidl info`: installed packages, kernels in use, threads, and the GPU or the reason why there is none."""

import os
import platform
import shutil
import subprocess
from importlib import metadata

from . import printable

PACKAGES = ("numpy", "numba", "scipy", "pillow", "matplotlib", "tqdm", "safetensors", "pooch", "scikit-image")
PACKAGES += ("scikit-learn", "mpi4py", "onnx", "onnxruntime", "torch")
INSTRUCTION_SETS = {
    "avx512f": "AVX-512",
    "avx2": "AVX2",
    "fma": "FMA",
    "sve": "SVE",
    "neon": "NEON",
}  # {LLVM's name: the name shown}
COMPILERS = ("c++", "g++", "clang++")


def register(subparsers):
    """Add the command and its options to the parser."""
    parser = subparsers.add_parser(
        "info",
        help="versions, kernels, threads, GPU, compiler",
        description="Show what is installed on this machine: versions, the column of kernels in use, threads and threading "
        "layer, the GPU or the reason why there is none, the C++ compiler. For an ONNX file, show inputs, outputs, "
        "operators, and the names of the nodes that minidl cannot run.",
    )
    parser.add_argument("file", nargs="?", metavar="FILE.onnx", help="describe this file instead")


def run(args):
    """Run the command; returns its exit code, or None for 0."""
    from .. import __version__

    if args.file is not None:
        return _describe(args.file)
    rows = {
        "minidl": f"{__version__} in {os.path.dirname(os.path.dirname(__file__))}",
        "python": f"{platform.python_version()} on {platform.platform(terse=True)}, {platform.machine()}",
        "packages": ", ".join(f"{name} {version(name) or 'none'}" for name in PACKAGES),
        "kernels": kernels(),
        "threads": threads(),
        "instructions": instructions(),
        "gpu": gpu(),
        "c++ compiler": compiler(),
    }
    for name, text in rows.items():
        print(f"{name:13} {text}")


def _describe(path):
    from ..onnx_import import describe

    if not path.lower().endswith(".onnx"):
        raise ValueError(f"{path}: needed an ONNX file (.onnx)")
    for heading, lines in describe(path).items():
        for line in lines:
            print(f"{heading:13} {printable(line if len(line) < 200 else line[:197] + '...')}")
            heading = ""


def version(package):
    """The installed version, or None."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def kernels():
    """The column of kernels for NumPy arrays, and whether it is compiled."""
    import numpy as np

    from .. import backend

    column = backend.kernels(np.zeros(0)).__name__.rpartition(".")[2]
    if column == "reference":
        return "reference (NumPy): Numba is missing, so this is slow; pip install numba"
    return "cpu (Numba; compiled at first use, then kept on disk)"


def instructions():
    """The instruction set of compiled kernels; results are bit-identical on processors with the same set."""
    try:
        import llvmlite.binding as llvm
        import numba
    except ImportError:
        return "those of NumPy's wheels, chosen by NumPy"
    name = numba.config.CPU_NAME or llvm.get_host_cpu_name()
    has = llvm.get_host_cpu_features()
    sets = [text for feature, text in INSTRUCTION_SETS.items() if has.get(feature)]
    return f"{name} ({', '.join(sets) or platform.machine()}): another set may round sums otherwise"


def threads():
    """Threads and threading layer of the kernels, and the processors of the machine."""
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    try:
        import numba
        from numba.np.ufunc import parallel
    except ImportError:
        return f"1 of {processors} processors: without Numba only NumPy's own products use more"
    count = numba.get_num_threads()
    try:
        parallel._launch_threads()  # starting the threads selects the layer, and Numba has no public function for it
        layer = numba.threading_layer()
    except (AttributeError, ValueError) as error:
        return f"{count} of {processors} processors, threading layer unknown ({error})"
    slow = " (slow to start threads; install tbb, or a libomp for 'omp')" if layer == "workqueue" else ""
    return f"{count} of {processors} processors, threading layer {layer}{slow}; NUMBA_NUM_THREADS sets their number"


def gpu():
    """The GPU that CuPy sees, or the reason why there is none."""
    from ..backend.cuda import why_not

    try:
        import cupy
    except ImportError:
        return 'none: CuPy is not installed (pip install "minidl[cuda12]" or "minidl[cuda13]")'
    try:
        reason = why_not()
        if reason is not None:
            return f"none: {reason}"
        device = cupy.cuda.runtime.getDeviceProperties(0)
        return f"{device['name'].decode()}, compute {device['major']}.{device['minor']}, CuPy {cupy.__version__}"
    except Exception as error:  # a driver may raise errors of any type
        return f"none: CuPy {cupy.__version__} reports {error}"


def compiler():
    """The C++ compiler that `cudasim` would use, with its version, or none."""
    named = os.environ.get("CXX")
    path = next((p for p in map(shutil.which, (named,) if named else COMPILERS) if p), None)
    if path is None:
        return f"none ({named or ', '.join(COMPILERS)} not found): CUDA kernels cannot run on the CPU"
    answer = subprocess.run([path, "--version"], capture_output=True, text=True, check=False)
    return f"{path}: {(answer.stdout or answer.stderr).strip().splitlines()[0]}"
