"""Images larger than memory: windows are read, blended, and written tile by tile."""

import json
import subprocess
import sys

import numpy as np
import pytest

import minidl
from minidl import models, nn
from minidl.autograd.tape import no_grad
from minidl.models.windows import Windows

tifffile = pytest.importorskip("tifffile", reason="tifffile is not installed: pip install minidl[large]")
zarr = pytest.importorskip("zarr", reason="zarr is not installed: pip install minidl[large]")

from minidl.data.slides import TileFolder, open_slide, write_labels, write_probabilities  # noqa: E402

IMAGE = np.random.default_rng(0).integers(0, 256, (200, 176, 3), np.uint8)


def whole(net, x):
    with no_grad():
        y = net.eval()(minidl.tensor(x[None]))
    return (y["out"] if isinstance(y, dict) else y).data[0]


def scores_of(windows):
    rows = [np.concatenate([windows.scores(i, j) for j in range(windows.columns)], 2) for i in range(windows.rows)]
    return np.concatenate(rows, 1)


def windows_of(net, x, tile, band, context):
    return Windows(net, lambda y, left, h, w: x[:, y : y + h, left : left + w], x.shape[1:], tile, band, context)


def test_windows_with_enough_context_give_the_scores_of_the_whole_image():
    minidl.manual_seed(0)
    net = models.unet(in_channels=3, num_classes=3, base=4, depth=2, padding="same").eval()
    x = np.random.default_rng(1).standard_normal((3, 200, 176)).astype(np.float32)
    expected = whole(net, x)
    for band in (0, 8):
        np.testing.assert_allclose(scores_of(windows_of(net, x, 48, band, 48)), expected, atol=1e-4)


def test_blending_leaves_no_seam():
    """A network whose scores depend on where the window lies: without a band scores jump at a border, with one they do not."""

    class Place(nn.Module):
        device, depth = "cpu", 2

        def forward(self, x):
            return minidl.tensor(np.full_like(x.data, x.data.mean()))

    x = np.tile(np.linspace(0, 1, 192, dtype=np.float32), (1, 64, 1))
    jumps = [np.abs(np.diff(scores_of(windows_of(Place(), x, 64, band, 0))[0])).max() for band in (0, 16)]
    assert jumps[0] > 0.3 and jumps[1] < jumps[0] / 8


def test_a_window_without_content_is_not_looked_at():
    seen = []

    def read(y, x, h, w):
        seen.append((y, x))
        return None if x >= 64 else np.ones((3, h, w), np.float32)

    net = nn.Sequential(nn.Conv2d(3, 2, 1))
    net.depth = 4
    windows = Windows(net, read, (64, 128), 64, 0, 0)
    assert windows.scores(0, 1) is None and windows.scores(0, 0).shape == (2, 64, 64)
    with pytest.raises(ValueError, match="multiples of 16"):
        Windows(net, read, (64, 128), 65, 0, 0)


