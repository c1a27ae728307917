"""`minidl crf` and `minidl crf-tune`, from files to files."""

import numpy as np
import pytest

from minidl.cli import main

Image = pytest.importorskip("PIL.Image")


@pytest.fixture
def folder(tmp_path):
    """Two scenes: image, probabilities and labels of a network with errors, and the truth."""
    for name in ("images", "probabilities", "noisy", "truth"):
        (tmp_path / name).mkdir()
    for k in range(2):
        rng = np.random.default_rng(k)
        truth = np.zeros((30, 40), np.uint8)
        truth[8:22, 10 + k : 30] = 1
        image = (np.where(truth == 1, 150, 70)[..., None] + rng.normal(size=(30, 40, 3)) * 5).clip(0, 255)
        noisy = np.where(rng.random(truth.shape) < 0.2, 1 - truth, truth)
        p = np.where(noisy == 1, 0.7, 0.3).astype(np.float32)
        Image.fromarray(image.astype(np.uint8)).save(tmp_path / "images" / f"{k}.png")
        Image.fromarray(noisy).save(tmp_path / "noisy" / f"{k}.png")
        Image.fromarray(truth).save(tmp_path / "truth" / f"{k}.png")
        np.save(tmp_path / "probabilities" / f"{k}.npy", np.stack([1 - p, p]))
    return tmp_path


def labels(path):
    with Image.open(path) as picture:
        return np.array(picture)


@pytest.mark.parametrize(
    "prediction, extra", [("probabilities/0.npy", []), ("noisy/0.png", []), ("probabilities/0.npy", ["--exact"])]
)
def test_labels_become_better_and_the_picture_shows_three_panels(folder, prediction, extra, capsys):
    out = folder / "out.png"
    options = ["--sxy", "20", "--w1", "4", "--iterations", "5", *extra]
    assert main(["crf", str(folder / "images/0.png"), str(folder / prediction), "-o", str(out), *options]) == 0
    truth = labels(folder / "truth/0.png")
    assert (labels(out) != truth).mean() < 0.03 < 0.15 < (labels(folder / "noisy/0.png") != truth).mean()
    with Image.open(out) as picture:
        assert picture.mode == "P"
    sheet = labels(folder / "out.compare.png")
    assert sheet.shape == (30 + 16, 3 * 40 + 12, 3)
    changed = labels(out) != labels(folder / "noisy/0.png")
    red = (sheet[16:, 2 * 46 :] == (220, 30, 40)).all(axis=2)
    assert np.array_equal(red, changed)
    assert f"{changed.mean():.2%}" in capsys.readouterr().out


def test_probabilities_as_pages_of_a_tif(folder):
    from minidl.commands.setup.outputs import write_probabilities

    image, p = str(folder / "images/1.png"), np.load(folder / "probabilities/1.npy")
    write_probabilities(folder / "p.tif", p)
    for source, out in (("probabilities/1.npy", "a.png"), ("p.tif", "b.png")):
        assert main(["crf", image, str(folder / source), "-o", str(folder / out), "--no-picture"]) == 0
    assert np.array_equal(labels(folder / "a.png"), labels(folder / "b.png"))


def test_beliefs_and_logits(folder):
    image, p = str(folder / "images/1.png"), folder / "probabilities/1.npy"
    np.save(folder / "scores.npy", np.log(np.load(p))[None] + 5)
    for source, flags, out in ((p, [], "a.npy"), (folder / "scores.npy", ["--logits"], "b.npy")):
        assert main(["crf", image, str(source), "-o", str(folder / out), "--no-picture", *flags]) == 0
    a, b = np.load(folder / "a.npy"), np.load(folder / "b.npy")
    assert a.shape == (2, 30, 40)
    np.testing.assert_allclose(a, b, atol=1e-4)
    assert not list(folder.glob("*compare*"))


