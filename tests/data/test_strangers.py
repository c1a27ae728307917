"""Untrusted files: every file is read correctly or rejected with its name; nothing is executed, nothing hangs."""

import contextlib
import gzip
import io
import json
import os
import random
import signal
import struct
import tarfile
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image

from minidl.backend.reading import read_json, read_npy
from minidl.data import BrokenImageError, CocoInstances, DownloadError, unpack
from minidl.data.image import read_image, read_mask
from minidl.data.picture import FORMATS
from minidl.train import checkpoint

POSIX = pytest.mark.skipif(os.name != "posix", reason="pipes and alarms of POSIX systems")
MASK = np.random.default_rng(0).integers(0, 5, (40, 50)).astype(np.uint8)
PHOTO = np.random.default_rng(1).integers(0, 256, (40, 50, 3)).astype(np.uint8)


@contextlib.contextmanager
def at_most(seconds):
    """Inside, more than so many seconds are an error."""

    def late(*_):
        raise AssertionError(f"no end after {seconds} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def encoded(array, kind, **options):
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, kind, **options)
    return buffer.getvalue()


def test_other_formats_are_not_opened(tmp_path):
    path = tmp_path / "x.png"
    proof = tmp_path / "proof"
    path.write_bytes(
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\n"
        + f"({proof}) (w) file closefile\nshowpage\n".encode()
    )
    for kind in ("PCX", "ICO", "TGA", None):
        if kind:
            path.write_bytes(encoded(MASK, kind))
        for read in (read_image, read_mask):
            with pytest.raises(BrokenImageError, match=rf"x\.png .*none of {', '.join(FORMATS)}"):
                read(path)
    assert not proof.exists()


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP", "GIF"])
def test_too_many_pixels_are_refused_by_name_under_one_limit(tmp_path, monkeypatch, kind):
    path = tmp_path / f"bomb.{kind.lower()}"
    path.write_bytes(encoded(MASK, kind))
    assert read_image(path).shape == (40, 50, 3)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1500)  # 2000 pixels: more than Pillow's warning, less than its error
    assert read_image(path).shape == (40, 50, 3)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 999)
    for read in (read_image, read_mask):
        with pytest.raises(BrokenImageError, match=path.name):
            read(path)


def test_every_flipped_bit_of_a_mask_is_noticed(tmp_path):
    path = tmp_path / "mask.png"
    good = encoded(MASK, "PNG")
    for position in range(8, len(good)):
        bad = bytearray(good)
        bad[position] ^= 1 << position % 8
        path.write_bytes(bad)
        try:
            labels = read_mask(path)
        except BrokenImageError as error:
            assert path.name in str(error)
        else:
            assert np.array_equal(labels, MASK), position  # such as a bit of the last block's checksum
    for length in range(len(good) - 12):
        path.write_bytes(good[:length])
        with pytest.raises(BrokenImageError, match=r"mask\.png"):
            read_mask(path)


def test_a_block_with_a_wrong_checksum_is_refused(tmp_path):
    path = tmp_path / "mask.png"
    good = encoded(MASK, "PNG")
    other = encoded((MASK + 1) % 5, "PNG")
    start = good.index(b"IDAT")
    (length,) = struct.unpack(">I", good[start - 4 : start])
    begin = other.index(b"IDAT")
    (count,) = struct.unpack(">I", other[begin - 4 : begin])
    block = struct.pack(">I", count) + other[begin : begin + 4 + count] + good[start + 4 + length : start + 8 + length]
    path.write_bytes(good[: start - 4] + block + good[start + 8 + length :])
    with pytest.raises(BrokenImageError, match=r"mask\.png"):
        read_mask(path)


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
def test_a_truncated_photograph_is_refused(tmp_path, share):
    path = tmp_path / "photo.jpg"
    good = encoded(PHOTO, "JPEG")
    path.write_bytes(good[: int(len(good) * share)])
    with pytest.raises(BrokenImageError, match=r"photo\.jpg"):
        read_image(path)


