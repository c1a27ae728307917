"""Solution: the branches stand side by side; a dilated 3x3 kernel still has nine weights."""

from minidl.exercises import check


def aspp_shapes(channels, filters, rates):
    joined = (len(rates) + 2) * filters  # 1x1, one for each rate, image pooling
    weights = (2 + 9 * len(rates)) * channels * filters + joined * filters
    return joined, weights, 2 * max(rates) + 1


if __name__ == "__main__":
    raise SystemExit(not check("aspp_shapes", aspp_shapes))
