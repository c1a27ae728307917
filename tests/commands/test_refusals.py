"""`minidl train` and related commands reject invalid options, with a one-line error, before anything is written."""

import json

import numpy as np
import pytest
from folders import scene, write_folder, write_rotated
from PIL import Image

from minidl import backend, cli

NETWORK = ["--model", "unet", "--model-options", "base=2", "depth=1"]
FOLDER = [*NETWORK, "--data", "folder", "--folder-classes", "2", "--batch-size", "2", "--epochs", "1"]


@pytest.fixture(scope="module", autouse=True)
def reference():
    """The column that needs no compilation."""
    with backend.use("reference"):
        yield


def fails(capsys, tmp_path, *argv):
    """The one-line error of a failing `train`, which leaves no run folder."""
    out = tmp_path / "run"
    capsys.readouterr()
    assert cli.main(["train", *map(str, argv), "--out", str(out)]) == 1
    text = capsys.readouterr().err
    assert text.count("\n") == 1 and "Traceback" not in text and not out.exists()
    return text


@pytest.mark.parametrize(
    "options, message",
    [
        ("--clip -1", "--clip -1.0; needed above 0"),
        ("--clip 0", "--clip 0.0; needed above 0"),
        ("--clip nan", "--clip nan; needed a finite number, above 0"),
        ("--lr inf", "--lr inf; needed a finite number, above 0"),
        ("--lr 0", "--lr 0.0; needed above 0"),
        ("--warmup -3", "--warmup -3; needed at least 0"),
        ("--seed -1", "--seed -1; needed at least 0"),
        ("--weight-decay -0.1", "--weight-decay -0.1; needed at least 0"),
        ("--workers -1", "--workers -1; needed at least 0"),
        ("--digit-size 4", "--digit-size 4; needed at least 16"),
        ("--digit-classes 11", "--digit-classes 11; needed at least 1 and at most 10"),
        ("--scale 2 1", "--scale 2 1; needed the smaller factor first"),
        ("--scale -1 1", "--scale -1.0; needed above 0"),
        ("--crop 0 5", "--crop 0 5; needed two sizes of at least 1"),
        ("--crop-class 2 --crop 8 8", "--crop-class 2.0; needed at least 0 and at most 1"),
        ("--crop-class 0.5", "--crop-class 0.5 needs --crop H W"),
        ("--accumulate 0", "--accumulate 0; needed at least 1"),
        ("--val-every 0", "--val-every 0; needed at least 1"),
        ("--val-tile 3", "--val-tile 3; needed at least 32"),
        ("--loss dise", "--loss dise: 'dise'; needed one of cross_entropy, dice"),
        ("--loss focal+0*dice", "'0*dice'; needed one of"),
        ("--loss dice --class-weights auto", "--class-weights weigh cross_entropy and focal, of which --loss dice has"),
        ("--model unet --model-options base=x", "--model-options base=x of unet; needed a number such as 64"),
        ("--model unet --model-options num_classes=9", "--model-options num_classes=9; the data has 6 classes"),
        ("--class-weights 1 2", "--class-weights 1 2; needed auto, or 6 numbers of at least 0"),
        ("--border-weight 10 --loss dice", "--border-weight 10 weighs cross_entropy, which --loss leaves out"),
        ("--mix cutmix --batch-size 1", "--mix cutmix needs --batch-size 2 or more"),
        ("--augment lihgt", "--augment: there is no augmentation 'lihgt'"),
        ("--freeze-epochs 2", "--freeze-epochs 2: --model unet_small has no backbone"),
        ("--weights nowhere.safetensors", "--weights nowhere.safetensors: no such file"),
        ("--root somewhere", "--root has no effect with --data digits (the default): --data LAYOUT is missing"),
        ("--mask-values 0,255", "--mask-values has no effect with --data digits: it is for --data folder"),
        ("--model unet --model-options depth=-1", "depth=-1"),
        ("--data camvid --root . --folder-classes 3", "--folder-classes has no effect with --data camvid"),
        ("--data camvid --root . --split 0.3", "--split has no effect with --data camvid"),
        ("--data folder --root . --download", "--download is for --data camvid, voc, pets"),
        ("--data folder --root . --split 1.5", "--split 1.5; needed a share above 0 and below 1"),
        ("--data folder --root . --folder-classes a b a", "--folder-classes names 'a' twice"),
        (
            "--data folder --root . --folder-classes 3 --folder-ignore 1",
            "--folder-ignore 1 is the label of a class; needed 3",
        ),
        (
            "--data folder --root . --folder-classes 3 --folder-ignore 99999",
            "--folder-ignore 99999; needed at least 0 and at most",
        ),
        ("--workers 100000", "--workers 100000; needed at least 0 and at most 256"),
        ("--size 100000 100000", "--size 100000 100000; needed two sizes of at least 1 and at most 16384"),
        ("--crop 8 99999", "--crop 8 99999; needed two sizes of at least 1 and at most 16384"),
        ("--scale 1 1e9", "--scale 1000000000.0; needed above 0 and at most 16"),
        ("--warmup 1000", "--warmup 1000 leaves none of the 20 steps of the training; needed fewer"),
        ("--model unet --model-options depth=1.5", "depth=1.5 of unet; needed a whole number such as 4"),
        ("--data folder --root . --folder-classes 1", "--folder-classes 1; needed at least 2"),
        ("--data folder --root . --mask-values 0,x", "--mask-values 0,x; needed two or more different numbers"),
        ("--data folder --root . --colors none.csv", "--colors none.csv: no such file, and no built-in table (voc"),
        ("--data folder --root . --val-root v --lists l", "--val-root and --lists exclude each other"),
        ("--data folder --root . --length 5", "--length has no effect with --data folder: it is for --data digits"),
        ("--model mask_rcnn_small --loss dice", "--loss dice has no effect on --model mask_rcnn_small, a detector"),
    ],
)
def test_settings_that_cannot_be_meant(options, message, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    digits = [] if "--data" in options else ["--length", "8"]
    assert message in fails(capsys, tmp_path, *digits, *options.split())


def zero_and_255(root):
    write_folder(root, scale=255)


def a_class_is_missing(root):
    write_folder(root, scale=0)


def all_void(root):
    write_folder(root)
    for path in (root / "masks").iterdir():
        Image.fromarray(np.full((16, 24), 255, np.uint8)).save(path)


def out_of_range(root):
    write_folder(root, scale=7)


def in_colour(root):
    write_folder(root)
    Image.fromarray(scene(0)[0]).save(root / "masks" / "0.png")


def a_jpeg_mask(root):
    write_folder(root)
    (root / "masks" / "3.png").unlink()
    Image.fromarray(scene(3)[1]).save(root / "masks" / "3.jpg")


def another_size(root):
    write_folder(root)
    Image.fromarray(np.zeros((9, 9), np.uint8)).save(root / "masks" / "2.png")


def broken(root):
    write_folder(root)
    path = root / "images" / "4.png"
    path.write_bytes(path.read_bytes()[:200])


def deep_among_flat(root):
    write_folder(root)
    Image.fromarray(np.zeros((16, 24), np.uint16)).save(root / "images" / "5.png")


def on_its_side(root):
    write_folder(root)
    (root / "images" / "1.png").unlink()
    write_rotated(root / "images" / "1.jpg", scene(1)[0])
    mask = root / "masks" / "1.png"
    Image.fromarray(np.ascontiguousarray(np.rot90(scene(1)[1]))).save(mask)


def few(root):
    write_folder(root, 3)


def in_the_alpha_channel(root):
    write_folder(root)
    for path in (root / "masks").iterdir():
        mask = np.array(Image.open(path))
        Image.fromarray(np.dstack([0 * mask] * 3 + [255 * mask])).save(path)


def smoothed(root):
    write_folder(root)
    for path in (root / "masks").iterdir():
        small = Image.fromarray(np.array(Image.open(path)) * np.uint8(200)).resize((13, 7))
        small.resize((24, 16), Image.Resampling.BILINEAR).save(path)


def counted_from_one(root):
    write_folder(root)
    for path in (root / "masks").iterdir():
        Image.fromarray(np.array(Image.open(path)) + np.uint8(1)).save(path)


def two_kinds_of_black_and_white(root):
    write_folder(root, scale=255)
    for k in (0, 1, 2):
        picture = Image.open(root / "masks" / f"{k}.png").convert("1")
        picture.save(root / "masks" / f"{k}.png")


def an_empty_mask_file(root):
    write_folder(root)
    (root / "masks" / "1.png").write_bytes(b"")


def other_names(root):
    write_folder(root)
    for path in (root / "masks").iterdir():
        path.rename(path.with_name(f"mask_{path.name}"))


FAULTS = [
    (zero_and_255, "the masks hold only 0 and 255, and 255 means pixels to ignore"),
    (a_class_is_missing, "no pixel of the training masks is of class 1; --allow-missing-class trains without"),
    (all_void, "no pixel of 8 masks has a label: all are 255"),
    (
        out_of_range,
        "holds labels [7]; needed 0 to 1, or 255 for pixels to ignore: --mask-values 0,7 makes them 0 and 1",
    ),
    (in_colour, "0.png is painted in colours ("),
    (a_jpeg_mask, "3.jpg is a JPEG: its compression changes labels"),
    (another_size, "2.png is 16 x 24 (H x W), its mask"),
    (broken, "4.png cannot be decoded as an image"),
    (deep_among_flat, "5.png has uint16 values and"),
    (on_its_side, "the mask fits the pixels as stored: --exif ignore"),
    (few, "holds 3 images; needed at least 5 for --split 0.2"),
    (in_the_alpha_channel, "has one colour, and its alpha channel alone differs"),
    (smoothed, "so many values come from smoothing or lossy compression"),
    (counted_from_one, "holds labels [2]; needed 0 to 1, or 255 for pixels to ignore: --mask-values 1,2"),
    (two_kinds_of_black_and_white, "--mask-values 0,255 reads both"),
    (an_empty_mask_file, "1.png cannot be decoded as an image"),
    (other_names, "such as 0.png and mask_0.png; names may differ by --image-suffix and --mask-suffix alone"),
]


@pytest.mark.parametrize("make, message", FAULTS, ids=[make.__name__ for make, _ in FAULTS])
def test_data_that_cannot_be_learnt_from(make, message, tmp_path, capsys):
    make(tmp_path / "data")
    assert message in fails(capsys, tmp_path, *FOLDER, "--root", tmp_path / "data")
    if make is not deep_among_flat:
        argv = ["inspect", str(tmp_path / "data"), "--folder-classes", "2", "--out", str(tmp_path / "report")]
        assert cli.main(argv) == 1
        assert message in capsys.readouterr().out
        assert any(
            message in fault for fault in json.loads((tmp_path / "report" / "report.json").read_text())["faults"]
        )


@pytest.mark.parametrize(
    "make, remedy",
    [
        (zero_and_255, ["--mask-values", "0,255"]),
        (a_class_is_missing, ["--allow-missing-class"]),
        (out_of_range, ["--mask-values", "0,7"]),
        (two_kinds_of_black_and_white, ["--mask-values", "0,255"]),
        (an_empty_mask_file, ["--skip-broken"]),
        (broken, ["--skip-broken"]),
        (on_its_side, ["--exif", "ignore", "--size", "16", "16"]),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_the_remedy_that_is_named_works(make, remedy, tmp_path, capsys):
    make(tmp_path / "data")
    out = tmp_path / "run"
    argv = [*FOLDER, "--root", str(tmp_path / "data"), "--out", str(out), *remedy]
    assert cli.main(["train", *argv]) == 0
    assert (out / "best.safetensors").is_file()


def test_a_failed_start_leaves_no_folder_on_the_way(tmp_path):
    (tmp_path / "kept").mkdir()
    argv = ["train", "--clip", "0", "--out", str(tmp_path / "kept" / "deep" / "run")]
    assert cli.main(argv) == 1 and (tmp_path / "kept").is_dir() and not (tmp_path / "kept" / "deep").exists()


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"epochs": "many"}, "epochs is 'many'; needed a value such as 20"),
        ({"epohcs": 3}, "there is no setting 'epohcs'; epochs is one"),
        ({"clip": -1}, "--clip -1; needed above 0"),
        ({"lr": float("nan")}, "--lr nan; needed a finite number"),
        ({"epochs": 2.5}, "epochs is 2.5; needed a value such as 20"),
        ({"size": "ab"}, "size is 'ab'; needed a list of 2 numbers"),
        ({"crop": [8]}, "crop is [8]; needed a list of 2 numbers"),
        ({"scale": [1, "x"]}, "scale is [1, 'x']; needed a list of 2 numbers"),
        ({"augment": "light"}, "augment is 'light'; needed a list of texts"),
        ({"folder_classes": [1, 2]}, "folder_classes is [1, 2]; needed a list of texts"),
        ({"early_stopping": "soon"}, "early_stopping is 'soon'; needed a whole number"),
        ({"val_root": 3}, "val_root is 3; needed a text"),
        ({"mix": "cut"}, "mix is 'cut'; needed one of cutmix, mixup"),
        ({"flip": "no"}, "flip is 'no'; needed true or false"),
        ({"model_options": [1]}, 'model_options is [1]; needed such as {"base": 32}'),
    ],
)
def test_a_config_file_that_is_none(settings, message, tmp_path, capsys):
    (tmp_path / "c.json").write_text(json.dumps({"model": "unet_small"} | settings))
    assert message in fails(capsys, tmp_path, "--config", tmp_path / "c.json")


