"""The exercise on the shapes of atrous spatial pyramid pooling."""

from ...exercise import Exercise

RIGHT = {
    "branches": lambda rates: len(rates) + 2,
    "one": lambda C, F: C * F,  # weights of the 1x1 branch
    "rate": lambda C, F, rate: 9 * C * F,
    "pool": lambda C, F: C * F,
    "project": lambda channels, F: channels * F,
    "field": lambda rates: 2 * max(rates) + 1,
}


def _made(channels, filters, rates, **slips):
    way, C, F = RIGHT | slips, channels, filters
    joined = way["branches"](rates) * F
    weights = way["one"](C, F) + sum(way["rate"](C, F, rate) for rate in rates) + way["pool"](C, F)
    return joined, weights + way["project"](joined, F), way["field"](rates)


def _draw(rng):
    rates = sorted(map(int, rng.choice(range(2, 30), int(rng.integers(2, 5)), replace=False)))
    return {"channels": int(rng.integers(20, 300)), "filters": int(rng.integers(5, 90)), "rates": tuple(rates)}


ASPP = Exercise(
    name="aspp_shapes",
    signature="channels, filters, rates",
    lesson="23",
    title="channels, weights and field of view of ASPP",
    task="""ASPP of DeepLab v3 on a map of `channels` channels. Its branches stand side by side: a 1x1 convolution, a 3x3
convolution of dilation r for each r in rates, and image pooling (the mean over the map) with a 1x1 convolution behind it.
Each branch gives `filters` channels; all are concatenated, and a last 1x1 convolution projects them to `filters` channels.
No convolution has a bias (batch normalisation follows), and normalisation does not count here. The field of view is the
number of pixels of the map, along one axis, from the first to the last that one output of the widest 3x3 branch reads.
Returns (channels after the concatenation, weights of all convolutions, field of view), three whole numbers.""",
    cases=(
        {"channels": 8, "filters": 4, "rates": (1, 2)},
        {"channels": 2048, "filters": 256, "rates": (6, 12, 18)},
        {"channels": 320, "filters": 96, "rates": (3, 6, 9, 5)},
        {"channels": 64, "filters": 128, "rates": (24,)},
    ),
    draw_case=_draw,
    expected=_made,
    made=_made,
    returns=("channels", "weights", "field"),
    whole=("channels", "weights", "field"),
    mistakes={
        "the branch of image pooling is missing, or the 1x1 branch: there are len(rates) + 2": [
            {"branches": lambda rates: len(rates) + 1},
            {"branches": lambda rates: len(rates) + 1, "pool": lambda C, F: 0},
        ],
        "the 1x1 branch and image pooling are missing: there are len(rates) + 2 branches": [
            {"branches": lambda rates: len(rates)},
            {"branches": lambda rates: len(rates), "pool": lambda C, F: 0, "one": lambda C, F: 0},
        ],
        "the branches are added: they are concatenated, so their channels add up": (
            lambda channels, filters, rates: (filters, None, None)
        ),
        "the map itself is concatenated, too: only the branches are": [
            lambda channels, filters, rates: (_made(channels, filters, rates)[0] + channels, None, None),
            lambda channels, filters, rates: (
                _made(channels, filters, rates)[0] + channels,
                _made(channels, filters, rates)[1] + channels * filters,
                None,
            ),
        ],
        "the weights of the projection are missing": {"project": lambda channels, F: 0},
        "the projection takes `filters` channels: it takes all that are concatenated": {
            "project": lambda channels, F: F * F
        },
        "the weights of the 1x1 branch or of image pooling are missing: each has channels * filters": [
            {"pool": lambda C, F: 0}
        ],
        "the 1x1 branch and the image pooling have weights: channels * filters each": {
            "pool": lambda C, F: 0,
            "one": lambda C, F: 0,
        },
        "a 3x3 convolution has 9 weights for each pair of channels": [
            {"rate": lambda C, F, rate: C * F},
            {"rate": lambda C, F, rate: 3 * C * F},
        ],
        "the dilation makes weights: a dilated 3x3 kernel still has 9": [
            {"rate": lambda C, F, rate: (2 * rate + 1) ** 2 * C * F},
            {"rate": lambda C, F, rate: 9 * rate * C * F},
            {"rate": lambda C, F, rate: 9 * rate**2 * C * F},
        ],
        "the 1x1 branch or image pooling is counted as 3x3: each has channels * filters weights": [
            {"one": lambda C, F: 9 * C * F},
            {"pool": lambda C, F: 9 * C * F},
            {"one": lambda C, F: 9 * C * F, "pool": lambda C, F: 9 * C * F},
        ],
        "the projection is counted as 3x3: it is 1x1": {"project": lambda channels, F: 9 * channels * F},
        "the 3x3 convolutions are counted as depthwise ones": [
            {"rate": lambda C, F, rate: 9 * C + C * F},
            {"rate": lambda C, F, rate: 9 * C},
        ],
        "only one 3x3 branch is counted: there is one for each rate": lambda channels, filters, rates: (
            None,
            _made(channels, filters, rates)[1] - (len(rates) - 1) * 9 * channels * filters,
            None,
        ),
        "biases are counted: no convolution has one": [
            lambda channels, filters, rates: (
                None,
                _made(channels, filters, rates)[1] + (len(rates) + 3) * filters,
                None,
            ),
            lambda channels, filters, rates: (
                None,
                _made(channels, filters, rates)[1] + (len(rates) + 2) * filters,
                None,
            ),
        ],
        "batch normalisation is counted: it does not count here": lambda channels, filters, rates: (
            None,
            _made(channels, filters, rates)[1] + 2 * (len(rates) + 3) * filters,
            None,
        ),
        "the branches follow each other: they stand side by side, on the same map": [
            {"rate": lambda C, F, rate: 9 * F * F},
            {"field": lambda rates: 2 * sum(rates) + 1},
            lambda channels, filters, rates: (
                None,
                _made(channels, filters, rates)[1] - (len(rates) - 1) * 9 * (channels - filters) * filters,
                None,
            ),
        ],
        "the field of view is 2 rate + 1: the outer taps lie `rate` pixels from the centre": [
            {"field": lambda rates: 3 * max(rates)},
            {"field": lambda rates: 2 * max(rates)},
            {"field": lambda rates: max(rates) + 2},
            {"field": lambda rates: 2 * max(rates) + 3},
            {"field": lambda rates: 2 * (max(rates) + 1) + 1},
            {"field": lambda rates: 3 * max(rates) + 1},
            {"field": lambda rates: max(rates) + 1},
            {"field": lambda rates: max(rates)},
            {"field": lambda rates: 3},
            {"field": lambda rates: (2 * max(rates) + 1) ** 2},
        ],
        "the last rate is taken for the widest: take the largest": {"field": lambda rates: 2 * rates[-1] + 1},
        "the smallest rate is taken: the widest branch has the largest": {"field": lambda rates: 2 * min(rates) + 1},
    },
    hints=(
        "Look at the list of branches: one 1x1, one for each rate, one for image pooling. Which of them have weights?",
        "A convolution without bias has kernel * kernel * inputs * outputs weights; the dilation changes none of them, "
        "only how "
        "far the outer taps lie apart.",
        "joined = (len(rates) + 2) * filters; weights = (2 + 9 * len(rates)) * channels * filters + joined * filters; "
        "the field "
        "is 2 * max(rates) + 1.",
    ),
)

EXERCISES = (ASPP,)
