"""Simulated faults: failing writes, syncs and renames, a full disk, a power failure."""

import contextlib
import errno
import os
import random
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


class PowerCut:
    """Records what would be on the disk if the power went at any moment, for the files of one folder.

    A file's content is safe from its last sync on, and a rename from the next sync of the folder on. Without one, the
    file may be empty or end anywhere, and any number of the last renames may be lost. `moments` grows with each sync,
    rename and deletion; `restore(k)` puts the folder into a state in which a cut at that moment may have left it.
    """

    def __init__(self, folder, seed=0):
        self.folder, self.patch, self.luck = folder, pytest.MonkeyPatch(), random.Random(seed)
        self.synced, self.moments, self.held = {}, [], []
        self.states = [self._names()]  # what the names were since the folder's last sync
        self.real = {name: getattr(os, name) for name in ("fsync", "replace", "unlink")}
        for name in self.real:
            self.patch.setattr(os, name, self._recorded(name))

    def stop(self):
        """Record no more."""
        self.patch.undo()
        while self.held:
            os.close(self.held.pop())

    def _names(self):
        return {entry.name: entry.inode() for entry in os.scandir(self.folder)}

    def _recorded(self, name):
        def call(*args, **kwargs):
            result = self.real[name](*args, **kwargs)
            self.states.append(self._names())
            if name == "fsync" and os.path.samestat(os.fstat(args[0]), os.stat(self.folder)):
                self.states = self.states[-1:]
            elif name == "fsync":
                inode = os.fstat(args[0]).st_ino
                self.synced[inode] = next(self._read(n) for n, i in self.states[-1].items() if i == inode)
                self.held.append(os.dup(args[0]))  # so that no later file gets the same number
            contents = {inode: self._read(n) for n, inode in self.states[-1].items()}
            self.moments.append((list(self.states), dict(self.synced), contents))
            return result

        return call

    def _read(self, name):
        with open(os.path.join(self.folder, name), "rb") as file:
            return file.read()

    def restore(self, moment):
        """Make the folder's content one that a cut at this moment may have left."""
        states, synced, contents = self.moments[moment]
        for name in os.listdir(self.folder):
            os.unlink(os.path.join(self.folder, name))
        for name, inode in self.luck.choice(states).items():
            content = synced.get(inode)
            if content is None:
                content = contents.get(inode, b"")
                content = content[: self.luck.choice((0, self.luck.randint(0, len(content))))]
            with open(os.path.join(self.folder, name), "wb") as file:
                file.write(content)
