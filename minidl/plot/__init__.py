"""Figures, all in one style: titles that say what is to be seen, and nothing that grey print would lose.

Every function returns a matplotlib Figure that belongs to no window: it shows itself in a notebook, and `save` writes it.
Classes are told apart by colour and by name, lines by dashes and markers, counts by a scale that darkens evenly.
"""

from .answers import answers
from .architecture import architecture
from .belief import beliefs
from .detection import anchors, assignments, boxes, class_masks, precision_recall, proposals, sampled_rois
from .expense import costs
from .general import dependencies, images, lines
from .masks import comparison, overlay
from .progress import curves, scores
from .regions import instances, roi_samples
from .roofline import roofline
from .structure import overlaps, receptive_fields, spectra
from .style import save
