"""The settings of a run by name: default, help and further arguments of the command-line option of the same name."""

import argparse

from .choices import OPTIMIZERS, SCHEDULES, device

DATA = ("digits", "folder", "camvid", "voc", "pets", "cityscapes", "ade20k", "coco", "coco-semantic", "labelme", "cvat")
DATA += ("roboflow",)

DATA_OPTIONS = {
    "data": ("digits", "the layout of the data", {"choices": DATA}),
    "root": (None, "the folder that holds the data", {"metavar": "DIR"}),
    "download": (False, "fetch what is missing of the data into --root", {"action": "store_true"}),
    "images": ("images", "for folder: the folder of images, inside --root or elsewhere", {"metavar": "DIR"}),
    "masks": ("masks", "for folder: the folder of masks", {"metavar": "DIR"}),
    "image_suffix": ("", "for folder: what follows the common part of the names of images, such as _img", {"metavar": "TEXT"}),
    "mask_suffix": ("", "for folder: the same of masks, such as _mask", {"metavar": "TEXT"}),
    "folder_classes": (None, "for folder: names of labels 0, 1, ..., or how many", {"nargs": "+", "metavar": "NAME"}),
    "folder_ignore": (255, "for folder: the label that does not count", {"type": int, "metavar": "LABEL"}),
    "mask_values": (None, "for folder: the values in the masks that are labels 0, 1, ..., such as 0,255", {"metavar": "V,V"}),
    "color_table": (None, "for folder: masks are painted in colours; a CSV of name,r,g,b, a JSON of name: [r, g, b], or voc, "
                          "camvid, camvid32, cityscapes", {"metavar": "FILE", "flag": "--colors"}),
    "split": (0.2, "share of the images that validates where the layout has no parts: with 0.2 every fifth, in order of name",
              {"type": float, "metavar": "SHARE"}),
    "val_root": (None, "another folder of the same layout that validates; all of --root is learnt from", {"metavar": "DIR"}),
    "lists": (None, "for folder: a folder with train.txt and val.txt, a name of an image on each line", {"metavar": "DIR"}),
    "channels": (None, "channels of the images that the network sees (1 where all are grey and the network can, else 3, or all "
                       "bands)", {"type": int, "metavar": "N"}),
    "exif": ("apply", "turn images as their EXIF orientation says", {"choices": ("apply", "ignore")}),
    "allow_unpaired": (False, "leave out images without a mask and masks without an image", {"action": "store_true"}),
    "allow_missing_class": (False, "train although a class does not occur", {"action": "store_true"}),
    "length": (1000, "for digits: scenes per epoch", {"type": int}),
    "digit_classes": (5, "for digits: how many digits there are to tell apart", {"type": int}),
    "digit_size": (96, "for digits: pixels a side", {"type": int}),
    "skip_broken": (False, "leave out images that cannot be decoded, with a warning", {"action": "store_true"}),
}  # fmt: skip

NETWORK_OPTIONS = {
    "model": ("unet_small", "the network; `--model help` lists them", {"metavar": "NAME"}),
    "model_options": ({}, "options of the model, such as base=32 up=resize", {"nargs": "+", "metavar": "NAME=VALUE"}),
    "weights": (None, "start from these weights: published ones by name (`minidl weights` lists them), a .pth or safetensors "
                      "file, or a run folder; layers for another number of classes start anew; a classifier becomes the "
                      "backbone",
                {"metavar": "NAME|FILE"}),
    "freeze_epochs": (0, "epochs in which the backbone stays as it is", {"type": int, "metavar": "K"}),
}  # fmt: skip

