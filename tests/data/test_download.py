"""Downloads from a faulty server on loopback: no incomplete or wrong file is left under the final name."""

import gzip
import hashlib
import io
import itertools
import os
import re
import tarfile
from pathlib import Path

import numpy as np
import pytest
from loopback import loopback  # noqa: F401
from PIL import Image

from minidl.data import (
    CamVid,
    DownloadError,
    OxfordIIITPet,
    VOCSegmentation,
    archive,
    camvid,
    download,
    fetch,
    pets,
    unpack,
    voc,
)

pytest.importorskip("pooch")
BODY = np.random.default_rng(0).bytes(1_000_000)
DIGEST = "sha256:" + hashlib.sha256(BODY).hexdigest()


@pytest.fixture
def server(loopback):  # noqa: F811
    loopback.files["/a.bin"] = BODY
    return loopback


def names(folder):
    return sorted(path.name for path in Path(folder).iterdir())


def test_a_good_download_arrives_once(server, tmp_path):
    path = fetch(f"{server.url}/a.bin", tmp_path / "new" / "b.bin", DIGEST)
    assert path == tmp_path / "new" / "b.bin" and path.read_bytes() == BODY and names(path.parent) == ["b.bin"]
    fetch(f"{server.url}/a.bin", path, DIGEST)
    assert len(server.asked) == 1  # the second call found it whole


def test_a_damaged_file_is_fetched_again(server, tmp_path):
    (tmp_path / "a.bin").write_bytes(BODY[:-1] + b"!")
    assert fetch(f"{server.url}/a.bin", tmp_path / "a.bin", DIGEST).read_bytes() == BODY


def test_the_first_digits_of_a_sha256_are_enough(server, tmp_path):
    first = DIGEST[: len("sha256:") + 8]
    path = fetch(f"{server.url}/a.bin", tmp_path / "a.bin", first)
    fetch(f"{server.url}/a.bin", path, first)
    assert path.read_bytes() == BODY and len(server.asked) == 1
    path.write_bytes(b"damaged")
    assert fetch(f"{server.url}/a.bin", path, first).read_bytes() == BODY and len(server.asked) == 2
    with pytest.raises(DownloadError, match=r"wrong checksum; the received file is deleted.*begins with 00000000"):
        fetch(f"{server.url}/a.bin", tmp_path / "b.bin", "sha256:00000000")
    assert names(tmp_path) == ["a.bin"]


def test_md5_works_too(server, tmp_path):
    digest = "md5:" + hashlib.md5(BODY).hexdigest()
    assert fetch(f"{server.url}/a.bin", tmp_path / "a.bin", digest).read_bytes() == BODY


def test_a_wrong_checksum_leaves_nothing(server, tmp_path):
    with pytest.raises(DownloadError, match=r"a\.bin: wrong checksum; the received file is deleted"):
        fetch(f"{server.url}/a.bin", tmp_path / "a.bin", "sha256:" + "0" * 64)
    assert names(tmp_path) == []


@pytest.mark.parametrize("ranges", [True, False])
def test_a_truncated_transfer_says_so_and_resumes(server, tmp_path, ranges):
    server.cuts, server.ranges = 2, ranges
    came = []
    for _ in range(2):
        with pytest.raises(
            DownloadError, match=r"a\.bin stopped at \d+ of 1000000 bytes.*call again to resume"
        ) as caught:
            fetch(f"{server.url}/a.bin", tmp_path / "a.bin", DIGEST)
        assert names(tmp_path) == ["a.bin.part"]
        came.append(int(re.search(r"stopped at (\d+)", str(caught.value))[1]))
    assert 400_000 < came[0] <= 500_000
    assert 600_000 < came[1] <= 750_000 if ranges else came[1] == came[0]
    assert fetch(f"{server.url}/a.bin", tmp_path / "a.bin", DIGEST).read_bytes() == BODY
    assert [asked for _, asked in server.asked] == [None, f"bytes={came[0]}-", f"bytes={came[1]}-"]
    assert names(tmp_path) == ["a.bin"]


