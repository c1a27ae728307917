"""Restrictions of a submission's process: resource limits, and an audit hook against files, processes and networks.

The hook prevents accidents and simple malice, but Python code can circumvent it: grade untrusted code in a container or a
virtual machine.
"""

import os
import sys
import sysconfig
from pathlib import Path

FORBIDDEN = (
    "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "os.forkpty", "os.kill", "os.killpg",
    "signal.pthread_kill", "subprocess.Popen", "pty.spawn", "socket.connect", "socket.bind", "socket.sendto",
    "socket.getaddrinfo", "socket.gethostbyname", "ctypes.dlopen", "ctypes.dlsym", "ctypes.string_at", "ctypes.cdata",
    "os.putenv", "os.unsetenv", "sys.addaudithook", "resource.setrlimit", "resource.prlimit", "code.__new__",
)  # fmt: skip
CHANGING = (
    "os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.chmod", "os.chown", "os.link", "os.symlink", "os.truncate",
    "os.utime", "shutil.rmtree", "shutil.move", "shutil.copyfile", "shutil.copytree", "shutil.chown", "os.setxattr",
)  # fmt: skip
OURS = ("minidl.exercises.running.apart", "minidl.kernels.cuda.simulator.compile")  # may start processes


def limit(megabytes: int, seconds: float) -> None:
    """Set limits on this process: memory, processor time, size of files, open files. No effect on Windows."""
    try:
        import resource
    except ImportError:
        return
    most = megabytes << 20
    for what, value in (
        (resource.RLIMIT_AS, most),
        (resource.RLIMIT_CPU, int(seconds) + 5),
        (resource.RLIMIT_FSIZE, 64 << 20),
        (resource.RLIMIT_NOFILE, 256),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(what)
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(what, (value, value))


def guard(folder: Path) -> None:
    """Restrict code of the files in `folder`: it may write only there, read there and the libraries, and start no process."""
    home = str(folder.resolve()) + os.sep
    libraries = {str(Path(p).resolve()) for p in (sys.prefix, sys.base_prefix, *sysconfig.get_paths().values())}
    libraries |= {str(Path(p).resolve()) for p in sys.path if p and Path(p).is_dir()}
    libraries.add(str(Path(__file__).resolve().parents[3] / "minidl"))

    def refuse(event, arguments):
        if event == "open":
            if _by_submission(home) and not _readable(arguments, home, libraries):
                raise PermissionError(f"a submission may not open {arguments[0]!r}")
        elif event in CHANGING:
            if _by_submission(home) and not all(_inside(a, home) for a in arguments if isinstance(a, str | bytes)):
                raise PermissionError(f"a submission may not do {event} outside of its folder")
        elif event in FORBIDDEN and _by_submission(home):
            raise PermissionError(f"a submission may not do {event}")

    sys.addaudithook(refuse)


def _by_submission(home):
    """Whether a function of the submission is running, outside the library's functions that may do more."""
    frame = sys._getframe(2)
    while frame:
        if frame.f_globals.get("__name__") in OURS:
            return False
        if frame.f_code.co_filename.startswith(home):
            return True
        frame = frame.f_back
    return False


def _inside(path, home):
    path = os.fsdecode(path) if isinstance(path, bytes) else path
    return (os.path.realpath(path) + os.sep).startswith(home)


def _readable(arguments, home, libraries):
    path, mode, flags = (*arguments, None, None)[:3]
    if isinstance(path, int):
        return True
    if not isinstance(path, str | bytes):
        return False
    if _inside(path, home):
        return True
    writes = isinstance(mode, str) and any(c in mode for c in "wax+")
    writes |= isinstance(flags, int) and bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC))
    real = os.path.realpath(os.fsdecode(path) if isinstance(path, bytes) else path)
    if os.path.basename(os.path.dirname(real)) == "solutions":
        return False
    return not writes and any(real == p or real.startswith(p + os.sep) for p in libraries)
