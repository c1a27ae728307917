"""Exercise: from an anchor and its deltas to a box in the image (lesson 24). Complete the function, then run this file."""

import numpy as np

from minidl.exercises import check


def deltas_to_boxes(anchors, deltas, size):
    """The way back of boxes_to_deltas: anchors (L, 4) are x1, y1, x2, y2, deltas (L, 4) dx, dy, dw, dh. The box has
    the centre (x_anchor + dx w_anchor, y_anchor + dy h_anchor), the width w_anchor exp(dw) and the height h_anchor
    exp(dh). Its corners are then clipped to the image of size = (H, W): x to 0 ... W, y to 0 ... H.

    Returns the boxes (L, 4) as x1, y1, x2, y2.
    """
    raise NotImplementedError("deltas_to_boxes is yours to write")


if __name__ == "__main__":
    raise SystemExit(not check("deltas_to_boxes", deltas_to_boxes))
