"""Atomic writing of files: the new content is complete, or the old file is unchanged.

    from ..kernels.files import check_writable, write
    check_writable(path)                  # before the work: raises for a missing folder or permission
    write(path, content)                  # bytes, or text as UTF-8; encode pictures, arrays and tables in memory first

Every output of the library goes through `write` (pictures through `data.image.write_image`, figures through `plot.save`,
checkpoints through `train.checkpoint.save`). The module imports no other module of the library, so that any floor can use it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
import sys
import threading
from collections.abc import Iterator

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

_DESCRIPTOR = re.compile(r"/dev/(stdout|stderr)|(?:/dev/fd|/proc/self/fd)/(\d+)")
_PART = re.compile(r"\.minidl-[0-9a-f]{16}\.part")
Path = str | os.PathLike[str]
_held: set[tuple[int, str]] = set()  # (thread, folder) of each `sole_user`
_swept = set()  # folders in which this process has deleted temporary files of killed processes


def write(path: Path, content: str | bytes | memoryview, mode: int = 0o666) -> None:
    """Make `content` (bytes, or text that is encoded as UTF-8) the content of the file `path`.

    A new or regular file is replaced: the content goes to a temporary file in the same folder, is synced to the disk and
    renamed, so that at any time, even after a power failure, `path` holds all of the old content or all of the new. The mode
    of an existing file is kept, and its owner where the system allows it; a new one gets `mode` without the bits of the umask.
    Links to files are followed. A device, a pipe or a name such as /dev/stdout is written to and never replaced.
    Raises OSError with `path` as its file name.
    """
    if isinstance(content, str):
        content = content.encode("utf-8")
    with _naming(path):
        descriptor = _descriptor(path)
        if descriptor is not None:
            if descriptor == 1 and sys.stdout is not None:
                sys.stdout.flush()
            _pour(os.dup(descriptor), content)
            return
        target = os.path.realpath(path)
        there = _status(target)
        if there is not None and not stat.S_ISREG(there.st_mode):
            _pour(os.open(target, os.O_WRONLY | getattr(os, "O_NOCTTY", 0)), content)
        else:
            _replace(target, there, content, mode)


@contextlib.contextmanager
def sole_user(folder: Path) -> Iterator[None]:
    """Context: locks the folder for this thread; RuntimeError where another process or thread has locked it."""
    holder = (threading.get_ident(), os.path.realpath(folder))
    if fcntl is None or holder in _held:
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        if not _lock(descriptor):
            raise RuntimeError(
                f"{os.fspath(folder)} is in use: another process trains there; wait for it, or choose another"
            )
        _held.add(holder)
        yield
    finally:
        _held.discard(holder)
        os.close(descriptor)


def check_writable(path: Path) -> None:
    """Raises the OSError with which `write(path, ...)` would fail: no such folder, `path` is a folder, no permission."""
    with _naming(path):
        if is_stream(path):
            return
        target = os.path.realpath(path)
        if os.path.isdir(target):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        folder = os.path.dirname(target)
        if not os.path.isdir(folder):
            raise FileNotFoundError(errno.ENOENT, f"{folder} is not a folder")
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        _refuse_read_only(target)


def is_stream(path: Path) -> bool:
    """Whether `path` is a device, a pipe or a socket, or names an open descriptor, as /dev/stdout does."""
    there = _status(path)
    special = there is not None and not stat.S_ISREG(there.st_mode) and not stat.S_ISDIR(there.st_mode)
    return special or _descriptor(path) is not None


@contextlib.contextmanager
def _naming(path):
    """Context: OSErrors get the file name `path`, since that of a full disk has none and the temporary file's is unknown."""
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise
        raise OSError(error.errno, error.strerror, os.fspath(path)) from error


def _descriptor(path):
    """The number of the open descriptor that `path` names, directly or through links; else None."""
    path = os.path.abspath(path)
    for _ in range(40):  # the number of links that Linux follows
        found = _DESCRIPTOR.fullmatch(path)
        if found:
            return int(found[2]) if found[2] else {"stdout": 1, "stderr": 2}[found[1]]
        if not os.path.islink(path):
            return None
        path = os.path.normpath(os.path.join(os.path.dirname(path), os.readlink(path)))
    return None


def _status(path):
    try:
        return os.stat(path)
    except FileNotFoundError:
        return None


def _pour(descriptor, content):
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)


def _refuse_read_only(target):
    if os.path.exists(target) and not os.access(target, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


def _replace(target, there, content, mode):
    _refuse_read_only(target)
    folder = os.path.dirname(target)
    part, descriptor = _temporary(folder, mode if there is None else 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            if there is not None:
                _keep(file.fileno(), there)
            _sync(file.fileno())
            if fcntl is not None:
                os.replace(part, target)
        if fcntl is None:  # Windows cannot rename an open file
            os.replace(part, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(part)
        raise
    sync_folder(folder)


def _temporary(folder, mode):
    """(path, descriptor) of a new file in `folder`, locked so that no other process deletes it."""
    _sweep(folder)
    while True:
        path = os.path.join(folder, f".minidl-{os.urandom(8).hex()}.part")
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
        with contextlib.suppress(FileExistsError):
            descriptor = os.open(path, flags, mode)
            if _lock(descriptor) and os.path.exists(path):
                return path, descriptor
            os.close(descriptor)  # another process deleted it before it was locked


def _lock(descriptor):
    """Try to lock the file; returns success, and True where the system has no such locks."""
    try:
        if fcntl is not None:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        pass
    return True


def _sweep(folder):
    """Delete the temporary files of killed processes in the folder: those that are not locked."""
    if fcntl is None or folder in _swept:
        return
    _swept.add(folder)
    with contextlib.suppress(OSError):  # a folder that is writable but cannot be listed
        for name in filter(_PART.fullmatch, os.listdir(folder)):
            with contextlib.suppress(OSError):
                descriptor = os.open(os.path.join(folder, name), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    os.unlink(os.path.join(folder, name))
                finally:
                    os.close(descriptor)


def _keep(descriptor, there):
    """Copy owner and mode of the replaced file to the new one."""
    if hasattr(os, "fchown"):
        with contextlib.suppress(OSError):  # only root can change a file's owner
            os.fchown(descriptor, there.st_uid, there.st_gid)
        os.fchmod(descriptor, there.st_mode & 0o777)


def _sync(descriptor):
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # not supported by every file system
            raise


def sync_folder(folder: Path) -> None:
    """Sync the folder's entries to the disk, where the system supports it."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
