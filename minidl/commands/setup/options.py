"""The settings of a run by name: default, help and further arguments of the command-line option of the same name."""

import argparse

from .choices import OPTIMIZERS, SCHEDULES, device

DATA = ("digits", "folder", "camvid", "voc", "pets", "cityscapes", "ade20k", "coco", "coco-semantic", "labelme", "cvat")
DATA += ("roboflow",)


class Items(argparse.Action):
    """A list of words with spaces or commas between."""

    def __call__(self, parser, namespace, values, option_string=None):
        setattr(namespace, self.dest, items(values))


def items(words):
    """The parts of words at commas: ["a,b", "c"] is a, b, c, and so is ["a,", "b,", "c"]."""
    return [part for word in words for part in map(str.strip, word.split(",")) if part]


DATA_OPTIONS = {
    "data": ("digits", "how the data is laid out: digits (generated scenes), folder (a folder of images and one of masks), or "
                       "as the set or tool of that name: " + ", ".join(DATA[2:]), {"choices": DATA, "metavar": "LAYOUT"}),
    "root": (None, "the folder that holds the data", {"metavar": "DIR"}),
    "download": (False, "download what is missing of the data into --root", {"action": "store_true"}),
    "images": ("images", "for folder: the folder of images, inside --root or elsewhere", {"metavar": "DIR"}),
    "masks": ("masks", "for folder: the folder of masks, inside --root or elsewhere", {"metavar": "DIR"}),
    "image_suffix": ("", "for folder: the end of image names that mask names lack: _img for a_img.jpg and a.png",
                     {"metavar": "TEXT"}),
    "mask_suffix": ("", "for folder: the end of mask names that image names lack: _mask for a.jpg and a_mask.png",
                    {"metavar": "TEXT"}),
    "folder_classes": (None, "for folder: the names of the labels 0, 1, ... in order, with spaces or commas between, or their "
                             "number", {"nargs": "+", "action": Items, "metavar": "NAME"}),
    "folder_ignore": (255, "for folder: the label of pixels that count neither in the loss nor in the scores; 65535 with more "
                           "than 255 classes", {"type": int, "metavar": "LABEL"}),
    "mask_values": (None, "for folder: the stored values of the classes 0, 1, ... in order: 0,255 for black-and-white masks",
                    {"metavar": "V,V"}),
    "color_table": (None, "for folder: the masks are painted in colours. FILE is a CSV of lines name,r,g,b, a JSON of "
                          "name: [r, g, b], or one of the built-in tables voc, camvid, camvid32, cityscapes",
                    {"metavar": "FILE", "flag": "--colors"}),
    "split": (0.2, "share of the images for validation, where the layout has no validation part; 0.2 takes every fifth image "
                   "in the order of names", {"type": float, "metavar": "SHARE"}),
    "val_root": (None, "validate on this folder, which has the same layout, and train on all of --root", {"metavar": "DIR"}),
    "lists": (None, "for folder: a folder with train.txt, val.txt and, if wanted, test.txt: the name of an image on each line",
              {"metavar": "DIR"}),
    "channels": (None, "number of image channels that the network takes (1 if all images are grey and the network allows it, "
                       "all bands of a multispectral TIFF, else 3)", {"type": int, "metavar": "N"}),
    "exif": ("apply", "whether images are rotated as their EXIF orientation says", {"choices": ("apply", "ignore")}),
    "allow_unpaired": (False, "leave out images without a mask and masks without an image", {"action": "store_true"}),
    "allow_missing_class": (False, "train although a class does not occur in the training masks", {"action": "store_true"}),
    "length": (1000, "for digits: scenes per epoch", {"type": int, "metavar": "N"}),
    "digit_classes": (5, "for digits: how many different digits there are", {"type": int, "metavar": "N"}),
    "digit_size": (96, "for digits: height and width of a scene", {"type": int, "metavar": "PIXELS"}),
    "skip_broken": (False, "leave out images and masks that cannot be decoded, with a warning", {"action": "store_true"}),
}  # fmt: skip

NETWORK_OPTIONS = {
    "model": ("unet_small", "the network; `--model help` lists them", {"metavar": "NAME"}),
    "model_options": ({}, "options of the network, such as base=32 up=resize", {"nargs": "+", "metavar": "NAME=VALUE"}),
    "weights": (None, "start from these weights: published ones by name (`minidl weights` lists them), a .pth or safetensors "
                      "file, or a run folder; layers for another number of classes start anew; a classifier becomes the "
                      "backbone",
                {"metavar": "NAME|FILE"}),
    "freeze_epochs": (0, "do not train the backbone in the first K epochs", {"type": int, "metavar": "K"}),
}  # fmt: skip

