"""Checks of settings before anything is written: ranges, and options without effect or in conflict."""

import difflib
import math

from .options import OPTIONS, flag

AT_LEAST_1 = (
    "length",
    "epochs",
    "batch_size",
    "digit_classes",
    "accumulate",
    "early_stopping",
    "val_every",
    "channels",
)
AT_LEAST_1 += ("crops_per_image",)
AT_LEAST_0 = ("warmup", "seed", "workers", "freeze_epochs", "weight_decay", "save_every", "jitter", "border_weight")
AT_LEAST_0 += ("folder_ignore",)
POSITIVE = ("lr", "clip")
PROBABILITIES = ("crop_class",)
OF_LAYOUT = {
    "folder": (
        "images",
        "masks",
        "image_suffix",
        "mask_suffix",
        "folder_ignore",
        "mask_values",
        "color_table",
        "lists",
    ),
    "digits": ("length", "digit_classes", "digit_size"),
}
NOT_OF_DIGITS = ("root", "download", "val_root", "channels", "exif", "allow_unpaired", "split", "skip_broken")
# Settings in config.json that follow from the data.
FOUND = ("task", "classes", "colors", "ignore_index", "image_format", "normalization", "left_out")
FOUND += ("class_weight_values",)
DIVIDED = ("folder", "coco", "coco-semantic", "labelme", "cvat", "roboflow")  # layouts that --split may divide
DOWNLOADED = ("camvid", "voc", "pets")


def number(option, value, minimum=None, above=None, maximum=None):
    """Raise ValueError for a number that is not finite or not within its bounds."""
    needed = f"at least {minimum:g}" if minimum is not None else f"above {above:g}" if above is not None else ""
    if maximum is not None:
        needed += f"{' and ' if needed else ''}at most {maximum:g}"
    bad = (
        not math.isfinite(value) or (minimum is not None and value < minimum) or (above is not None and value <= above)
    )
    if bad or (maximum is not None and value > maximum):
        finite = "" if math.isfinite(value) else "a finite number, " if needed else "a finite number"
        raise ValueError(f"{option} {value}; needed {finite}{needed}")


def check(config, given=()):
    """Raise ValueError for settings out of range, and for options among `given` without effect on the chosen data."""
    for name, value in config.items():
        if name not in OPTIONS or value is None:
            continue
        if name in AT_LEAST_1:
            number(flag(name), value, minimum=1)
        elif name in AT_LEAST_0:
            number(flag(name), value, minimum=0)
        elif name in POSITIVE:
            number(flag(name), value, above=0)
        elif name in PROBABILITIES:
            number(flag(name), value, minimum=0, maximum=1)
    number("--seed", config["seed"], minimum=0, maximum=2**63 - 1)
    if not 0 < config["split"] < 1:
        raise ValueError(f"--split {config['split']:g}; needed a share above 0 and below 1, such as 0.2")
    for name in ("size", "crop"):
        if config[name] is not None and min(config[name]) < 1:
            raise ValueError(f"{flag(name)} {' '.join(map(str, config[name]))}; needed two sizes of at least 1")
    if config["scale"] is not None:
        for value in config["scale"]:
            number("--scale", value, above=0)
        if config["scale"][0] > config["scale"][1]:
            raise ValueError(f"--scale {config['scale'][0]:g} {config['scale'][1]:g}; needed the smaller factor first")
    number("--digit-size", config["digit_size"], minimum=16)
    number("--digit-classes", config["digit_classes"], minimum=1, maximum=10)
    if config["val_tile"] is not None:
        number("--val-tile", config["val_tile"], minimum=32)
    if config["crops_per_image"] > 1 and config["crop"] is None:
        raise ValueError(f"--crops-per-image {config['crops_per_image']} needs --crop H W")
    if config["crop_class"] > 0 and config["crop"] is None:
        raise ValueError(f"--crop-class {config['crop_class']:g} needs --crop H W")
    _check_data(config, given)
    _check_names(config)


def _check_data(config, given):
    data = config["data"]
    for layout, names in OF_LAYOUT.items():
        for name in names:
            if name in given and data != layout and given[name] != OPTIONS[name][0]:
                raise ValueError(f"{flag(name)} has no effect with --data {data}: it is for --data {layout}")
    if data == "digits":
        for name in NOT_OF_DIGITS:
            if name in given and given[name] != OPTIONS[name][0]:
                raise ValueError(
                    f"{flag(name)} has no effect with --data digits (the default): --data LAYOUT is missing"
                )
    if config["folder_classes"] is not None and data not in ("folder", "labelme"):
        raise ValueError(f"--folder-classes has no effect with --data {data}, whose classes are known")
    if config["download"] and data not in DOWNLOADED:
        raise ValueError(f"--download is for --data {', '.join(DOWNLOADED)}; {data} cannot be downloaded")
    if "split" in given and data not in DIVIDED:
        raise ValueError(f"--split has no effect with --data {data}, which has its own parts")
    for first, second in (("val_root", "lists"), ("mask_values", "color_table")):
        if config[first] is not None and config[second] is not None:
            raise ValueError(f"{flag(first)} and {flag(second)} exclude each other; needed one of them")
    if config["val_root"] is not None and data not in DIVIDED:
        raise ValueError(f"--val-root has no effect with --data {data}, which has its own parts")


def _check_names(config):
    names = config["folder_classes"]
    if names is None:
        return
    if len(names) == 1 and names[0].lstrip("-").isdigit():
        number("--folder-classes", int(names[0]), minimum=2, maximum=65535)
        return
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"--folder-classes names {twice[0]!r} twice; needed different names")
    if len(names) < 2:
        raise ValueError(f"--folder-classes {names[0]}; needed two or more names with spaces between, or their number")


def check_file(config, path):
    """Raise ValueError, naming the file, for an unknown setting or one of the wrong type."""
    strange = [name for name in config if name not in OPTIONS and name not in FOUND]
    if strange:
        near = difflib.get_close_matches(strange[0], OPTIONS, 1)
        raise ValueError(f"{path}: there is no setting {strange[0]!r}" + (f"; {near[0]} is one" if near else ""))
    for name, (default, _, extra) in OPTIONS.items():
        value, kind = config.get(name), type(default)
        wrong = kind in (bool, str, dict) and not isinstance(value, kind)
        wrong |= kind in (int, float) and (isinstance(value, bool) or not isinstance(value, int | float))
        wrong |= "choices" in extra and value not in extra["choices"]
        if wrong and value is not None:
            raise ValueError(f"{path}: {name} is {value!r}; needed a value such as {default!r}")


def check_run(config, path):
    """`check_file` for a run to be resumed, whose file also names the classes."""
    check_file(config, path)
    if not isinstance(config.get("classes"), list) or not all(isinstance(name, str) for name in config["classes"]):
        raise ValueError(f"{path}: classes is {config.get('classes')!r}; needed a list of names")
