"""Weights that others trained: files read by name and safely, and what published networks expect of an image.

`pickles` reads pickles as data, `pth` PyTorch's checkpoints with it, `names` compares names, `loading` brings them into a
model, `opening` makes the network that a file is of, `published` lists what can be had by name and downloads it.
"""

from .loading import load_backbone, load_weights, read_weights
from .opening import Opened, network_of, open_weights, settings
from .pth import read_pth
from .published import KINDS, PUBLISHED, Published, entry_of, fetch_weights, weights_folder
