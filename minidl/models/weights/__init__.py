"""Weights that others trained: files read by name and safely, and what published networks expect of an image.

`pickles` reads pickles as data, `pth` PyTorch's checkpoints with it, `names` compares names, and
`loading` brings them into a model.
"""

from .loading import PUBLISHED, VOC, Published, load_weights, open_published, read_weights
from .pth import read_pth
