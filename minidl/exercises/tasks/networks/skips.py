"""Exercises on joining a coarse map with a fine one: FCN's sum, U-Net's crop and concatenation."""

import numpy as np

from ...exercise import Exercise, numbers

TENT = np.array([1, 3, 3, 1]) / 4


def _upsampled(coarse, tap=TENT, stride=2, start=1):
    """A transposed convolution with the kernel tap x tap, cropped by `start` at the top and the left: all rows."""
    N, K, h, w = coarse.shape
    k = len(tap)
    wide = np.zeros((N, K, (h - 1) * stride + k, (w - 1) * stride + k))
    for i, j in np.ndindex(k, k):
        at = slice(i, i + (h - 1) * stride + 1, stride), slice(j, j + (w - 1) * stride + 1, stride)
        wide[:, :, *at] += tap[i] * tap[j] * coarse
    return wide[:, :, start:, start:]


RIGHT = {
    "up": _upsampled,
    "cut": lambda up, H, W: up[:, :, :H, :W],
    "join": np.add,
}


def _sum(coarse, fine, **slips):
    way = RIGHT | slips
    H, W = fine.shape[2:]
    return way["join"](way["cut"](way["up"](coarse), H, W), fine)


def _last(up, H, W):
    up = up[:, :, :-1, :-1]  # the crop of the padding at the bottom and the right
    return up[:, :, up.shape[2] - H :, up.shape[3] - W :]


def _repeated(coarse):
    return coarse.repeat(2, 2).repeat(2, 3)


def _by_position(position):
    """Interpolation at position(i, n, m), clamped."""

    def up(coarse):
        for axis in (2, 3):
            n = coarse.shape[axis]
            m = 2 * n
            at = position(np.arange(m), n, m).clip(0, n - 1)
            low = np.floor(at).astype(int)
            f = (at - low).reshape([-1 if d == axis else 1 for d in range(4)])
            coarse = (1 - f) * coarse.take(low, axis) + f * coarse.take(np.minimum(low + 1, n - 1), axis)
        return coarse

    return up


def _padded(coarse):
    """Zeros between the pixels."""
    up = np.zeros((*coarse.shape[:2], 2 * coarse.shape[2], 2 * coarse.shape[3]))
    up[:, :, ::2, ::2] = coarse
    return up


def _skip_case(seed, coarse, fine, rng=None):
    first, second = (seed, seed + 1) if rng is None else (rng, rng)
    return {"coarse": numbers(first, *coarse), "fine": numbers(second, *fine)}


