"""Downloads that resume, are verified before they count, and unpack nowhere but where they should."""

from __future__ import annotations

import os
import shutil
import tarfile
import tempfile
import zlib
from pathlib import Path

from ..typing import PathLike


class DownloadError(OSError):
    """A download or an archive that did not arrive whole; the message says what came and whether to call again."""


def _transfer(url, part, quiet):
    """Append to the file `part` what is still missing of `url`."""
    import requests
    from tqdm import tqdm

    start = part.stat().st_size if part.exists() else 0
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
    with requests.get(url, headers=headers, stream=True, timeout=30) as answer:
        if answer.status_code == 416 and start:
            return  # nothing lies beyond what we have: the checksum will tell whether it is right
        answer.raise_for_status()
        if answer.status_code != 206:
            start = 0  # this server sends the whole file, whatever was asked
        total = start + int(answer.headers["Content-Length"]) if "Content-Length" in answer.headers else None
        disable = True if quiet else None  # None: a bar on a terminal only
        bar = tqdm(desc=part.stem, total=total, initial=start, unit="B", unit_scale=True, disable=disable)
        try:
            with bar, open(part, "ab" if start else "wb") as out:
                for block in answer.iter_content(1 << 16):
                    out.write(block)
                    bar.update(len(block))
        except requests.RequestException as error:
            raise DownloadError(
                f"{url} stopped at {part.stat().st_size} of {total or 'unknown'} bytes ({error}); call again to resume"
            ) from error
    if total is not None and part.stat().st_size != total:
        raise DownloadError(f"{url} stopped at {part.stat().st_size} of {total} bytes; call again to resume")


def fetch(url: str, path: PathLike, checksum: str, quiet: bool = False) -> Path:
    """Have at `path` the file that `url` serves and `checksum` ("md5:..." or "sha256:...") describes; return the path.

    A file already there with that checksum is left alone. Otherwise bytes collect in `path.part`, from where a later
    call resumes; only a file whose checksum is right is moved to `path`. Raises DownloadError for a refused or
    interrupted transfer (resumable) and for a wrong checksum (what came is deleted).
    """
    import pooch
    import requests

    path = Path(path)
    part = path.with_name(path.name + ".part")
    pooch.get_logger().setLevel("WARNING")  # tqdm reports

    def downloader(url, output, _):
        _transfer(url, part, quiet)
        os.replace(part, output)  # pooch verifies `output` and only then moves it to `path`

    try:
        pooch.retrieve(url, checksum, fname=path.name, path=path.parent, downloader=downloader)
    except requests.RequestException as error:
        raise DownloadError(f"{url}: {error}") from error
    except ValueError as error:
        raise DownloadError(f"{url}: wrong checksum, deleted what came. {error}") from error
    return path


def unpack(archive: PathLike, folder: PathLike, member: str) -> Path:
    """Extract a tar archive and put its folder `member` at `folder/member`; return that path.

    Everything is unpacked in a temporary neighbour first: an archive that is truncated or broken, that lacks `member`
    or that reaches outside its folder (by "..", by links) or holds devices raises DownloadError and leaves nothing.
    """
    if not hasattr(tarfile, "data_filter"):
        raise RuntimeError(
            "unpack: this Python cannot unpack safely (no tarfile.data_filter); 3.11.4 or newer is needed"
        )
    target = Path(folder) / member
    with tempfile.TemporaryDirectory(prefix=".unpack-", dir=folder) as scratch:
        try:
            with tarfile.open(archive) as tar:
                tar.extractall(scratch, filter="data")
        except (tarfile.TarError, EOFError, zlib.error) as error:
            raise DownloadError(f"{archive} cannot be unpacked: {error or type(error).__name__}") from error
        came = Path(scratch) / member
        if not came.is_dir():
            raise DownloadError(f"{archive} has no folder {member}")
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.is_dir():
            shutil.copytree(came, target, dirs_exist_ok=True)  # VOC 2007's test set joins its trainval
        else:
            os.replace(came, target)
    return target
