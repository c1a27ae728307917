"""Exercise: what takes an anchor to a box (lesson 24). Complete the function, then run this file."""

import numpy as np

from minidl.exercises import check


def boxes_to_deltas(anchors, boxes):
    """anchors and boxes (L, 4) are x1, y1, x2, y2. With centre (x, y), width w = x2 - x1 and height h = y2 - y1 of
    each, the deltas that take an anchor to its box are dx = (x - x_anchor) / w_anchor, dy = (y - y_anchor) /
    h_anchor, dw = log(w / w_anchor) and dh = log(h / h_anchor) (R-CNN, appendix C).

    Returns an array (L, 4) of dx, dy, dw, dh.
    """
    raise NotImplementedError("boxes_to_deltas is yours to write")


if __name__ == "__main__":
    raise SystemExit(not check("boxes_to_deltas", boxes_to_deltas))
