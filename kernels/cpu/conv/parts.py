"""Into how many parts a weight gradient's sum over pixels is cut, so that its bits do not depend on the number of threads."""

MAX_PARTS = 4
PART_PIXELS = 512  # of a part, at least


def weight_parts(sum_bytes, pixels, budget):
    """A power of two, by the shape alone: the partial sums of all parts take at most `budget` bytes.

    Threads share out the parts, and the output channels where there are more threads than parts. Each part has a partial sum;
    they are added in order, so the result has the same bits on any number of threads.
    """
    parts = MAX_PARTS
    while parts > 1 and (parts * sum_bytes > budget or parts * PART_PIXELS > pixels):
        parts //= 2
    return parts