def test_a_part_that_was_complete_only_needs_its_checksum(server, tmp_path):
    (tmp_path / "a.bin.part").write_bytes(BODY)
    assert fetch(f"{server.url}/a.bin", tmp_path / "a.bin", DIGEST).read_bytes() == BODY


def test_a_wrong_part_is_thrown_away_and_the_next_call_succeeds(server, tmp_path):
    (tmp_path / "a.bin.part").write_bytes(b"from another file")
    with pytest.raises(DownloadError, match="wrong checksum"):
        fetch(f"{server.url}/a.bin", tmp_path / "a.bin", DIGEST)
    assert names(tmp_path) == []
    assert fetch(f"{server.url}/a.bin", tmp_path / "a.bin", DIGEST).read_bytes() == BODY


def test_not_found_and_no_server(server, tmp_path):
    with pytest.raises(DownloadError, match=r"none\.bin: 404"):
        fetch(f"{server.url}/none.bin", tmp_path / "none.bin", DIGEST)
    with pytest.raises(DownloadError, match=r"http://127\.0\.0\.1:9/x"):
        fetch("http://127.0.0.1:9/x", tmp_path / "x", DIGEST)
    assert names(tmp_path) == []


def test_an_interrupt_leaves_a_part_to_resume_from(server, tmp_path, monkeypatch):
    blocks = download._blocks

    def interrupted(raw, url):
        yield from itertools.islice(blocks(raw, url), 2)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(download, "_blocks", interrupted)
        with pytest.raises(KeyboardInterrupt):
            fetch(f"{server.url}/a.bin", tmp_path / "a.bin", DIGEST)
    assert names(tmp_path) == ["a.bin.part"]
    assert fetch(f"{server.url}/a.bin", tmp_path / "a.bin", DIGEST).read_bytes() == BODY
    assert re.fullmatch(r"bytes=[1-9]\d*-", server.asked[1][1])


def test_a_dripping_server_is_given_up_and_resumed(server, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "PATIENCE", 0.5)
    server.drip = True
    with pytest.raises(DownloadError, match=r"sent \d+ bytes in \d+ s; call again to resume"):
        fetch(f"{server.url}/a.bin", tmp_path / "a.bin", DIGEST)
    server.drip = False
    assert names(tmp_path) == ["a.bin.part"]
    assert fetch(f"{server.url}/a.bin", tmp_path / "a.bin", DIGEST).read_bytes() == BODY


def test_an_endless_server_is_given_up(server, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "MAX_BYTES", 500_000)
    with pytest.raises(DownloadError, match="sends more than"):
        fetch(f"{server.url}/a.bin", tmp_path / "a.bin", DIGEST)


@pytest.mark.skipif(os.name != "posix", reason="links of POSIX systems")
def test_a_planted_link_as_part_is_not_followed(server, tmp_path):
    (tmp_path / "victim").write_text("precious")
    (tmp_path / "a.bin.part").symlink_to(tmp_path / "victim")
    with pytest.raises(OSError, match=r"a\.bin\.part"):
        fetch(f"{server.url}/a.bin", tmp_path / "a.bin", DIGEST)
    assert (tmp_path / "victim").read_text() == "precious"


def tar(path, files, mode="w:gz", extra=()):
    with tarfile.open(path, mode) as file:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            file.addfile(info, io.BytesIO(data))
        for info in extra:
            file.addfile(info)
    return path


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2"])
def test_unpack(tmp_path, mode):
    file = tar(tmp_path / "x.tar", {"kit/set/a.txt": b"a", "kit/set/deep/b.txt": b"b", "other/c": b"c"}, mode)
    target = unpack(file, tmp_path, "kit/set")
    assert target == tmp_path / "kit" / "set" and (target / "deep" / "b.txt").read_bytes() == b"b"
    assert names(tmp_path) == ["kit", "x.tar"]
    tar(file, {"kit/set/d.txt": b"d"}, mode)
    unpack(file, tmp_path, "kit/set")  # joins what is there
    assert names(target) == ["a.txt", "d.txt", "deep"]


