"""Unpacking of untrusted tar archives: only regular files and folders, only inside the target folder, atomically."""

from __future__ import annotations

import lzma
import os
import shutil
import tarfile
import tempfile
import zlib
from pathlib import Path, PurePosixPath

from ..typing import PathLike

MAX_BYTES, MAX_MEMBERS = 1 << 35, 1_000_000  # 32 GiB; PASCAL VOC and Oxford-IIIT Pet need less than 4 GiB
LONG_HEADER = 1 << 20  # bytes of a name or of pax attributes, which tarfile holds in memory
_HEADERS = (
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
)


class DownloadError(OSError):
    """A download or an archive that is incomplete or damaged; the message says what was received and whether to call again."""


class _Member(tarfile.TarInfo):
    """A member with a valid header; raises where tarfile takes a damaged or missing header for the end of the archive."""

    @classmethod
    def fromtarfile(cls, tar):
        try:
            return super().fromtarfile(tar)
        except tarfile.EOFHeaderError:
            if tar.fileobj.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
                raise tarfile.ReadError("its end marker is missing") from None
            raise
        except tarfile.HeaderError as error:
            raise tarfile.ReadError(f"it is truncated or damaged ({error})") from error

    def _proc_member(self, tar):
        if self.type in _HEADERS and self.size > LONG_HEADER:
            raise tarfile.ReadError(f"a header has {self.size} bytes")
        return super()._proc_member(tar)


def unpack(archive: PathLike, folder: PathLike, member: str) -> Path:
    """Extract a tar archive and put its folder `member` at `folder/member`; return that path.

    Everything is unpacked in a temporary folder next to the target first. An archive that is truncated or damaged, that lacks
    `member`, or that holds links, devices, names outside its folder, or more than 32 GiB, raises DownloadError and leaves
    nothing.
    """
    target = Path(folder) / member
    with tempfile.TemporaryDirectory(prefix=".unpack-", dir=folder) as scratch:
        try:
            with tarfile.open(archive, tarinfo=_Member) as tar:
                _extract(tar, Path(scratch))
                _finish(tar)
        except (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError, RecursionError, ValueError) as error:
            raise DownloadError(f"{archive} cannot be unpacked: {error or type(error).__name__}") from error
        except OSError as error:  # strerror is None for a wrong checksum inside gzip, but not for a full disk
            raise DownloadError(f"{archive} cannot be unpacked: {error.strerror or error}") from error
        came = Path(scratch) / member
        if not came.is_dir():
            raise DownloadError(f"{archive} has no folder {member}")
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.is_dir():
            shutil.copytree(came, target, dirs_exist_ok=True)  # VOC 2007's test set is added to its trainval set
        else:
            os.replace(came, target)
    return target


def _finish(tar):
    """Read to the end of the compressed file, where its checksum is verified."""
    for _ in range(64):
        if not tar.fileobj.read(1 << 20):
            return
    raise tarfile.ReadError("more than 64 MiB follow its end marker")


def _extract(tar, scratch):
    room = min(MAX_BYTES, shutil.disk_usage(scratch).free)
    for number, member in enumerate(tar):
        parts = [
            part for part in PurePosixPath(member.name).parts if part.strip("/")
        ]  # an absolute name is taken as relative to the folder
        if ".." in parts or (os.name == "nt" and set(member.name) & set(":\\")):
            raise tarfile.ReadError(f"member {member.name!r} lies outside its folder")
        if not (member.isdir() or member.type in (tarfile.REGTYPE, tarfile.AREGTYPE)) or member.issparse():
            raise tarfile.ReadError(f"member {member.name!r} is neither a regular file nor a folder")
        room -= member.size
        if room < 0 or number >= MAX_MEMBERS:
            raise tarfile.ReadError(f"it holds more than {MAX_BYTES >> 30} GiB, {MAX_MEMBERS} files, or the free space")
        path = scratch.joinpath(*parts)
        if member.isdir():
            path.mkdir(parents=True, exist_ok=True)
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        with tar.extractfile(member) as source, open(path, "wb") as out:  # the folder contains no links
            shutil.copyfileobj(source, out, 1 << 20)
            if out.tell() != member.size:
                raise tarfile.ReadError(f"member {member.name!r} has {out.tell()} of {member.size} bytes")
