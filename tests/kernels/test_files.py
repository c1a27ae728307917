"""Writing files: all of the new content or all of the old; devices and pipes are not replaced; errors name the file."""

import errno
import io
import os
import stat
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest
from faults import failing, small_disk
from minidl.kernels import files
from minidl.kernels.files import check_writable, write

POSIX = pytest.mark.skipif(os.name != "posix", reason="modes, links and pipes of POSIX systems")


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_bytes_and_text_replace_what_was_there(tmp_path):
    path = tmp_path / "a"
    for content in (b"one", "zwölf", b"", memoryview(b"x" * 100_000)):
        write(path, content)
        assert path.read_bytes() == (content.encode() if isinstance(content, str) else content)
    write(os.fspath(path), "text")
    assert path.read_text() == "text" and names(tmp_path) == ["a"]


@pytest.mark.parametrize("call", ["write", "fsync", "replace"])
@pytest.mark.parametrize("there", [True, False])
def test_a_failure_leaves_the_old_file_and_names_it(tmp_path, monkeypatch, call, there):
    path = tmp_path / "a.txt"
    if there:
        path.write_text("old")
    with failing(monkeypatch, call, errno.ENOSPC), pytest.raises(OSError) as caught:
        write(path, "new" * 1000)
    assert caught.value.errno == errno.ENOSPC and caught.value.filename == str(path)
    assert names(tmp_path) == ["a.txt"] * there
    assert not there or path.read_text() == "old"


def test_an_interrupt_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "a"
    path.write_text("old")

    def interrupt(descriptor):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", interrupt)
        with pytest.raises(KeyboardInterrupt):
            write(path, "new")
    assert path.read_text() == "old" and names(tmp_path) == ["a"]


def test_a_full_disk(tmp_path):
    with small_disk(tmp_path / "disk", 64 * 1024) as disk:
        write(disk / "a", b"o" * 30_000)
        with pytest.raises(OSError) as caught:
            write(disk / "a", b"n" * 60_000)
        assert caught.value.errno == errno.ENOSPC and caught.value.filename == str(disk / "a")
        assert (disk / "a").read_bytes() == b"o" * 30_000 and names(disk) == ["a"]


def test_the_content_is_synced_before_the_rename_and_the_folder_after_it(tmp_path, monkeypatch):
    events = []
    sync, replace = os.fsync, os.replace
    kind = lambda descriptor: "folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file"
    monkeypatch.setattr(os, "fsync", lambda descriptor: (events.append(kind(descriptor)), sync(descriptor)))
    monkeypatch.setattr(os, "replace", lambda a, b: (events.append("rename"), replace(a, b)))
    write(tmp_path / "a", "text")
    assert events == (["file", "rename", "folder"] if os.name == "posix" else ["file", "rename"])


@POSIX
def test_mode_and_owner_stay(tmp_path):
    path = tmp_path / "a"
    before = os.umask(0o027)
    try:
        write(path, "one")
        assert stat.S_IMODE(path.stat().st_mode) == 0o640
        path.chmod(0o604)
        if os.geteuid() == 0:
            os.chown(path, 1234, 4321)
        owner = (path.stat().st_uid, path.stat().st_gid)
        write(path, "two")
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o604 and (path.stat().st_uid, path.stat().st_gid) == owner


