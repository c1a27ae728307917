"""Looking at networks from outside: what they see, what they cost, what patterns they leave."""

from .receptive_field import FieldTracer, ReceptiveField, receptive_field
