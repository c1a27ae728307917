"""`minidl crf` for an image larger than memory: reads blocks and writes tiles of labels, on any number of ranks."""

from pathlib import Path

import numpy as np

from .checks import number
from .large import bar, begin, check_places, identity

TILE = 1024


def sharpen_large(args, terms):
    """Write the labels of one image after the CRF; every rank computes a part of the tiles."""
    from ...backend.cuda import move, to_host
    from ...backend.ranks import world
    from ...crf import Blocks
    from ...data.image import voc_palette
    from ...data.slides import TileFolder, open_slide, write_labels

    output, ranks = Path(args.output), world()
    if args.exact or args.picture:
        raise ValueError(
            f"--{'exact' if args.exact else 'picture'} has no effect on {output}, which holds a large image"
        )
    tile = TILE if args.tile is None else args.tile
    number("--tile", tile, minimum=32)
    if tile % 16:
        raise ValueError(f"--tile {tile}; needed a multiple of 16, as tiles of a TIFF are")
    if args.margin is not None:
        number("--margin", args.margin, minimum=0)
    check_places([output], args.image)
    slide, prediction = open_slide(args.image), open_slide(args.prediction)
    if prediction.shape[:2] != slide.shape[:2]:
        raise ValueError(
            f"{args.prediction} is {prediction.shape[1]}x{prediction.shape[0]} pixels; "
            f"the image is {slide.shape[1]}x{slide.shape[0]}"
        )
    unary, classes = unary_of(prediction, args)
    blocks = Blocks(
        lambda *window: move(np.ascontiguousarray(slide.read(*window).transpose(2, 0, 1)), args.device),
        lambda *window: move(unary(*window), args.device),
        slide.shape[:2],
        tile,
        margin_of(args),
        terms,
        args.iterations,
    )
    settings = [str(terms), args.iterations, args.logits, args.confidence, args.ignore_index, classes, blocks.margin]
    job = {"image": identity(args.image), "prediction": identity(args.prediction), "crf": settings}
    tiles = TileFolder(output, slide.shape[:2], blocks.tile, job)
    missing, changed, pixels = begin(tiles), 0, 0
    for i, j in bar(ranks.part(missing), "crf"):
        before = unary(*tiles.box(i, j)).argmin(0)
        after = to_host(blocks.beliefs(i, j)).argmax(0)
        changed, pixels = changed + int((before != after).sum()), pixels + before.size
        tiles.put(i, j, labels=after.astype(np.uint8))
    changed, pixels = (sum(ranks.gather(n)) for n in (changed, pixels))
    if not ranks.rank:
        write_labels(output, tiles, slide, voc_palette(256)[:classes])
        tiles.remove()
        print(
            f"{output}: {changed / max(pixels, 1):.2%} of {pixels} pixels in {len(missing)} tiles changed their label"
        )
    ranks.barrier()


def margin_of(args):
    """--margin, or three times the largest standard deviation in space."""
    return args.margin if args.margin is not None else round(3 * max(args.sxy, args.sigma))


def unary_of(prediction, args):
    """(function of a window that returns energies (C, h, w), number of classes); labels are integers in one channel."""
    from ...crf import from_labels, from_logits, from_probabilities

    H, W, channels = prediction.shape
    if prediction.read(0, 0, 1, 1).dtype.kind == "f":
        convert = from_logits if args.logits else from_probabilities
        return lambda *window: convert(
            np.ascontiguousarray(prediction.read(*window).transpose(2, 0, 1), np.float32)
        ), channels
    if channels != 1:
        raise ValueError(
            f"{args.prediction} has {channels} channels of integers; needed labels, or probabilities as floats"
        )
    classes = args.classes
    if classes is None:
        classes = 1 + max(
            int(part[part != args.ignore_index].max(initial=0))
            for y in range(0, H, TILE)
            for x in range(0, W, TILE)
            for part in [prediction.read(y, x, min(TILE, H - y), min(TILE, W - x))]
        )
    if classes > 256:
        raise ValueError(f"{args.prediction} has labels up to {classes - 1}; at most 256 classes are sharpened")

    def energies(*window):
        labels = prediction.read(*window)[..., 0]
        return from_labels(labels, classes, args.confidence, args.ignore_index)

    return energies, classes
