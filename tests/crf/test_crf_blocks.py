"""The CRF in overlapping blocks: what the whole image gives, in bounded memory, from files and into files."""

import numpy as np
import pytest

from minidl.cli import main
from minidl.crf import Bilateral, Blocks, DenseCRF, Features, Gaussian, from_probabilities

SIZE = 120, 136
TERMS = Gaussian(1, 3), Bilateral(6, 13, 10)


def scene():
    """(image (3, H, W) uint8 of coloured squares with noise, noisy probabilities (3, H, W) of the squares' three classes)."""
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 3, (8, 9)).repeat(16, 0).repeat(16, 1)[: SIZE[0], : SIZE[1]]
    image = np.clip(truth * 60 + 40 + rng.normal(0, 6, (3, *SIZE)), 0, 255).astype(np.uint8)
    scores = (truth == np.arange(3)[:, None, None]) * 1.0 + rng.normal(0, 1, (3, *SIZE))
    p = np.exp(scores)
    return image, (p / p.sum(0)).astype(np.float32)


def in_blocks(image, unary, tile, margin, terms=TERMS):
    def windows(array):
        return lambda y, x, h, w: array[:, y : y + h, x : x + w]

    blocks = Blocks(windows(image), windows(unary), SIZE, tile, margin, terms, 5)
    rows = [np.concatenate([blocks.beliefs(i, j) for j in range(blocks.columns)], 2) for i in range(blocks.rows)]
    return np.concatenate(rows, 1)


def test_blocks_with_a_wide_margin_give_the_beliefs_of_the_whole_image():
    image, p = scene()
    unary = from_probabilities(p)
    whole = DenseCRF(image, TERMS).inference(unary, 5)
    assert (whole.argmax(0) != p.argmax(0)).mean() > 0.1  # the CRF does something
    error = [np.abs(in_blocks(image, unary, 40, margin) - whole).max() for margin in (0, 12, 48)]
    assert error[0] > 3e-3 and error[1] < error[0] / 4 and error[2] < 1e-4, error


def test_terms_that_blocks_cannot_serve_are_refused():
    image, p = scene()
    with pytest.raises(ValueError, match="mean"):
        in_blocks(image, p, 40, 0, [Gaussian(normalization="mean")])
    with pytest.raises(TypeError, match="Features"):
        in_blocks(image, p, 40, 0, [Features(image)])
    with pytest.raises(ValueError, match="tile 0"):
        in_blocks(image, p, 0, 0)


@pytest.fixture
def files(tmp_path):
    tifffile = pytest.importorskip("tifffile", reason="tifffile is not installed: pip install minidl[large]")
    image, p = scene()
    tifffile.imwrite(tmp_path / "a.tif", image.transpose(1, 2, 0), tile=(32, 32), photometric="rgb", resolution=(7, 7))
    np.save(tmp_path / "p.npy", p)
    tifffile.imwrite(tmp_path / "labels.tif", p.argmax(0).astype(np.uint8), tile=(32, 32))
    return tmp_path


def test_the_command_reads_and_writes_large_files(files, capsys):
    from minidl.data.slides import open_slide

    image, p = scene()
    numbers = ["--sxy", "6", "--sigma", "1", "--iterations", "5", "--tile", "64", "--margin", "48"]
    assert main(["crf", str(files / "a.tif"), str(files / "p.npy"), "-o", str(files / "o.tif"), *numbers]) == 0
    expected = DenseCRF(image, TERMS).inference(from_probabilities(p), 5)
    clear = np.sort(expected, 0)[-2] < 0.499  # elsewhere rounding may decide
    found = open_slide(files / "o.tif")
    labels = found.read(0, 0, *SIZE)[..., 0]
    assert clear.mean() > 0.99 and (labels == expected.argmax(0))[clear].all() and found.resolution is not None
    changed = (labels != p.argmax(0)).mean()
    assert f"{changed:.2%} of {SIZE[0] * SIZE[1]} pixels in 6 tiles" in capsys.readouterr().out
    for out in ("l.tif", "l.zarr"):
        assert main(["crf", str(files / "a.tif"), str(files / "labels.tif"), "-o", str(files / out), *numbers]) == 0
        labels = open_slide(files / out).read(0, 0, *SIZE)[..., 0]
        assert labels.shape == SIZE and not list(files.glob("*.parts"))


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["--exact"], "--exact"),
        (["--tile", "40"], "multiple of 16"),
        (["--margin", "-1"], "--margin -1"),
        (["--normalization", "mean"], "whole image"),
    ],
)
def test_the_command_refuses_what_blocks_cannot_do(files, capsys, more, says):
    assert main(["crf", str(files / "a.tif"), str(files / "p.npy"), "-o", str(files / "o.tif"), *more]) == 1
    assert says in capsys.readouterr().err and not list(files.glob("o.tif*"))
    assert main(["crf", str(files / "a.tif"), str(files / "p.npy"), "-o", str(files / "o.png"), "--tile", "64"]) == 1
