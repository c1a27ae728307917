"""Images and masks of every kind that users have: depth, channels, EXIF, colours, damage."""

import numpy as np
import pytest
from folders import scene, write_rotated
from PIL import Image

from minidl.data import DataLoader, SegmentationPairs
from minidl.data.image import ImageFormat, read_image, read_pixels, to_rgb
from minidl.data.layouts.tables import TABLES, color_table
from minidl.data.mask import ColorTable, MaskValues, read_color_table, read_labels, read_stored, write_mask
from minidl.data.picture import BrokenImageError, PixelModeError


def test_an_exif_orientation_is_applied(tmp_path):
    image, _ = scene(0)
    write_rotated(tmp_path / "a.jpg", image)
    assert read_image(tmp_path / "a.jpg").shape == image.shape
    assert np.abs(read_image(tmp_path / "a.jpg").astype(int) - image).mean() < 12
    assert read_image(tmp_path / "a.jpg", exif=False).shape == (24, 16, 3)


def test_channels_follow_what_is_asked_for(tmp_path):
    image, _ = scene(1)
    Image.fromarray(image[..., 0]).save(tmp_path / "grey.png")
    Image.fromarray(np.dstack([image, image[..., :1]])).save(tmp_path / "alpha.png")
    assert read_image(tmp_path / "grey.png", 1).shape == (16, 24, 1)
    np.testing.assert_array_equal(read_image(tmp_path / "grey.png")[..., 2], image[..., 0])
    np.testing.assert_array_equal(read_image(tmp_path / "alpha.png"), image)
    assert read_image(tmp_path / "alpha.png", 4).shape == (16, 24, 4)
    with pytest.raises(PixelModeError, match=r"grey.png has 1 channels; needed 5"):
        read_image(tmp_path / "grey.png", 5)


def test_deep_and_floating_images(tmp_path):
    values = np.arange(16 * 24).reshape(16, 24).astype(np.uint16) * 100
    Image.fromarray(values).save(tmp_path / "deep.png")
    Image.fromarray(values.astype(np.float32) / 7).save(tmp_path / "float.tif")
    assert read_pixels(tmp_path / "deep.png").dtype == np.uint16
    np.testing.assert_array_equal(read_image(tmp_path / "deep.png", 1, high_depth=True)[..., 0], values)
    np.testing.assert_allclose(read_pixels(tmp_path / "float.tif")[..., 0], values / 7, rtol=1e-6)
    with pytest.raises(PixelModeError, match="an 8-bit image is needed"):
        read_image(tmp_path / "deep.png")
    shown = to_rgb(read_pixels(tmp_path / "deep.png"))
    assert shown.dtype == np.uint8 and shown.shape == (16, 24, 3) and shown.min() == 0 and shown.max() == 255


def test_multispectral_tiff(tmp_path):
    tifffile = pytest.importorskip("tifffile")
    bands = np.random.default_rng(0).integers(0, 60000, (6, 16, 24), dtype=np.uint16)
    tifffile.imwrite(tmp_path / "planes.tif", bands, photometric="minisblack", planarconfig="separate")
    tifffile.imwrite(tmp_path / "colour.tif", bands[:3].transpose(1, 2, 0), photometric="rgb")
    np.testing.assert_array_equal(read_pixels(tmp_path / "planes.tif"), bands.transpose(1, 2, 0))
    np.testing.assert_array_equal(read_pixels(tmp_path / "colour.tif"), bands[:3].transpose(1, 2, 0))
    (tmp_path / "cut.tif").write_bytes((tmp_path / "planes.tif").read_bytes()[:900])
    with pytest.raises(BrokenImageError, match=r"cut.tif cannot be decoded"):
        read_pixels(tmp_path / "cut.tif")


