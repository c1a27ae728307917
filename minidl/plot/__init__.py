"""Figures in one style: titles that state the finding, and distinctions that survive printing in grey.

Every function returns a matplotlib Figure without a window: a notebook displays it, and `save` writes it. Classes differ by
colour and by name, lines by dashes and markers; counts have a colour scale whose brightness is monotonic.
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