SUM = Exercise(
    name="sum_of_skips",
    signature="coarse, fine",
    lesson="20",
    title="a coarse stream, upsampled and added to a finer one",
    task="""FCN-16s: the scores coarse (N, K, h, w) are doubled in size by a transposed convolution of stride 2, kernel 4
and padding 1, whose kernel is bilinear and the same for each class: tap (k, l) is f[k] f[l] with f = (1/4, 3/4, 3/4, 1/4),
so that coarse[a, b] adds f[k] f[l] coarse[a, b] to pixel (2 a + k - 1, 2 b + l - 1). Of the 2h rows and 2w columns the
first H and W are kept, which is the size of fine (N, K, H, W); fine is then added.
Returns an array (N, K, H, W).""",
    cases=(
        _skip_case(0, (1, 1, 2, 2), (1, 1, 4, 4)),
        _skip_case(2, (2, 3, 3, 4), (2, 3, 5, 8)),
        _skip_case(4, (2, 2, 4, 3), (2, 2, 7, 5)),
    ),
    draw_case=lambda rng: _skip_case(0, (2, 2, 3, 3), (2, 2, int(rng.integers(5, 7)), 6), rng),
    expected=_sum,
    made=_sum,
    mistakes={
        "pixels are repeated: upsample with the bilinear kernel": {"up": _repeated},
        "zeros stay between the pixels: the bilinear kernel fills them": {"up": _padded},
        "the border is clamped: outside the coarse map there is nothing, so border pixels get less": {
            "up": _by_position(lambda i, n, m: (i + 0.5) * n / m - 0.5)
        },
        "corners are aligned (align_corners=True): pixel a goes to 2 a - 1 ... 2 a + 2": {
            "up": _by_position(lambda i, n, m: i * (n - 1) / max(m - 1, 1))
        },
        "the half pixel is missing: pixel a goes to 2 a - 1 ... 2 a + 2": {
            "up": _by_position(lambda i, n, m: i * n / m)
        },
        "the padding is not cropped: coarse[0, 0] starts at pixel -1": {"up": lambda c: _upsampled(c, start=0)},
        "the padding is cropped twice: coarse[0, 0] starts at pixel -1": {
            "up": lambda c: np.pad(_upsampled(c, start=2), [(0, 0), (0, 0), (0, 2), (0, 2)])
        },
        "the kernel is not normalised: f = (1/4, 3/4, 3/4, 1/4)": [
            {"up": lambda c: _upsampled(c, TENT * 4)},
            {"up": lambda c: _upsampled(c, TENT / 2)},
            {"up": lambda c: _upsampled(c, TENT * 4 / 3)},
        ],
        "another kernel than the bilinear one: f = (1/4, 3/4, 3/4, 1/4)": [
            {"up": lambda c: _upsampled(c, np.array([3, 1, 1, 3]) / 4)},
            {"up": lambda c: _upsampled(c, np.array([1, 2, 2, 1]) / 3)},
            {"up": lambda c: _upsampled(c, np.array([1, 1, 1, 1]) / 2)},
            {"up": lambda c: _upsampled(c, np.ones(4))},
            {"up": lambda c: _upsampled(c, np.array([1, 2, 1, 0]) / 2)},
        ],
        "the last rows and columns are kept: crop at the end, keep the first H and W": {"cut": _last},
        "the mean of both is taken: needed the sum": {"join": lambda a, b: (a + b) / 2},
        "the product of both is taken: needed the sum": {"join": np.multiply},
        "the larger of both is taken: needed the sum": {"join": np.maximum},
        "the streams are concatenated: FCN adds them": {"join": lambda a, b: np.concatenate([a, b], 1)},
        "the streams are concatenated, the fine one first: FCN adds them": {
            "join": lambda a, b: np.concatenate([b, a], 1)
        },
        "the fine stream is subtracted, or the coarse one: add them": [
            {"join": np.subtract},
            {"join": lambda a, b: b - a},
        ],
        "the fine stream is left out": {"join": lambda a, b: a},
        "the coarse stream is left out": {"join": lambda a, b: b + 0 * a},
        "the kernel is separable: multiply f[k] and f[l], do not add them": {
            "up": lambda c: _added(c),
        },
        "shares overwrite each other: where kernels overlap, add (+=)": [
            {"up": lambda c: _assigned(c)},
            {"up": lambda c: _assigned_windows(c)},
        ],
    },
    hints=(
        "Look at one coarse pixel: it paints a 4 x 4 kernel, and kernels overlap.",
        "The transposed convolution starts one pixel outside (padding 1). Make the wide result first, crop then: at "
        "the start by "
        "the padding, at the end to the size of fine.",
        "wide = zeros of (h - 1) * 2 + 4 rows; wide[:, :, k : k + 2 * h - 1 : 2, l : l + 2 * w - 1 : 2] += f[k] * f[l] "
        "* coarse; "
        "wide[:, :, 1 : 1 + H, 1 : 1 + W] + fine.",
    ),
)


def _added(coarse):
    N, K, h, w = coarse.shape
    wide = np.zeros((N, K, 2 * h + 2, 2 * w + 2))
    for i, j in np.ndindex(4, 4):
        wide[:, :, i : i + 2 * h - 1 : 2, j : j + 2 * w - 1 : 2] += (TENT[i] + TENT[j]) * coarse
    return wide[:, :, 1:, 1:]


def _assigned(coarse):
    """Tap after tap is assigned."""
    N, K, h, w = coarse.shape
    wide = np.zeros((N, K, 2 * h + 2, 2 * w + 2))
    for i, j in np.ndindex(4, 4):
        wide[:, :, i : i + 2 * h - 1 : 2, j : j + 2 * w - 1 : 2] = TENT[i] * TENT[j] * coarse
    return wide[:, :, 1:, 1:]


def _assigned_windows(coarse):
    """Pixel after pixel is assigned."""
    N, K, h, w = coarse.shape
    wide = np.zeros((N, K, 2 * h + 2, 2 * w + 2))
    for a, b in np.ndindex(h, w):
        wide[:, :, 2 * a : 2 * a + 4, 2 * b : 2 * b + 4] = np.outer(TENT, TENT) * coarse[:, :, a, b, None, None]
    return wide[:, :, 1:, 1:]


CROP = {
    "start": lambda n, m: (n - m) // 2,
    "order": lambda up, skip: (skip, up),
    "join": lambda a, b: np.concatenate([a, b], 1),
    "part": lambda skip, top, left, h, w: skip[:, :, top : top + h, left : left + w],
}