@POSIX
def test_a_link_to_a_file_stays_a_link(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real" / "a")
    for text in ("one", "two"):
        write(tmp_path / "link", text)
        assert (tmp_path / "link").is_symlink() and (tmp_path / "real" / "a").read_text() == text


@POSIX
def test_a_planted_link_with_the_temporary_name_is_not_followed(tmp_path, monkeypatch):
    (tmp_path / "victim").write_text("precious")
    tokens = iter([b"a" * 8, b"b" * 8])
    monkeypatch.setattr(os, "urandom", lambda count: next(tokens))
    (tmp_path / f".minidl-{(b'a' * 8).hex()}.part").symlink_to(tmp_path / "victim")
    write(tmp_path / "out", "new")
    assert (tmp_path / "victim").read_text() == "precious" and (tmp_path / "out").read_text() == "new"


@POSIX
def test_a_pipe_is_written_to(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    came = []
    reader = threading.Thread(target=lambda: came.append(pipe.read_bytes()))
    reader.start()
    check_writable(pipe)
    write(pipe, b"x" * 200_000)
    reader.join(timeout=20)
    assert came == [b"x" * 200_000] and stat.S_ISFIFO(pipe.stat().st_mode)


@POSIX
def test_a_device_is_written_to(tmp_path):
    (tmp_path / "null").symlink_to("/dev/null")
    for path in ("/dev/null", tmp_path / "null"):
        check_writable(path)
        write(path, b"gone")
        assert files.is_stream(path) and stat.S_ISCHR(os.stat("/dev/null").st_mode)
    if os.path.exists("/dev/full"):
        with pytest.raises(OSError, match="/dev/full") as caught:
            write("/dev/full", b"x")
        assert caught.value.errno == errno.ENOSPC


@POSIX
@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/fd/1", "link"])
@pytest.mark.parametrize("append", [True, False])
def test_standard_output_keeps_its_order_also_in_a_file(tmp_path, name, append):
    if name == "link":
        name = os.fspath(tmp_path / "link")
        os.symlink("/dev/stdout", name)
    code = f"from minidl.kernels.files import write; print('before'); write({name!r}, b'bytes\\n'); print('after')"
    out = tmp_path / "out"
    out.write_text("first\n")
    with open(out, "a" if append else "w") as file:
        subprocess.run([sys.executable, "-c", code], stdout=file, check=True)
    assert out.read_text() == "first\n" * append + "before\nbytes\nafter\n"
    piped = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert piped.stdout == "before\nbytes\nafter\n"


@POSIX
def test_what_a_killed_process_left_goes_with_the_next_write_and_what_another_writes_stays(tmp_path, monkeypatch):
    import fcntl

    left, busy = (tmp_path / f".minidl-{letter * 16}.part" for letter in "ab")
    left.write_text("half")
    monkeypatch.setattr(files, "_swept", set())
    with open(busy, "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        write(tmp_path / "a", "text")
        assert names(tmp_path) == [busy.name, "a"]


def test_a_missing_folder_a_folder_and_a_file_as_folder(tmp_path):
    (tmp_path / "file").write_text("")
    for path, kind in [
        (tmp_path / "no" / "a", FileNotFoundError),
        (tmp_path, IsADirectoryError),
        (tmp_path / "file" / "a", NotADirectoryError),
    ]:
        for refuse in (check_writable, lambda path: write(path, "x")):
            with pytest.raises((kind, FileNotFoundError)) as caught:
                refuse(path)
            assert caught.value.filename == str(path)
    assert names(tmp_path) == ["file"]


@POSIX
def test_a_read_only_file_or_folder_is_refused_before_the_work():
    code = """
import os, sys
from minidl.kernels.files import check_writable, write
if os.geteuid() == 0:
    os.setuid(65534)  # root may write everywhere
for path in sys.argv[1:]:
    for call in (check_writable, lambda p: write(p, "new")):
        try:
            call(path)
        except PermissionError as error:
            print(error.filename)
"""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o777)
        (folder / "shut").mkdir()
        (folder / "a").write_text("old")
        (folder / "a").chmod(0o444)
        (folder / "shut").chmod(0o555)
        paths = [str(folder / "a"), str(folder / "shut" / "b")]
        done = subprocess.run([sys.executable, "-c", code, *paths], capture_output=True, text=True, check=True)
        (folder / "shut").chmod(0o777)
    assert done.stdout.split() == [paths[0]] * 2 + [paths[1]] * 2


def test_eight_writers_of_one_file_leave_one_whole_content(tmp_path):
    path = tmp_path / "a"
    contents = [bytes([k]) * 50_000 for k in range(8)]
    threads = [threading.Thread(target=lambda c=c: [write(path, c) for _ in range(5)]) for c in contents]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        assert not path.exists() or path.read_bytes() in contents
    for thread in threads:
        thread.join()
    assert path.read_bytes() in contents and names(tmp_path) == ["a"]


def test_every_picture_format_is_whole_or_not_there(tmp_path, monkeypatch):
    import numpy as np
    from PIL import Image

    from minidl.data.image import write_image

    picture = np.random.default_rng(0).integers(0, 255, (64, 64, 3)).astype(np.uint8)
    for ending in ("png", "jpg", "bmp", "tif", "webp", "gif"):
        path = tmp_path / f"a.{ending}"
        write_image(path, picture)
        old = path.read_bytes()
        assert Image.open(io.BytesIO(old)).size == (64, 64)
        with failing(monkeypatch, "write", errno.ENOSPC), pytest.raises(OSError, match=path.name):
            write_image(path, 255 - picture)
        assert path.read_bytes() == old
    with pytest.raises(ValueError, match=r"a\.nothing"):
        write_image(tmp_path / "a.nothing", picture)
    if os.name == "posix":
        write_image("/dev/null", picture)