@pytest.mark.parametrize("form", ["tiled", "strips", "swapped", "planar", "pyramid", "zarr", "npy", "chw"])
def test_windows_are_read_from_every_form(tmp_path, form):
    path, level, expected = tmp_path / "a.tif", 0, IMAGE
    if form == "tiled":
        tifffile.imwrite(path, IMAGE, tile=(64, 64), bigtiff=True, compression="adobe_deflate", photometric="rgb")
    elif form == "strips":
        tifffile.imwrite(path, IMAGE, rowsperstrip=16, photometric="rgb")
    elif form == "swapped":
        tifffile.imwrite(path, IMAGE.astype(np.uint16), byteorder=">", photometric="rgb")
    elif form == "planar":
        tifffile.imwrite(path, IMAGE.transpose(2, 0, 1), tile=(64, 64), planarconfig="separate", photometric="rgb")
    elif form == "pyramid":
        level, expected = 1, IMAGE[::2, ::2]
        with tifffile.TiffWriter(path := tmp_path / "a.ome.tif", bigtiff=True) as file:
            options = {"resolution": (300, 200), "resolutionunit": "CENTIMETER", "metadata": {"axes": "YXS"}}
            options["extratags"] = [(33550, 12, 3, (10.0, 20.0, 0.0), True)]  # metres per pixel, as GeoTIFF has them
            file.write(IMAGE, subifds=1, tile=(64, 64), photometric="rgb", **options)
            file.write(expected, subfiletype=1, tile=(64, 64), photometric="rgb")
    elif form == "zarr":
        zarr.create_array(path := tmp_path / "a.zarr", data=IMAGE, chunks=(64, 64, 3))
    else:
        np.save(path := tmp_path / "a.npy", IMAGE if form == "npy" else IMAGE.transpose(2, 0, 1))
    slide = open_slide(path, level)
    assert slide.shape == expected.shape and slide.read(0, 0, 1, 1).dtype.isnative
    np.testing.assert_array_equal(slide.read(30, 20, 50, 60), expected[30:80, 20:80])
    if form == "pyramid":  # half as many pixels of twice the size
        assert slide.resolution == (150, 100, 3) and slide.tags[0][3] == (20, 40, 0)
    with pytest.raises(ValueError, match="inside"):
        slide.read(0, 0, 500, 1)
    with pytest.raises(ValueError, match="level"):
        open_slide(path, 9)


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")  # of the package affine
def test_geotiff_through_rasterio_agrees(tmp_path):
    rasterio = pytest.importorskip("rasterio", reason="rasterio is not installed")
    profile = {"driver": "GTiff", "height": 200, "width": 176, "count": 3, "dtype": "uint8", "crs": "EPSG:32633"}
    transform = rasterio.transform.from_origin(5e5, 4e6, 10, 10)
    with rasterio.open(tmp_path / "g.tif", "w", transform=transform, **profile) as file:
        file.write(IMAGE.transpose(2, 0, 1))
    slide = open_slide(tmp_path / "g.tif")
    np.testing.assert_array_equal(slide.read(5, 6, 70, 80), IMAGE[5:75, 6:86])
    pytest.importorskip("rasterio.shutil").copy(tmp_path / "g.tif", tmp_path / "g.vrt", driver="VRT")
    tiles = filled(tmp_path / "out.tif", 64)
    for source in (slide, open_slide(tmp_path / "g.vrt")):
        write_labels(tmp_path / "out.tif", tiles, source, np.arange(12).reshape(4, 3))
        with rasterio.open(tmp_path / "out.tif") as file:
            assert file.crs == rasterio.crs.CRS.from_epsg(32633) and file.transform == transform


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning", "ignore:Dataset has no geotransform")
@pytest.mark.parametrize(("package", "name"), [("openslide", "a.svs"), ("rasterio", "a.vrt")])
def test_other_packages_read_their_formats(tmp_path, package, name):
    """OpenSlide finds the tiled TIFF in a file with a scanner's ending; rasterio reads a virtual mosaic."""
    pytest.importorskip(package, reason=f"{package} is not installed")
    tiled = tmp_path / ("a.svs" if name == "a.svs" else "b.tif")
    tifffile.imwrite(tiled, IMAGE, tile=(64, 64), compression="adobe_deflate", photometric="rgb")
    if name == "a.vrt":
        pytest.importorskip("rasterio.shutil").copy(tiled, tmp_path / name, driver="VRT")
    slide = open_slide(tmp_path / name)
    assert slide.shape == IMAGE.shape
    np.testing.assert_array_equal(slide.read(30, 20, 50, 60), IMAGE[30:80, 20:80])
    with pytest.raises(ValueError, match="inside"):
        slide.read(190, 0, 20, 1)


def filled(path, tile):
    """A TileFolder of labels 0 to 3 and probabilities of two classes, all there."""
    tiles = TileFolder(path, IMAGE.shape[:2], tile, {})
    tiles.begin()
    for i, j in tiles.missing():
        y, x, h, w = tiles.box(i, j)
        block = IMAGE[y : y + h, x : x + w, 0]
        tiles.put(i, j, labels=block % 4, prob=np.stack([block, 255 - block]).astype(np.float32) / 255)
    assert not tiles.missing()
    return tiles


@pytest.mark.parametrize("suffix", [".tif", ".zarr"])
def test_masks_are_written_tile_by_tile(tmp_path, suffix):
    tifffile.imwrite(tmp_path / "a.tif", IMAGE, photometric="rgb", resolution=(300, 200), resolutionunit="CENTIMETER")
    slide, colors = open_slide(tmp_path / "a.tif"), np.array([[0, 0, 0], [255, 0, 0], [0, 255, 0], [1, 2, 3]])
    labels, prob = tmp_path / f"out{suffix}", tmp_path / f"prob{suffix}"
    tiles = filled(labels, 64)
    write_labels(labels, tiles, slide, colors)
    write_probabilities(prob, tiles, slide, 2)
    tiles.remove()
    np.testing.assert_array_equal(open_slide(labels).read(0, 0, 200, 176)[..., 0], IMAGE[..., 0] % 4)
    found = tifffile.imread(prob) if suffix == ".tif" else zarr.open(prob, mode="r")[:]
    np.testing.assert_array_equal(found[0], IMAGE[..., 0].astype(np.float32) / 255)
    if suffix == ".tif":
        with tifffile.TiffFile(labels) as file:
            page = file.pages[0]
            assert file.is_bigtiff and page.tile == (64, 64)
            assert page.tags["ColorMap"].value[0][:4].tolist() == [0, 65535, 0, 257]
        assert open_slide(labels).resolution == ((300, 1), (200, 1), 3)
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(["a.tif", labels.name, prob.name])