def test_a_decompression_bomb_is_a_broken_image(tmp_path, monkeypatch):
    Image.fromarray(np.zeros((50, 50), np.uint8)).save(tmp_path / "bomb.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(BrokenImageError, match=r"bomb.png is too large to decode safely"):
        read_image(tmp_path / "bomb.png")


@pytest.mark.parametrize("kind", ["palette", "grey", "bit", "deep", "rgb grey", "float"])
def test_masks_of_every_kind_give_labels(tmp_path, kind):
    _, mask = scene(3)
    picture = Image.fromarray(mask)
    if kind == "palette":
        write_mask(tmp_path / "m.png", mask, [(0, 0, 0), (200, 0, 0)])
    elif kind == "float":
        Image.fromarray(mask.astype(np.float32)).save(tmp_path / "m.tif")
    else:
        pictures = {
            "bit": picture.point(lambda v: 255 * v).convert("1"),
            "rgb grey": picture.convert("RGB"),
            "grey": picture,
        }
        pictures["deep"] = Image.fromarray(mask.astype(np.uint16))
        pictures[kind].save(tmp_path / "m.png")
    found = read_labels(next(tmp_path.iterdir()))
    np.testing.assert_array_equal(found, mask)


def test_a_jpeg_mask_says_why_not(tmp_path):
    Image.fromarray(scene(0)[1] * 255).save(tmp_path / "m.jpg")
    with pytest.raises(PixelModeError, match=r"m.jpg is a JPEG: its compression changes labels"):
        read_labels(tmp_path / "m.jpg")


def test_mask_values_become_labels(tmp_path):
    _, mask = scene(0)
    write_mask(tmp_path / "m.png", mask * 255)
    np.testing.assert_array_equal(read_labels(tmp_path / "m.png", MaskValues((0, 255))), mask)
    np.testing.assert_array_equal(read_labels(tmp_path / "m.png", MaskValues((255, 0))), 1 - mask)
    with pytest.raises(ValueError, match=r"m.png holds 255; known are 0, 7, 9: --mask-values names"):
        read_labels(tmp_path / "m.png", MaskValues((0, 7), ignore_index=9))
    with pytest.raises(ValueError, match="two or more different numbers"):
        MaskValues((3, 3))


def test_black_and_white_is_read_from_one_bit_too(tmp_path):
    _, mask = scene(0)
    Image.fromarray(mask * np.uint8(255)).convert("1").save(tmp_path / "m.png")
    for decoder in (
        None,
        MaskValues((0, 255)),
        MaskValues((0, 1)),
        ColorTable(("no", "yes"), (((0,) * 3,), ((255,) * 3,))),
    ):
        np.testing.assert_array_equal(read_labels(tmp_path / "m.png", decoder), mask)


def test_a_mask_in_the_alpha_channel_is_refused(tmp_path):
    _, mask = scene(0)
    black = np.zeros_like(mask)
    Image.fromarray(np.dstack([black, black, black, mask * 255])).save(tmp_path / "m.png")
    with pytest.raises(PixelModeError, match=r"m.png has one colour, and its alpha channel alone differs"):
        read_labels(tmp_path / "m.png")
    Image.fromarray(np.dstack([mask, mask, mask, black + 255])).save(tmp_path / "m.png")
    np.testing.assert_array_equal(read_labels(tmp_path / "m.png"), mask)


def test_tables_of_spreadsheets(tmp_path):
    expected = ColorTable(("ground", "square"), (((1, 2, 3),), ((4, 5, 6),)))
    for k, text in enumerate(
        ("\ufeffname;r;g;b\r\nground;1;2;3\r\nsquare;4;5;6\r\n", "ground\t1\t2\t3\nsquare\t4\t5\t6\n")
    ):
        (tmp_path / f"{k}.csv").write_bytes(text.encode())
        assert read_color_table(tmp_path / f"{k}.csv") == expected
    (tmp_path / "old.csv").write_bytes("Straße,1,2,3\nb,4,5,6".encode("latin-1"))
    with pytest.raises(ValueError, match=r"old.csv is not UTF-8 text"):
        read_color_table(tmp_path / "old.csv")


def test_colours_become_labels(tmp_path):
    _, mask = scene(0)
    (tmp_path / "t.csv").write_text("name,r,g,b\nground, 10, 20, 30\nsquare,200,0,0\nsquare,201,0,0\nvoid,1,1,1\n")
    (tmp_path / "t.json").write_text(
        '{"ground": [10, 20, 30], "square": [[200, 0, 0], [201, 0, 0]], "void": [1, 1, 1]}'
    )
    colors = np.array([(10, 20, 30), (200, 0, 0), (1, 1, 1)], np.uint8)
    painted = colors[mask]
    painted[0, 0], painted[5, 5] = (1, 1, 1), (201, 0, 0)
    Image.fromarray(painted).save(tmp_path / "m.png")
    tables = [read_color_table(tmp_path / name) for name in ("t.csv", "t.json")]
    assert tables[0] == tables[1] and tables[0].names == ("ground", "square")
    labels = read_labels(tmp_path / "m.png", tables[0])
    expected = mask.copy()
    expected[0, 0], expected[5, 5] = 255, 1
    np.testing.assert_array_equal(labels, expected)
    painted[1, 1] = (9, 9, 9)
    Image.fromarray(painted).save(tmp_path / "m.png")
    with pytest.raises(ValueError, match=r"m.png holds \(9, 9, 9\); known are .*: --colors needs a line"):
        read_labels(tmp_path / "m.png", tables[0])


@pytest.mark.parametrize(
    "text, message",
    [
        ("a,1,2,3\n", "names 1 classes"),
        ("a,1,2,3\nb,1,2\n", "needed r, g, b"),
        ("a,1,2,3\nb,1,2,300\n", "needed r, g, b"),
        ("a,1,2,3\nb,1,2,3\n", "have the same colour"),
        ("a,1,2,3\nb,x,2,3\n", "line 2"),
    ],
)
def test_a_wrong_colour_table_is_refused(tmp_path, text, message):
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(ValueError, match=message):
        read_color_table(tmp_path / "t.csv")


def test_built_in_tables():
    sizes = {name: len(color_table(name).names) for name in TABLES}
    assert sizes == {"voc": 21, "camvid": 11, "camvid32": 31, "cityscapes": 19}
    camvid = color_table("camvid")
    for color, name in (
        ((128, 64, 128), "road"),
        ((128, 0, 192), "road"),
        ((60, 40, 222), "pavement"),
        ((0, 0, 192), "pavement"),
    ):
        labels = camvid(np.full((1, 1, 3), color, np.uint8), "x.png")
        assert camvid.names[labels[0, 0]] == name


def test_a_palette_mask_can_be_read_by_its_colours(tmp_path):
    _, mask = scene(0)
    write_mask(tmp_path / "m.png", mask, [(10, 20, 30), (200, 0, 0)])
    table = ColorTable(("square", "ground"), (((200, 0, 0),), ((10, 20, 30),)))
    np.testing.assert_array_equal(read_labels(tmp_path / "m.png", table), 1 - mask)


def test_sixteen_bit_masks(tmp_path):
    mask = np.arange(600).reshape(20, 30)
    write_mask(tmp_path / "m.png", mask, bits=16)
    np.testing.assert_array_equal(read_stored(tmp_path / "m.png"), mask)
    Image.fromarray(np.zeros((20, 30, 3), np.uint8)).save(tmp_path / "i.png")
    dataset = SegmentationPairs([(tmp_path / "i.png", tmp_path / "m.png")], 600, ignore_index=65535)
    images, target = next(iter(DataLoader(dataset)))
    assert images.shape == (1, 3, 20, 30) and target.max() == 599


def test_skip_broken_never_hides_a_wrong_mode(tmp_path):
    pairs = []
    for k in range(2):
        image, mask = scene(k)
        Image.fromarray(image).save(tmp_path / f"{k}.png")
        write_mask(tmp_path / f"m{k}.png", mask)
        pairs.append((tmp_path / f"{k}.png", tmp_path / f"m{k}.png"))
    Image.fromarray(np.zeros((16, 24), np.uint16)).save(tmp_path / "1.png")
    loader = DataLoader(SegmentationPairs(pairs, 2), 2, skip_broken=True)
    with pytest.raises(PixelModeError, match="an 8-bit image is needed"):
        list(loader)
    assert len(list(DataLoader(SegmentationPairs(pairs, 2, image_format=ImageFormat(1, True)), 2))) == 1
