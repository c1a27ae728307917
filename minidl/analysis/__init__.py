"""Properties of networks: receptive fields, cost, memory, checkerboard patterns."""

from .box_shift import BoxShift, box_shift, detector_shift
from .effective import effective_receptive_field, gridding
from .receptive_field import FieldTracer, ReceptiveField, receptive_field
