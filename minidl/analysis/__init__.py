"""Looking at networks from outside: what they see, what they cost, what patterns they leave."""

from .effective import effective_receptive_field, gridding
from .receptive_field import FieldTracer, ReceptiveField, receptive_field
