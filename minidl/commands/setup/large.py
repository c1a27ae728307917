"""`minidl predict` and `evaluate` for one image larger than memory: reads windows and writes tiles, on any number of ranks."""

import math
import sys
from pathlib import Path

import numpy as np

OUTPUTS = (".tif", ".tiff", ".zarr")
TILE, BAND, MAX_CONTEXT = 512, 32, 256
FLAT = 12  # levels of 255: a window that varies by no more is background


def wants_windows(args, paths):
    """Whether `predict` has to write tiles: one image that is read by windows, and output as TIFF or zarr."""
    from ...data.slides import is_slide

    output = Path(args.output or "")
    return (
        len(paths) == 1 and is_slide(paths[0]) and output.suffix.lower() in OUTPUTS and not Path(args.output).is_dir()
    )


def prepare_windows(model, config, slide, tile=None, skip=None):
    """The `Windows` of a network over a slide; `skip` is the largest variation of background, None to predict every tile."""
    from ...data.loader import to_chw
    from ...models.tiling import _total_stride
    from ...models.windows import Windows
    from .loaders import build_transform

    if config["size"] or "shorter_side" in config:
        raise ValueError(
            f"{config['model']} sees whole images resized to one size; windows need a network trained on --crop"
        )
    stride = math.lcm(_total_stride(model), 16)  # tiles of TIFF are multiples of 16
    context, band = context_of(model, slide.shape[2], config, stride), -(-BAND // stride) * stride
    transform, form = build_transform(config, False), config["image_format"] or {}

    def read(y, x, h, w):
        pixels = slide.read(y, x, h, w)
        if skip is not None and flat(pixels, skip):
            return None
        image = as_trained(pixels, form)
        return to_chw(transform(image, np.zeros((h, w), np.uint8), None)[0])

    tile = max(-(-(tile or TILE) // stride) * stride, 2 * band)
    return Windows(model, read, slide.shape[:2], tile, band, context)


def flat(pixels, skip):
    """Whether no channel varies by more than `skip` levels of 255 (scaled for 16 bits): empty glass, or an unscanned area."""
    limit = skip * 257 if pixels.dtype == np.uint16 else skip / 255 if pixels.dtype.kind == "f" else skip
    columns = pixels.reshape(len(pixels), -1)  # along columns NumPy compares many values at once
    low, high = (f(0).reshape(pixels.shape[1:]) for f in (columns.min, columns.max))
    return bool((high.max(0).astype(np.float64) - low.min(0) <= limit).all())


def as_trained(pixels, form):
    """The window with the channels and the depth that the network was trained on."""
    channels = form.get("channels", 3)
    if pixels.dtype == np.uint16 and not form.get("high_depth"):
        pixels = (pixels >> 8).astype(np.uint8)
    if pixels.shape[2] == 1 and channels == 3:
        return pixels.repeat(3, 2)
    if pixels.shape[2] == channels + 1:
        return pixels[..., :channels]  # without alpha
    if pixels.shape[2] != channels:
        raise ValueError(f"the image has {pixels.shape[2]} channels; the network was trained on {channels}")
    return pixels


def context_of(model, channels, config, stride):
    """Half the receptive field, rounded up to the stride; MAX_CONTEXT, with a line, where it is larger or has no bound."""
    from ...analysis.receptive_field import receptive_field

    shape = (1, (config["image_format"] or {}).get("channels", 3), 512, 512)
    try:
        field = receptive_field(model, shape)
        field = field["out"] if isinstance(field, dict) else field
        half = -(-max(field.size) // 2)
    except NotImplementedError:
        half = math.inf
    if half > MAX_CONTEXT:
        print(
            f"the network sees {'the whole image' if half > 512 else f'{half} pixels'} around a pixel, windows {MAX_CONTEXT}: "
            "scores may differ from those of the whole image, and are blended",
            file=sys.stderr,
        )
        half = MAX_CONTEXT
    return -(-half // stride) * stride


def tile_order(windows, classes, missing):
    """The missing tiles in an order in which each window is computed about once: strips of columns, row by row."""
    width = windows.strip(classes)
    return sorted(missing, key=lambda tile: (tile[1] // width, tile))


def identity(path):
    """What tells a file from another of its name: [path, bytes, time of its last change]."""
    status = Path(path).stat()
    return [str(Path(path).resolve()), status.st_size, status.st_mtime_ns]


def begin(tiles):
    """Make the folder of a TileFolder, or go on in it; the tiles that are missing, the same on every rank."""
    from ...backend.ranks import world

    ranks, every = world(), tiles.rows * tiles.columns
    if not ranks.rank:
        tiles.begin()
    ranks.barrier()
    missing = ranks.broadcast(tiles.missing())
    if len(missing) < every and not ranks.rank:
        print(f"{tiles.folder}: {every - len(missing)} of {every} tiles are there")
    return missing


def bar(mine, name):
    """The tiles of this rank, with a bar on rank 0 where somebody looks."""
    from tqdm import tqdm

    from ...backend.ranks import world

    return tqdm(mine, desc=name, unit="tile", disable=bool(world().rank) or not sys.stderr.isatty())


def check_places(targets, image):
    """Refuse files for the result that cannot be written, are of another kind, or are the image itself."""
    from ...kernels.files import check_writable

    for target in targets:
        check_writable(target.parent / "x")
        if target.suffix.lower() not in OUTPUTS:
            raise ValueError(f"{target}: needed {', '.join(OUTPUTS)} for a large image")
        if target.resolve() == Path(image).resolve():
            raise ValueError(f"{target} is the image: it would be written over; needed another place")


def predict_large(model, config, args, path, checkpoint):
    """Write the labels, and with --prob the probabilities, of one image; every rank computes a part of its tiles."""
    from ...backend.ranks import world
    from ...data.slides import TileFolder, open_slide, write_labels, write_probabilities
    from .outputs import softmax

    for name in ("figure", "mask", "classes"):
        if getattr(args, name) is not None:
            raise ValueError(f"--{name} has no effect on {args.output}, which holds the labels of a large image")
    output, prob = Path(args.output), Path(args.prob) if args.prob else None
    check_places([output, prob] if prob else [output], path)
    ranks, slide, K = world(), open_slide(path, args.level), len(config["classes"])
    windows = prepare_windows(model, config, slide, args.tile, args.skip_background)
    job = {"image": [*identity(path), args.level], "prob": prob is not None}
    job |= {"network": identity(checkpoint), "skip": args.skip_background}
    tiles = TileFolder(output, slide.shape[:2], windows.tile, job)
    missing = begin(tiles)
    dtype, skipped = np.uint8 if K <= 256 else np.uint16, 0
    for i, j in bar(ranks.part(tile_order(windows, K, missing)), "predict"):
        scores = windows.scores(i, j)
        if scores is None:
            _, _, h, w = tiles.box(i, j)
            found = {"labels": np.zeros((h, w), dtype)}
            found |= {"prob": (np.arange(K) == 0)[:, None, None] * np.ones((h, w), np.float32)} if prob else {}
            skipped += 1
        else:
            found = {"labels": scores.argmax(0).astype(dtype)} | ({"prob": softmax(scores)} if prob else {})
        tiles.put(i, j, **found)
    skipped = sum(ranks.gather(skipped))
    if not ranks.rank:
        write_labels(output, tiles, slide, np.array(config["colors"], np.uint8))
        if prob is not None:
            write_probabilities(prob, tiles, slide, K)
        tiles.remove()
        what = f", {skipped} of them background and not looked at" if args.skip_background is not None else ""
        print(
            f"{output}: {slide.shape[1]} x {slide.shape[0]} pixels, {len(missing)} tiles of {windows.tile} predicted{what}"
        )
    ranks.barrier()


def evaluate_large(model, config, image, truth, tile=None):
    """The ConfusionMatrix of one image against a mask of labels of its size; every rank counts a part of the tiles."""
    from ...backend.ranks import world
    from ...data.slides import open_slide
    from ...train.metrics import ConfusionMatrix

    ranks, slide, mask = world(), open_slide(image), open_slide(truth)
    if slide.shape[:2] != mask.shape[:2] or mask.shape[2] != 1:
        raise ValueError(
            f"{truth} is {mask.shape}; needed labels of the image's size, {slide.shape[:2]}, in one channel"
        )
    windows, K = prepare_windows(model, config, slide, tile), len(config["classes"])
    matrix = ConfusionMatrix(K, config["ignore_index"])
    every = [(i, j) for i in range(windows.rows) for j in range(windows.columns)]
    for i, j in bar(ranks.part(tile_order(windows, K, every)), "evaluate"):
        scores = windows.scores(i, j)
        y, x = i * windows.tile, j * windows.tile
        matrix.update(scores.argmax(0), mask.read(y, x, *scores.shape[1:])[..., 0].astype(np.int64))
    matrix.counts = ranks.sum(matrix.counts)
    return matrix
