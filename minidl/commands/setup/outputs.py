"""The outputs of `minidl predict`: overlays, labels, probabilities, figures, objects."""

import io
from pathlib import Path

import numpy as np

from .. import printable, report
from .sheet import font


def write_segmentation(config, args, source, image, scores, targets):
    """Write the requested outputs for one image, and print the share of each class."""
    from ...data.image import to_rgb, write_image, write_mask
    from ...data.overlay import paint

    classes, colors = config["classes"], np.array(config["colors"], np.uint8)
    mask = scores.argmax(axis=0)
    background = 0 if classes[0] == "background" else None
    shown = mask
    if args.classes is not None:
        shown = np.where(np.isin(mask, [classes.index(name) for name in args.classes]), mask, len(classes))
    picture = to_rgb(image)
    written = []
    if targets["output"] is not None:
        write_image(targets["output"], paint(picture, shown, colors, args.alpha, background))
        written.append(targets["output"])
    if targets["mask"] is not None:
        write_mask(targets["mask"], mask, colors, bits=8 if len(classes) <= 256 else 16)
        written.append(targets["mask"])
    if targets["prob"] is not None:
        write_probabilities(targets["prob"], softmax(scores))
        written.append(targets["prob"])
    if targets["figure"] is not None:
        from ... import plot

        plot.save(plot.overlay(picture, mask, classes, colors, source.path.name, background), targets["figure"])
        written.append(targets["figure"])
    labels, counts = np.unique(mask, return_counts=True)
    shares = sorted(zip(counts / mask.size, labels), reverse=True)
    report(f"{written[0]}: " + ", ".join(f"{printable(classes[k])} {share:.1%}" for share, k in shares), written[0])


def softmax(scores):
    """Probabilities of scores (classes, H, W), float32, that sum to 1 over the classes."""
    scores = np.exp(scores - scores.max(axis=0))
    return (scores / scores.sum(axis=0)).astype(np.float32)


def write_probabilities(path, probabilities):
    """Write (classes, H, W) as a .npy array, or as a floating-point TIFF with a page for each class."""
    from ...kernels.files import write

    content = io.BytesIO()
    if Path(path).suffix.lower() == ".npy":
        np.save(content, probabilities)
    else:
        from PIL import Image

        first, *rest = [Image.fromarray(np.ascontiguousarray(p)) for p in probabilities]
        first.save(content, "TIFF", save_all=True, append_images=rest, compression="tiff_adobe_deflate")
    write(path, content.getvalue())


def read_pages(path):
    """(pages, H, W) float32 of a floating-point TIFF, as `write_probabilities` writes it; None of another picture."""
    from ...data.picture import decode

    def to_array(picture):
        if picture.mode != "F":
            return None
        pages = []
        for page in range(getattr(picture, "n_frames", 1)):
            picture.seek(page)
            pages.append(np.array(picture, np.float32))
        return np.stack(pages)

    return decode(path, to_array)


def write_objects(model, config, args, source, image, output):
    """Find objects in one image, write overlay and cut-outs, and return them in COCO's format of results."""
    from ...autograd.tape import no_grad
    from ...data import rle
    from ...data.image import write_image
    from ...data.loader import to_chw
    from ...train.tasks import binary
    from .sources import names_of

    with no_grad():
        found = binary(model([to_chw(image)])[0])
    keep = found["scores"] >= args.score
    found = {name: value[keep] for name, value in found.items()}
    classes, colors = config["classes"], np.array(config["colors"], np.uint8)
    answers = []
    for k, (box, label, score) in enumerate(zip(found["boxes"], found["labels"], found["scores"])):
        x1, y1, x2, y2 = (float(v) for v in box)
        answer = {"file_name": source.path.name, "category_id": int(label), "category": classes[int(label)]}
        answer |= {"bbox": [x1, y1, x2 - x1, y2 - y1], "score": float(score)}
        if "masks" in found:
            code = rle.encode(found["masks"][k])
            answer["segmentation"] = {"size": list(map(int, code["size"])), "counts": rle.compress(code["counts"])}
        answers.append(answer)
        if args.objects is not None:
            mask = found["masks"][k] if "masks" in found else None
            name = f"{names_of([source])[0].replace('/', '_')}_{k + 1}_{classes[int(label)]}.png"
            write_image(Path(args.objects) / name, cut_out(image, box, mask), "PNG")
    if output is not None:
        write_image(output, paint_objects(image, found, classes, colors, args.alpha))
    names = [classes[int(label)] for label in found["labels"]]
    counts = ", ".join(f"{names.count(name)} {name}" for name in dict.fromkeys(names)) or "no objects"
    print(f"{output or args.json or args.objects}: {counts}")
    return answers


def cut_out(image, box, mask):
    """The part of the image inside a box as an RGBA picture, transparent outside the mask."""
    from PIL import Image

    H, W = image.shape[:2]
    x1, y1 = max(int(box[0]), 0), max(int(box[1]), 0)
    x2, y2 = min(max(int(np.ceil(box[2])), x1 + 1), W), min(max(int(np.ceil(box[3])), y1 + 1), H)
    alpha = np.full((H, W), 255, np.uint8) if mask is None else np.where(mask, 255, 0).astype(np.uint8)
    return Image.fromarray(np.dstack([image, alpha])[y1:y2, x1:x2])


def paint_objects(image, found, classes, colors, alpha):
    """The image with masks tinted, boxes drawn, and classes and scores written."""
    from PIL import Image, ImageDraw

    out = image.astype(np.float32)
    for k, label in enumerate(found["labels"]):
        if "masks" in found:
            there = found["masks"][k]
            out[there] = (1 - alpha) * out[there] + alpha * colors[int(label)]
    picture = Image.fromarray((out + 0.5).clip(0, 255).astype(np.uint8))
    draw, letters = ImageDraw.Draw(picture), font(11)
    for box, label, score in zip(found["boxes"], found["labels"], found["scores"]):
        x1, y1, x2, y2 = (float(v) for v in box)
        draw.rectangle((x1, y1, max(x2 - 1, x1), max(y2 - 1, y1)), outline=tuple(int(c) for c in colors[int(label)]))
        text = f"{classes[int(label)]} {score:.2f}"
        draw.text((x1 + 2, y1 + 1), text, fill="white", stroke_width=1, stroke_fill="black", font=letters)
    return picture
