"""Downloads that can be resumed, and are verified by a checksum."""

from __future__ import annotations

import os
import time
from pathlib import Path

from ..kernels.files import sync_folder
from ..typing import PathLike
from .archive import MAX_BYTES, DownloadError

PATIENCE, MIN_RATE = 60.0, 1000.0  # seconds over which a server must send at least MIN_RATE bytes per second


def _transfer(url, part, quiet):
    """Append the missing bytes of `url` to the file `part`."""
    import requests
    import urllib3
    from tqdm import tqdm

    start = part.stat().st_size if part.exists() else 0
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
    with requests.get(url, headers=headers, stream=True, timeout=30) as answer:
        if answer.status_code == 416 and start:
            return  # the file is complete; the caller verifies its checksum
        answer.raise_for_status()
        if answer.status_code != 206:
            start = 0  # the server ignores the requested range and sends the whole file
        total = start + int(answer.headers["Content-Length"]) if "Content-Length" in answer.headers else None
        disable = True if quiet else None  # None: a bar on a terminal only
        bar = tqdm(desc=part.stem, total=total, initial=start, unit="B", unit_scale=True, disable=disable)
        flags = os.O_WRONLY | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | (os.O_APPEND if start else os.O_TRUNC)
        try:
            with bar, os.fdopen(os.open(part, flags | getattr(os, "O_BINARY", 0), 0o666), "wb") as out:
                for block in _blocks(answer.raw, url):
                    out.write(block)
                    bar.update(len(block))
                    if out.tell() > MAX_BYTES:
                        raise DownloadError(
                            f"{url} sends more than {MAX_BYTES >> 30} GiB, more than any file that minidl downloads"
                        )
                out.flush()
                os.fsync(out.fileno())
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            raise DownloadError(
                f"{url} stopped at {part.stat().st_size} of {total or 'unknown'} bytes ({error}); call again to resume"
            ) from error
    if total is not None and part.stat().st_size != total:
        raise DownloadError(f"{url} stopped at {part.stat().st_size} of {total} bytes; call again to resume")


def _blocks(raw, url):
    """Blocks of bytes as they arrive; raises DownloadError where the server sends less than MIN_RATE over PATIENCE."""
    came, since = 0, time.monotonic()
    while block := raw.read1(1 << 16):
        yield block
        came += len(block)
        waited = time.monotonic() - since
        if waited > PATIENCE:
            if came < MIN_RATE * waited:
                raise DownloadError(f"{url} sent {came} bytes in {waited:.0f} s; call again to resume")
            came, since = 0, time.monotonic()


def fetch(url: str, path: PathLike, checksum: str, quiet: bool = False) -> Path:
    """Download `url` to `path`, verified by `checksum` ("md5:..." or "sha256:..."); return the path.

    The first digits of a SHA-256 are enough. An existing file with that checksum is kept. Otherwise bytes are written to
    `path.part`, from which a later call resumes, and only a verified file is moved to `path`. Raises DownloadError for a
    refused or interrupted transfer (resumable) and for a wrong checksum (the received bytes are deleted).
    """
    import pooch
    import requests

    path = Path(path)
    part = path.with_name(path.name + ".part")
    pooch.get_logger().setLevel("WARNING")  # tqdm reports
    kind, _, digits = checksum.partition(":")
    known = None if kind == "sha256" and len(digits) < 64 else checksum  # None: checked here, by its first digits
    if known is None and path.is_file() and not pooch.file_hash(path).startswith(digits):
        path.unlink()

    def downloader(url, output, _):
        _transfer(url, part, quiet)
        if known is None and not (found := pooch.file_hash(part)).startswith(digits):
            part.unlink()
            raise ValueError(f"SHA-256 is {found}; needed one that begins with {digits}")
        os.replace(part, output)  # pooch verifies `output` before it moves it to `path`

    try:
        pooch.retrieve(url, known, fname=path.name, path=path.parent, downloader=downloader)
    except requests.RequestException as error:
        raise DownloadError(f"{url}: {error}") from error
    except ValueError as error:
        raise DownloadError(f"{url}: wrong checksum; the received file is deleted. {error}") from error
    sync_folder(path.parent)
    return path