def test_tiles_of_another_job_are_not_mixed_in(tmp_path):
    TileFolder(tmp_path / "o.tif", (100, 100), 64, {"image": 1}).begin()
    with pytest.raises(FileExistsError, match="other settings"):
        TileFolder(tmp_path / "o.tif", (100, 100), 64, {"image": 2}).begin()


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    """A run of one epoch on a few scenes."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    arguments = ["--length", "8", "--digit-size", "32", "--epochs", "1", "--batch-size", "4", "--out", str(folder)]
    from minidl.cli import main

    assert (
        main(["train", "--data", "digits", *arguments, "--model", "unet", "--model-options", "base=4", "depth=2"]) == 0
    )
    return folder


def test_predict_goes_on_and_evaluate_counts_once(tmp_path, run_folder, capsys):
    from minidl.cli import main

    tifffile.imwrite(tmp_path / "a.tif", IMAGE, tile=(64, 64), photometric="rgb")
    arguments = ["predict", str(run_folder), str(tmp_path / "a.tif"), "--tile", "64"]
    assert main([*arguments, "-o", str(tmp_path / "m.tif"), "--prob", str(tmp_path / "p.zarr")]) == 0
    first = (tmp_path / "m.tif").read_bytes()
    parts = tmp_path / "m.tif.parts"
    assert not parts.exists()
    script = "import sys; from minidl.data.slides import TileFolder as T; put, n = T.put, []\n"
    script += "def die(*a, **k):\n    n.append(put(*a, **k)); len(n) == 5 and __import__('os')._exit(9)\nT.put = die\n"
    script += f"from minidl.cli import main; main({[*arguments, '-o', str(tmp_path / 'm.tif')]!r})"
    environment = {**__import__("os").environ, "PYTHONPATH": ":".join(sys.path)}
    assert subprocess.run([sys.executable, "-c", script], env=environment).returncode == 9
    assert len(list(parts.glob("*.npz"))) == 5
    capsys.readouterr()
    assert main([*arguments, "-o", str(tmp_path / "m.tif")]) == 0
    assert "5 of 12 tiles are there" in capsys.readouterr().out and (tmp_path / "m.tif").read_bytes() == first
    scores = tmp_path / "scores.json"
    truth = [
        "--image",
        str(tmp_path / "a.tif"),
        "--truth",
        str(tmp_path / "m.tif"),
        "--tile",
        "64",
        "--json",
        str(scores),
    ]
    assert main(["evaluate", str(run_folder), *truth]) == 0
    assert json.loads(scores.read_text())["pixel accuracy"] == 1.0


def test_ranks_share_the_tiles_and_write_the_same_file(tmp_path, run_folder):
    from minidl.cli import main

    pytest.importorskip("mpi4py", reason="mpi4py is not installed")
    import test_distributed

    if test_distributed.MPIEXEC is None:
        pytest.skip("there is no mpiexec")
    np.save(tmp_path / "a.npy", IMAGE)
    arguments = ["predict", str(run_folder), str(tmp_path / "a.npy"), "--tile", "64", "-o"]
    assert main([*arguments, str(tmp_path / "one.tif")]) == 0
    test_distributed.finish(test_distributed.start(2, "ranks_command.py", *arguments, tmp_path / "two.tif"))
    assert (tmp_path / "one.tif").read_bytes() == (tmp_path / "two.tif").read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("form", ["tif", "npy"])
def test_sixty_thousand_pixels_square_in_one_gigabyte(tmp_path, run_folder, form):
    """A sparse file with two squares of content; the peak is that of the whole process, imports and kernels included."""
    path, content = tmp_path / f"sparse.{form}", np.random.default_rng(0).integers(0, 256, (1024, 1024, 3), np.uint8)
    if form == "tif":
        with tifffile.TiffWriter(path, bigtiff=True) as file:
            blocks = (content if k in (0, 59 * 30 + 12) else None for k in range(59 * 59))
            options = {"tile": (1024, 1024), "dtype": np.uint8, "photometric": "rgb", "compression": "adobe_deflate"}
            file.write(blocks, shape=(60000, 60000, 3), **options)
    else:
        array = np.lib.format.open_memmap(path, "w+", np.uint8, (60000, 60000, 3))
        array[:1024, :1024] = array[30720:31744, 12288:13312] = content
        del array
    assert path.stat().st_blocks * 512 < 2**26
    script = "import resource, sys; from minidl.cli import main; code = main(sys.argv[1:])\n"
    script += "print('peak', resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024); sys.exit(code)"
    mask = tmp_path / "mask.tif"
    command = ["predict", str(run_folder), str(path), "-o", str(mask), "--skip-background", "--tile", "1024"]
    done = subprocess.run([sys.executable, "-c", script, *command], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    print(done.stdout)
    assert int(done.stdout.rsplit("peak", 1)[1]) < 1000, done.stdout
    found = open_slide(mask)
    assert found.shape == (60000, 60000, 1) and not found.read(5000, 5000, 100, 100).any()
    assert found.read(30720, 12288, 1024, 1024).any() and found.read(0, 0, 1024, 1024).any()
