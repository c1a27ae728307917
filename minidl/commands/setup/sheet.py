"""Pictures of samples: image, mask and overlay side by side, and the same samples augmented."""

import unicodedata

import numpy as np

SIDE, GAP, TITLE = 160, 6, 14


def contact_sheet(found, count, path):
    """Write image, mask and overlay of samples spread over the training part; returns whether there was a readable one."""
    if "train" not in found.parts:
        return False
    dataset = found.parts["train"][0]
    rows = []
    for index in _spread(len(dataset), count):
        image, mask = _sample(dataset, index, found.config)
        if image is not None:
            rows.append((dataset.name(index), _panels(image, mask, dataset)))
    return _write(rows, path)


def augmented_sheet(found, config, count, path):
    """Write, for some samples, the overlay without augmentation and four augmented ones."""
    from ...data import transforms as T
    from ...data.overlay import paint
    from .loaders import augmentation

    if "train" not in found.parts:
        return False
    dataset = found.parts["train"][0]
    config = config | {"ignore_index": dataset.ignore_index, "flip": bool(config["flip"])}
    transform, rows = T.Compose(augmentation(config)), []
    for index in _spread(len(dataset), min(count, 4)):
        image, mask = _sample(dataset, index, config)
        if image is None:
            continue
        panels = [paint(image, mask, dataset.colors, 0.4, 0)]
        for k in range(4):
            changed, labels = transform(image, mask, np.random.default_rng([config["seed"], index, k]))
            panels.append(paint(changed, labels, dataset.colors, 0.4, 0))
        rows.append((dataset.name(index), panels))
    return _write(rows, path)


def _spread(length, count):
    return sorted({int(k) for k in np.linspace(0, length - 1, min(count, length))}) if length else []


def _sample(dataset, index, config):
    """(image, label map) of a sample, or (None, None) where it cannot be read."""
    from ...data.image import read_pixels, to_rgb
    from ...data.layouts.subset import innermost
    from ...data.survey import instance_labels

    dataset, index = innermost(dataset, index)
    try:
        mask = np.asarray(dataset.labels(index) if hasattr(dataset, "labels") else instance_labels(dataset[index][1]))
        image = read_pixels(dataset.name(index), config["exif"] == "apply")
    except (ValueError, OSError):
        return None, None
    image = to_rgb(image)
    return (image, mask) if image.shape[:2] == mask.shape else (None, None)


def _panels(image, mask, dataset):
    from ...data.overlay import paint

    colors = np.asarray(dataset.colors)
    known = (mask >= 0) & (mask < len(colors))
    painted = np.where(known[..., None], colors[np.where(known, mask, 0)], 160).astype(np.uint8)
    return [image, painted, paint(image, mask, colors, 0.5, 0)]


def font(size):
    """A font with the letters of most European languages: the one in the matplotlib package."""
    from pathlib import Path

    from matplotlib import get_data_path
    from PIL import ImageFont

    return ImageFont.truetype(str(Path(get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"), size)


def _small(panel):
    """A Pillow picture of at most SIDE x SIDE pixels; a smaller panel is enlarged by a whole factor."""
    from PIL import Image

    picture = Image.fromarray(panel)
    factor = SIDE // max(picture.size)
    if factor > 1:
        return picture.resize((picture.width * factor, picture.height * factor), Image.Resampling.NEAREST)
    picture.thumbnail((SIDE, SIDE))
    return picture


def _write(rows, path):
    from PIL import Image, ImageDraw

    from ...data.image import write_image

    if not rows:
        return False
    columns = max(len(panels) for _, panels in rows)
    rows = [(name, [_small(panel) for panel in panels]) for name, panels in rows]
    heights = [max(picture.height for picture in pictures) + TITLE + GAP for _, pictures in rows]
    sheet = Image.new("RGB", (columns * (SIDE + GAP), sum(heights)), "white")
    draw, letters, top = ImageDraw.Draw(sheet), font(10), 0
    for (name, pictures), height in zip(rows, heights):
        draw.text((2, top + 1), unicodedata.normalize("NFC", name)[-80:], fill="black", font=letters)
        for c, picture in enumerate(pictures):
            sheet.paste(picture, (c * (SIDE + GAP), top + TITLE))
        top += height
    write_image(path, sheet, "PNG")
    return True