def _crop(up, skip, **slips):
    way, (h, w), (H, W) = CROP | slips, up.shape[2:], skip.shape[2:]
    part = way["part"](skip, way["start"](H, h), way["start"](W, w), h, w)
    return way["join"](*way["order"](up, part))


def _squeezed(skip, top, left, h, w):
    """The nearest pixels of the whole map."""
    H, W = skip.shape[2:]
    return skip[:, :, np.arange(h) * H // h][..., np.arange(w) * W // w]


def _grown(up, skip):
    """`up` with zeros around it, as large as skip."""
    (h, w), (H, W) = up.shape[2:], skip.shape[2:]
    top, left = (H - h) // 2, (W - w) // 2
    wide = np.pad(up, [(0, 0), (0, 0), (top, H - h - top), (left, W - w - left)])
    return np.concatenate([skip, wide], 1)


def _crop_case(seed, up, skip, rng=None):
    first, second = (seed, seed + 1) if rng is None else (rng, rng)
    return {"up": numbers(first, *up), "skip": numbers(second, *skip)}


CONCATENATE = Exercise(
    name="crop_and_concatenate",
    signature="up, skip",
    lesson="22",
    title="U-Net's copy: crop the middle, then concatenate",
    task="""The skip connection of U-Net: skip (N, D, H, W) is cropped to the size of up (N, C, h, w), and both are
concatenated along the channels, skip first. The crop starts at row (H - h) // 2 and column (W - w) // 2, which is the
middle; where H - h is odd, one row more is lost at the bottom. H = h and W = w are possible.
Returns an array (N, D + C, h, w).""",
    cases=(
        _crop_case(0, (1, 1, 2, 2), (1, 1, 4, 4)),
        _crop_case(2, (2, 3, 3, 4), (2, 2, 6, 8)),
        _crop_case(4, (2, 2, 4, 3), (2, 2, 9, 6)),
        _crop_case(6, (2, 2, 3, 3), (2, 3, 3, 4)),
        _crop_case(8, (2, 1, 3, 5), (2, 2, 7, 5)),
    ),
    draw_case=lambda rng: _crop_case(0, (2, 2, 3, 4), (2, 3, 8, int(rng.integers(4, 8))), rng),
    expected=_crop,
    made=_crop,
    mistakes={
        "the order of the channels: skip comes first, then up": {"order": lambda up, skip: (up, skip)},
        "the crop starts at the top left corner: it must be the middle": {"start": lambda n, m: 0},
        "the crop takes the bottom right corner: it must be the middle": {"start": lambda n, m: n - m},
        "an odd difference is rounded up: one row more is lost at the bottom, so start at (H - h) // 2": {
            "start": lambda n, m: -((n - m) // -2)
        },
        "the crop starts at half of the wrong size: it is (H - h) // 2": [
            {"start": lambda n, m: n // 2 - m},
            {"start": lambda n, m: n // 4},
            {"start": lambda n, m: m // 2},
            {"start": lambda n, m: n // 2 - m // 2},
        ],
        "rows and columns of the crop are exchanged": {
            "part": lambda skip, top, left, h, w: skip[:, :, left : left + h, top : top + w]
        },
        "skip is resized: crop its middle": {"part": _squeezed},
        "up is padded to the size of skip: crop skip": _grown,
        "both are added: U-Net concatenates": {"join": lambda a, b: a + b},
        "both are concatenated along the batch: the channels are axis 1": {
            "join": lambda a, b: np.concatenate([a, b], 0)
        },
        "both are concatenated along the rows: the channels are axis 1": {
            "join": lambda a, b: np.concatenate([a, b], 2)
        },
        "both are concatenated along the columns: the channels are axis 1": {
            "join": lambda a, b: np.concatenate([a, b], 3)
        },
        "up is left out": {"join": lambda a, b: a},
        "skip is left out": {"join": lambda a, b: b},
        "the channels are interleaved: all of skip come first": {
            "join": lambda a, b: np.stack([a, b], 2).reshape(len(a), -1, *a.shape[2:])
        },
    },
    draws="skip",
    hints=(
        "Look at the two sizes: how many rows of skip are too many, and how many of them lie above the middle?",
        "Start at (H - h) // 2 and end h rows later: an end counted from the back, as in [d:-d], fails where the "
        "difference is "
        "0 or odd.",
        "top, left = (H - h) // 2, (W - w) // 2; np.concatenate([skip[:, :, top : top + h, left : left + w], up], 1).",
    ),
)

EXERCISES = (SUM, CONCATENATE)
