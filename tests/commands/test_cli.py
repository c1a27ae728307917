"""The command line: output and files of each subcommand, exit codes, and one-line errors."""

import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from minidl import backend, cli, models
from minidl.commands import building, tour
from minidl.train import checkpoint


@pytest.fixture(scope="module", autouse=True)
def reference():
    """Use the reference column, which needs no compilation, since the commands are tested here."""
    with backend.use("reference"):
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Dark images with a bright square: images/ and masks/."""
    root = tmp_path_factory.mktemp("data")
    (root / "images").mkdir()
    (root / "masks").mkdir()
    rng = np.random.default_rng(0)
    for k in range(10):
        mask = np.zeros((16, 24), np.uint8)
        mask[4:12, 2 + k : 10 + k] = 1
        image = rng.integers(0, 80, (16, 24, 3)) + 150 * mask[..., None]
        Image.fromarray(image.astype(np.uint8)).save(root / "images" / f"{k}.png")
        Image.fromarray(mask).save(root / "masks" / f"{k}.png")
    return root


NETWORK = ["--model", "unet", "--model-options", "base=4", "depth=2", "batch_norm=true"]
OPTIONS = [*NETWORK, "--data", "folder", "--folder-classes", "background", "square", "--batch-size", "4"]


def train(root, out, *more):
    return cli.main(["train", *OPTIONS, "--root", str(root), "--out", str(out), *map(str, more)])


@pytest.fixture(scope="module")
def trained(folder, tmp_path_factory):
    """A finished run."""
    out = tmp_path_factory.mktemp("runs") / "squares"
    assert train(folder, out, "--epochs", 15, "--crop", 16, 16, "--lr", 0.01) == 0
    return out


def size(path):
    with Image.open(path) as picture:
        return picture.size


def fails(capsys, *argv):
    """The one line that a failing command says."""
    capsys.readouterr()
    assert cli.main([str(word) for word in argv]) == 1
    text = capsys.readouterr().err
    assert text.count("\n") == 1 and "Traceback" not in text
    return text


def test_help_is_quick_and_lists_what_is_there(monkeypatch, capsys):
    code = "import sys; from minidl import cli\ntry: cli.main(['--help'])\nexcept SystemExit: pass\n"
    code += "print([m for m in ('numba', 'matplotlib', 'PIL', 'scipy', 'tqdm') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.rstrip().endswith("[]") and "exit codes: 0 done, 1 error, 2 wrong usage" in done.stdout
    monkeypatch.setitem(cli.COMMANDS, "not-written-yet", "nothing")
    with pytest.raises(SystemExit) as end:
        cli.main(["--help"])
    text = capsys.readouterr().out
    assert end.value.code == 0 and "not-written-yet" not in text
    assert all(name in text for name in ("tour", "train", "predict", "evaluate", "info"))


@pytest.mark.parametrize("name", ["tour", "train", "predict", "evaluate"])
def test_every_command_explains_itself_with_examples(name, capsys):
    with pytest.raises(SystemExit) as end:
        cli.main([name, "--help"])
    text = capsys.readouterr().out
    assert end.value.code == 0 and "examples:" in text and f"minidl {name}" in text


@pytest.mark.parametrize(
    "argv", [[], ["nonsense"], ["train"], ["predict", "x"], ["info", "--what"], ["train", "--out", "x", "--lr", "a"]]
)
def test_wrong_usage_exits_with_2(argv, capsys):
    with pytest.raises(SystemExit) as end:
        cli.main(argv)
    said = capsys.readouterr().err
    assert end.value.code == 2 and said.count("\n") == 1 and "error: " in said and "--help)" in said


def test_info(capsys, monkeypatch):
    assert cli.main(["info"]) == 0
    text = capsys.readouterr().out
    rows = {line[:13].strip(): line[13:].strip() for line in text.splitlines()}
    assert list(rows) == ["minidl", "python", "packages", "kernels", "threads", "instructions", "gpu", "c++ compiler"]
    assert f"numpy {np.__version__}" in rows["packages"] and "of" in rows["threads"] and rows["gpu"]
    import llvmlite.binding

    assert llvmlite.binding.get_host_cpu_name() in rows["instructions"]
    monkeypatch.setenv("CXX", "no-such-compiler")
    cli.main(["info"])
    assert "none (no-such-compiler not found)" in capsys.readouterr().out


def test_train_writes_its_folder(trained):
    names = {"config.json", "log.csv", "curves.png", "last.safetensors", "best.safetensors"}
    assert {p.name for p in trained.iterdir()} == names
    config = json.loads((trained / "config.json").read_text())
    assert config["classes"] == ["background", "square"] and config["crop"] == [16, 16] and config["flip"] is True
    assert len((trained / "log.csv").read_text().splitlines()) == 16
    assert size(trained / "curves.png")[0] > 500


def test_evaluate(trained, folder, tmp_path, capsys):
    assert cli.main(["evaluate", str(trained), "--json", str(tmp_path / "s.json")]) == 0
    text = capsys.readouterr().out
    scores = json.loads((tmp_path / "s.json").read_text())
    assert "square" in text and f"{scores['mean IoU']:.4f}" in text and scores["mean IoU"] > 0.6
    best = checkpoint.load(trained / "best.safetensors")[1]["scores"]["val_iou"]
    assert scores["mean IoU"] == pytest.approx(best, abs=1e-6)
    assert cli.main(["evaluate", str(trained / "last.safetensors"), "--root", str(folder), "--split", "train"]) == 0
    assert "on 8 images (train)" in capsys.readouterr().out


def test_predict_any_size(trained, tmp_path, capsys):
    image = np.full((37, 53, 3), 40, np.uint8)
    image[10:26, 20:40] = 220
    Image.fromarray(image).save(tmp_path / "i.png")
    argv = ["predict", trained, tmp_path / "i.png", "-o", tmp_path / "o.jpg", "--mask", tmp_path / "m.png"]
    assert cli.main([*map(str, argv), "--figure", str(tmp_path / "f.png")]) == 0
    assert size(tmp_path / "o.jpg") == (53, 37) and size(tmp_path / "f.png")[0] > 500
    with Image.open(tmp_path / "m.png") as mask:
        mask.load()
    truth = image[..., 0] > 100
    found = np.array(mask) == 1
    assert mask.mode == "P" and (truth & found).sum() / (truth | found).sum() > 0.5
    assert "background" in capsys.readouterr().out
    tiled = [*map(str, argv[:-1]), str(tmp_path / "t.png"), "--tile", "32"]
    assert cli.main(tiled) == 0
    with Image.open(tmp_path / "t.png") as tiles:
        assert (np.array(tiles) == np.array(mask)).mean() > 0.9


def test_predict_a_folder_reports_broken_images_and_goes_on(trained, folder, tmp_path, capsys):
    source = tmp_path / "in"
    source.mkdir()
    good = (folder / "images" / "0.png").read_bytes()
    (source / "a.png").write_bytes(good)
    (source / "b.png").write_bytes(good[: len(good) // 2])
    (source / "c.png").write_bytes(good)
    (source / "notes.txt").write_text("no image")
    capsys.readouterr()
    assert cli.main(["predict", str(trained), str(source), "-o", str(tmp_path / "out")]) == 1
    said = capsys.readouterr().err
    assert "b.png cannot be decoded" in said and "1 of 3 images could not be read" in said
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["a.png", "c.png"]


def test_resume_takes_its_settings_from_the_run(folder, tmp_path, capsys):
    out = tmp_path / "run"
    assert train(folder, out, "--epochs", 1) == 0
    (out / "last.safetensors").unlink()  # killed before the first checkpoint
    assert cli.main(["train", "--resume", "--out", str(out), "--root", str(folder)]) == 0
    assert len((out / "log.csv").read_text().splitlines()) == 2
    assert "--lr 0.5 differs from the run's setting (0.001)" in fails(
        capsys, "train", "--resume", "--out", out, "--lr", 0.5
    )
    assert "already holds a run" in fails(capsys, "train", *OPTIONS, "--root", folder, "--out", out)
    assert "there is no run to resume" in fails(capsys, "train", "--resume", "--out", tmp_path / "none")
    (out / "config.json").write_text("{")
    assert "config.json is not JSON" in fails(capsys, "train", "--resume", "--out", out)


@pytest.mark.filterwarnings("ignore:.*(overflow|invalid value):RuntimeWarning")
def test_a_diverging_run_keeps_its_last_good_checkpoint(folder, tmp_path, capsys):
    out = tmp_path / "run"
    more = ["--root", folder, "--out", out, "--lr", 1e30, "--optimizer", "sgd", "--epochs", 5]
    said = fails_after_progress(capsys, ["train", *OPTIONS, *more])
    assert "the last good checkpoint is" in said and "lower learning rate" in said
    weights, _ = checkpoint.load(out / "last.safetensors")
    assert all(np.isfinite(w).all() for w in weights.values())


def fails_after_progress(capsys, argv):
    capsys.readouterr()
    assert cli.main([str(word) for word in argv]) == 1
    return capsys.readouterr().err.splitlines()[-1]


def test_bad_input_is_one_line(trained, folder, tmp_path, capsys):
    image, out = folder / "images" / "0.png", tmp_path / "o.png"
    (tmp_path / "text.png").write_text("not an image")
    (tmp_path / "cut.safetensors").write_bytes((trained / "best.safetensors").read_bytes()[:5000])
    checkpoint.save(tmp_path / "bare.safetensors", models.unet_small(2).state_dict())
    config = json.loads((trained / "config.json").read_text())
    other = tmp_path / "other.safetensors"
    checkpoint.save(other, models.fcn8s_small(2).state_dict(), config=config)
    (tmp_path / "file").write_text("")
    (tmp_path / "empty").mkdir()
    for name in ("images", "masks"):
        (tmp_path / "few" / name).mkdir(parents=True)
        (tmp_path / "few" / name / "0.png").write_bytes((folder / name / "0.png").read_bytes())
    cases = [
        (["train", "--data", "camvid", "--out", tmp_path / "r"], "--data camvid needs --root"),
        (["train", *OPTIONS, "--root", tmp_path / "nowhere", "--out", tmp_path / "r"], "nowhere is not a folder"),
        (["train", *OPTIONS, "--root", tmp_path / "empty", "--out", tmp_path / "r"], "empty/masks are no folders"),
        (["train", *OPTIONS, "--root", tmp_path / "few", "--out", tmp_path / "r"], "holds 1 images; needed at least 5"),
        (["train", "--data", "folder", "--root", folder, "--out", tmp_path / "r"], "needs --folder-classes"),
        (["train", "--model", "resnext", "--out", tmp_path / "r"], "there is no model 'resnext'; needed one of "),
        (["train", "--model-options", "bass=3", "--out", tmp_path / "r"], "unet_small has no option bass"),
        (["train", "--model-options", "base", "--out", tmp_path / "r"], "needed NAME=VALUE"),
        (["train", "--epochs", "0", "--out", tmp_path / "r"], "--epochs 0; needed at least 1"),
        (["train", "--length", "8", "--epochs", "1", "--out", tmp_path / "file"], "file"),
        (["train", "--length", "8", "--epochs", "1", "--out", tmp_path / "file" / "run"], "file"),
        (["predict", tmp_path / "nowhere", image, "-o", out], "nowhere"),
        (["predict", tmp_path / "empty", image, "-o", out], "it is not the folder of a run"),
        (["predict", tmp_path / "cut.safetensors", image, "-o", out], "cut.safetensors is truncated"),
        (["predict", image, image, "-o", out], "is a PNG image, not a safetensors checkpoint"),
        (["predict", tmp_path / "bare.safetensors", image, "-o", out], "does not say which model it is of"),
        (["predict", other, image, "-o", out], "other.safetensors is not of this UNet: missing"),
        (["predict", trained, tmp_path / "text.png", "-o", out], "text.png cannot be decoded as an image"),
        (["predict", trained, tmp_path / "missing.png", "-o", out], "missing.png: No such file"),
        (["predict", trained, tmp_path / "empty", "-o", out], "holds no images"),
        (["predict", trained, image, "-o", tmp_path / "no" / "o.png"], "no is not a folder"),
        (["predict", trained, image, "-o", tmp_path / "o.xyz"], "unknown kind of picture '.xyz'"),
        (["predict", trained, image, "-o", out, "--alpha", "2"], "--alpha 2.0; needed 0 to 1"),
        (["evaluate", trained, "--root", tmp_path / "nowhere"], "nowhere is not a folder"),
        (["tour", "--out", tmp_path / "file"], "file"),
    ]
    for argv, expected in cases:
        assert expected in fails(capsys, *argv), argv
    assert not (tmp_path / "r").exists() and not out.exists()


def test_debug_shows_the_traceback(tmp_path):
    for argv in (
        ["--debug", "predict", "none", "i.png", "-o", "o.png"],
        ["predict", "none", "i.png", "-o", "o.png", "--debug"],
    ):
        done = subprocess.run(
            [sys.executable, "-m", "minidl.cli", *argv], capture_output=True, text=True, cwd=tmp_path, timeout=60
        )
        assert done.returncode == 1 and "Traceback" in done.stderr and "FileNotFoundError" in done.stderr


def test_ctrl_c_exits_with_130_and_defects_say_so(monkeypatch, capsys):
    from minidl.commands import info

    def raising(error):
        def run(args):
            raise error

        monkeypatch.setattr(info, "run", run)

    raising(KeyboardInterrupt("stopped after step 3"))
    assert cli.main(["info"]) == 130
    assert capsys.readouterr().err == "minidl info: stopped after step 3\n"
    raising(KeyError("x"))
    assert "KeyError: 'x' (probably a bug in minidl; --debug shows the traceback)" in fails(capsys, "info")
    noted = ValueError("two\nlines")
    noted.add_note("while loading sample 3")
    raising(noted)
    assert fails(capsys, "info") == "minidl info: two lines (while loading sample 3)\n"


def test_model_options_and_lists(capsys):
    assert cli.main(["train", "--model", "help", "--out", "x"]) == 0
    listed = capsys.readouterr().out.split()
    assert "unet" in listed and listed == building.networks()
    config = {"model": "unet", "model_options": {"base": 2, "depth": 1, "up": "resize"}, "classes": ["a", "b"]}
    assert building.build_model(config).num_classes == 2
    config = {"model": "fcn8s", "model_options": {"backbone": "vgg_small", "hidden": 0}, "classes": ["a", "b"]}
    assert building.build_model(config).num_classes == 2
    config["model_options"]["backbone"] = "vgg_smell"
    with pytest.raises(ValueError, match=r"no backbone 'vgg_smell'; needed one of .*vgg_small"):
        building.build_model(config)


@pytest.mark.parametrize("optimizer", building.OPTIMIZERS)
@pytest.mark.parametrize("schedule", building.SCHEDULES)
def test_schedules_end_where_they_should(optimizer, schedule):
    config = {"lr": 0.1, "weight_decay": 0.0, "optimizer": optimizer, "schedule": schedule, "warmup": 5}
    built, plan = building.build_optimizer(config, models.unet_small(2), 50)
    rates = []
    for _ in range(50):
        rates.append(built.param_groups[0]["lr"])
        plan.step()
    assert rates[0] < 0.01 and max(rates) == pytest.approx(0.1) and np.argmax(rates) == 5
    assert (rates[-1] == 0.1) == (schedule == "constant") and rates[-1] > 0


def test_tour(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(tour, "SCENES", {"size": 32, "classes": 2})
    monkeypatch.setattr(tour, "QUICK_LENGTH", 8)
    monkeypatch.setattr(tour, "JUDGED", 5)
    monkeypatch.setattr(tour, "EPOCHS", 1)
    monkeypatch.setattr(tour, "NETWORKS", {"FCN-8s": "fcn8s_small", "U-Net": "unet_small"})
    assert cli.main(["tour", "--quick", "--out", str(tmp_path / "t")]) == 0
    text = capsys.readouterr().out
    assert all(f"\n{name} " in text for name in tour.NETWORKS) and "Next: " in text and "index.html" in text
    names = {"index.html", "predictions.png", "scores.png", "checkerboard.png", "receptive_field.png"}
    assert {p.name for p in (tmp_path / "t").iterdir()} == names
    page = (tmp_path / "t" / "index.html").read_text()
    assert page.count("data:image/png;base64,") == 4 and "://" not in page
    assert "FCN-8s" in page and "U-Net" in page


def test_compile_leaves_kernels_on_disk(tmp_path, monkeypatch):
    from minidl.bench import cases

    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(cases, "CASES", [cases.Case("light", "small", "sgd", cases.FORWARD, {"shapes": [(50,)]})])
    assert cli.main(["compile", "--processes", "2"]) == 0
    assert any(file.name.startswith("optim._momentum") for file in tmp_path.rglob("*.nbc"))
