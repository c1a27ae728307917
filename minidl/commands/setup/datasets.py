"""Builds data sets from settings: the layout by name, its parts, the format of its files."""

from pathlib import Path

SPLITS = ("train", "val", "test")


def layout_options(config):
    """The settings as `data.layouts.LayoutOptions`."""
    from ...data.image import ImageFormat
    from ...data.layouts import LayoutOptions

    names, image_format = config["folder_classes"], config["image_format"] or {}
    if names is not None and len(names) == 1 and names[0].isdigit():
        names = int(names[0])
    return LayoutOptions(
        classes=names,
        ignore_index=ignore_index(config),
        images=config["images"],
        masks=config["masks"],
        image_suffix=config["image_suffix"],
        mask_suffix=config["mask_suffix"],
        decoder=decoder(config),
        split=config["split"],
        lists=config["lists"],
        unpaired=config["allow_unpaired"],
        instances=config["task"] == "detection",
        boxes="mask" not in config["model"],
        download=config["download"],
        image_format=ImageFormat(**({"exif": config["exif"] == "apply"} | image_format)),
    )


def ignore_index(config):
    """The label that does not count: by default 255, or 65535 with more than 255 classes."""
    names = config["folder_classes"] or ()
    count = int(names[0]) if len(names) == 1 and names[0].isdigit() else len(names)
    return 65535 if config["folder_ignore"] == 255 and count > 255 else config["folder_ignore"]


def decoder(config):
    """The converter of the masks' values or colours to labels; None where the masks store labels."""
    if config["mask_values"] is not None:
        from ...data.mask import MaskValues

        try:
            values = tuple(int(v) for v in str(config["mask_values"]).replace(",", " ").split())
            return MaskValues(values, ignore_index(config))
        except ValueError as error:
            raise ValueError(
                f"--mask-values {config['mask_values']}; needed two or more different numbers of at least 0, such as 0,255"
            ) from error
    if config["color_table"] is not None:
        from ...data.layouts.tables import color_table

        return color_table(config["color_table"], ignore_index(config))
    return None


def build_dataset(config, part):
    """The data set of `config`: its part for training (0), validation (1) or testing (2)."""
    from ... import data

    name = config["data"]
    if name == "digits":
        if part == 2:
            raise ValueError("--data digits has no test part; needed train or val")
        length = (config["length"], max(config["length"] // 8, 8))[part]
        return data.DigitScenes(
            config["digit_size"], length, config["digit_classes"], config["seed"], split=SPLITS[part],
            instances=config["task"] == "detection",
        )  # fmt: skip
    from ...data.layouts import LAYOUTS

    root = config["root"]
    if root is None:
        raise ValueError(f"--data {name} needs --root, the folder that holds it")
    if config["val_root"] is not None:
        if part == 2:
            raise ValueError("--val-root leaves no test part; needed train or val")
        option, root = (("--root", root), ("--val-root", config["val_root"]))[part]
        part = None
    else:
        option = "--root"
    if not Path(root).is_dir() and not config["download"]:
        raise FileNotFoundError(f"{option} {root} is not a folder")
    return LAYOUTS[name](Path(root), None if part is None else SPLITS[part], layout_options(config))