def link(name, target, kind):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


ESCAPES = {
    "dots": ({"kit/../../escaped.txt": b"!"}, []),
    "link out": ({}, [link("kit/out", "../../..", tarfile.SYMTYPE)]),
    "absolute link": ({}, [link("kit/out", "/etc", tarfile.SYMTYPE)]),
    "hard link": ({}, [link("kit/out", "../../secret", tarfile.LNKTYPE)]),
    "sparse": ({}, [link("kit/sparse", "", tarfile.GNUTYPE_SPARSE)]),
    "pipe": ({}, [link("kit/pipe", "", tarfile.FIFOTYPE)]),
    "link inside, then through it": ({}, [link("kit/d", "..", tarfile.SYMTYPE), link("kit/d/x", "", tarfile.DIRTYPE)]),
    "device": ({}, [link("kit/null", "", tarfile.CHRTYPE)]),
}


@pytest.mark.parametrize("kind", ESCAPES)
def test_an_archive_that_escapes_is_refused_and_leaves_nothing(tmp_path, kind):
    inner = tmp_path / "inner"
    inner.mkdir()
    (tmp_path / "secret").write_text("secret")
    files, extra = ESCAPES[kind]
    file = tar(inner / "evil.tar.gz", {"kit/fine.txt": b"fine"} | files, extra=extra)
    with pytest.raises(DownloadError, match=r"evil\.tar\.gz cannot be unpacked"):
        unpack(file, inner, "kit")
    assert names(tmp_path) == ["inner", "secret"] and names(inner) == ["evil.tar.gz"]


def test_an_absolute_name_stays_inside(tmp_path):
    outside = tmp_path / "outside.txt"
    file = tar(tmp_path / "x.tar", {"kit/a": b"a", os.fspath(outside): b"!"})
    unpack(file, tmp_path, "kit")
    assert not outside.exists()


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_a_truncated_archive_is_refused_and_leaves_nothing(tmp_path, mode, share):
    file = tar(tmp_path / "x.tar", {"kit/a": BODY[:300_000], "kit/b": BODY[300_000:600_000]}, mode)
    file.write_bytes(file.read_bytes()[: int(file.stat().st_size * share)])
    with pytest.raises(DownloadError, match=r"x\.tar cannot be unpacked"):
        unpack(file, tmp_path, "kit")
    assert names(tmp_path) == ["x.tar"]


def test_an_archive_without_the_folder(tmp_path):
    with pytest.raises(DownloadError, match="has no folder kit"):
        unpack(tar(tmp_path / "x.tar", {"other/a": b"a"}), tmp_path, "kit")


@pytest.mark.parametrize("mode", ["w", "w:gz"])
@pytest.mark.parametrize("blocks", [1, 2, 20])
def test_an_archive_without_its_end_is_refused(tmp_path, mode, blocks):
    whole = tar(tmp_path / "whole.tar", {"kit/a": b"a" * 512, "kit/b": b"b"}, "w").read_bytes()
    cut = whole.rstrip(b"\0")
    cut += bytes(-len(cut) % 512)  # all members are there; one zero block is not an end either
    cut += bytes(512) if blocks == 1 else b""
    cut = cut[: -512 * (blocks // 2)] if blocks == 2 else cut
    (tmp_path / "x.tar").write_bytes(gzip.compress(cut) if mode == "w:gz" else cut)
    with pytest.raises(DownloadError, match=r"x\.tar cannot be unpacked"):
        unpack(tmp_path / "x.tar", tmp_path, "kit")
    assert names(tmp_path) == ["whole.tar", "x.tar"]


def test_sizes_are_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "MAX_BYTES", 1000)
    with pytest.raises(DownloadError, match="holds more than"):
        unpack(tar(tmp_path / "x.tar.gz", {"kit/a": bytes(600), "kit/b": bytes(600)}), tmp_path, "kit")
    huge = tarfile.TarInfo("kit/c")
    huge.pax_headers = {"comment": "x" * (2 << 20)}
    with tarfile.open(tmp_path / "y.tar.gz", "w:gz", format=tarfile.PAX_FORMAT) as file:
        file.addfile(huge)
    with pytest.raises(DownloadError, match="a header has"):
        unpack(tmp_path / "y.tar.gz", tmp_path, "kit")


def png(array):
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, "PNG")
    return buffer.getvalue()