@pytest.mark.parametrize(
    "argv, message",
    [
        (["images/none.png", "probabilities/0.npy", "-o", "out.png"], "No such file"),
        (["images/0.png", "probabilities/none.npy", "-o", "out.png"], "No such file"),
        (["images/0.png", "probabilities/0.npy", "-o", "out.tiff"], ".png for labels"),
        (["images/0.png", "probabilities/0.npy", "-o", "none/out.png"], "not a folder"),
        (["images/0.png", "wrong.npy", "-o", "out.png"], "as the image has"),
        (["images/0.png", "sums.npy", "-o", "out.png"], "sum to 1"),
        (["images/0.png", "small.png", "-o", "out.png"], "3x2 pixels"),
        (["images/0.png", "noisy/0.png", "-o", "out.png", "--classes", "1"], "--classes 1; needed at least 2"),
        (["images/0.png", "noisy/0.png", "-o", "out.png", "--sxy", "0"], "--sxy 0.0; needed above 0"),
        (["images/0.png", "noisy/0.png", "-o", "out.png", "--w1", "-1"], "--w1 -1.0; needed at least 0"),
        (
            ["images/0.png", "noisy/0.png", "-o", "out.png", "--w2", "nan"],
            "--w2 nan; needed a finite number, at least 0",
        ),
        (
            ["images/0.png", "noisy/0.png", "-o", "out.png", "--sigma", "inf"],
            "--sigma inf; needed a finite number, above 0",
        ),
        (["images/0.png", "noisy/0.png", "-o", "out.png", "--iterations", "-1"], "--iterations -1; needed at least 0"),
        (
            ["images/0.png", "noisy/0.png", "-o", "out.png", "--confidence", "1"],
            "--confidence 1.0; needed above 0 and below 1",
        ),
        (["images/0.png", "noisy/0.png", "-o", "out.png", "--srgb", "1e-9"], "standard deviation"),
        (["images/0.png", "noisy/0.png", "-o", "out.png", "--iterations", "-3"], "iterations"),
        (["images/0.png", "noisy/0.png", "-o", "out.png", "--confidence", "2"], "confidence"),
    ],
)
def test_errors_are_one_line(folder, argv, message, capsys, monkeypatch):
    monkeypatch.chdir(folder)
    np.save("wrong.npy", np.full((2, 4, 4), 0.5, np.float32))
    np.save("sums.npy", np.full((2, 30, 40), 0.9, np.float32))
    Image.fromarray(np.zeros((2, 3), np.uint8)).save("small.png")
    assert main(["crf", *argv]) == 1
    err = capsys.readouterr().err
    assert message in err and err.count("\n") == 1


@pytest.mark.parametrize("predictions, extra", [("probabilities", []), ("noisy", ["--classes", "2"])])
def test_tune_prints_the_command_to_use(folder, predictions, extra, capsys):
    argv = ["crf-tune", *(str(folder / f) for f in ("images", predictions, "truth"))]
    argv += ["--w1", "0.01", "4", "--sxy", "5", "20", "--srgb", "10", "--rounds", "2", "--iterations", "3", *extra]
    assert main(argv) == 0
    out = capsys.readouterr().out
    assert "2 images" in out and "without a CRF 0." in out
    assert "use: minidl crf --w1 " in out and "--w2 3 --sigma 3" in out


@pytest.mark.parametrize(
    "change, message",
    [
        (["nowhere", "probabilities", "truth"], "not a folder"),
        (["images", "empty", "truth"], "no file name"),
        (["images", "noisy", "truth"], "--classes"),
        (["images", "probabilities", "truth", "--sxy", "0", "5"], "--sxy 0.0; needed above 0"),
        (["images", "probabilities", "truth", "--rounds", "0"], "round"),
    ],
)
def test_tune_errors_are_one_line(folder, change, message, capsys, monkeypatch):
    monkeypatch.chdir(folder)
    (folder / "empty").mkdir()
    assert main(["crf-tune", *change]) == 1
    err = capsys.readouterr().err
    assert message in err.splitlines()[-1]
