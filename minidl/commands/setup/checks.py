"""Checks of settings before anything is written: ranges, and options without effect or in conflict."""

import argparse
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
LARGEST = 16384  # pixels on a side: an image of that size in float32 takes 3 GiB
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
    number("--workers", config["workers"], minimum=0, maximum=256)
    number("--folder-ignore", config["folder_ignore"], minimum=0, maximum=65535)
    if not 0 < config["split"] < 1:
        raise ValueError(f"--split {config['split']:g}; needed a share above 0 and below 1, such as 0.2")
    for name in ("size", "crop"):
        if config[name] is not None and not 1 <= min(config[name]) <= max(config[name]) <= LARGEST:
            sizes = " ".join(map(str, config[name]))
            raise ValueError(f"{flag(name)} {sizes}; needed two sizes of at least 1 and at most {LARGEST}")
    if config["scale"] is not None:
        for value in config["scale"]:
            number("--scale", value, above=0, maximum=16)
        if config["scale"][0] > config["scale"][1]:
            raise ValueError(f"--scale {config['scale'][0]:g} {config['scale'][1]:g}; needed the smaller factor first")
    number("--digit-size", config["digit_size"], minimum=16, maximum=LARGEST // 4)
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
        _check_ignored(config, int(names[0]))
        return
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"--folder-classes names {twice[0]!r} twice; needed different names")
    if len(names) < 2:
        raise ValueError(
            f"--folder-classes {names[0]}; needed two or more names with spaces or commas between, or their number"
        )
    _check_ignored(config, len(names))


def _check_ignored(config, classes):
    """The label to ignore is none of the classes'; beyond 255 classes, 255 stands for 65535."""
    if config["folder_ignore"] < min(classes, 255):
        raise ValueError(f"--folder-ignore {config['folder_ignore']} is the label of a class; needed {classes} or more")


def check_file(config, path):
    """Raise ValueError, naming the file, for an unknown setting or one of the wrong type."""
    strange = [name for name in config if name not in OPTIONS and name not in FOUND]
    if strange:
        near = difflib.get_close_matches(strange[0], OPTIONS, 1)
        raise ValueError(f"{path}: there is no setting {strange[0]!r}" + (f"; {near[0]} is one" if near else ""))
    for name, (default, _, extra) in OPTIONS.items():
        value, needed = config.get(name), _kind_of(default, extra)
        if value is not None and not _is_of(value, needed):
            raise ValueError(f"{path}: {name} is {_short(value)}; needed {_described(needed, default)}")


def _kind_of(default, extra):
    """What a setting's value may be: a set of values, a type, or [type, how many] for a list."""
    kind = extra.get("type") if extra.get("type") in (int, float) else str
    if "choices" in extra:
        return set(extra["choices"])
    if isinstance(default, dict):
        return dict
    if extra.get("action") in ("store_true", argparse.BooleanOptionalAction):
        return bool
    return [kind, extra["nargs"]] if "nargs" in extra else kind


def _is_of(value, needed):
    if isinstance(needed, set):
        return isinstance(value, str) and value in needed
    if isinstance(needed, list):
        kind, count = needed
        right = isinstance(value, list) and (len(value) == count or (count == "+" and value))
        return right and all(_is_of(part, kind) for part in value)
    if needed in (int, float):
        return isinstance(value, int if needed is int else int | float) and not isinstance(value, bool)
    return isinstance(value, needed)


def _described(needed, default):
    if isinstance(needed, set):
        return f"one of {', '.join(sorted(needed))}"
    if isinstance(needed, list):
        return f"a list of {'texts' if needed[1] == '+' else f'{needed[1]} numbers'}"
    if default not in (None, "", {}):
        return f"a value such as {default!r}"
    return {int: "a whole number", float: "a number", bool: "true or false", dict: 'such as {"base": 32}'}.get(
        needed, "a text"
    )


def _short(value):
    text = repr(value)
    return text if len(text) < 60 else text[:57] + "..."


def check_run(config, path):
    """`check_file` for a run to be resumed, whose file also names the classes."""
    check_file(config, path)
    if not isinstance(config.get("classes"), list) or not all(isinstance(name, str) for name in config["classes"]):
        raise ValueError(f"{path}: classes is {config.get('classes')!r}; needed a list of names")