LEARNING_OPTIONS = {
    "epochs": (20, "passes over the data; --resume with more continues", {"type": int}),
    "batch_size": (8, "images per step", {"type": int}),
    "accumulate": (1, "batches whose gradients are added up before a step", {"type": int, "metavar": "BATCHES"}),
    "optimizer": ("adamw", "how weights move", {"choices": OPTIMIZERS}),
    "lr": (1e-3, "learning rate at its highest", {"type": float}),
    "weight_decay": (1e-4, "pull of the weights towards 0", {"type": float}),
    "schedule": ("poly", "how the learning rate falls", {"choices": SCHEDULES}),
    "warmup": (0, "steps over which it first rises", {"type": int, "metavar": "STEPS"}),
    "clip": (None, "largest norm of all gradients together", {"type": float, "metavar": "NORM"}),
    "loss": ("cross_entropy", "cross_entropy, dice, focal, lovasz, tversky, or a sum such as cross_entropy+dice or "
                              "0.5*focal+dice", {"metavar": "LOSS"}),
    "class_weights": (None, "auto (rare classes count more: median frequency balancing) or a number for each class",
                      {"nargs": "+", "metavar": "W"}),
    "border_weight": (0.0, "U-Net's w0: how much more pixels between two objects count (10 in the paper)",
                      {"type": float, "metavar": "W0"}),
    "early_stopping": (None, "stop when the validation score has not risen for so many epochs", {"type": int, "metavar": "K"}),
    "val_every": (1, "validate every so many epochs", {"type": int, "metavar": "K"}),
    "val_tile": (None, "validate in tiles of so many pixels, for images too large for the memory", {"type": int,
                 "metavar": "PIXELS"}),
}  # fmt: skip

AUGMENT_OPTIONS = {
    "size": (None, "resize every image", {"type": int, "nargs": 2, "metavar": ("H", "W")}),
    "augment": (["none"], "a preset: none, light (photographs), medical (microscopes, scans), aerial (from above); or single "
                          "steps: flip vflip turn90 rotate affine elastic elastic-grid color noise blur cutout",
                {"nargs": "+", "metavar": "NAME"}),
    "crop": (None, "train on random windows", {"type": int, "nargs": 2, "metavar": ("H", "W")}),
    "crop_class": (0.0, "probability that a window is chosen to hold an object", {"type": float, "metavar": "P"}),
    "crops_per_image": (1, "random windows of each image and epoch", {"type": int, "metavar": "N"}),
    "scale": (None, "enlarge by a random factor first", {"type": float, "nargs": 2, "metavar": ("LEAST", "MOST")}),
    "flip": (None, "mirror half of the images (not digits)", {"action": argparse.BooleanOptionalAction}),
    "jitter": (0.0, "random brightness, contrast and saturation", {"type": float, "metavar": "AMOUNT"}),
    "mix": (None, "mix the images of a batch: mixup blends two, cutmix pastes a rectangle of one into another",
            {"choices": ("mixup", "cutmix")}),
}  # fmt: skip

RUN_OPTIONS = {
    "seed": (0, "of weights, order and augmentation", {"type": int}),
    "device": ("cpu", '"cpu", or "cuda" for an NVIDIA GPU, "cuda:1"', {"type": device, "metavar": "NAME"}),
    "workers": (0, "processes that prepare batches", {"type": int}),
    "save_every": (300.0, "seconds between checkpoints within an epoch", {"type": float, "metavar": "SECONDS"}),
}  # fmt: skip

GROUPS = {
    "network": NETWORK_OPTIONS,
    "data": DATA_OPTIONS,
    "learning": LEARNING_OPTIONS,
    "augmentation": AUGMENT_OPTIONS,
    "run": RUN_OPTIONS,
}
OPTIONS = {name: option for group in GROUPS.values() for name, option in group.items()}
INSPECTED = [name for name in DATA_OPTIONS if name not in ("root", "length", "digit_classes", "digit_size", "download")]


def flag(name):
    """The option on the command line that sets `name`."""
    return (
        OPTIONS[name][2].get("flag", f"--{name.replace('_', '-')}")
        if name in OPTIONS
        else f"--{name.replace('_', '-')}"
    )


def add(parser, names, **defaults):
    """Add the options `names`; one that is not given is absent from the result. `defaults` replace those in the help."""
    for name in names:
        default, text, more = OPTIONS[name]
        default = defaults.get(name, default)
        if isinstance(default, list):
            default = " ".join(default)
        shown = (
            ""
            if default in (None, False, {}, "")
            else f" ({default:g})"
            if isinstance(default, float)
            else f" ({default})"
        )
        more = {key: value for key, value in more.items() if key != "flag"}
        parser.add_argument(flag(name), dest=name, default=argparse.SUPPRESS, help=text + shown, **more)


def complete(config):
    """Settings with the defaults of options that did not exist when they were written."""
    late = {"image_format": None, "normalization": None, "task": "segmentation", "left_out": []}
    late |= {"class_weight_values": None}
    return {name: default for name, (default, _, _) in OPTIONS.items()} | late | config