def test_images_that_train_and_validate_are_named(tmp_path, capsys):
    root = write_folder(tmp_path / "data", 4)
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "train.txt").write_bytes("\ufeff0.png\r\n1\r\n2\r\n".encode())
    (tmp_path / "lists" / "val.txt").write_text("2\n3.png\n")
    argv = [
        "inspect",
        str(root),
        "--folder-classes",
        "2",
        "--lists",
        str(tmp_path / "lists"),
        "--out",
        str(tmp_path / "r"),
    ]
    assert cli.main(argv) == 0
    assert "1 of 2 images that validate are also trained on, such as" in capsys.readouterr().out
    (tmp_path / "lists" / "val.txt").write_text("\n")
    assert "val.txt lists no image" in fails(capsys, tmp_path, *FOLDER, "--root", root, "--lists", tmp_path / "lists")


def test_a_batch_of_one_with_global_pooling(tmp_path, capsys):
    said = fails(capsys, tmp_path, "--model", "pspnet_small", "--batch-size", 1, "--length", 4, "--digit-size", 32)
    assert "--batch-size 1" in said and "needed --batch-size 2 or more" in said


def test_more_channels_than_the_network_takes(tmp_path, capsys):
    tifffile = pytest.importorskip("tifffile")
    write_folder(tmp_path / "data", 6)
    for k in range(6):
        (tmp_path / "data" / "images" / f"{k}.png").unlink()
        tifffile.imwrite(
            tmp_path / "data" / "images" / f"{k}.tif", np.zeros((16, 24, 5), np.uint8), planarconfig="contig"
        )
    argv = ["--model", "erfnet_small", "--data", "folder", "--folder-classes", 2, "--root", tmp_path / "data"]
    assert "the images have 5 channels, and --model erfnet_small takes 3; needed --model unet" in fails(
        capsys, tmp_path, *argv
    )