@POSIX
def test_a_pipe_as_input_is_refused_at_once(tmp_path):
    path = tmp_path / "pipe.png"
    os.mkfifo(path)
    for read in (read_image, read_mask, read_json, read_npy, checkpoint.load):
        with at_most(10), pytest.raises(ValueError, match=r"pipe\.png is a pipe or a device"):
            read(path)


def test_json_errors_name_the_file(tmp_path):
    path = tmp_path / "x.json"
    for content in (b"", b"{", b"\xff\xfe", b"[" * 1_000_000, b'{"a":' * 1_000_000, b"nul"):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"x\.json"):
            read_json(path)


def test_arrays_are_whole_and_of_numbers(tmp_path):
    path = tmp_path / "x.npy"
    np.save(path, PHOTO.transpose(2, 0, 1))
    assert np.array_equal(read_npy(path), PHOTO.transpose(2, 0, 1))
    good = path.read_bytes()
    huge = good.replace(b"(3, 40, 50)", b"(9999999,)  "[:11])
    np.save(path, np.array([{}]), allow_pickle=True)
    pickled = path.read_bytes()
    for content in (
        b"",
        good[:-1],
        good + b"x",
        huge,
        pickled,
        b"PK\x03\x04" + bytes(50),
        good[:6] + b"\x09\x00" + good[8:],
    ):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"x\.npy is not a \.npy array"):
            read_npy(path)


@pytest.mark.parametrize("name", ["../secret.png", "/etc/hostname", "a/../../secret.png", ".."])
def test_images_of_coco_lie_inside_their_root(tmp_path, name):
    (tmp_path / "root").mkdir()
    Image.fromarray(MASK).save(tmp_path / "secret.png")
    image = {"id": 1, "file_name": name, "height": 40, "width": 50}
    content = {"images": [image], "annotations": [], "categories": [{"id": 1, "name": "a"}]}
    (tmp_path / "x.json").write_text(json.dumps(content))
    with pytest.raises(ValueError, match=r"x\.json: file_name of images outside"):
        CocoInstances(tmp_path / "root", tmp_path / "x.json")


def test_names_are_printed_without_escape_sequences():
    from minidl.commands import printable

    assert printable("\x1b]0;owned\x07car\u202e\ud800") == "\\x1b]0;owned\\x07car\\u202e\\ud800"
    assert printable("Straße, 道路") == "Straße, 道路"


