"""Pretrained weights: safe readers of weight files, loading by name, and the table of published weights.

`pickles` reads pickles as data, `pth` uses it to read PyTorch's checkpoints, `names` compares parameter names, `loading` loads
arrays into a model, `opening` builds the network that a file belongs to, `published` lists and downloads published weights.
"""

from .loading import load_backbone, load_weights, read_weights
from .opening import Opened, network_of, open_weights, settings
from .pth import read_pth
from .published import KINDS, PUBLISHED, Published, entry_of, fetch_weights, weights_folder
