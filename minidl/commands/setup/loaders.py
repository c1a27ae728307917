"""Builds transforms and loaders from settings: augmentation, crops, normalisation, batches."""

from .datasets import build_dataset


def normalize(config):
    """The last transform: ImageNet's mean and deviation for RGB, those measured on the training images for others."""
    from ...data.transforms import Normalize

    measured = config.get("normalization")
    if measured is None:
        return Normalize()
    high = bool((config.get("image_format") or {}).get("high_depth"))
    return Normalize(measured["mean"], measured["std"], high_depth=high)


def augmentation(config):
    """The random transforms of training, in order, without normalisation."""
    from ...data import transforms as T

    ignore = config["ignore_index"]
    steps = [T.Resize(tuple(config["size"]))] if config["size"] else []
    steps += [T.RandomScale(tuple(config["scale"]))] if config["scale"] else []
    try:
        steps += T.augmentations(config["augment"], ignore)
    except ValueError as error:
        raise ValueError(f"--augment: {error}") from error
    if config["crop"]:
        steps.append(T.RandomCrop(tuple(config["crop"]), ignore, class_p=config["crop_class"]))
    elif config["size"]:
        steps += [T.Resize(tuple(config["size"]))] if len(steps) > 1 else []
    presets = set(config["augment"]) - {"none"}
    steps += [T.RandomHorizontalFlip()] if config["flip"] and not presets else []
    a = config["jitter"]
    return steps + ([T.ColorJitter(a, a, a)] if a else [])


def build_transform(config, training, model=None):
    """The transform of each image: augmentation in training only, and the same normalisation everywhere.

    For a network with valid padding, images are extended by reflection, so that its output covers the whole image.
    """
    from ...data import transforms as T

    ready = [] if config.get("task") == "detection" else [normalize(config)]
    if model is not None and getattr(model, "valid", False):
        ready.insert(0, T.MirrorPad(model.margin, model.input_size(1), 2**model.depth, config["ignore_index"]))
    if training:
        return T.Compose([*augmentation(config), *ready])
    return T.Compose([*([T.Resize(tuple(config["size"]))] if config["size"] else []), *ready])


def sized(config, size):
    """The settings with the size to which an image of `size` (H, W) is resized, by its shorter side or to a multiple."""
    if shorter := config.get("shorter_side"):
        config = config | {"size": [max(1, round(n * shorter / min(size))) for n in size]}
    if (multiple := config.get("multiple", 1)) > 1:
        config = config | {"size": [-(-n // multiple) * multiple for n in config["size"] or size]}
    return config


def one_size(config, dataset):
    """Whether all images of a data set have one size, without reading more than headers; digits have."""
    if config["size"] or config["data"] == "digits":
        return True
    if config["task"] == "detection":
        return True  # a batch is a list of images of any size
    from PIL import Image

    from ...data.picture import orientation

    sizes = set()
    for index in range(len(dataset)):
        try:
            with Image.open(dataset.name(index)) as picture:
                turned = config["exif"] == "apply" and orientation(picture) >= 5
                sizes.add(picture.size[::-1] if turned else picture.size)
        except Exception:  # a broken file, or a TIFF that only tifffile reads: found when it is decoded
            continue
        if len(sizes) > 1:
            return False
    return True


def build_loaders(config, workers=0, skip_broken=False, datasets=None, model=None):
    """Batches for training and for validation."""
    from ...data import DataLoader
    from ...data.layouts import Subset

    train, val = datasets or (build_dataset(config, 0), build_dataset(config, 1))
    batch = config["batch_size"]
    scaled = config["scale"] or {"light", "aerial"} & set(config["augment"])
    if batch > 1 and not config["crop"] and not config["size"] and config["task"] != "detection":
        if scaled:
            raise ValueError("images are scaled by random factors; needed --crop H W or --batch-size 1")
        if not one_size(config, train):
            raise ValueError(
                f"--data {config['data']} has images of many sizes; needed --crop H W, --size H W or --batch-size 1"
            )
    if config["crops_per_image"] > 1:
        train = Subset(train, [k for k in range(len(train)) for _ in range(config["crops_per_image"])])
    options = {"num_workers": workers, "skip_broken": skip_broken, "device": config.get("device")}
    val_batch = batch if one_size(config, val) and config["val_tile"] is None else 1
    return (
        DataLoader(
            train,
            batch,
            True,
            seed=config["seed"],
            transform=build_transform(config, True, model),
            drop_last=len(train) >= batch,
            **options,
        ),
        DataLoader(val, val_batch, transform=build_transform(config, False, model), **options),
    )
