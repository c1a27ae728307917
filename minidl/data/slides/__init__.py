"""Images larger than memory: windows are read from them, and masks are written tile by tile."""

from .readers import Slide, is_slide, open_slide
from .writer import TileFolder, write_labels, write_probabilities
