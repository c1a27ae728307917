"""Faults on purpose: writes, syncs and renames that fail, a disk that is full, a power cut."""

import contextlib
import errno
import os
import shutil
import subprocess

import pytest


@contextlib.contextmanager
def failing(monkeypatch, call, error=errno.EIO):
    """Inside, `call` ("write", "fsync" or "replace") of the operating system fails; a write leaves half of its bytes."""

    def fail(*args, **kwargs):
        raise OSError(error, os.strerror(error))

    class HalfFile:
        """A file of which `write` fails halfway."""

        def __init__(self, descriptor, mode):
            self.descriptor = descriptor

        def __enter__(self):
            return self

        def __exit__(self, *_):
            os.close(self.descriptor)

        def write(self, content):
            os.write(self.descriptor, bytes(content)[: len(content) // 2])
            fail()

    with monkeypatch.context() as patch:
        patch.setattr(os, {"write": "fdopen"}.get(call, call), HalfFile if call == "write" else fail)
        yield


@contextlib.contextmanager
def small_disk(path, size):
    """Inside, the folder `path` is a file system of `size` bytes; needs root and mount, else the test is skipped."""
    path.mkdir(exist_ok=True)
    if not hasattr(os, "geteuid") or os.geteuid() != 0 or not shutil.which("mount"):
        pytest.skip("a file system of its own needs root and mount")
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "minidl", str(path)], capture_output=True, text=True
    )
    if made.returncode:
        pytest.skip(f"mount: {made.stderr.strip()}")
    try:
        yield path
    finally:
        subprocess.run(["umount", "-l", str(path)], check=True)
