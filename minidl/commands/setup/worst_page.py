"""One self-contained HTML page of images with truth and prediction, worst first."""

import base64
import html
import io
import math

import numpy as np

STYLE = "body{font:14px sans-serif;margin:2em}img{margin-right:6px}figure{margin:0 0 1.5em}"
SIDE = 360


def worst_page(model, config, dataset, rows, args):
    """The page: for each of the worst images the image, the true and the predicted labels, and its mean IoU."""
    from ...data.image import to_rgb
    from ...data.overlay import paint
    from .learning import build_loss
    from .scoring import predict_sample

    colors = np.array(config["colors"], np.uint8)
    order = sorted(rows, key=lambda row: (math.inf if math.isnan(row[0]) else row[0], row[1]))[: args.worst]
    figures = []
    for iou, index in order:
        image, target = dataset[index]
        _, found, seen = predict_sample(model, config, image, target, build_loss(config, dataset), args.tile)
        picture = _fitting(to_rgb(image), seen.shape)
        background = 0 if config["classes"][0] == "background" else None
        panels = [
            picture,
            paint(picture, seen, colors, 0.55, background),
            paint(picture, found, colors, 0.55, background),
        ]
        images = "".join(f'<img src="data:image/png;base64,{_png(panel)}">' for panel in panels)
        name = html.escape(dataset.name(index) if hasattr(dataset, "name") else str(index))
        figures.append(f"<figure><figcaption>{name}: mean IoU {iou:.4f}</figcaption>{images}</figure>")
    legend = " ".join(
        f'<span style="background:rgb({r},{g},{b});padding:0 .6em">&nbsp;</span> {html.escape(name)}'
        for name, (r, g, b) in zip(config["classes"], colors.tolist())
    )
    return (
        f'<!doctype html><meta charset="utf-8"><title>{html.escape(config["model"])}: worst images</title>'
        f"<style>{STYLE}</style><h1>The {len(order)} images with the lowest mean IoU</h1>"
        f"<p>Each row: image, true labels, labels found. {legend}</p>{''.join(figures)}\n"
    )


def _fitting(picture, size):
    """The picture at the size of the labels: resized if the network's input has another size, padded with black."""
    from PIL import Image

    if picture.shape[:2] == size:
        return picture
    return np.array(Image.fromarray(picture).resize(size[::-1], Image.Resampling.BILINEAR))


def _png(panel):
    from PIL import Image

    picture = Image.fromarray(panel)
    picture.thumbnail((SIDE, SIDE))
    content = io.BytesIO()
    picture.save(content, "PNG")
    return base64.b64encode(content.getvalue()).decode("ascii")
