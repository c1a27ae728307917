"""Images larger than memory: reading of windows, and writing of masks tile by tile."""

from .readers import Slide, is_slide, open_slide
from .writer import TileFolder, write_labels, write_probabilities