def mutated(content, luck):
    """The content with a few bytes flipped, cut out, doubled, or replaced by extreme values."""
    bad = bytearray(content)
    for _ in range(luck.choice((1, 1, 2, 8))):
        at = luck.randrange(max(1, len(bad)))
        kind = luck.randrange(5)
        if kind == 0:
            bad[at : at + 1] = bytes([luck.randrange(256)])
        elif kind == 1:
            del bad[at : at + luck.choice((1, 4, 100, len(bad)))]
        elif kind == 2:
            bad[at:at] = bad[at : at + luck.choice((1, 4, 100))]
        elif kind == 3:
            bad[at : at + 4] = luck.choice((b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff", b"[[[[", b"9999"))
        else:
            bad[at : at + 1] = bytes([bad[at] ^ 1 << luck.randrange(8)]) if bad else b""
    return bytes(bad)


def checkpoint_bytes(folder):
    checkpoint.save(
        folder / "c", {"w": np.arange(50, dtype=np.float32)}, state={"a": [1, {"b": np.ones(3)}], "c": (1, 2)}
    )
    return (folder / "c").read_bytes()


def tar_bytes(folder):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as file:
        for k in range(3):
            info = tarfile.TarInfo(f"kit/{k}")
            info.size = 700
            file.addfile(info, io.BytesIO(bytes([k]) * 700))
    return buffer.getvalue()


def coco_bytes(folder):
    Image.fromarray(PHOTO).save(folder / "a.png")
    square = {"segmentation": [[5, 5, 20, 5, 20, 20, 5, 20]], "bbox": [5, 5, 15, 15], "area": 225, "iscrowd": 0}
    rows = [{"id": 1, "image_id": 1, "category_id": 7} | square]
    images = [{"id": 1, "file_name": "a.png", "height": 40, "width": 50}]
    return json.dumps({"images": images, "annotations": rows, "categories": [{"id": 7, "name": "car"}]}).encode()


def npy_bytes(folder):
    buffer = io.BytesIO()
    np.save(buffer, PHOTO)
    return buffer.getvalue()


# name: (content, how it is read, whether a checksum makes every wrong result an error)
KINDS = {
    "png": (lambda folder: encoded(MASK, "PNG"), read_mask, True),
    "jpg": (lambda folder: encoded(PHOTO, "JPEG"), read_image, False),
    "bmp": (lambda folder: encoded(PHOTO, "BMP"), read_image, False),
    "tif": (lambda folder: encoded(PHOTO, "TIFF", compression="tiff_lzw"), read_image, False),
    "webp": (lambda folder: encoded(PHOTO, "WEBP"), read_image, False),
    "gif": (lambda folder: encoded(MASK, "GIF"), read_image, False),
    "ppm": (lambda folder: encoded(PHOTO, "PPM"), read_image, False),
    "safetensors": (checkpoint_bytes, checkpoint.load, True),
    "npy": (npy_bytes, read_npy, False),
    "json": (coco_bytes, lambda path: CocoInstances(path.parent, path)[0], False),
    "tar.gz": (tar_bytes, lambda path: unpack(path, path.parent / "out", "kit"), True),
}


def trial(folder, kind, content, luck, expected):
    """Read one mutation: right, or refused with an error that names the file."""
    path = folder / f"mutant.{kind}"
    path.write_bytes(mutated(content, luck))
    _, read, checked = KINDS[kind]
    with at_most(20), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Pillow, about tags that it repairs
        try:
            result = read(path)
        except (ValueError, FileNotFoundError, DownloadError) as error:
            assert path.name in str(error) or "a.png" in str(error), repr(error)
            return "refused"
    if checked:
        assert plain(result) == expected
    return "read"


def plain(result):
    """What was read, as bytes and text that can be compared."""
    if isinstance(result, os.PathLike):
        return {path.name: path.read_bytes() for path in sorted(result.iterdir())}
    if isinstance(result, np.ndarray):
        return (result.shape, result.tobytes())
    return str(result)


def trials(tmp_path, kind, count):
    make, read, _ = KINDS[kind]
    (tmp_path / "out").mkdir()
    content = make(tmp_path)
    path = tmp_path / f"good.{kind}"
    path.write_bytes(content)
    expected = plain(read(path))
    luck = random.Random(kind)
    outcomes = []
    for _ in range(count):
        outcomes.append(trial(tmp_path, kind, content, luck, expected))
        for left in (tmp_path / "out" / "kit").glob("*"):
            left.unlink()
    return outcomes


@POSIX
@pytest.mark.parametrize("kind", KINDS)
def test_mutated_files(tmp_path, kind):
    assert "refused" in trials(tmp_path, kind, 25) or kind in ("jpg", "bmp", "ppm", "gif")


@POSIX
@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_four_hundred_mutated_files(tmp_path, kind):
    outcomes = trials(tmp_path, kind, 400)
    print(f"{kind}: {outcomes.count('refused')} of 400 refused, {outcomes.count('read')} read")


def test_a_damaged_table_of_digits_names_the_file(tmp_path, monkeypatch):
    from importlib.machinery import ModuleSpec

    from minidl.data import glyphs

    folder = tmp_path / "datasets" / "data"
    folder.mkdir(parents=True)
    good = gzip.compress(b"1,2\n" * 100)
    monkeypatch.setattr(glyphs, "find_spec", lambda name: ModuleSpec(name, None, origin=str(tmp_path / "__init__.py")))
    for content in (good[:-20], b"", zlib.compress(b"1,2"), gzip.compress(b"a,b\n")):
        (folder / "digits.csv.gz").write_bytes(content)
        with pytest.raises(ValueError, match=r"digits\.csv\.gz is damaged"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            glyphs.handwriting.__wrapped__()
