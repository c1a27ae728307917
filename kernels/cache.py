"""The disk cache of compiled code: only complete entries of this user and of the same sources are loaded.

An entry is one file: the code, then a trailer with the SHA-256 of its key (everything that the code depends on) and the SHA-256
of the code itself. `Cache.load` checks owner, mode and both digests before the code is used. A damaged entry is deleted, with
a message; where no file can be written, a message says so and compiled code stays in memory only.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import sys
import time
from pathlib import Path

from .files import write

MARK = b"minidl-1"
TRAILER = len(MARK) + 64
UNUSED = (
    90 * 24 * 3600.0
)  # seconds without use after which an older entry is deleted when a new one of the same name is stored
said: dict[object, str] = {}  # {subject: line} of the messages that this process has printed


def say(subject: object, text: str) -> None:
    """Print a line to standard error, once per process for each subject."""
    if subject not in said:
        said[subject] = text
        print(f"minidl: {text}", file=sys.stderr, flush=True)


def user_folder(name: str) -> Path:
    """The folder of that name in the user's cache of this library."""
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "minidl" / name
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "minidl" / name


class Cache:
    """Entries in one folder, created with mode 0700; the environment variable `variable` names another folder."""

    def __init__(self, folder: Path, variable: str) -> None:
        self.folder, self.variable = Path(folder), variable

    def path(self, name: str, key: bytes, ending: str) -> Path:
        """The entry's path: its name, the start of its key's digest, the file extension."""
        return self.folder / f"{name}-{hashlib.sha256(key).hexdigest()[:20]}{ending}"

    def load(self, name: str, key: bytes, ending: str) -> bytes | None:
        """The entry's code, or None without a trustworthy entry."""
        path = self.path(name, key, ending)
        try:
            with open(path, "rb") as file:
                if not (
                    self._trusted(self.folder, os.stat(self.folder)) and self._trusted(path, os.fstat(file.fileno()))
                ):
                    return None
                content = file.read()
        except FileNotFoundError:
            return None
        except OSError as error:
            say("unreadable", f"compiled code {path} cannot be read ({error.strerror}); compiling it again")
            return None
        code, trailer = content[:-TRAILER], content[-TRAILER:]
        if trailer == _trailer(key, code):
            return code
        damaged = not trailer.startswith(MARK) or trailer[-32:] != hashlib.sha256(code).digest()
        self.drop(path, "damaged" if damaged else "of another state of the code")
        return None

    def store(self, name: str, key: bytes, ending: str, code: bytes) -> Path | None:
        """Store the code; returns the entry's path, or None (with a message) where it cannot be written."""
        path = self.path(name, key, ending)
        try:
            _make(self.folder)
            if not self._trusted(self.folder, os.stat(self.folder)):
                return None
            path.unlink(missing_ok=True)  # `write` would keep the old file's mode and owner
            write(path, code + _trailer(key, code), mode=0o600)
            self._forget(name, ending)
        except OSError as error:
            say(
                "unkept",
                f"compiled code cannot be kept in {self.folder} ({error.strerror}): only this process can use it; "
                f"{self.variable} names another folder",
            )
            return None
        return path

    def drop(self, path: Path, why: str) -> None:
        """Delete an unusable entry, with a message."""
        say(why, f"compiled code in {self.folder} is {why} (first {path.name}); deleting it and compiling again")
        with contextlib.suppress(OSError):
            path.unlink()

    def _trusted(self, path: Path, status: os.stat_result) -> bool:
        """Whether only this user and root can have written the file."""
        if not hasattr(os, "getuid"):
            return True
        if status.st_uid not in (os.getuid(), 0):
            fault = "belongs to another user"
        elif status.st_mode & 0o022:
            fault = "can be written by others"
        else:
            return True
        say(
            fault,
            f"compiled code in {self.folder} is not loaded, since {path} {fault}; delete that, or let {self.variable} "
            "name a folder of your own",
        )
        return False

    def _forget(self, name: str, ending: str) -> None:
        """Delete entries of the same name, for other keys, that have not been used for three months."""
        pattern, now = re.compile(re.escape(name) + r"-[0-9a-f]{20}" + re.escape(ending)), time.time()
        for entry in os.scandir(self.folder):
            if pattern.fullmatch(entry.name):
                with contextlib.suppress(OSError):
                    status = entry.stat(follow_symlinks=False)
                    if now - max(status.st_atime, status.st_mtime) > UNUSED:
                        os.unlink(entry.path)


def _trailer(key: bytes, code: bytes) -> bytes:
    return MARK + hashlib.sha256(key).digest() + hashlib.sha256(code).digest()


def _make(folder: Path) -> None:
    """Create the folder and its missing parents, with access for the owner alone."""
    missing = [p for p in (folder, *folder.parents) if not p.exists()]
    for path in reversed(missing):
        with contextlib.suppress(FileExistsError):
            path.mkdir(mode=0o700)
