"""Wrong answers to aspp_shapes."""


def no_pooling(channels, filters, rates):
    "is missing"
    joined = (len(rates) + 1) * filters
    return joined, channels * filters * (1 + 9 * len(rates)) + joined * filters, 2 * max(rates) + 1


def no_projection(channels, filters, rates):
    "projection are missing"
    return (len(rates) + 2) * filters, channels * filters * (2 + 9 * len(rates)), 2 * max(rates) + 1


def added(channels, filters, rates):
    "added | projection takes"
    return filters, channels * filters * (2 + 9 * len(rates)) + filters * filters, 2 * max(rates) + 1


def dilated_weights(channels, filters, rates):
    "dilation makes weights"
    joined = (len(rates) + 2) * filters
    own = sum((2 * r + 1) ** 2 for r in rates)
    return joined, channels * filters * (2 + own) + joined * filters, 2 * max(rates) + 1


def field_three_times(channels, filters, rates):
    "2 rate + 1"
    joined = (len(rates) + 2) * filters
    return joined, channels * filters * (2 + 9 * len(rates)) + joined * filters, 3 * max(rates)


def in_a_row(channels, filters, rates):
    "follow each other"
    joined = (len(rates) + 2) * filters
    return joined, channels * filters * (2 + 9 * len(rates)) + joined * filters, 2 * sum(rates) + 1


def biases(channels, filters, rates):
    "biases"
    joined = (len(rates) + 2) * filters
    weights = channels * filters * (2 + 9 * len(rates)) + joined * filters + filters * (len(rates) + 3)
    return joined, weights, 2 * max(rates) + 1


def last_rate(channels, filters, rates):
    "last rate"
    joined = (len(rates) + 2) * filters
    return joined, channels * filters * (2 + 9 * len(rates)) + joined * filters, 2 * rates[-1] + 1


def half_weights(channels, filters, rates):
    "whole numbers"
    joined = (len(rates) + 2) * filters
    return joined, (channels * filters * (2 + 9 * len(rates)) + joined * filters) / 1, 2 * max(rates) + 1


def one_is_three(channels, filters, rates):
    "counted as 3x3"
    j = (len(rates) + 2) * filters
    return (j, (1 + 9 * (1 + len(rates))) * channels * filters + j * filters, 2 * max(rates) + 1)