IMAGE, MASK = png(np.full((4, 5, 3), 9, np.uint8)), png(np.ones((4, 5), np.uint8))


def test_voc_downloads_checks_and_unpacks(server, tmp_path, monkeypatch):
    base = "VOCdevkit/VOC2012"
    files = {f"{base}/JPEGImages/a.jpg": IMAGE, f"{base}/SegmentationClass/a.png": MASK}
    files[f"{base}/ImageSets/Segmentation/train.txt"] = b"a\n"
    data = tar(tmp_path / "made.tar", files, "w").read_bytes()
    server.files["/voc2012/VOCtrainval_11-May-2012.tar"] = data
    monkeypatch.setattr(voc, "BASE", server.url)
    root = tmp_path / "root"
    with pytest.raises(DownloadError, match="wrong checksum"):  # of the real set, which this is not
        VOCSegmentation(root, download=True)
    monkeypatch.setitem(voc.ARCHIVES, "2012", (*voc.ARCHIVES["2012"][:1], hashlib.md5(data).hexdigest(), base))
    ds = VOCSegmentation(root, download=True)
    assert len(ds) == 1 and ds[0][1].tolist() == [[1] * 5] * 4
    asked = len(server.asked)
    VOCSegmentation(root, download=True)
    assert len(server.asked) == asked


def test_pets_download(server, tmp_path, monkeypatch):
    archives = {
        "images": {"images/cat_1.jpg": IMAGE},
        "annotations": {"annotations/trimaps/cat_1.png": MASK, "annotations/test.txt": b"cat_1 1 1 1\n"},
    }
    for name, files in archives.items():
        data = server.files[f"/{name}.tar.gz"] = tar(tmp_path / "made.tar.gz", files).read_bytes()
        monkeypatch.setitem(pets.ARCHIVES, name, hashlib.md5(data).hexdigest())
    monkeypatch.setattr(pets, "BASE", server.url)
    ds = OxfordIIITPet(tmp_path / "root", "test", download=True)
    assert len(ds) == 1 and ds[0][1].tolist() == [[1] * 5] * 4


def test_camvid_download_resumes_file_by_file(server, tmp_path, monkeypatch):
    monkeypatch.setattr(camvid, "BASE", server.url)
    wanted = {}
    for i in range(12):
        for folder, data in (("val", IMAGE), ("valannot", MASK)):
            wanted[f"CamVid/{folder}/{i}.png"] = hashlib.sha256(data).hexdigest()
            server.files[f"/CamVid/{folder}/{i}.png"] = data
    monkeypatch.setattr(camvid, "checksums", lambda split: wanted)
    lost = server.files.pop("/CamVid/val/7.png")
    with pytest.raises(DownloadError, match=r"CamVid/val/7\.png: 404"):
        CamVid(tmp_path, "val", download=True)
    server.files["/CamVid/val/7.png"] = lost + b"tampered"
    with pytest.raises(DownloadError, match=r"7\.png: wrong checksum"):
        CamVid(tmp_path, "val", download=True)
    server.files["/CamVid/val/7.png"] = lost
    assert len(CamVid(tmp_path, "val", download=True)) == 12
    asked = len(server.asked)
    assert CamVid(tmp_path, "val", download=True)[11][1].shape == (4, 5) and len(server.asked) == asked


def test_camvids_addresses_are_pinned_to_a_commit():
    assert re.search(r"/[0-9a-f]{40}$", camvid.BASE)
    assert download.fetch is camvid.fetch