LEARNING_OPTIONS = {
    "epochs": (20, "passes over the training images; a larger number with --resume continues a finished run",
               {"type": int, "metavar": "N"}),
    "batch_size": (8, "images per batch", {"type": int, "metavar": "N"}),
    "accumulate": (1, "batches whose gradients are averaged for one step", {"type": int, "metavar": "BATCHES"}),
    "optimizer": ("adamw", "the optimiser", {"choices": OPTIMIZERS}),
    "lr": (1e-3, "the largest learning rate", {"type": float, "metavar": "RATE"}),
    "weight_decay": (1e-4, "weight decay of the optimiser", {"type": float, "metavar": "DECAY"}),
    "schedule": ("poly", "how the learning rate decreases", {"choices": SCHEDULES}),
    "warmup": (0, "steps over which the learning rate first increases from 0", {"type": int, "metavar": "STEPS"}),
    "clip": (None, "clip the norm of all gradients together to this value", {"type": float, "metavar": "NORM"}),
    "loss": ("cross_entropy", "cross_entropy, dice, focal, lovasz, tversky, or a weighted sum such as cross_entropy+dice or "
                              "0.5*focal+dice", {"metavar": "LOSS"}),
    "class_weights": (None, "weights of the classes in cross_entropy and focal: auto (median frequency balancing: rare classes "
                            "count more), or a number for each class", {"nargs": "+", "action": Items, "metavar": "W"}),
    "border_weight": (0.0, "U-Net's weight map: background pixels between two objects count up to W0 more in cross_entropy; "
                           "10 in the paper", {"type": float, "metavar": "W0"}),
    "early_stopping": (None, "stop when the validation score has not risen for K epochs", {"type": int, "metavar": "K"}),
    "val_every": (1, "validate after every K epochs", {"type": int, "metavar": "K"}),
    "val_tile": (None, "validate in tiles of PIXELS x PIXELS, for images too large for the memory", {"type": int,
                 "metavar": "PIXELS"}),
}  # fmt: skip

AUGMENT_OPTIONS = {
    "size": (None, "resize every image and mask", {"type": int, "nargs": 2, "metavar": ("H", "W")}),
    "augment": (["none"], "random augmentation: a preset (none, light for photographs, medical for microscopes and scans, "
                          "aerial for pictures from above), or single steps: flip vflip turn90 rotate affine elastic "
                          "elastic-grid color noise blur cutout", {"nargs": "+", "action": Items, "metavar": "NAME"}),
    "crop": (None, "train on random crops of this size; smaller images are padded",
             {"type": int, "nargs": 2, "metavar": ("H", "W")}),
    "crop_class": (0.0, "probability that a crop is chosen to hold a pixel of a class other than 0",
                   {"type": float, "metavar": "P"}),
    "crops_per_image": (1, "random crops of each image in an epoch", {"type": int, "metavar": "N"}),
    "scale": (None, "scale each image by a random factor between these two, before it is cropped",
              {"type": float, "nargs": 2, "metavar": ("MIN", "MAX")}),
    "flip": (None, "mirror half of the images left to right, used if --augment is not given (on, except for digits)",
             {"action": argparse.BooleanOptionalAction}),
    "jitter": (0.0, "strength of random brightness, contrast and saturation: 0.3", {"type": float, "metavar": "AMOUNT"}),
    "mix": (None, "mix the images of a batch: mixup blends two, cutmix pastes a rectangle of one into another",
            {"choices": ("mixup", "cutmix")}),
}  # fmt: skip

RUN_OPTIONS = {
    "seed": (0, "seed of the initial weights, the order of the images and the augmentation", {"type": int, "metavar": "N"}),
    "device": ("cpu", '"cpu", or "cuda" for an NVIDIA GPU, "cuda:1" for the second', {"type": device, "metavar": "NAME"}),
    "workers": (0, "additional processes that prepare batches", {"type": int, "metavar": "N"}),
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
    """Settings completed by the defaults of options that the file, of an older version, does not contain."""
    late = {"image_format": None, "normalization": None, "task": "segmentation", "left_out": []}
    late |= {"class_weight_values": None}
    return {name: default for name, (default, _, _) in OPTIONS.items()} | late | config
